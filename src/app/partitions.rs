//! Partitions of raw clicks in Postgres, made ahead, and days dropped whose retention is over.

use std::time::Duration;

use super::health::Health;
use super::tasks::beat;
use crate::clock::Clock;
use crate::domain::time::{DAY_MS, Instant};
use crate::metrics::Metrics;
use crate::shutdown::Stopping;
use crate::store::{Sealing, Store, StoreError};

/// Partitions are made days ahead, so a beat may fail.
const KEEP_EVERY: Duration = Duration::from_secs(600);

/// Makes the partitions of raw clicks ahead. Without them clicks go to the default one, so this never stops anybody.
pub(super) async fn make(store: &Store, metrics: &Metrics, clock: &Clock) {
    match store.make_partitions(clock.now()).await {
        Ok(partitions) => {
            for name in partitions.made {
                tracing::info!(name, "a partition of raw clicks was made");
            }
            for day in partitions.left_in_default {
                tracing::warn!(%day, "this day gets no partition: clicks of it lie in the default one already");
            }
        }
        Err(error) => {
            metrics.partition_failures.inc();
            tracing::warn!(%error, "partitions of raw clicks were not made; clicks go to the default one meanwhile");
        }
    }
}

/// Makes partitions ahead, and drops the days whose retention is over; 0 days keep everything.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) retention_days: u32,
}

impl Keeper {
    pub(super) async fn run(self, health: Health, mut stopping: Stopping) {
        if !health.wait_until_whole(&mut stopping).await {
            return;
        }
        loop {
            make(&self.store, &self.metrics, &self.clock).await;
            if self.retention_days > 0
                && let Err(error) = self.seal_old_days(&stopping).await
            {
                tracing::warn!(%error, "old raw clicks were not dropped");
            }
            if !beat(KEEP_EVERY, &mut stopping).await {
                return;
            }
        }
    }

    async fn seal_old_days(&self, stopping: &Stopping) -> Result<(), StoreError> {
        for old in self.store.days_to_seal(self.clock.now(), self.retention_days).await? {
            if stopping.is_set() {
                break;
            }
            let day = Instant::from_ms(old.utc_day * DAY_MS);
            match self.store.seal_day(old, self.clock.now()).await? {
                Sealing::Sealed(clicks) => tracing::info!(%day, clicks, "raw clicks past their retention were dropped"),
                Sealing::Waits(what) => {
                    tracing::info!(%day, what, "raw clicks past their retention wait to be dropped")
                }
                Sealing::Mismatch(mismatch) => {
                    self.metrics.seal_mismatches.inc();
                    tracing::error!(%day, mismatch, "raw clicks past their retention are kept: their counts do not agree");
                }
            }
        }
        Ok(())
    }
}
