//! The feed of embedded mode: reads this data directory's journals, living and dead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cursors, FeedError, Items, Stretch};
use crate::journal::{JournalError, JournalHeader, JournalId, JournalStats, Purpose, Reader, Step, discover};

/// How often new journals are looked for; each start of a process makes some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Payload bytes taken from one journal at once.
const BYTES_AT_ONCE: usize = 8 << 20;

/// A journal that cannot be read right now is asked again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

struct Tracked {
    header: JournalHeader,
    reader: Reader,
    ended: bool,
    not_before: Option<Instant>,
}

impl Tracked {
    fn readable(&self) -> bool {
        !self.ended && self.not_before.is_none_or(|at| Instant::now() >= at)
    }
}

/// Reads all journals under one folder in turn.
pub struct LocalFeed {
    root: PathBuf,
    stats: Arc<JournalStats>,
    tracked: BTreeMap<JournalId, Tracked>,
    cursors: Cursors,
    looked: Option<Instant>,
}

impl LocalFeed {
    /// A feed of the journals under `root`, starting at the store's cursors.
    #[must_use]
    pub fn new(root: &Path, cursors: Cursors, stats: Arc<JournalStats>) -> Self {
        Self {
            root: root.to_owned(),
            stats,
            tracked: BTreeMap::new(),
            cursors,
            looked: None,
        }
    }

    /// Forgets how far it has read and starts again at these cursors.
    pub fn rewind(&mut self, cursors: Cursors) {
        self.tracked.clear();
        self.cursors = cursors;
        self.looked = None;
    }

    /// Reads on in every journal: the API's first, because somebody may be waiting, and the others
    /// to equal parts. At most `max_records` altogether; empty when everything was read. Does not
    /// wait. A journal that cannot be read does not keep the others from being read.
    ///
    /// # Errors
    /// [`FeedError`] when the folder cannot be listed.
    pub fn poll(&mut self, max_records: usize) -> Result<Vec<Stretch>, FeedError> {
        self.look()?;
        let readable = self.tracked.iter().filter(|(_, tracked)| tracked.readable());
        let mut order: Vec<_> = readable
            .map(|(id, t)| (t.header.purpose != Purpose::Api, *id))
            .collect();
        order.sort_unstable();
        let mut stretches = Vec::new();
        let mut room = max_records;
        let mut left = order.len();
        for (_, id) in order {
            if let Some(stretch) = self.read(id, room.div_ceil(left)) {
                if let Items::Records(records) = &stretch.items {
                    room -= records.len().min(room);
                }
                stretches.push(stretch);
            }
            left -= 1;
            if room == 0 {
                break;
            }
        }
        Ok(stretches)
    }

    fn read(&mut self, id: JournalId, max_records: usize) -> Option<Stretch> {
        let tracked = self.tracked.get_mut(&id)?;
        let after_seq = tracked.reader.next_seq() - 1;
        let items = match tracked.reader.read(max_records, BYTES_AT_ONCE) {
            Ok(Step::Records(records)) => Items::Records(records),
            Ok(Step::Lost(lost)) => Items::Lost(lost),
            Ok(Step::CaughtUp) => return None,
            Ok(Step::Ended { .. }) => {
                tracked.ended = true;
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

    /// Stops reading a journal until the next rewind: it holds a record that this version must not skip.
    pub fn hold(&mut self, journal: JournalId) {
        if let Some(tracked) = self.tracked.get_mut(&journal) {
            tracked.ended = true;
        }
    }

    fn look(&mut self) -> Result<(), FeedError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        for entry in discover(&self.root)? {
            let Some(header) = entry.header.filter(|_| !self.tracked.contains_key(&entry.id)) else {
                continue;
            };
            let after_seq = self.cursors.get(&entry.id).copied().unwrap_or(0);
            // Retired since it was found; or it is met again at the next look.
            let Ok(reader) = Reader::open(&entry.dir, after_seq) else {
                continue;
            };
            let reader = reader.with_stats(Arc::clone(&self.stats));
            self.tracked.insert(
                entry.id,
                Tracked {
                    header,
                    reader,
                    ended: false,
                    not_before: None,
                },
            );
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}
