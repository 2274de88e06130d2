//! Workers share the shards of the stream, whatever each is set to, and take over those of the dead.

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::servers::postgres::PrivatePostgres;
use linkledger::shutdown::Shutdown;
use linkledger::store::{Location, Store};
use linkledger::stream::{OwnedShards, SHARDS_MAX};
use linkledger::worker::Leases;
use tokio::task::JoinHandle;

/// A worker that only holds leases.
struct Holder {
    owned: OwnedShards,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Holder {
    fn start(store: &Store, configured: u16) -> Self {
        let (leases, owned) = Leases::new(store.clone(), configured);
        let (shutdown, stopping) = Shutdown::new();
        Self {
            owned,
            shutdown,
            task: tokio::spawn(leases.keep(stopping)),
        }
    }

    fn owned(&self) -> BTreeSet<u16> {
        self.owned.borrow().iter().copied().collect()
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.task.await.expect("it ends well");
    }
}

async fn store() -> Store {
    let location = Location::Postgres(PrivatePostgres::shared().database());
    Store::open(&location).await.expect("the store opens")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = tokio::time::timeout(Duration::from_secs(60), waited);
    patience.await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

fn all_shards() -> BTreeSet<u16> {
    (0..SHARDS_MAX).collect()
}

#[tokio::test]
async fn two_workers_share_all_shards_and_one_that_leaves_gives_its_own_back() {
    let store = store().await;
    let first = Holder::start(&store, 8);
    until("the first has all", || first.owned() == all_shards()).await;
    let second = Holder::start(&store, 8);
    until("they share", || {
        let (ours, theirs) = (first.owned(), second.owned());
        let written: BTreeSet<u16> = (0..8).collect();
        let parted = ours.is_disjoint(&theirs) && ours.union(&theirs).copied().collect::<BTreeSet<_>>() == all_shards();
        parted && ours.intersection(&written).count() >= 3 && theirs.intersection(&written).count() >= 3
    })
    .await;
    first.stop().await;
    until("the second has all", || second.owned() == all_shards()).await;
    second.stop().await;
    store.close().await;
}

#[tokio::test]
async fn no_shard_is_left_unread_when_workers_are_set_to_different_numbers() {
    let store = store().await;
    let many = Holder::start(&store, 32);
    until("one has all", || many.owned() == all_shards()).await;
    let few = Holder::start(&store, 16);
    until("the other has its share", || {
        many.owned().len() < 250 && !few.owned().is_empty()
    })
    .await;
    until("every shard is read", || {
        many.owned().union(&few.owned()).copied().collect::<BTreeSet<_>>() == all_shards()
    })
    .await;
    many.stop().await;
    few.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_dead_workers_shards_are_taken_over() {
    let store = store().await;
    let dead = Holder::start(&store, 8);
    until("it has all", || dead.owned() == all_shards()).await;
    // It neither renews its leases nor gives them back.
    dead.task.abort();
    let heir = Holder::start(&store, 8);
    until("the heir has all", || heir.owned() == all_shards()).await;
    heir.stop().await;
    store.close().await;
}
