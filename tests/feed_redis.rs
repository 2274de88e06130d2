//! What Redis may do to the streams without costing a record, or counting one twice.

mod harness;

use std::net::TcpListener;
use std::time::Instant;

use harness::PATIENCE;
use harness::feeds::{BATCH, Disk, Hand, Ledger, RedisRig, Rig, forwarder, stream, work_until};
use harness::servers::cluster::RedisCluster;
use harness::servers::redis::PrivateRedis;
use linkledger::journal::JournalId;
use linkledger::metrics::Metrics;
use linkledger::stream::Feed as _;

const RECORDS: u64 = 9000;

/// Two journals whose records all lie in the streams; nothing is committed.
struct Stage {
    disk: Disk,
    ledger: Ledger,
    rig: RedisRig,
    journals: [JournalId; 2],
}

impl Stage {
    async fn new() -> Self {
        let (mut disk, ledger) = (Disk::new(), Ledger::default());
        let journals = [disk.journal(RECORDS), disk.journal(RECORDS)];
        let mut rig = RedisRig::new(&disk, &ledger);
        while rig.forwarder.round().await || rig.entries() == 0 {}
        Self {
            disk,
            ledger,
            rig,
            journals,
        }
    }

    /// A worker comes, and in the end everything counts once.
    async fn comes_out_even(mut self) {
        let mut hand = Hand::new(self.rig.feed(), &self.ledger);
        let ends = self.journals.map(|journal| (journal, RECORDS));
        work_until(&mut self.rig, &mut hand, &self.ledger, &ends).await;
        for journal in self.journals {
            assert_eq!(self.ledger.records(journal), RECORDS);
        }
        assert_eq!(self.ledger.lost(), []);
        // What was sent twice goes as well.
        while self.rig.entries() > 0 {
            self.rig.carry().await;
            hand.work().await;
        }
    }

    /// The streams, by key.
    fn keys(&self) -> Vec<String> {
        self.rig.redis.ask(&["KEYS", "linkledger:*"])
    }

    fn entries_of(&self, key: &str) -> Vec<(String, Vec<Vec<u8>>)> {
        self.rig.redis.ask(&["XRANGE", key, "-", "+"])
    }

    fn rewinds(&self, reason: &str) -> u64 {
        self.rig.metrics.stream_rewinds.with_label_values(&[reason]).get()
    }
}

#[tokio::test]
async fn a_cursor_that_stands_still_causes_no_resend() {
    let mut stage = Stage::new().await;
    let before = stage.rig.entries();
    let asked = stage.ledger.asked();
    while stage.ledger.asked() < asked + 5 {
        stage.rig.carry().await;
    }
    assert_eq!(stage.rig.entries(), before);
    assert_eq!((stage.rewinds("gone"), stage.rig.metrics.stream_resends.get()), (0, 0));
    stage.comes_out_even().await;
}

#[tokio::test]
async fn a_wiped_redis_costs_a_resend() {
    let stage = Stage::new().await;
    stage.rig.redis.ask::<()>(&["FLUSHALL"]);
    let metrics = stage.rig.metrics.clone();
    stage.comes_out_even().await;
    assert!(metrics.stream_rewinds.with_label_values(&["gone"]).get() >= 2);
}

#[tokio::test]
async fn a_deleted_stream_costs_a_resend() {
    let stage = Stage::new().await;
    stage.rig.redis.ask::<i64>(&["DEL", &stage.keys()[0]]);
    stage.comes_out_even().await;
}

#[tokio::test]
async fn what_lies_behind_a_deleted_entry_is_dropped_and_sent_again() {
    let stage = Stage::new().await;
    let key = stage.keys().swap_remove(0);
    let entries = stage.entries_of(&key);
    stage.rig.redis.ask::<i64>(&["XDEL", &key, &entries[1].0]);
    let metrics = stage.rig.metrics.clone();
    stage.comes_out_even().await;
    assert!(metrics.stream_gaps.get() > 0);
}

#[tokio::test]
async fn a_redis_that_starts_empty_costs_a_resend() {
    let stage = Stage::new().await;
    stage.rig.redis.kill9();
    stage.rig.redis.start();
    stage.comes_out_even().await;
}

#[tokio::test]
async fn entries_that_come_back_from_an_old_dump_are_skipped() {
    let mut stage = Stage::new().await;
    stage.rig.redis.ask::<()>(&["SAVE"]);
    let mut hand = Hand::new(stage.rig.feed(), &stage.ledger);
    let ends = stage.journals.map(|journal| (journal, RECORDS));
    work_until(&mut stage.rig, &mut hand, &stage.ledger, &ends).await;
    assert_eq!(stage.rig.entries(), 0);
    stage.rig.redis.kill9();
    stage.rig.redis.start();
    assert!(stage.rig.entries() > 0);
    stage.comes_out_even().await;
}

#[tokio::test]
async fn without_room_records_wait_on_disk() {
    let mut stage = Stage::new().await;
    stage.rig.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let late = stage.disk.journal(RECORDS);
    let before = stage.rig.entries();
    while stage.rig.metrics.stream_resends.get() < 3 {
        stage.rig.carry().await;
    }
    assert_eq!(stage.rig.entries(), before);
    stage.rig.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    stage.journals[0] = late;
    let first = stage.ledger.clone();
    stage.comes_out_even().await;
    assert_eq!(first.records(late), RECORDS);
}

