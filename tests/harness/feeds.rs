//! Feeds without a store: journals that a test writes, and cursors that it holds itself.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use linkledger::config::RedisUrls;
use linkledger::journal::{Budget, JournalId, JournalStats, Lost, Purpose, Retired, Writer, WriterOptions, retire};
use linkledger::metrics::Metrics;
use linkledger::stream::{
    CursorSource, Cursors, Feed, Forwarder, Items, LocalFeed, OwnedShards, Progress, Reading, Redis, RedisFeed,
    all_shards,
};
use tempfile::TempDir;

use super::servers::redis::PrivateRedis;
use super::{PATIENCE, directory};

const BUDGET: u64 = 1 << 30;
/// Small, so that a test gets several segments.
const SEGMENT_BYTES: u64 = 16 << 10;
/// Far in the future.
pub(crate) const MUCH_LATER_MS: u64 = 1 << 45;
pub(crate) const BATCH: usize = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a store does for a feed: cursors, compared and set. It also knows what was committed.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    cursors: Cursors,
    lost: Vec<Lost>,
    asked: u64,
    /// Records committed, by journal: never one twice, unless the store went back.
    records: HashMap<JournalId, u64>,
}

impl CursorSource for Ledger {
    fn cursors(&self, journals: Vec<JournalId>) -> Reading<'_> {
        let mut books = self.books.lock().expect("the books");
        books.asked += 1;
        let of = |id: JournalId| Some((id, *books.cursors.get(&id)?));
        let cursors = journals.into_iter().filter_map(of).collect();
        Box::pin(async move { Ok(cursors) })
    }
}

impl Ledger {
    pub(crate) fn cursor(&self, journal: JournalId) -> u64 {
        let books = self.books.lock().expect("the books");
        books.cursors.get(&journal).copied().unwrap_or(0)
    }

    /// How often cursors were read.
    pub(crate) fn asked(&self) -> u64 {
        self.books.lock().expect("the books").asked
    }

    /// An older store is restored.
    pub(crate) fn restore(&self, journal: JournalId, cursor: u64) {
        self.books.lock().expect("the books").cursors.insert(journal, cursor);
    }

    pub(crate) fn lost(&self) -> Vec<Lost> {
        self.books.lock().expect("the books").lost.clone()
    }

    pub(crate) fn records(&self, journal: JournalId) -> u64 {
        let books = self.books.lock().expect("the books");
        books.records.get(&journal).copied().unwrap_or(0)
    }
}

/// A worker that only moves cursors.
pub(crate) struct Hand<F> {
    pub(crate) feed: F,
    ledger: Ledger,
}

impl<F: Feed> Hand<F> {
    pub(crate) fn new(feed: F, ledger: &Ledger) -> Self {
        let ledger = ledger.clone();
        Self { feed, ledger }
    }

    /// Commits one lot; whether there was one.
    pub(crate) async fn work(&mut self) -> bool {
        let lot = self.feed.poll(BATCH).await.expect("the feed reads");
        if lot.stretches.is_empty() {
            return false;
        }
        if self.commit(&lot) {
            self.feed.done().await;
        } else {
            self.feed.rewind();
        }
        true
    }

    /// All or nothing, as a transaction does.
    pub(crate) fn commit(&self, lot: &linkledger::stream::Lot) -> bool {
        let mut books = self.ledger.books.lock().expect("the books");
        let stands = |(journal, seq): (JournalId, u64)| books.cursors.get(&journal).copied().unwrap_or(0) == seq;
        if !lot.stretches.iter().all(|run| stands((run.journal, run.after_seq))) {
            return false;
        }
        for run in &lot.stretches {
            match &run.items {
                Items::Lost(lost) => {
                    assert_eq!(lost.from, run.after_seq + 1);
                    books.lost.push(*lost);
                }
                Items::Records(records) => {
                    for (seq, record) in (run.after_seq + 1..).zip(records) {
                        assert_eq!((record.seq, record.payload.as_slice()), (seq, payload(seq).as_slice()));
                    }
                    *books.records.entry(run.journal).or_default() += records.len() as u64;
                }
            }
            let before = books.cursors.insert(run.journal, run.last_seq());
            assert!(before.unwrap_or(0) < run.last_seq(), "an empty run");
        }
        true
    }
}

fn payload(seq: u64) -> Vec<u8> {
    // Some are long, none compresses to nothing.
    let mut bytes = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().to_vec();
    bytes.resize(8 + usize::try_from(seq % 300).expect("small"), 7);
    bytes
}

