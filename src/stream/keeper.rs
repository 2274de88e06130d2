//! Looks after the journals of a data directory: deletes what the store has confirmed and retention
//! has released, retires dead journals, and says how far behind the store is.
//!
//! Cursor first, unlink second: a segment goes only after the commit that covers it was read back.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::sightings::Sightings;
use super::{Cursors, cursor_of};
use crate::domain::time::Instant;
use crate::journal::{
    Budget, JournalEntry, JournalError, JournalId, JournalStats, KeptWhy, PrunePolicy, Retired, SyncHandle, backlog,
    discover, forget_traces, last_seq, prune, retire,
};
use crate::metrics::Metrics;

/// Above this share of the size cap, confirmed segments go before their retention is over.
const FULL_PERCENT: u64 = 90;
/// Commits are brought to the disk by the store itself long before so much time has passed.
const LONG_RETENTION_MS: u64 = 3_600_000;

/// Traces of retired journals that are kept: those of a month of starts, at ten journals with records each, and little to
/// look through every second. A store that is older than the oldest of them is not told what it misses.
const KEPT_TRACES: usize = 300;

/// A journal that this process writes.
#[derive(Debug, Clone)]
pub struct LiveJournal {
    /// Which.
    pub id: JournalId,
    /// Knows its last sequence.
    pub handle: SyncHandle,
}

/// Keeps the journals of one data directory. Blocks; call it from a thread that may.
pub struct Keeper {
    /// The folder with the journals.
    pub root: PathBuf,
    /// What they may take together.
    pub budget: Arc<Budget>,
    /// What writers and readers count.
    pub stats: Arc<JournalStats>,
    /// The journals of this process.
    pub live: Vec<LiveJournal>,
    /// How long confirmed segments are kept, in ms.
    pub retention_ms: u64,
    /// Where to say it.
    pub metrics: Metrics,
    /// The last sequences of dead journals: they never change, and finding one reads a whole segment.
    pub ended: Mutex<HashMap<JournalId, u64>>,
    /// When each journal was seen at which sequence.
    pub sightings: Mutex<HashMap<JournalId, Sightings>>,
}

fn unsigned_ms(at: Instant) -> u64 {
    u64::try_from(at.ms()).unwrap_or(0)
}

