//! What the journals of a process count, for the caller to publish.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters shared by the writers, syncers and readers that were given the same `Arc`. All only go up.
///
/// Readers count what they come across: a reader that is rewound over the same damage counts it again.
#[derive(Debug, Default)]
pub struct JournalStats {
    /// Records appended.
    pub appended: AtomicU64,
    /// `fdatasync` or directory `fsync` calls that failed; each may have cost what was not yet on disk.
    pub sync_failures: AtomicU64,
    /// Places where the bytes on disk were not what was written, whether or not a record was lost there.
    pub corrupt_ranges: AtomicU64,
    /// Records declared lost, whatever the reason.
    pub lost_records: AtomicU64,
    /// Dead journals that ended in an unfinished frame.
    pub torn_tails: AtomicU64,
}

/// Adds to a counter; nothing is ordered by it.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
