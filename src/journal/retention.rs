//! Deleting what the store has confirmed, and saying what it has not.

use std::fs;
use std::io;
use std::path::Path;

use super::budget::Budget;
use super::directory::{DeadLock, is_unpublished, lock_is_held, take_dead_lock};
use super::error::JournalError;
use super::reader::{Reader, Step};
use super::segment::{SegmentInfo, segments, unix_ms};
use super::trace::{is_trace, reduce_to_trace, remove_dir};

/// How much of a journal is read at a time when only its end matters.
const SKIM_RECORDS: usize = 4096;
const SKIM_BYTES: usize = 1 << 20;

/// A journal that has no name yet is left alone this long: its writer may be between making it and locking it.
const UNPUBLISHED_KEPT_MS: u64 = 60_000;

/// Which confirmed segments may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrunePolicy {
    /// Keep what was written to less than this long ago: a restored store may ask for it again.
    pub keep_newer_than_ms: u64,
    /// The time to judge ages by, in milliseconds since 1970.
    pub now_ms: u64,
    /// Until this many bytes are freed, delete the oldest regardless of age.
    pub bytes_to_free: u64,
}

impl PrunePolicy {
    fn is_old(&self, modified_ms: u64) -> bool {
        self.now_ms.saturating_sub(modified_ms) > self.keep_newer_than_ms
    }
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many segments.
    pub segments: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// What [`retire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// The directory is gone: it never had a record, or none that could be told whose it is.
    Removed(Pruned),
    /// Only a trace is left, by which a reader that asks for its records declares them lost.
    Reduced(Pruned),
    /// Nothing was touched.
    Kept(KeptWhy),
}

/// Why a journal was not retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptWhy {
    /// A writer holds it, or somebody was just looking whether one does.
    Live,
    /// It holds, or lost, something beyond the confirmed sequence.
    Unconfirmed,
    /// It was written to too recently.
    Young,
    /// It is a trace already: [`forget_traces`](super::forget_traces).
    Trace,
}

/// Deletes segments of the journal in `dir` whose every record is at or below `confirmed_seq`, oldest first, as far as
/// the policy goes, and gives their bytes back to the budget. There are never holes: it stops at the first one that stays.
///
/// The last segment of a live journal always stays. That of a dead one goes like any other, and leaves what [`retire`] leaves.
/// Commit the confirmation before calling this.
///
/// # Errors
/// [`JournalError::Io`] when something cannot be listed, read or deleted. What was deleted before stays deleted and given
/// back. [`JournalError::Gone`] when the directory does not exist.
pub fn prune(dir: &Path, confirmed_seq: u64, policy: PrunePolicy, budget: &Budget) -> Result<Pruned, JournalError> {
    let mut pruned = Pruned::default();
    if is_unpublished(dir) {
        return Ok(pruned);
    }
    for segment in segments(dir)? {
        if !policy.is_old(segment.modified_ms) && pruned.bytes >= policy.bytes_to_free {
            break;
        }
        if let Some(last_seq) = segment.last_seq {
            if last_seq > confirmed_seq {
                break;
            }
            delete(&segment, budget, &mut pruned)?;
            continue;
        }
        let last = [segment];
        // Dead first: after that no record can appear behind the last one found.
        if is_live(dir)? || is_trace(&last) {
            break;
        }
        let last_seq = last_seq(dir)?;
        if last_seq <= confirmed_seq {
            reduce_to_trace(dir, &last, last_seq, policy.now_ms, budget, &mut pruned)?;
        }
    }
    Ok(pruned)
}