impl Keeper {
    /// One round over what [`Keeper::journals`] found. With `may_delete` unset it only tells how far behind the store is.
    /// Journals that cannot be tended are logged and skipped.
    pub fn tend(&self, found: Vec<JournalEntry>, cursors: &Cursors, may_delete: bool, now: Instant) {
        let mut unconfirmed = 0_u64;
        let mut oldest_ms: Option<u64> = None;
        let stands = |id: &JournalId| found.iter().any(|entry| entry.id == *id);
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| stands(id));
        self.sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| stands(id));
        let mut traces = Vec::new();
        for entry in found {
            let confirmed = cursor_of(cursors, entry.id);
            match self.tend_one(&entry, confirmed, may_delete, now, &mut traces) {
                Ok((behind, since_ms)) => {
                    unconfirmed += behind;
                    oldest_ms = oldest_ms.into_iter().chain(since_ms).min();
                }
                Err(JournalError::Gone(_)) => {}
                Err(error) => tracing::error!(journal = %entry.id, %error, "a journal could not be tended"),
            }
        }
        if let Err(error) = forget_traces(traces, KEPT_TRACES, &self.budget) {
            tracing::error!(%error, "traces of retired journals could not be removed");
        }
        let now_ms = unsigned_ms(now);
        let age_ms = oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest));
        self.publish(unconfirmed, age_ms);
    }

    /// The journals of this disk: the store has those of every node there ever was.
    ///
    /// # Errors
    /// [`JournalError`] when the folder cannot be read.
    pub fn journals(&self) -> Result<Vec<JournalEntry>, JournalError> {
        discover(&self.root)
    }

    /// Whether segments may go that were confirmed only a moment ago: the cap is near, or the
    /// retention is short.
    #[must_use]
    pub fn deletes_soon(&self) -> bool {
        self.retention_ms < LONG_RETENTION_MS || self.budget.used_bytes() > self.full_bytes()
    }

    fn full_bytes(&self) -> u64 {
        self.budget.max_bytes() / 100 * FULL_PERCENT
    }

    /// How many records of a journal the store has not confirmed, and since when at the latest.
    fn tend_one(
        &self,
        entry: &JournalEntry,
        confirmed: u64,
        may_delete: bool,
        now: Instant,
        traces: &mut Vec<(u64, PathBuf)>,
    ) -> Result<(u64, Option<u64>), JournalError> {
        if may_delete && self.delete_confirmed(entry, confirmed, now)? {
            let left_at_ms = entry.header.map_or(0, |header| header.created_at_ms);
            traces.push((left_at_ms, entry.dir.clone()));
            return Ok((0, None));
        }
        if entry.header.is_none() || !entry.dir.exists() {
            // Never published, without a readable start, or just retired: there is nothing to count.
            return Ok((0, None));
        }
        let last = self.last_seq_of(entry)?;
        let since_ms = self
            .sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(entry.id)
            .or_default()
            .unconfirmed_since_ms(unsigned_ms(now), last, confirmed);
        let behind = last.saturating_sub(confirmed);
        if behind == 0 || since_ms.is_some() {
            return Ok((behind, since_ms.filter(|_| behind > 0)));
        }
        let facts = backlog(&entry.dir, confirmed, last)?;
        let created_ms = entry.header.map(|header| header.created_at_ms);
        Ok((behind, facts.not_before_ms.or(created_ms)))
    }

    /// Whether only a confirmed trace was there.
    fn delete_confirmed(&self, entry: &JournalEntry, confirmed: u64, now: Instant) -> Result<bool, JournalError> {
        let now_ms = unsigned_ms(now);
        let keep_newer_than_ms = self.retention_ms;
        if !entry.live {
            let retired = retire(&entry.dir, confirmed, keep_newer_than_ms, now_ms, &self.budget)?;
            if retired == Retired::Kept(KeptWhy::Trace) || !entry.dir.exists() {
                return Ok(entry.dir.exists());
            }
        }
        let policy = PrunePolicy {
            keep_newer_than_ms,
            now_ms,
            bytes_to_free: self.budget.used_bytes().saturating_sub(self.full_bytes()),
        };
        prune(&entry.dir, confirmed, policy, &self.budget)?;
        Ok(false)
    }

    fn last_seq_of(&self, entry: &JournalEntry) -> Result<u64, JournalError> {
        if let Some(own) = self.live.iter().find(|live| live.id == entry.id) {
            return Ok(own.handle.next_seq() - 1);
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = ended.get(&entry.id) {
            return Ok(*last);
        }
        let last = last_seq(&entry.dir)?;
        if !entry.live {
            ended.insert(entry.id, last);
        }
        Ok(last)
    }

    fn publish(&self, unconfirmed: u64, oldest_age_ms: u64) {
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let metrics = &self.metrics;
        metrics.journal_bytes.set(whole(self.budget.used_bytes()));
        metrics.journal_unconfirmed_events.set(whole(unconfirmed));
        #[allow(clippy::cast_precision_loss, reason = "a gauge in seconds")]
        metrics
            .journal_oldest_unconfirmed_seconds
            .set(oldest_age_ms as f64 / 1000.0);
        for (kind, count) in [
            ("sync_failed", &self.stats.sync_failures),
            ("corrupt", &self.stats.corrupt_ranges),
            ("torn_tail", &self.stats.torn_tails),
        ] {
            let counter = metrics.journal_faults.with_label_values(&[kind]);
            counter.inc_by(count.load(Ordering::Relaxed).saturating_sub(counter.get()));
        }
    }
}
