//! The journals of a data directory, living and dead, each read from its own place on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{FeedError, Items, Stretch};
use crate::journal::{
    JournalEntry, JournalError, JournalHeader, JournalId, JournalStats, Purpose, Reader, Step, discover,
};

/// How often new journals are looked for; each start of a process makes some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A journal that cannot be read right now is asked again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

struct Tracked {
    dir: PathBuf,
    header: JournalHeader,
    live: bool,
    state: State,
    not_before: Option<Instant>,
}

enum State {
    /// Nobody has said yet where to start.
    Waiting,
    Reading(Box<Reader>),
    /// Nothing will follow, or nothing is to be read. It stands where it stopped.
    Over {
        after_seq: u64,
    },
}

/// Reads all journals under one folder.
pub(super) struct Journals {
    root: PathBuf,
    stats: Arc<JournalStats>,
    tracked: BTreeMap<JournalId, Tracked>,
    looked: Option<Instant>,
}

impl Journals {
    pub(super) fn new(root: &Path, stats: Arc<JournalStats>) -> Self {
        Self {
            root: root.to_owned(),
            stats,
            tracked: BTreeMap::new(),
            looked: None,
        }
    }

    /// Looks for new journals, and forgets those that were retired. Does so twice a second at most.
    pub(super) fn look(&mut self) -> Result<(), FeedError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        for JournalEntry { id, dir, header, live } in discover(&self.root)? {
            let Some(header) = header else { continue };
            self.tracked.entry(id).or_insert(Tracked {
                dir,
                header,
                live,
                state: State::Waiting,
                not_before: None,
            });
        }
        self.tracked.retain(|_, tracked| tracked.dir.exists());
        self.looked = Some(Instant::now());
        Ok(())
    }

    pub(super) fn ids(&self) -> Vec<JournalId> {
        self.tracked.keys().copied().collect()
    }

    /// Those that wait to be told where to start, and whether each was written to when it was first seen.
    pub(super) fn waiting(&self) -> Vec<(JournalId, bool)> {
        let waiting = self.tracked.iter().filter(|(_, t)| matches!(t.state, State::Waiting));
        waiting.map(|(id, tracked)| (*id, tracked.live)).collect()
    }

    /// Those that may hold more, the API's first: somebody may be waiting.
    pub(super) fn readable(&self) -> Vec<JournalId> {
        let now = Instant::now();
        let readable = |tracked: &Tracked| {
            matches!(tracked.state, State::Reading(_)) && tracked.not_before.is_none_or(|at| now >= at)
        };
        let tracked = self.tracked.iter().filter(|(_, tracked)| readable(tracked));
        let mut order: Vec<_> = tracked.map(|(id, t)| (t.header.purpose != Purpose::Api, *id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// The last sequence that was read, or 0 for one that has not started.
    pub(super) fn position(&self, id: JournalId) -> u64 {
        match self.tracked.get(&id).map(|tracked| &tracked.state) {
            Some(State::Reading(reader)) => reader.next_seq() - 1,
            Some(State::Over { after_seq }) => *after_seq,
            Some(State::Waiting) | None => 0,
        }
    }

    /// Reads a journal from behind `after_seq` on.
    pub(super) fn start(&mut self, id: JournalId, after_seq: u64) {
        let Some(tracked) = self.tracked.get_mut(&id) else {
            return;
        };
        tracked.not_before = None;
        // Retired since it was found: the next look forgets it.
        if let Ok(reader) = Reader::open(&tracked.dir, after_seq) {
            tracked.state = State::Reading(Box::new(reader.with_stats(Arc::clone(&self.stats))));
        }
    }

    /// All journals wait to be started again.
    pub(super) fn stop_all(&mut self) {
        for tracked in self.tracked.values_mut() {
            tracked.state = State::Waiting;
        }
        self.looked = None;
    }

    /// Reads no more of a journal until it is started again.
    pub(super) fn hold(&mut self, id: JournalId) {
        let after_seq = self.position(id);
        if let Some(tracked) = self.tracked.get_mut(&id) {
            tracked.state = State::Over { after_seq };
        }
    }

    /// Reads on in one journal. `None` when there is nothing right now; a journal that cannot be read is said and asked
    /// again in a while, so that it does not keep the others from being read.
    pub(super) fn read(&mut self, id: JournalId, max_records: usize, max_bytes: usize) -> Option<Stretch> {
        let tracked = self.tracked.get_mut(&id)?;
        let State::Reading(reader) = &mut tracked.state else {
            return None;
        };
        let after_seq = reader.next_seq() - 1;
        let items = match reader.read(max_records, max_bytes) {
            Ok(Step::Records(records)) => Items::Records(records),
            Ok(Step::Lost(lost)) => Items::Lost(lost),
            Ok(Step::CaughtUp) => return None,
            Ok(Step::Ended { .. }) => {
                tracked.state = State::Over { after_seq };
                return None;
            }
            Err(JournalError::Gone(_)) => {
                self.tracked.remove(&id);
                return None;
            }
            Err(error) => {
                tracing::error!(journal = %id, %error, "a journal cannot be read; trying again in a while");
                tracked.not_before = Some(Instant::now() + TRY_AGAIN);
                return None;
            }
        };
        Some(Stretch {
            journal: id,
            tag: tracked.header.tag,
            purpose: tracked.header.purpose,
            after_seq,
            items,
        })
    }
}
