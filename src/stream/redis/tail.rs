//! Looks into the streams without taking anything out.

use super::client::Redis;
use super::commands::EntryId;
use super::format::{Entry, EntryError};
use crate::stream::{FeedError, Stretch};

/// Entries read at a time.
const PAGE_ENTRIES: usize = 16;

/// What lies in a stream.
#[derive(Debug)]
pub enum Seen {
    /// A batch.
    Batch(Stretch),
    /// An entry that cannot be read.
    Unreadable {
        /// Its id.
        entry: String,
        /// Why.
        why: EntryError,
    },
}

/// Reads one shard's stream from its start.
#[derive(Debug)]
pub struct Tail {
    redis: Redis,
    shard: u16,
    after: Option<EntryId>,
}

impl Tail {
    /// At the start of a shard.
    #[must_use]
    pub fn new(redis: Redis, shard: u16) -> Self {
        Self {
            redis,
            shard,
            after: None,
        }
    }

    /// Reads on; empty at the end of what is there now.
    ///
    /// # Errors
    /// [`FeedError::Redis`] when Redis does not answer.
    pub async fn read(&mut self) -> Result<Vec<Seen>, FeedError> {
        let from = self
            .after
            .as_ref()
            .map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let page = self.redis.range(self.shard, &from, PAGE_ENTRIES).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.id.clone());
        }
        let see = |found: super::commands::Found| {
            let entry = found.batch.ok_or(EntryError::Unreadable);
            let stretch = entry.and_then(|batch| Entry::decode(&batch)?.unpack(0));
            match stretch {
                Ok(stretch) => Seen::Batch(stretch),
                Err(why) => Seen::Unreadable { entry: found.id, why },
            }
        };
        Ok(page.into_iter().map(see).collect())
    }
}
