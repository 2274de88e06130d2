//! Which shards this worker reads, so that several share the work. [`Store::hold_shards`] tells how they agree.

use std::time::Duration;

use tokio::sync::watch;

use crate::shutdown::Stopping;
use crate::store::Store;
use crate::stream::{OwnedShards, SHARDS_MAX};

/// A few beats fit into a lease.
const BEAT: Duration = Duration::from_secs(2);

/// The leases of one worker.
pub struct Leases {
    store: Store,
    worker: String,
    configured: u16,
    owned: watch::Sender<Vec<u16>>,
}

impl Leases {
    /// A worker that holds nothing yet, and what it will hold.
    #[must_use]
    pub fn new(store: Store, configured: u16) -> (Self, OwnedShards) {
        let (owned, receiver) = watch::channel(Vec::new());
        let leases = Self {
            store,
            worker: uuid::Uuid::new_v4().simple().to_string(),
            configured,
            owned,
        };
        (leases, receiver)
    }

    /// Keeps them until told to stop, and gives them back then. While the store does not answer the worker goes on with
    /// what it has: the cursors keep it from doing harm.
    pub async fn keep(self, mut stopping: Stopping) {
        let wanted: Vec<i64> = (0..self.configured).map(i64::from).chain([self.rest()]).collect();
        loop {
            match self.store.hold_shards(&self.worker, wanted.clone()).await {
                Ok(held) => self.own(&held),
                Err(error) => tracing::warn!(%error, "leases were not renewed; reading the same shards as before"),
            }
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = stopping.wait() => break,
            }
        }
        if let Err(error) = self.store.release_shards(&self.worker).await {
            tracing::warn!(%error, "leases were not given back; they end by themselves in some seconds");
        }
    }

    /// One lease for all shards beyond the configured ones: what nodes with another setting write, or once wrote. Workers
    /// with another setting mean other shards by it, so it is named by the setting, below zero.
    fn rest(&self) -> i64 {
        -i64::from(self.configured)
    }

    fn own(&self, held: &[i64]) {
        let mut shards: Vec<u16> = held.iter().filter_map(|shard| u16::try_from(*shard).ok()).collect();
        if held.contains(&self.rest()) {
            shards.extend(self.configured..SHARDS_MAX);
        }
        self.owned.send_if_modified(|owned| {
            let changed = *owned != shards;
            if changed {
                *owned = shards;
            }
            changed
        });
    }
}
