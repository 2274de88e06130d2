//! What a node of several has that one process alone has not: the streams, or what a start does without them.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{DRAIN_FOR, StartError};
use crate::config::Config;
use crate::journal::JournalStats;
use crate::metrics::Metrics;
use crate::shutdown::Stopping;
use crate::store::Store;
use crate::stream::{Forwarder, LocalFeed, OwnedShards, Progress, Redis, RedisFeed};
use crate::worker::{Leases, Worker};

/// The client of the configured Redis, if there is one.
pub(super) fn redis(config: &Config, metrics: &Metrics) -> Result<Option<Redis>, StartError> {
    let connect = |urls| Redis::new(urls, metrics.clone()).map_err(|error| StartError::Redis(error.to_string()));
    config.redis_urls.as_ref().map(connect).transpose()
}

/// How records get from this node's journals into the store.
pub(super) struct Pipeline {
    pub(super) redis: Option<Redis>,
    pub(super) root: std::path::PathBuf,
    pub(super) stats: Arc<JournalStats>,
    pub(super) store: Store,
    pub(super) shards: u16,
    pub(super) progress: Progress,
    pub(super) metrics: Metrics,
}

impl Pipeline {
    /// With Redis: carries this directory's journals into the streams, also those that an earlier process left.
    pub(super) fn forward(&self, tasks: &mut JoinSet<()>, stopping: &Stopping) {
        if let Some(redis) = &self.redis {
            tasks.spawn(self.forwarder(redis).run(stopping.clone(), DRAIN_FOR));
        }
    }

    fn forwarder(&self, redis: &Redis) -> Forwarder {
        Forwarder::new(
            &self.root,
            Arc::clone(&self.stats),
            redis.clone(),
            Arc::new(self.store.clone()),
            self.shards,
            self.progress.clone(),
            self.metrics.clone(),
        )
    }

    /// Commits what the streams hold, or without Redis what this directory's journals hold. `worker` is given its feed.
    pub(super) async fn work(self, worker: Worker<()>, stopping: Stopping) {
        match &self.redis {
            Some(redis) => {
                let (leases, owned) = Leases::new(self.store.clone(), self.shards);
                let worker = on(worker, self.stream(redis, owned));
                tokio::join!(worker.run(stopping.clone(), DRAIN_FOR), leases.keep(stopping));
            }
            None => on(worker, self.local()).run(stopping, DRAIN_FOR).await,
        }
    }

    fn stream(&self, redis: &Redis, owned: OwnedShards) -> RedisFeed {
        let (source, metrics) = (Arc::new(self.store.clone()), self.metrics.clone());
        RedisFeed::new(redis.clone(), source, owned, self.shards, metrics)
    }

    pub(super) fn local(&self) -> LocalFeed {
        LocalFeed::new(&self.root, Arc::new(self.store.clone()), Arc::clone(&self.stats))
    }
}

/// A worker that has everything but its feed, on this feed.
fn on<F>(worker: Worker<()>, feed: F) -> Worker<F> {
    Worker {
        feed,
        store: worker.store,
        agents: worker.agents,
        keys: worker.keys,
        email_key: worker.email_key,
        progress: worker.progress,
        clock: worker.clock,
        metrics: worker.metrics,
    }
}