/// Deletes the records of a dead journal that is confirmed to its end and was last written to more than
/// `keep_newer_than_ms` before `now_ms`, and leaves a trace. One that never had a record goes with its directory, also when it
/// was interrupted while being made or retired.
///
/// A loss counts as something to confirm: pass [`Lost::to`](super::Lost::to) as `confirmed_seq` once it was declared.
///
/// # Errors
/// [`JournalError::Io`] when something cannot be listed, read or deleted; trying again later takes up where this left off.
/// [`JournalError::UnknownFormat`] when a later release wrote it. A directory that is gone is no error.
pub fn retire(
    dir: &Path,
    confirmed_seq: u64,
    keep_newer_than_ms: u64,
    now_ms: u64,
    budget: &Budget,
) -> Result<Retired, JournalError> {
    let mut pruned = Pruned::default();
    if !dir.exists() {
        return Ok(Retired::Removed(pruned));
    }
    if is_unpublished(dir) && age_ms(dir, now_ms)? < UNPUBLISHED_KEPT_MS {
        return Ok(Retired::Kept(KeptWhy::Young));
    }
    let held = match take_dead_lock(dir).map_err(JournalError::io("lock", dir))? {
        DeadLock::Held => return Ok(Retired::Kept(KeptWhy::Live)),
        DeadLock::Taken(lock) => Some(lock),
        DeadLock::Missing => None,
    };
    let found = segments(dir)?;
    let policy = PrunePolicy {
        keep_newer_than_ms,
        now_ms,
        bytes_to_free: 0,
    };
    let mut reduced = false;
    if !is_unpublished(dir) && !found.is_empty() {
        let last_seq = last_seq(dir)?;
        let young = !found.iter().all(|segment| policy.is_old(segment.modified_ms));
        let kept = match (is_trace(&found), last_seq > confirmed_seq) {
            (true, false) => Some(KeptWhy::Trace),
            (false, _) if young => Some(KeptWhy::Young),
            (_, true) => Some(KeptWhy::Unconfirmed),
            (false, false) => None,
        };
        if let Some(why) = kept {
            return Ok(Retired::Kept(why));
        }
        reduced = reduce_to_trace(dir, &found, last_seq, now_ms, budget, &mut pruned)?;
    } else {
        for segment in &found {
            delete(segment, budget, &mut pruned)?;
        }
    }
    if reduced {
        return Ok(Retired::Reduced(pruned));
    }
    // The lock last, so that whatever a crash leaves is a shorter journal, or an empty directory.
    remove_dir(dir)?;
    drop(held);
    Ok(Retired::Removed(pruned))
}

/// The highest sequence that the journal in `dir` gave out, as far as its files still tell; 0 when there is none. Reads the
/// last segment to its end. For a live journal it is already the past when it returns.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`].
pub fn last_seq(dir: &Path) -> Result<u64, JournalError> {
    let Some(last) = segments(dir)?.pop() else {
        return Ok(0);
    };
    // A segment's name is proof that everything before was given out, even if it holds nothing.
    let mut reader = Reader::open(dir, last.first_seq.saturating_sub(1))?;
    loop {
        match reader.read(SKIM_RECORDS, SKIM_BYTES)? {
            Step::Records(_) | Step::Lost(_) => {}
            Step::CaughtUp | Step::Ended { .. } => return Ok(reader.next_seq() - 1),
        }
    }
}

/// What a journal holds beyond the confirmed sequence, as far as the directory tells without reading records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Segments with something unconfirmed. The last segment is counted as soon as it may hold something.
    pub segments: u64,
    /// The bytes of those segments: an upper bound of the unconfirmed bytes.
    pub bytes: u64,
    /// No unconfirmed record is older than this (milliseconds since 1970), as far as the segment before tells; `None` when
    /// there is none before. The exact time of a record is in its payload.
    pub not_before_ms: Option<u64>,
    /// The oldest unconfirmed segment was last written to then; `None` when nothing is unconfirmed.
    pub oldest_segment_modified_ms: Option<u64>,
}

/// What the journal in `dir` holds beyond `confirmed_seq`, given that `last_seq` was its last sequence: from
/// [`SyncHandle::next_seq`](super::SyncHandle::next_seq) for a journal of this process, or from [`last_seq`]. The number of
/// unconfirmed records is the difference of the two.
///
/// # Errors
/// As [`segments`].
pub fn backlog(dir: &Path, confirmed_seq: u64, last_seq: u64) -> Result<Backlog, JournalError> {
    let mut backlog = Backlog::default();
    for segment in segments(dir)? {
        if segment.last_seq.unwrap_or(last_seq) <= confirmed_seq {
            backlog.not_before_ms = Some(segment.modified_ms);
            continue;
        }
        backlog.segments += 1;
        backlog.bytes += segment.bytes;
        backlog.oldest_segment_modified_ms.get_or_insert(segment.modified_ms);
    }
    if backlog.segments == 0 {
        backlog.not_before_ms = None;
    }
    Ok(backlog)
}

fn is_live(dir: &Path) -> Result<bool, JournalError> {
    lock_is_held(dir).map_err(JournalError::io("probe the lock of", dir))
}

fn age_ms(dir: &Path, now_ms: u64) -> Result<u64, JournalError> {
    let modified = fs::metadata(dir).and_then(|metadata| metadata.modified());
    let modified = modified.map_err(JournalError::io("inspect", dir))?;
    Ok(now_ms.saturating_sub(unix_ms(modified)))
}

/// Deletes one segment and gives its bytes back. One that is gone was given back by whoever deleted it.
pub(super) fn delete(segment: &SegmentInfo, budget: &Budget, pruned: &mut Pruned) -> Result<(), JournalError> {
    if unless_missing(&segment.path, fs::remove_file(&segment.path))? {
        budget.release(segment.bytes);
        pruned.segments += 1;
        pruned.bytes += segment.bytes;
    }
    Ok(())
}

/// Whether there was something to delete.
pub(super) fn unless_missing(path: &Path, outcome: io::Result<()>) -> Result<bool, JournalError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::io("delete", path)(error)),
    }
}
