//! The feed of embedded mode: reads this data directory's journals, living and dead.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journals::Journals;
use super::{CursorSource, Feed, FeedError, Items, Lot, cursor_of};
use crate::journal::{JournalId, JournalStats};

/// Payload bytes taken from one journal at once.
const BYTES_AT_ONCE: usize = 8 << 20;
/// How often the store is asked whether its cursors went back: then an older one was restored.
const COMPARE_EVERY: Duration = Duration::from_secs(2);

/// Reads all journals under one folder in turn.
pub struct LocalFeed {
    journals: Journals,
    source: Arc<dyn CursorSource>,
    /// Journals that wait for a newer worker; they stand ahead of their cursors.
    held: HashSet<JournalId>,
    compared: Instant,
}

impl LocalFeed {
    /// A feed of the journals under `root`, starting at the cursors that `source` tells.
    #[must_use]
    pub fn new(root: &Path, source: Arc<dyn CursorSource>, stats: Arc<JournalStats>) -> Self {
        Self {
            journals: Journals::new(root, stats),
            source,
            held: HashSet::new(),
            compared: Instant::now(),
        }
    }

    /// Starts journals that were found, and again those whose cursor went back.
    async fn follow_cursors(&mut self) -> Result<(), FeedError> {
        let waiting = self.journals.waiting();
        if waiting.is_empty() && self.compared.elapsed() < COMPARE_EVERY {
            return Ok(());
        }
        self.compared = Instant::now();
        let cursors = match self.source.cursors(self.journals.ids()).await {
            Ok(cursors) => cursors,
            // Nothing new is to be started; that the store is down is told by the next commit.
            Err(_) if waiting.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        };
        for (id, _) in waiting {
            self.journals.start(id, cursor_of(&cursors, id));
        }
        // Everything that was handed out is committed, so what was read is what the cursor should say.
        for id in self.journals.ids() {
            let (before, now) = (self.journals.position(id), cursor_of(&cursors, id));
            if now < before && !self.held.contains(&id) {
                tracing::warn!(journal = %id, before, now, "the store went back; its records are committed again");
                self.journals.start(id, now);
            }
        }
        Ok(())
    }
}

impl Feed for LocalFeed {
    const DRAINS: bool = true;

    /// The API's journals are read first, and the others to equal parts.
    async fn poll(&mut self, max_records: usize) -> Result<Lot, FeedError> {
        self.journals.look()?;
        self.follow_cursors().await?;
        let order = self.journals.readable();
        let mut stretches = Vec::new();
        let mut room = max_records;
        let mut left = order.len();
        for id in order {
            if let Some(stretch) = self.journals.read(id, room.div_ceil(left), BYTES_AT_ONCE) {
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
        Ok(Lot { shard: 0, stretches })
    }

    async fn done(&mut self) {}

    fn rewind(&mut self) {
        self.journals.stop_all();
        self.held.clear();
    }

    fn hold(&mut self, journal: JournalId) {
        self.held.insert(journal);
        self.journals.hold(journal);
    }
}
