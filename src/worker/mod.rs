//! Read, classify, attribute, commit: one batch after the other.
//!
//! A worker remembers nothing that matters. Whatever goes wrong, its feed starts again at the store's
//! cursors; only what was committed together with its cursor counts.

mod attribute;
mod decode;
mod leases;
mod poison;
mod reclassify;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use crate::agents::{AGENT_DATA_VERSION, Agents};
use crate::clock::Clock;
use crate::domain::click_id::ClickIdKeys;
use crate::domain::email_hash::EmailKey;
use crate::domain::time::Instant;
use crate::journal::JournalId;
use crate::metrics::Metrics;
use crate::shutdown::Stopping;
use crate::store::commit::{Batch, Committer};
use crate::store::{Store, StoreError};
use crate::stream::{Feed, FeedError, Lot, Progress};

pub use leases::Leases;
use poison::Caution;
pub use reclassify::{Progress as ReclassifyProgress, Reclassified, reclassify};
use seen::Seen;

/// Records of one transaction. Larger batches commit faster and are seen later.
const BATCH_MAX_RECORDS: usize = 20_000;
/// How long the worker sleeps when there was nothing to do, unless somebody waits.
const IDLE_MS: u64 = 50;
/// After a failure: from, doubling, up to.
const BACKOFF_MS: std::ops::RangeInclusive<u64> = 100..=5_000;

/// A worker on one feed.
pub struct Worker<F> {
    /// The store.
    pub store: Store,
    /// Where records come from.
    pub feed: F,
    /// Reads user agents.
    pub agents: Agents,
    /// Reads click ids.
    pub keys: Arc<ClickIdKeys>,
    /// Hashes influencers' addresses, to know them among the buyers.
    pub email_key: Arc<EmailKey>,
    /// Who waits.
    pub progress: Progress,
    /// What time it is.
    pub clock: Clock,
    /// Where to say it.
    pub metrics: Metrics,
}

impl<F: Feed> Worker<F> {
    /// Works until told to stop. A feed that nobody else reads is then worked off, for `drain_for` at most.
    pub async fn run(mut self, mut stopping: Stopping, drain_for: Duration) {
        let mut committer = Committer::new(self.store.clone(), AGENT_DATA_VERSION);
        let mut caution = Caution::new(BATCH_MAX_RECORDS);
        let mut backoff_ms = *BACKOFF_MS.start();
        let mut stopped_at = None;
        loop {
            if stopping.is_set() {
                let since = *stopped_at.get_or_insert_with(std::time::Instant::now);
                if !F::DRAINS {
                    return;
                }
                if since.elapsed() > drain_for {
                    tracing::warn!("stopping with records left in the journals; the next start commits them");
                    return;
                }
            }
            match self.round(&mut committer, &mut caution).await {
                Ok(true) => backoff_ms = *BACKOFF_MS.start(),
                Ok(false) if stopping.is_set() => return,
                Ok(false) => {
                    tokio::select! {
                        () = self.progress.hurried() => {}
                        () = stopping.wait() => {}
                        () = tokio::time::sleep(Duration::from_millis(IDLE_MS)) => {}
                    }
                }
                Err(RoundError::Store(error)) if error.blames_the_data() => {
                    tracing::error!(%error, "the store refused a batch; looking for the record that it refuses");
                    self.metrics.worker_retries.inc();
                    self.feed.rewind();
                    tokio::time::sleep(Duration::from_millis(*BACKOFF_MS.start())).await;
                }
                Err(error) => {
                    tracing::error!(%error, "a batch was not committed; starting again at the cursors");
                    self.metrics.worker_retries.inc();
                    // After an unknown commit only the store's cursors say where to go on.
                    self.feed.rewind();
                    tokio::time::sleep(Duration::from_millis(backoff_ms)).await;
                    backoff_ms = (backoff_ms * 2).min(*BACKOFF_MS.end());
                }
            }
        }
    }

    /// One batch; whether there may be more to do.
    async fn round(&mut self, committer: &mut Committer, caution: &mut Caution) -> Result<bool, RoundError> {
        let started = std::time::Instant::now();
        let mut lot = self.feed.poll(caution.max_records()).await?;
        let in_part = caution.cut(&mut lot.stretches);
        if lot.stretches.is_empty() {
            return Ok(false);
        }
        let records = poison::count(&lot.stretches);
        let journals: Vec<JournalId> = lot.stretches.iter().map(|stretch| stretch.journal).collect();
        let suspect = (records == 1).then(|| lot.clone());
        let now = self.clock.now();
        match self.commit(committer, lot, now).await {
            Ok(false) => {
                // All of these wait for a newer worker. What was cut off must come again, without them in front of it.
                if in_part {
                    self.feed.rewind();
                    journals.into_iter().for_each(|journal| self.feed.hold(journal));
                }
                return Ok(in_part);
            }
            Ok(true) => {}
            Err(error) if error.blames_the_data() => {
                let Some(culprit) = suspect else {
                    caution.refused(records);
                    return Err(error.into());
                };
                let decoded = decode::decode(culprit.stretches, &self.agents, now);
                self.write(committer, poison::refused(decoded, &error), now).await?;
            }
            Err(error) => return Err(error.into()),
        }
        caution.passed();
        if in_part {
            // The feed stands behind what was cut off.
            self.feed.rewind();
        } else {
            self.feed.done().await;
        }
        self.metrics
            .worker_batch_seconds
            .observe(started.elapsed().as_secs_f64());
        Ok(true)
    }

    /// Whether there was anything to commit.
    async fn commit(&mut self, committer: &mut Committer, lot: Lot, now: Instant) -> Result<bool, StoreError> {
        let batch = self.decide(lot, now).await?;
        if batch.parts.is_empty() {
            return Ok(false);
        }
        self.write(committer, batch, now).await?;
        Ok(true)
    }

    async fn write(&self, committer: &mut Committer, batch: Batch, now: Instant) -> Result<(), StoreError> {
        let seen = Seen::of(&batch);
        fail::fail_point!("before_commit", |_| std::process::abort());
        let outcomes = committer.commit(batch, now).await?;
        fail::fail_point!("after_commit", |_| std::process::abort());
        seen.report(&self.metrics, &outcomes, self.clock.now());
        self.progress.committed();
        Ok(())
    }

    async fn decide(&mut self, lot: Lot, now: Instant) -> Result<Batch, StoreError> {
        let shard = i64::from(lot.shard);
        let decoded = decode::decode(lot.stretches, &self.agents, now);
        for journal in decoded.held {
            tracing::error!(%journal, "a record of an unknown version: this journal waits for a newer worker");
            self.metrics
                .journal_faults
                .with_label_values(&["unknown_version"])
                .inc();
            self.feed.hold(journal);
        }
        let mut batch = decoded.batch;
        batch.shard = shard;
        batch.conversions =
            attribute::decide(&self.store, &self.keys, &self.email_key, decoded.conversions, now).await?;
        Ok(batch)
    }
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
