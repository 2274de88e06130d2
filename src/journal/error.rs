//! What can go wrong, typed by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Making, finding, reading or deleting a journal failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No room: the disk, the quota or the budget is used up. Try again when something has been deleted.
    #[error("no room for a journal: the disk, the quota or the journal budget is used up")]
    Full,
    /// The directory's name is not a journal id, so its frames cannot be checked.
    #[error("{0} is not a journal: its name is not a journal id")]
    NotAJournal(PathBuf),
    /// The directory does not exist (any more); somebody retired it.
    #[error("the journal {0} is gone")]
    Gone(PathBuf),
    /// Written by a later release; this one must neither read nor delete it.
    #[error("{path} has format {format}, which this release cannot read")]
    UnknownFormat {
        /// The segment.
        path: PathBuf,
        /// The format its intact header names.
        format: u16,
    },
    /// The operating system gave no random bytes for the journal's tag.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// Any other failure of the file system.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl JournalError {
    /// Adds what was being done to which path; a full disk becomes [`JournalError::Full`].
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if is_full(&source) {
                return Self::Full;
            }
            let path = path.to_owned();
            Self::Io { doing, path, source }
        }
    }
}

/// A record was not appended. No sequence was used up, and nothing of the record stays in the journal.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No room (ENOSPC, EDQUOT, EFBIG or the budget). A later append may succeed.
    #[error("no room for a record: the disk, the quota or the journal budget is used up")]
    Full,
    /// The payload is larger than [`MAX_PAYLOAD_BYTES`](super::MAX_PAYLOAD_BYTES).
    #[error("a record of {payload_bytes} bytes is too large")]
    TooLarge {
        /// The size of the refused payload.
        payload_bytes: usize,
    },
    /// Any other failure of the file system.
    #[error("cannot append: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for AppendError {
    fn from(source: io::Error) -> Self {
        if is_full(&source) { Self::Full } else { Self::Io(source) }
    }
}

/// Records appended since the last successful sync may not survive a power cut. They are still readable now.
///
/// The next append opens a new segment; the failed one is never synced again.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The operating system refused.
    #[error("cannot sync the journal: {0}")]
    Io(#[source] io::Error),
    /// A sync of the same segment failed before, in this thread or in the background.
    #[error("an earlier sync of this segment failed")]
    Earlier,
}

/// Whether the error says that there is no room, rather than that something is broken.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
