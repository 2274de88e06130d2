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

struct Tracked {
    header: JournalHeader,
    reader: Reader,
    ended: bool,
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

    /// Reads on in every journal: the API's first, because somebody may be waiting. At most
    /// `max_records` altogether; empty when everything was read. Does not wait.
    ///
    /// # Errors
    /// [`FeedError`] when a journal cannot be read; the others are read all the same at the next call.
    pub fn poll(&mut self, max_records: usize) -> Result<Vec<Stretch>, FeedError> {
        self.look()?;
        let mut stretches = Vec::new();
        let mut room = max_records;
        let mut order: Vec<_> = self
            .tracked
            .iter()
            .map(|(id, t)| (t.header.purpose != Purpose::Api, *id))
            .collect();
        order.sort_unstable();
        for (_, id) in order {
            let Some(tracked) = self.tracked.get_mut(&id).filter(|tracked| !tracked.ended) else {
                continue;
            };
            if room == 0 {
                break;
            }
            let after_seq = tracked.reader.next_seq() - 1;
            let items = match tracked.reader.read(room, BYTES_AT_ONCE) {
                Ok(Step::Records(records)) => {
                    room -= records.len().min(room);
                    Items::Records(records)
                }
                Ok(Step::Lost(lost)) => Items::Lost(lost),
                Ok(Step::CaughtUp) => continue,
                Ok(Step::Ended { .. }) => {
                    tracked.ended = true;
                    continue;
                }
                Err(JournalError::Gone(_)) => {
                    self.tracked.remove(&id);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            stretches.push(Stretch {
                journal: id,
                tag: tracked.header.tag,
                purpose: tracked.header.purpose,
                after_seq,
                items,
            });
        }
        Ok(stretches)
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
            let reader = Reader::open(&entry.dir, after_seq)?.with_stats(Arc::clone(&self.stats));
            self.tracked.insert(
                entry.id,
                Tracked {
                    header,
                    reader,
                    ended: false,
                },
            );
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}
