//! What is left of a retired journal: one empty segment, named by the sequence behind the last one that was given out.
//!
//! A store that is restored may be older than the retention, and ask for what was deleted. To a reader a trace is a journal
//! whose records are all missing, so it declares them lost, where without a trace nobody would know that there were any.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::budget::Budget;
use super::directory::{JournalId, first_header, lock_path};
use super::error::JournalError;
use super::retention::{Pruned, delete, unless_missing};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentInfo, segment_path};

const TRACE_BYTES: u64 = SEGMENT_HEADER_BYTES as u64;

/// Whether these are the segments of a retired journal, given that it is dead. One that never got a record leaves no trace.
pub(super) fn is_trace(segments: &[SegmentInfo]) -> bool {
    matches!(segments, [only] if only.first_seq > 1 && only.bytes == TRACE_BYTES)
}

/// Deletes the last segments of a dead journal, oldest first, and leaves a trace that says it has given out `last_seq`;
/// whether it did: without an intact header there is none to be left. When there is no room even for that, the room is
/// made first.
pub(super) fn reduce_to_trace(
    dir: &Path,
    segments: &[SegmentInfo],
    last_seq: u64,
    now_ms: u64,
    budget: &Budget,
    pruned: &mut Pruned,
) -> Result<bool, JournalError> {
    let id = JournalId::of_dir(dir)?;
    let Some(header) = first_header(dir, id)?.filter(|_| last_seq > 0) else {
        for segment in segments {
            delete(segment, budget, pruned)?;
        }
        return Ok(false);
    };
    let header = SegmentHeader {
        id,
        tag: header.tag,
        purpose: header.purpose,
        first_seq: last_seq + 1,
        created_at_ms: now_ms,
    };
    let path = segment_path(dir, header.first_seq);
    let written = write(dir, &path, &header);
    budget.take(TRACE_BYTES);
    for segment in segments {
        if segment.path == path {
            budget.release(segment.bytes);
        } else {
            delete(segment, budget, pruned)?;
        }
    }
    if written.is_err() {
        write(dir, &path, &header).map_err(|error| {
            budget.release(TRACE_BYTES);
            JournalError::io("write", &path)(error)
        })?;
    }
    Ok(true)
}

/// Brings it to the disk before anything is deleted. What is there already is a segment without a record.
fn write(dir: &Path, path: &Path, header: &SegmentHeader) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all_at(&header.encode(), 0)?;
    file.set_len(TRACE_BYTES)?;
    file.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Removes the oldest of these traces, given as when each was left and where, until `kept` are left.
///
/// # Errors
/// [`JournalError::Io`] when one cannot be deleted.
pub fn forget_traces(mut traces: Vec<(u64, PathBuf)>, kept: usize, budget: &Budget) -> Result<(), JournalError> {
    traces.sort_unstable();
    for (_, dir) in &traces[..traces.len().saturating_sub(kept)] {
        for segment in super::segment::segments(dir)? {
            delete(&segment, budget, &mut Pruned::default())?;
        }
        remove_dir(dir)?;
    }
    Ok(())
}

/// Removes the directory of a dead journal without segments, the lock last.
pub(super) fn remove_dir(dir: &Path) -> Result<(), JournalError> {
    let lock = lock_path(dir);
    unless_missing(&lock, fs::remove_file(&lock))?;
    unless_missing(dir, fs::remove_dir(dir))?;
    Ok(())
}
