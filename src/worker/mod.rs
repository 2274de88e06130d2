//! Read, classify, attribute, commit: one batch after the other.
//!
//! A worker remembers nothing that matters. Whatever goes wrong, it reads the cursors again and
//! starts from there; only what was committed together with its cursor counts.

mod attribute;
mod decode;
mod poison;
mod reclassify;

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
use crate::store::commit::{Batch, CONTRADICTS_FIRST, Committer, Outcome, Outcomes, RefundOutcome};
use crate::store::{Store, StoreError};
use crate::stream::{Cursors, LocalFeed, Progress, Stretch};

use poison::Caution;
pub use reclassify::{Progress as ReclassifyProgress, Reclassified, reclassify};

/// Records of one transaction. Larger batches commit faster and are seen later.
const BATCH_MAX_RECORDS: usize = 20_000;
/// How long the worker sleeps when there was nothing to do, unless somebody waits.
const IDLE_MS: u64 = 50;
/// After a failure: from, doubling, up to.
const BACKOFF_MS: std::ops::RangeInclusive<u64> = 100..=5_000;

/// A worker on one feed.
pub struct Worker {
    /// The store.
    pub store: Store,
    /// Where records come from.
    pub feed: LocalFeed,
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

/// Reads the store's cursors in the journals' own terms.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub async fn cursors(store: &Store) -> Result<Cursors, StoreError> {
    let rows = store.journals().await?.into_iter();
    Ok(rows
        .filter_map(|(uuid, row)| Some((uuid.parse::<JournalId>().ok()?, u64::try_from(row.seq).ok()?)))
        .collect())
}

impl Worker {
    /// Works until told to stop and everything that was journaled is committed, or `drain_for` is over.
    pub async fn run(mut self, mut stopping: Stopping, drain_for: Duration) {
        let mut committer = Committer::new(self.store.clone(), AGENT_DATA_VERSION);
        let mut caution = Caution::new(BATCH_MAX_RECORDS);
        let mut backoff_ms = *BACKOFF_MS.start();
        let mut give_up_at = None;
        // Whether the feed stands behind records that were not committed.
        let mut astray = false;
        loop {
            if stopping.is_set() {
                let until = *give_up_at.get_or_insert_with(|| std::time::Instant::now() + drain_for);
                if std::time::Instant::now() > until {
                    tracing::warn!("stopping with records left in the journals; the next start commits them");
                    return;
                }
            }
            if astray {
                match cursors(&self.store).await {
                    Ok(cursors) => {
                        self.feed.rewind(cursors);
                        astray = false;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the cursors cannot be read; nothing is committed until they can");
                        tokio::time::sleep(Duration::from_millis(backoff_ms)).await;
                        backoff_ms = (backoff_ms * 2).min(*BACKOFF_MS.end());
                        continue;
                    }
                }
            }
            match self.round(&mut committer, &mut caution).await {
                Ok(Round::Committed { in_part }) => {
                    backoff_ms = *BACKOFF_MS.start();
                    astray = in_part;
                }
                Ok(Round::Idle) if stopping.is_set() => return,
                Ok(Round::Idle) => {
                    tokio::select! {
                        () = self.progress.hurried() => {}
                        () = stopping.wait() => {}
                        () = tokio::time::sleep(Duration::from_millis(IDLE_MS)) => {}
                    }
                }
                Err(RoundError::Store(error)) if error.blames_the_data() => {
                    tracing::error!(%error, "the store refused a batch; looking for the record that it refuses");
                    self.metrics.worker_retries.inc();
                    tokio::time::sleep(Duration::from_millis(*BACKOFF_MS.start())).await;
                    astray = true;
                }
                Err(error) => {
                    tracing::error!(%error, "a batch was not committed; reading the cursors again");
                    self.metrics.worker_retries.inc();
                    if matches!(error, RoundError::Store(StoreError::Engine(_))) {
                        self.metrics.store_up.set(0);
                    }
                    tokio::time::sleep(Duration::from_millis(backoff_ms)).await;
                    backoff_ms = (backoff_ms * 2).min(*BACKOFF_MS.end());
                    astray = true;
                }
            }
        }
    }

    /// One batch.
    async fn round(&mut self, committer: &mut Committer, caution: &mut Caution) -> Result<Round, RoundError> {
        let started = std::time::Instant::now();
        let mut stretches = self.feed.poll(caution.max_records())?;
        let in_part = caution.cut(&mut stretches);
        if stretches.is_empty() {
            return Ok(Round::Idle);
        }
        let records = poison::count(&stretches);
        let suspect = (records == 1).then(|| stretches.clone());
        let now = self.clock.now();
        match self.commit(committer, stretches, now).await {
            Ok(false) => return Ok(Round::Idle),
            Ok(true) => caution.passed(),
            Err(error) if error.blames_the_data() => {
                let Some(culprit) = suspect else {
                    caution.refused(records);
                    return Err(error.into());
                };
                let batch = poison::refused(decode::decode(culprit, &self.agents, now), &error);
                self.write(committer, batch, now).await?;
                caution.passed();
            }
            Err(error) => return Err(error.into()),
        }
        self.metrics
            .worker_batch_seconds
            .observe(started.elapsed().as_secs_f64());
        Ok(Round::Committed { in_part })
    }

    /// Whether there was anything to commit.
    async fn commit(
        &mut self,
        committer: &mut Committer,
        stretches: Vec<Stretch>,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let batch = self.decide(stretches, now).await?;
        if batch.parts.is_empty() {
            return Ok(false);
        }
        self.write(committer, batch, now).await?;
        Ok(true)
    }

    async fn write(&self, committer: &mut Committer, batch: Batch, now: Instant) -> Result<(), StoreError> {
        let seen = Seen::of(&batch);
        let outcomes = committer.commit(batch, now).await?;
        seen.report(&self.metrics, &outcomes, self.clock.now());
        self.metrics.store_up.set(1);
        self.progress.committed();
        Ok(())
    }

    async fn decide(&mut self, stretches: Vec<Stretch>, now: Instant) -> Result<Batch, StoreError> {
        let decoded = decode::decode(stretches, &self.agents, now);
        for journal in decoded.held {
            tracing::error!(%journal, "a record of an unknown version: this journal waits for a newer worker");
            self.metrics
                .journal_faults
                .with_label_values(&["unknown_version"])
                .inc();
            self.feed.hold(journal);
        }
        let mut batch = decoded.batch;
        batch.conversions =
            attribute::decide(&self.store, &self.keys, &self.email_key, decoded.conversions, now).await?;
        Ok(batch)
    }
}

/// What a round came to.
enum Round {
    Committed {
        /// The feed handed out more than was committed.
        in_part: bool,
    },
    /// There was nothing to do.
    Idle,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Feed(#[from] crate::stream::FeedError),
    #[error(transparent)]
    Store(#[from] StoreError),
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
