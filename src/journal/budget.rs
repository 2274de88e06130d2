//! How many bytes all journals of a process may occupy.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::directory;
use super::error::JournalError;
use super::segment::segments;

/// A shared count of the bytes in segments: appends reserve, pruning releases.
///
/// Without it a long outage of the store would fill the disk for everybody else on the machine.
#[derive(Debug)]
pub struct Budget {
    max_bytes: u64,
    used_bytes: AtomicU64,
}

impl Budget {
    /// An empty budget of `max_bytes`.
    pub fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            used_bytes: AtomicU64::new(0),
        }
    }

    /// A budget of `max_bytes` that already counts every segment found under `root`, of whichever journal.
    /// A root that does not exist counts as empty.
    ///
    /// # Errors
    /// [`JournalError::Io`] when a directory cannot be listed.
    pub fn scan(root: &Path, max_bytes: u64) -> Result<Self, JournalError> {
        let mut used_bytes = 0;
        for (_, dir, _) in directory::journal_dirs(root)? {
            match segments(&dir) {
                Ok(found) => used_bytes += found.iter().map(|segment| segment.bytes).sum::<u64>(),
                // Retired by somebody between the two listings.
                Err(JournalError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            max_bytes,
            used_bytes: AtomicU64::new(used_bytes),
        })
    }

    /// The limit.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Bytes in segments now. May exceed the limit when that was lowered between two starts, and by headers of new journals.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, or nothing when they do not fit.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        // Adding first and taking back is one instruction in the usual case, where a compare-and-set would loop.
        let before = self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.max_bytes {
            return true;
        }
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    /// Takes `bytes` even beyond the limit. For the header of a new journal: a start at the limit must still be able to
    /// make its journals, or nothing would run that confirms and deletes the old ones.
    pub(super) fn take(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The same as an error of the kind a full disk gives, so that both take one path.
    pub(super) fn reserve_or_full(&self, bytes: u64) -> io::Result<()> {
        if self.reserve(bytes) {
            return Ok(());
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Gives `bytes` back. Never goes below zero: a segment may have been deleted by hand and counted by nobody.
    pub(super) fn release(&self, bytes: u64) {
        self.used_bytes
            .update(Ordering::Relaxed, Ordering::Relaxed, |used| used.saturating_sub(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let budget = Budget::new(100);
        assert!(budget.reserve(60));
        assert!(!budget.reserve(41));
        assert_eq!(budget.used_bytes(), 60);
        assert!(budget.reserve(40));
        budget.take(64);
        assert!(!budget.reserve(1));
        assert_eq!(budget.used_bytes(), 164);
        budget.release(1000);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_root_that_does_not_exist_is_an_empty_budget() -> Result<(), JournalError> {
        let budget = Budget::scan(Path::new("/nonexistent/linkledger"), 7)?;
        assert_eq!((budget.used_bytes(), budget.max_bytes()), (0, 7));
        Ok(())
    }
}
