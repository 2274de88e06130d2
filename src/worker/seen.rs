//! What the metrics say of a batch.

use crate::domain::time::Instant;
use crate::metrics::Metrics;
use crate::store::commit::{Batch, CONTRADICTS_FIRST, Outcome, Outcomes, RefundOutcome};

/// Taken before the commit, and told once it is done.
pub(super) struct Seen {
    clicks: u64,
    lost: u64,
    oldest_click: Option<Instant>,
    conversions: Vec<(String, String, &'static str, &'static str)>,
    rejected: Vec<&'static str>,
}

impl Seen {
    pub(super) fn of(batch: &Batch) -> Self {
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

    pub(super) fn report(self, metrics: &Metrics, outcomes: &Outcomes, now: Instant) {
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
