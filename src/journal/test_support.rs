//! What the journal's tests share, here and in `tests/journal_model.rs`: appending known records, reading all there is.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    AppendError, Budget, JournalError, JournalStats, Lost, PrunePolicy, Purpose, Reader, Record, Step, Writer,
    WriterOptions, segments,
};

pub(super) type Outcome = Result<(), Box<dyn Error>>;

pub(super) const HEADER_BYTES: u64 = 64;
pub(super) const FRAME_HEADER_BYTES: u64 = 20;
/// A time at which everything written by a test is old.
pub(super) const LATER_MS: u64 = 1 << 50;

/// A writer whose segments hold about `segment_max_bytes`.
pub(super) fn writer(root: &Path, segment_max_bytes: u64, budget: &Arc<Budget>) -> Result<Writer, JournalError> {
    let options = WriterOptions {
        segment_max_bytes,
        ..WriterOptions::default()
    };
    let budget = Arc::clone(budget);
    Writer::create(root, Purpose::Api, options, budget, Arc::default())
}

pub(super) fn endless() -> Arc<Budget> {
    Arc::new(Budget::new(u64::MAX))
}

/// A payload that differs from record to record and has zeros in it.
pub(super) fn payload(seq: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|at| ((seq * 31 + at * at) % 7 * 40).to_le_bytes()[0])
        .collect()
}

pub(super) fn append(writer: &mut Writer, len: usize) -> Result<Record, AppendError> {
    let (version, kind) = ((writer.next_seq() % 3).to_le_bytes()[0], 9);
    let payload = payload(writer.next_seq(), len);
    let seq = writer.append(version, kind, |buffer| buffer.extend_from_slice(&payload))?;
    Ok(Record {
        seq,
        version,
        kind,
        payload,
    })
}

/// Everything a fresh reader finds behind `after_seq`, and the step that stopped it.
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    pub(super) losses: Vec<Lost>,
    pub(super) last: Step,
    pub(super) stats: Arc<JournalStats>,
}

pub(super) fn read_all(dir: &Path, after_seq: u64) -> Result<Found, JournalError> {
    let stats = Arc::<JournalStats>::default();
    let mut reader = Reader::open(dir, after_seq)?.with_stats(Arc::clone(&stats));
    let (mut records, mut losses) = (Vec::new(), Vec::new());
    let last = loop {
        let from = reader.next_seq();
        match reader.read(7, 500)? {
            Step::Records(more) => {
                assert!(!more.is_empty() && more.len() <= 7);
                for (at, record) in (from..).zip(&more) {
                    assert_eq!(record.seq, at, "records are dense");
                }
                records.extend(more);
            }
            Step::Lost(lost) => {
                assert!(lost.from == from && lost.to >= from);
                losses.push(lost);
            }
            last @ (Step::CaughtUp | Step::Ended { .. }) => break last,
        }
    };
    Ok(Found {
        records,
        losses,
        last,
        stats,
    })
}

pub(super) fn counted(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(super) fn last_segment(dir: &Path) -> Result<(PathBuf, u64), Box<dyn Error>> {
    let last = segments(dir)?.pop().ok_or("no segment")?;
    Ok((last.path, last.bytes))
}

pub(super) fn policy(bytes_to_free: u64, keep_newer_than_ms: u64) -> PrunePolicy {
    PrunePolicy {
        keep_newer_than_ms,
        now_ms: LATER_MS,
        bytes_to_free,
    }
}
