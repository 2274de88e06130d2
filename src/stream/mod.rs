//! From the journals to the worker.
//!
//! # The feed's contract
//! A [`Feed`] hands out [`Lot`]s of [`Stretch`]es: dense runs of one journal's records, each starting right behind the
//! cursor or behind the stretch before. It may hand out anything twice; it never leaves a gap: what a journal no longer
//! has comes as a declared loss. After [`Feed::rewind`] it starts again at the store's cursors, wherever they are then,
//! also where they went back because an older store was restored.
//!
//! In embedded mode the feed reads the journals' files directly ([`LocalFeed`]). With Redis a [`Forwarder`] on every node
//! that has journals carries them into streams, and the feed of any worker reads those ([`RedisFeed`]).

mod cursors;
mod journals;
mod keeper;
mod local;
mod progress;
mod redis;
mod sightings;

use std::future::Future;

use crate::journal::{JournalId, Lost, Purpose, Record};
use crate::store::StoreError;

pub use cursors::{CursorSource, Cursors, Reading, cursor_of};
pub use keeper::{Keeper, LiveJournal};
pub use local::LocalFeed;
pub use progress::Progress;
pub use redis::{
    Entry, EntryError, Forwarder, OwnedShards, Redis, RedisFeed, SHARDS_MAX, Seen, Tail, all_shards, shard_of,
    stream_key,
};
pub use sightings::Sightings;

/// The folder of the data directory that holds the journals.
pub const JOURNALS_DIR: &str = "journals";

/// Where a worker's records come from.
pub trait Feed: Send + 'static {
    /// Whether a stopping worker commits everything that is left, because nobody else would before the next start.
    const DRAINS: bool;

    /// Reads on, at most about `max_records`, without waiting for more; empty when everything was read. What was handed out
    /// before must be committed by now, or the feed rewound.
    ///
    /// # Errors
    /// [`FeedError`] when neither records nor the lack of them can be known; asking again later may help.
    fn poll(&mut self, max_records: usize) -> impl Future<Output = Result<Lot, FeedError>> + Send;

    /// The last lot is committed.
    fn done(&mut self) -> impl Future<Output = ()> + Send;

    /// Forgets how far it has read and starts again at the store's cursors.
    fn rewind(&mut self);

    /// Hands out no more of a journal until the next rewind: it holds a record that this version must not skip.
    fn hold(&mut self, journal: JournalId);
}

/// What one transaction commits.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The stream's shard that it is from.
    pub shard: u16,
    /// The runs, each of another journal.
    pub stretches: Vec<Stretch>,
}

/// A dense run of one journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The journal.
    pub journal: JournalId,
    /// Its tag in click ids.
    pub tag: u32,
    /// Who wrote it.
    pub purpose: Purpose,
    /// The sequence right before the run.
    pub after_seq: u64,
    /// The run.
    pub items: Items,
}

impl Stretch {
    /// The last sequence of the run.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        match &self.items {
            Items::Records(records) => self.after_seq + records.len() as u64,
            Items::Lost(lost) => lost.to,
        }
    }
}

/// What a stretch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Items {
    /// Records, dense.
    Records(Vec<Record>),
    /// A declared loss.
    Lost(Lost),
}

/// What went wrong while reading.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A journal's files cannot be read.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// The cursors cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store takes too long to tell the cursors.
    #[error("the store does not tell the cursors")]
    NoAnswer,
    /// Redis did not do what it was asked, or did not say so.
    #[error("redis: {0}")]
    Redis(#[from] ::redis::RedisError),
}