/// Journals on a disk.
pub(crate) struct Disk {
    home: TempDir,
    pub(crate) budget: Arc<Budget>,
    pub(crate) stats: Arc<JournalStats>,
    writers: BTreeMap<JournalId, Writer>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let home = directory();
        Self {
            budget: Arc::new(Budget::scan(home.path(), BUDGET).expect("an empty directory")),
            stats: Arc::default(),
            writers: BTreeMap::new(),
            home,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn dir(&self, journal: JournalId) -> PathBuf {
        self.root().join(journal.to_string())
    }

    /// A new journal with so many records.
    pub(crate) fn journal(&mut self, records: u64) -> JournalId {
        let options = WriterOptions {
            segment_max_bytes: SEGMENT_BYTES,
            ..WriterOptions::default()
        };
        let (budget, stats) = (Arc::clone(&self.budget), Arc::clone(&self.stats));
        let writer = Writer::create(self.root(), Purpose::Redirect, options, budget, stats).expect("a journal");
        let id = writer.id();
        self.writers.insert(id, writer);
        self.append(id, records);
        id
    }

    pub(crate) fn append(&mut self, journal: JournalId, records: u64) {
        let writer = self.writers.get_mut(&journal).expect("a live journal");
        for _ in 0..records {
            let payload = payload(writer.next_seq());
            writer
                .append(1, 1, |out| out.extend_from_slice(&payload))
                .expect("room");
        }
    }

    /// A dead journal is confirmed to its end, and its retention is over.
    pub(crate) fn retire(&self, journal: JournalId, confirmed: u64) {
        let retired = retire(&self.dir(journal), confirmed, 0, MUCH_LATER_MS, &self.budget).expect("retired");
        assert!(!matches!(retired, Retired::Kept(_)), "{retired:?}");
    }

    /// The process that wrote them dies.
    pub(crate) fn kill_writers(&mut self) {
        self.writers.clear();
    }
}

/// A feed with all that is before it.
pub(crate) trait Rig {
    type Feed: Feed;

    fn new(disk: &Disk, ledger: &Ledger) -> Self;

    /// A feed as one more worker has it.
    fn feed(&self) -> Self::Feed;

    /// What happens between the journals and the feed.
    async fn carry(&mut self);
}

/// Works until the cursors of these journals stand there.
pub(crate) async fn work_until<R: Rig>(
    rig: &mut R,
    hand: &mut Hand<R::Feed>,
    ledger: &Ledger,
    wanted: &[(JournalId, u64)],
) {
    let started = Instant::now();
    while wanted.iter().any(|(journal, seq)| ledger.cursor(*journal) != *seq) {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {wanted:?}");
        rig.carry().await;
        if !hand.work().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

pub(crate) struct LocalRig {
    root: PathBuf,
    stats: Arc<JournalStats>,
    ledger: Ledger,
}

impl Rig for LocalRig {
    type Feed = LocalFeed;

    fn new(disk: &Disk, ledger: &Ledger) -> Self {
        Self {
            root: disk.root().to_owned(),
            stats: Arc::clone(&disk.stats),
            ledger: ledger.clone(),
        }
    }

    fn feed(&self) -> LocalFeed {
        LocalFeed::new(&self.root, Arc::new(self.ledger.clone()), Arc::clone(&self.stats))
    }

    async fn carry(&mut self) {}
}

pub(crate) struct RedisRig {
    pub(crate) redis: PrivateRedis,
    pub(crate) metrics: Metrics,
    pub(crate) forwarder: Forwarder,
    ledger: Ledger,
    shards: u16,
}

impl RedisRig {
    /// A node with another setting for the number of shards takes over.
    pub(crate) fn reshard(&mut self, disk: &Disk, shards: u16) {
        self.shards = shards;
        self.forwarder = forwarder(&self.redis.url(), disk, &self.ledger, shards, &self.metrics);
    }

    /// Entries in all streams.
    pub(crate) fn entries(&self) -> i64 {
        let keys: Vec<String> = self.redis.ask(&["KEYS", "linkledger:*"]);
        keys.iter().map(|key| self.redis.ask::<i64>(&["XLEN", key])).sum()
    }
}

fn client(urls: &str, metrics: &Metrics) -> Redis {
    let urls = RedisUrls::parse(urls).expect("addresses");
    Redis::new(&urls, metrics.clone()).expect("a client")
}

pub(crate) fn forwarder(urls: &str, disk: &Disk, ledger: &Ledger, shards: u16, metrics: &Metrics) -> Forwarder {
    Forwarder::new(
        disk.root(),
        Arc::clone(&disk.stats),
        client(urls, metrics),
        Arc::new(ledger.clone()),
        shards,
        Progress::default(),
        metrics.clone(),
    )
}

pub(crate) fn stream(urls: &str, ledger: &Ledger, shards: u16, metrics: &Metrics) -> RedisFeed {
    stream_of(all_shards(), urls, ledger, shards, metrics)
}

/// A feed of these shards only.
pub(crate) fn stream_of(owned: OwnedShards, urls: &str, ledger: &Ledger, shards: u16, metrics: &Metrics) -> RedisFeed {
    let (redis, source) = (client(urls, metrics), Arc::new(ledger.clone()));
    RedisFeed::new(redis, source, owned, shards, metrics.clone())
}

impl Rig for RedisRig {
    type Feed = RedisFeed;

    fn new(disk: &Disk, ledger: &Ledger) -> Self {
        let (redis, metrics, shards) = (PrivateRedis::new(), Metrics::new(), 2);
        Self {
            forwarder: forwarder(&redis.url(), disk, ledger, shards, &metrics),
            ledger: ledger.clone(),
            redis,
            metrics,
            shards,
        }
    }

    fn feed(&self) -> RedisFeed {
        stream(&self.redis.url(), &self.ledger, self.shards, &self.metrics)
    }

    async fn carry(&mut self) {
        self.forwarder.round().await;
        // What it has spawned comes to run, too.
        tokio::task::yield_now().await;
    }
}
