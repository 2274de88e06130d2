//! What has been written but is not on disk yet, and bringing it there.
//!
//! The appender and the thread that syncs share this state. The appender only ever stores a length, or, on rotation,
//! swaps a pointer under a mutex that nobody holds across a system call.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::SyncError;
use super::stats::{JournalStats, count};

/// An open segment with how much of it was written and how much of that is on disk.
#[derive(Debug)]
pub(super) struct SegmentFile {
    file: File,
    written_bytes: AtomicU64,
    synced_bytes: AtomicU64,
    /// A sync failed: what was dirty then may be gone, and syncing again would succeed without having written it.
    failed: AtomicBool,
}

impl SegmentFile {
    /// A file of which `written_bytes` were written and `synced_bytes` are on disk.
    pub(super) fn new(file: File, written_bytes: u64, synced_bytes: u64) -> Self {
        Self {
            file,
            written_bytes: AtomicU64::new(written_bytes),
            synced_bytes: AtomicU64::new(synced_bytes),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Tells the syncing thread that the file is good up to here.
    pub(super) fn set_written_bytes(&self, bytes: u64) {
        self.written_bytes.store(bytes, Ordering::Release);
    }

    /// Whether the appender must leave this file alone.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn is_unsynced(&self) -> bool {
        self.written_bytes.load(Ordering::Acquire) > self.synced_bytes.load(Ordering::Acquire)
    }

    /// Whether a sync is due and allowed.
    fn is_dirty(&self) -> bool {
        !self.has_failed() && self.is_unsynced()
    }

    fn sync(&self) -> io::Result<()> {
        let written_bytes = self.written_bytes.load(Ordering::Acquire);
        if let Err(error) = rustix::fs::fdatasync(&self.file) {
            self.failed.store(true, Ordering::Release);
            return Err(error.into());
        }
        self.synced_bytes.store(written_bytes, Ordering::Release);
        Ok(())
    }
}

#[derive(Debug)]
struct Queue {
    current: Arc<SegmentFile>,
    /// Rotated away, not on disk yet. Bounded by the budget over the segment size.
    sealed: Vec<Arc<SegmentFile>>,
    /// A segment's name is not on disk yet.
    directory_changed: bool,
}

#[derive(Debug)]
struct Shared {
    directory: File,
    queue: Mutex<Queue>,
    /// Held while syncing, so that two threads do not sync the same file and one of them misses its error.
    turn: Mutex<()>,
    failures: AtomicU64,
    next_seq: AtomicU64,
    writer_gone: AtomicBool,
    stats: Arc<JournalStats>,
}

/// Syncs one journal from any thread. Does not keep the journal alive: its lock belongs to the writer alone.
#[derive(Debug, Clone)]
pub struct SyncHandle(Arc<Shared>);

impl SyncHandle {
    /// For a journal whose directory, and whatever `current` says of itself, is on disk.
    pub(super) fn new(directory: File, current: Arc<SegmentFile>, stats: Arc<JournalStats>) -> Self {
        Self(Arc::new(Shared {
            directory,
            queue: Mutex::new(Queue {
                current,
                sealed: Vec::new(),
                directory_changed: false,
            }),
            turn: Mutex::new(()),
            failures: AtomicU64::new(0),
            next_seq: AtomicU64::new(1),
            writer_gone: AtomicBool::new(false),
            stats,
        }))
    }

    /// The sequence the writer will give next; for metrics of other threads.
    pub fn next_seq(&self) -> u64 {
        self.0.next_seq.load(Ordering::Acquire)
    }

    /// Whether something was written that is not on disk and can still be brought there.
    pub fn is_dirty(&self) -> bool {
        let queue = locked(&self.0.queue);
        queue.directory_changed || !queue.sealed.is_empty() || queue.current.is_dirty()
    }

    /// Brings everything appended before the call to disk, with `fdatasync` of each unsynced segment and, after a rotation,
    /// `fsync` of the directory. Appends go on meanwhile.
    ///
    /// # Errors
    /// [`SyncError`] when that failed, or failed before for the segment being written. Everything else is synced all the same.
    pub fn sync(&self) -> Result<(), SyncError> {
        let _turn = locked(&self.0.turn);
        let (sealed, current, directory_changed) = {
            let mut queue = locked(&self.0.queue);
            (
                mem::take(&mut queue.sealed),
                Arc::clone(&queue.current),
                mem::take(&mut queue.directory_changed),
            )
        };
        let mut outcome = Ok(());
        for segment in sealed.iter().chain([&current]) {
            if segment.is_dirty() {
                if let Err(error) = segment.sync() {
                    outcome = Err(self.failed("segment", error));
                }
            } else if segment.is_unsynced() && outcome.is_ok() {
                outcome = Err(SyncError::Earlier);
            }
        }
        if directory_changed && let Err(error) = self.0.directory.sync_all() {
            // The names may be gone, so what is written from here on needs a new one.
            current.failed.store(true, Ordering::Release);
            outcome = Err(self.failed("directory", error));
        }
        outcome
    }

    fn failed(&self, what: &'static str, error: io::Error) -> SyncError {
        // After the segment's own mark: who sees the count must also see the mark.
        self.0.failures.fetch_add(1, Ordering::AcqRel);
        count(&self.0.stats.sync_failures, 1);
        tracing::error!(
            what,
            %error,
            "syncing the journal failed; a power cut may now cost records that were appended before"
        );
        SyncError::Io(error)
    }

    /// How many syncs of this journal failed so far.
    pub(super) fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Acquire)
    }

    pub(super) fn set_next_seq(&self, seq: u64) {
        self.0.next_seq.store(seq, Ordering::Release);
    }

    /// Makes `next` the segment being written; the one before stays queued until it is on disk.
    pub(super) fn rotate(&self, next: Arc<SegmentFile>) {
        let mut queue = locked(&self.0.queue);
        let sealed = mem::replace(&mut queue.current, next);
        if sealed.is_dirty() {
            queue.sealed.push(sealed);
        }
        queue.directory_changed = true;
    }

    pub(super) fn set_writer_gone(&self) {
        self.0.writer_gone.store(true, Ordering::Release);
    }

    /// Whether no append can make this journal dirty again.
    pub(super) fn is_writer_gone(&self) -> bool {
        self.0.writer_gone.load(Ordering::Acquire)
    }
}

/// Locks whatever a panic left: the state is a few independent fields, none of which can be half changed.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
