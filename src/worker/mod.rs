//! Read, classify, attribute, commit: one batch after the other.
//!
//! A worker remembers nothing that matters. Whatever goes wrong, its feed starts again at the store's
//! cursors; only what was committed together with its cursor counts.

mod attribute;
mod decode;
mod reclassify;

use std::sync::Arc;
use std::time::Duration;

use crate::agents::{AGENT_DATA_VERSION, Agents};
use crate::clock::Clock;
use crate::domain::click_id::ClickIdKeys;
use crate::domain::email_hash::EmailKey;
use crate::domain::time::Instant;
use crate::metrics::Metrics;
use crate::shutdown::Stopping;
use crate::store::commit::{Batch, CONTRADICTS_FIRST, Committer, Outcome, Outcomes, RefundOutcome};
use crate::store::{Store, StoreError};
use crate::stream::{Feed, FeedError, Lot, Progress};

pub use reclassify::{Progress as ReclassifyProgress, Reclassified, reclassify};

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

impl<F> Worker<F> {
    /// The same worker on another feed.
    pub fn on<G>(self, feed: G) -> Worker<G> {
        Worker {
            feed,
            store: self.store,
            agents: self.agents,
            keys: self.keys,
            email_key: self.email_key,
            progress: self.progress,
            clock: self.clock,
            metrics: self.metrics,
        }
    }
}

impl<F: Feed> Worker<F> {
    /// Works until told to stop. A feed that nobody else reads is then worked off, for `drain_for` at most.
    pub async fn run(mut self, mut stopping: Stopping, drain_for: Duration) {
        let mut committer = Committer::new(self.store.clone(), AGENT_DATA_VERSION);
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
            match self.round(&mut committer).await {
                Ok(true) => backoff_ms = *BACKOFF_MS.start(),
                Ok(false) if stopping.is_set() => return,
                Ok(false) => {
                    tokio::select! {
                        () = self.progress.hurried() => {}
                        () = stopping.wait() => {}
                        () = tokio::time::sleep(Duration::from_millis(IDLE_MS)) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a batch was not committed; starting again at the cursors");
                    self.metrics.worker_retries.inc();
                    if error.is_of_engine() {
                        self.metrics.store_up.set(0);
                    }
                    // After an unknown commit only the store's cursors say where to go on.
                    self.feed.rewind();
                    tokio::time::sleep(Duration::from_millis(backoff_ms)).await;
                    backoff_ms = (backoff_ms * 2).min(*BACKOFF_MS.end());
                }
            }
        }
    }

    /// One batch; whether there was anything to do.
    async fn round(&mut self, committer: &mut Committer) -> Result<bool, RoundError> {
        let started = std::time::Instant::now();
        let lot = self.feed.poll(BATCH_MAX_RECORDS).await?;
        if lot.stretches.is_empty() {
            return Ok(false);
        }
        let now = self.clock.now();
        let batch = self.decide(lot, now).await?;
        if batch.parts.is_empty() {
            return Ok(false);
        }
        let seen = Seen::of(&batch);
        fail::fail_point!("before_commit", |_| std::process::abort());
        let outcomes = committer.commit(batch, now).await?;
        fail::fail_point!("after_commit", |_| std::process::abort());
        self.feed.done().await;
        seen.report(&self.metrics, &outcomes, self.clock.now());
        self.metrics.store_up.set(1);
        self.metrics
            .worker_batch_seconds
            .observe(started.elapsed().as_secs_f64());
        self.progress.committed();
        Ok(true)
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

impl RoundError {
    /// Whether the store is down, rather than of another opinion.
    fn is_of_engine(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Engine(_))
                | Self::Feed(FeedError::Store(StoreError::Engine(_)) | FeedError::NoAnswer)
        )
    }
}

/// What the metrics will say of a batch once it is committed.
struct Seen {
    clicks: u64,
    lost: u64,
    oldest_click: Option<Instant>,
    conversions: Vec<(String, String, &'static str, &'static str)>,
    rejected: Vec<&'static str>,
}

impl Seen {
    fn of(batch: &Batch) -> Self {
        let lost = batch
            .parts
            .iter()
            .filter_map(|part| part.lost)
            .map(|lost| lost.to - lost.from + 1)
            .sum::<i64>();
        let conversions = batch.conversions.iter().map(|decided| {
            // Custom events are the brands' own words; a metric's labels are ours.
            let event = decided.conversion.event.to_string();
            let event = if event.starts_with("custom:") {
                "custom".to_owned()
            } else {
                event
            };
            let outcome = decided.reason().map_or("attributed", |why| why.code());
            let source = if decided.conversion.source == "api" {
                "api"
            } else {
                "webhook"
            };
            (source.to_owned(), event, decided.state().name(), outcome)
        });
        Self {
            clicks: batch.clicks.len() as u64,
            lost: u64::try_from(lost).unwrap_or(0),
            oldest_click: batch.clicks.iter().map(|click| Instant::from_ms(click.at_ms)).min(),
            conversions: conversions.collect(),
            rejected: batch.rejections.iter().map(|rejection| rejection.reason).collect(),
        }
    }

    fn report(self, metrics: &Metrics, outcomes: &Outcomes, now: Instant) {
        metrics.clicks_committed.inc_by(self.clicks);
        metrics.clicks_lost.inc_by(self.lost);
        if let Some(oldest) = self.oldest_click {
            #[allow(clippy::cast_precision_loss, reason = "a histogram in seconds")]
            metrics
                .commit_delay_seconds
                .observe((now.ms() - oldest.ms()).max(0) as f64 / 1000.0);
        }
        for ((source, event, state, attribution), outcome) in self.conversions.iter().zip(&outcomes.conversions) {
            let state = match outcome {
                Outcome::Counted(_) => {
                    metrics.attribution.with_label_values(&[*attribution]).inc();
                    state
                }
                Outcome::Repeated(_) => "repeated",
                Outcome::Contradicted(_) => {
                    metrics.rejections.with_label_values(&[CONTRADICTS_FIRST]).inc();
                    "contradicted"
                }
            };
            metrics
                .conversions
                .with_label_values(&[source.as_str(), event.as_str(), state])
                .inc();
        }
        for outcome in outcomes.refunds.iter().chain(&outcomes.settled) {
            let (state, reason) = match outcome {
                RefundOutcome::Applied => ("applied", None),
                RefundOutcome::Pending => ("pending_order", None),
                RefundOutcome::Repeated => ("repeated", None),
                RefundOutcome::Contradicted => ("contradicted", Some(CONTRADICTS_FIRST)),
                RefundOutcome::Refused(refusal) => ("rejected", Some(refusal.code())),
            };
            metrics.refunds.with_label_values(&[state]).inc();
            if let Some(reason) = reason {
                metrics.rejections.with_label_values(&[reason]).inc();
            }
        }
        for reason in self.rejected {
            metrics.rejections.with_label_values(&[reason]).inc();
        }
    }
}