#[tokio::test]
async fn a_redis_that_freezes_is_waited_for() {
    let mut stage = Stage::new().await;
    stage.rig.redis.freeze();
    let late = stage.disk.journal(RECORDS);
    while stage.rig.metrics.stream_resends.get() < 1 {
        stage.rig.carry().await;
    }
    assert_eq!(stage.rig.metrics.redis_up.get(), 0);
    stage.rig.redis.thaw();
    stage.journals[1] = late;
    stage.comes_out_even().await;
}

#[tokio::test]
async fn a_worker_tells_nothing_of_shards_that_others_read_now() {
    let stage = Stage::new().await;
    let (owner, owned) = tokio::sync::watch::channel(vec![0, 1]);
    let metrics = Metrics::new();
    let mut feed = harness::feeds::stream_of(owned, &stage.rig.redis.url(), &stage.ledger, 2, &metrics);
    let told = || {
        let text = String::from_utf8(metrics.render().expect("figures")).expect("UTF-8");
        ["0", "1"].map(|shard| text.contains(&format!("linkledger_stream_entries{{shard=\"{shard}\"}}")))
    };
    while told() != [true, true] {
        feed.poll(BATCH).await.expect("the feed reads");
    }
    owner.send_replace(vec![1]);
    feed.poll(BATCH).await.expect("the feed reads");
    assert_eq!(told(), [false, true]);
}

#[tokio::test]
async fn journals_that_wait_for_a_dead_server_wait_together() {
    // It lets in whoever comes, as the system does for a server that is frozen, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://{}", silent.local_addr().expect("an address"));
    let (mut disk, ledger, metrics) = (Disk::new(), Ledger::default(), Metrics::new());
    for _ in 0..5 {
        disk.journal(10);
    }
    let mut forwarder = forwarder(&url, &disk, &ledger, 2, &metrics);
    assert!(!forwarder.round().await);
    assert_eq!(metrics.stream_resends.get(), 5);
    silent.set_nonblocking(true).expect("a socket");
    let attempts = std::iter::from_fn(|| silent.accept().ok()).count();
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn damaged_and_foreign_entries_are_deleted_and_sent_again() {
    let stage = Stage::new().await;
    let key = stage.keys().swap_remove(0);
    let mut entries = stage.entries_of(&key);
    let (id, fields) = entries.swap_remove(0);
    let mut damaged = fields[1].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    stage.rig.redis.ask::<i64>(&["XDEL", &key, &id]);
    let mut connection = redis::Client::open(stage.rig.redis.url())
        .and_then(|client| client.get_connection())
        .expect("Redis answers");
    let mut add = |fields: &[&[u8]]| {
        let added: redis::RedisResult<String> =
            redis::cmd("XADD").arg(&key).arg("*").arg(fields).query(&mut connection);
        added.expect("added");
    };
    add(&[b"batch", &damaged]);
    add(&[b"batch", b""]);
    add(&[b"somebody", b"else's", b"fields", b"\xff\xfe"]);
    let metrics = stage.rig.metrics.clone();
    stage.comes_out_even().await;
    assert_eq!(metrics.stream_unreadable.get(), 3);
}

#[tokio::test]
async fn another_number_of_shards_needs_no_migration() {
    let mut stage = Stage::new().await;
    stage.disk.kill_writers();
    // The feed knows of two shards, the new forwarder of 200; both kinds of batches lie there.
    stage.rig.reshard(&stage.disk, 200);
    let (keys, entries) = (stage.keys().len(), stage.rig.entries());
    while stage.rig.entries() < 2 * entries {
        stage.rig.carry().await;
    }
    assert!(stage.keys().len() > keys);
    stage.rig.reshard(&stage.disk, 2);
    stage.comes_out_even().await;
}

#[tokio::test]
async fn a_master_of_a_cluster_that_dies_with_what_it_holds_costs_a_resend() {
    let mut cluster = RedisCluster::new();
    cluster.add_replica(0);
    cluster.wait_until_whole();
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let (urls, metrics, shards) = (cluster.urls(), Metrics::new(), 8);
    let mut forwarder = forwarder(&urls, &disk, &ledger, shards, &metrics);
    let has_some = |master: &PrivateRedis| master.ask::<i64>(&["DBSIZE"]) > 0;
    let mut journals = Vec::new();
    while !cluster.masters.iter().all(has_some) {
        journals.push(disk.journal(1000));
        forwarder.round().await;
    }
    cluster.masters[0].kill9();
    let late = disk.journal(1000);
    let mut hand = Hand::new(stream(&urls, &ledger, shards, &metrics), &ledger);
    journals.push(late);
    let started = Instant::now();
    while journals.iter().any(|journal| ledger.cursor(*journal) < 1000) {
        assert!(started.elapsed() < PATIENCE, "waited in vain for the replica");
        forwarder.round().await;
        hand.work().await;
    }
    assert!(journals.iter().all(|journal| ledger.records(*journal) == 1000));
}
