//! Where the store's cursors stand, and who says so.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::FeedError;
use crate::journal::JournalId;
use crate::store::Store;

/// By journal; absent means 0: the store has never heard of it.
pub type Cursors = HashMap<JournalId, u64>;

/// Where one journal's cursor stands.
#[must_use]
pub fn cursor_of(cursors: &Cursors, journal: JournalId) -> u64 {
    cursors.get(&journal).copied().unwrap_or(0)
}

/// A store that takes longer to tell cursors does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What [`CursorSource::cursors`] returns.
pub type Reading<'s> = Pin<Box<dyn Future<Output = Result<Cursors, FeedError>> + Send + 's>>;

/// Tells where cursors stand: the store, or a test.
pub trait CursorSource: Send + Sync {
    /// The cursors of these journals, as they stand at some moment between the call and the answer.
    fn cursors(&self, journals: Vec<JournalId>) -> Reading<'_>;
}

impl CursorSource for Store {
    fn cursors(&self, journals: Vec<JournalId>) -> Reading<'_> {
        Box::pin(async move {
            let names: Vec<String> = journals.iter().map(ToString::to_string).collect();
            let read = tokio::time::timeout(PATIENCE, self.cursors_of(&names)).await;
            let rows = read.map_err(|_| FeedError::NoAnswer)??;
            let known = rows
                .into_iter()
                .filter_map(|(uuid, seq)| Some((uuid.parse().ok()?, u64::try_from(seq).ok()?)));
            Ok(known.collect())
        })
    }
}
