//! Every figure that the service tells about itself, in one struct that is handed to its users.
//!
//! No label ever carries a slug, an influencer, a customer or an address: labels are few and known.

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The registry and every metric in it. Clones share the figures.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Answers of the redirect listener, by outcome.
    pub redirects: IntCounterVec,
    /// Time from a request's arrival in the handler to its answer.
    pub redirect_duration_seconds: Histogram,
    /// Clicks appended to a journal.
    pub clicks_journaled: IntCounter,
    /// Clicks committed to the store.
    pub clicks_committed: IntCounter,
    /// Clicks that were answered but could not be recorded, by reason.
    pub clicks_dropped: IntCounterVec,
    /// Records that a journal lost before the store had them.
    pub clicks_lost: IntCounter,
    /// Bytes that all journals take.
    pub journal_bytes: IntGauge,
    /// Records that the store has not confirmed.
    pub journal_unconfirmed_events: IntGauge,
    /// Age of the oldest of them.
    pub journal_oldest_unconfirmed_seconds: Gauge,
    /// Journal trouble, by kind: sync failures, corrupt ranges, torn tails.
    pub journal_faults: IntCounterVec,
    /// From a click's answer to its commit.
    pub commit_delay_seconds: Histogram,
    /// One batch, from reading to commit.
    pub worker_batch_seconds: Histogram,
    /// Batches that had to be tried again.
    pub worker_retries: IntCounter,
    /// Conversions committed, by source, event and state.
    pub conversions: IntCounterVec,
    /// Refunds committed, by state.
    pub refunds: IntCounterVec,
    /// Outcomes of attribution: `attributed`, or the reason.
    pub attribution: IntCounterVec,
    /// Events that were not counted, by reason.
    pub rejections: IntCounterVec,
    /// Clicks that are in the store and not yet in the folded sets of visitors.
    pub visitors_unfolded_clicks: IntGauge,
    /// Times that folding visitors failed.
    pub visitors_fold_failures: IntCounter,
    /// User agents whose clicks count by data of another version.
    pub user_agents_outdated: IntGauge,
    /// Times that partitions of raw clicks could not be made.
    pub partition_failures: IntCounter,
    /// Days past their retention that were kept, because their counts do not agree; at every attempt.
    pub seal_mismatches: IntCounter,
    /// Links in memory.
    pub links_loaded: IntGauge,
    /// 1 while the store answers.
    pub store_up: IntGauge,
    /// 1 while Redis answers.
    pub redis_up: IntGauge,
    /// Entries of the streams, by shard: what no worker has committed yet.
    pub stream_entries: IntGaugeVec,
    /// Batches that were sent again because Redis did not say that it has them.
    pub stream_resends: IntCounter,
    /// Journals that were sent again from the store's cursor on, by reason.
    pub stream_rewinds: IntCounterVec,
    /// Batches that were dropped because others before them are missing.
    pub stream_gaps: IntCounter,
    /// Entries of the streams that are foreign or damaged.
    pub stream_unreadable: IntCounter,
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::with_opts(options(name, help)))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(options(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::with_opts(options(name, help)))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(options(name, help), labels))
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help)
        .namespace("linkledger")
        .buckets(buckets.to_vec());
    register(registry, Histogram::with_opts(options))
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("linkledger")
}

fn register<M: prometheus::core::Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let metric = made.expect("names and labels are constants of this file");
    registry
        .register(Box::new(metric.clone()))
        .expect("each name is registered once, in this file");
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh registry, with the process's own figures where the system tells them.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            r.register(Box::new(process)).expect("registered once");
        }
        let build = register(
            r,
            IntGaugeVec::new(options("build_info", "The running version; always 1."), &["version"]),
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let micro = [
            0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0,
        ];
        let seconds = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0,
        ];
        Self {
            redirects: counters(r, "redirects_total", "Answers of the redirect listener.", &["outcome"]),
            redirect_duration_seconds: histogram(
                r,
                "redirect_duration_seconds",
                "From the handler's start to its answer.",
                &micro,
            ),
            clicks_journaled: counter(r, "clicks_journaled_total", "Clicks appended to a journal."),
            clicks_committed: counter(r, "clicks_committed_total", "Clicks committed to the store."),
            clicks_dropped: counters(
                r,
                "clicks_dropped_total",
                "Clicks answered but not recorded.",
                &["reason"],
            ),
            clicks_lost: counter(
                r,
                "clicks_lost_total",
                "Records that a journal lost before the store had them.",
            ),
            journal_bytes: gauge(r, "journal_bytes", "Bytes that all journals take."),
            journal_unconfirmed_events: gauge(
                r,
                "journal_unconfirmed_events",
                "Records that the store has not confirmed.",
            ),
            journal_oldest_unconfirmed_seconds: register(
                r,
                Gauge::with_opts(options(
                    "journal_oldest_unconfirmed_seconds",
                    "Age of the oldest unconfirmed record.",
                )),
            ),
            journal_faults: counters(r, "journal_faults_total", "Trouble with journal files.", &["kind"]),
            commit_delay_seconds: histogram(
                r,
                "commit_delay_seconds",
                "From a click's answer to its commit.",
                &seconds,
            ),
            worker_batch_seconds: histogram(r, "worker_batch_seconds", "One batch, read to commit.", &seconds),
            worker_retries: counter(r, "worker_retries_total", "Batches that had to be tried again."),
            conversions: counters(
                r,
                "conversions_total",
                "Conversions committed.",
                &["source", "event", "state"],
            ),
            refunds: counters(r, "refunds_total", "Refunds committed.", &["state"]),
            attribution: counters(r, "attribution_total", "Outcomes of attribution.", &["outcome"]),
            rejections: counters(r, "rejections_total", "Events that were not counted.", &["reason"]),
            visitors_unfolded_clicks: gauge(
                r,
                "visitors_unfolded_clicks",
                "Clicks whose visitors reports still count one by one.",
            ),
            visitors_fold_failures: counter(r, "visitors_fold_failures_total", "Times that folding visitors failed."),
            user_agents_outdated: gauge(
                r,
                "user_agents_outdated",
                "User agents read by data of another version; `linkledger reclassify` reads them again.",
            ),
            partition_failures: counter(
                r,
                "partition_failures_total",
                "Times that partitions of raw clicks could not be made.",
            ),
            seal_mismatches: counter(
                r,
                "seal_mismatches_total",
                "Attempts to drop a day past its retention whose counts do not agree; it is kept.",
            ),
            links_loaded: gauge(r, "links_loaded", "Links in memory."),
            store_up: gauge(r, "store_up", "1 while the store answers."),
            redis_up: gauge(r, "redis_up", "1 while Redis answers; 0 without Redis."),
            stream_entries: gauges(r, "stream_entries", "Entries of a stream: the backlog.", &["shard"]),
            stream_resends: counter(r, "stream_resends_total", "Batches sent again for want of an answer."),
            stream_rewinds: counters(
                r,
                "stream_rewinds_total",
                "Journals sent again from the store's cursor on: gone from Redis, or the store was restored.",
                &["reason"],
            ),
            stream_gaps: counter(
                r,
                "stream_gap_batches_total",
                "Batches dropped because others before them are missing.",
            ),
            stream_unreadable: counter(
                r,
                "stream_unreadable_entries_total",
                "Foreign or damaged entries of the streams.",
            ),
            registry,
        }
    }

    /// The Prometheus text format.
    ///
    /// # Errors
    /// The encoder's own, when a metric is inconsistent.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
