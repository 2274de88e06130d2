//! From the journals to the worker.
//!
//! # The feed's contract
//! A feed hands out [`Stretch`]es: dense runs of one journal's records, each starting right behind
//! the cursor or behind the stretch before. It may hand out anything twice; it never leaves a gap:
//! what a journal no longer has comes as a declared loss. After [`LocalFeed::rewind`] it starts again at
//! the cursors.
//!
//! In embedded mode the feed reads the journals' files directly.

mod keeper;
mod local;
mod progress;
mod sightings;

use std::collections::HashMap;

use crate::journal::{JournalId, Lost, Purpose, Record};

pub use keeper::{Keeper, LiveJournal};
pub use local::LocalFeed;
pub use progress::Progress;
pub use sightings::Sightings;

/// The folder of the data directory that holds the journals.
pub const JOURNALS_DIR: &str = "journals";

/// A dense run of one journal.
#[derive(Debug, Clone)]
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

/// What a stretch holds.
#[derive(Debug, Clone)]
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
}

/// Where the store's cursors stand, by journal; absent means 0.
pub type Cursors = HashMap<JournalId, u64>;
