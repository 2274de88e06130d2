//! One row: servers, nodes and load; a fault; and the verdict.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fleet::{Fleet, Settings};
use super::judge::{Expect, Figures, judge, settle};
use super::ledger::Ledger;
use super::load::{Load, Targets};
use super::log::Log;
use super::matrix::{self, Chance};
use crate::harness::http::{ask, visit};
use crate::harness::servers::cluster::RedisCluster;
use crate::harness::servers::postgres::PrivatePostgres;
use crate::harness::servers::redis::PrivateRedis;
use crate::harness::wait_until;

/// Clicks before the fault, and after it.
const WARM: usize = 150;
const AFTER: usize = 150;

/// What lies between the nodes and the database.
pub(crate) enum Stream {
    /// Nothing: every node reads its own journals.
    None,
    One(PrivateRedis),
    Cluster(RedisCluster),
}

/// What the installation runs on.
pub(crate) struct Backends {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) stream: Stream,
}

impl Backends {
    /// Postgres alone.
    pub(crate) fn without_redis() -> Self {
        Self {
            postgres: PrivatePostgres::new(),
            stream: Stream::None,
        }
    }

    /// With a Redis of these settings.
    pub(crate) fn with_redis(options: &[(&str, &str)]) -> Self {
        Self {
            postgres: PrivatePostgres::new(),
            stream: Stream::One(PrivateRedis::with_options(options)),
        }
    }

    pub(crate) fn with_cluster(cluster: RedisCluster) -> Self {
        Self {
            postgres: PrivatePostgres::new(),
            stream: Stream::Cluster(cluster),
        }
    }

    pub(crate) fn redis(&self) -> &PrivateRedis {
        match &self.stream {
            Stream::One(redis) => redis,
            Stream::None | Stream::Cluster(_) => panic!("this row has no single Redis"),
        }
    }

    pub(crate) fn cluster(&mut self) -> &mut RedisCluster {
        match &mut self.stream {
            Stream::Cluster(cluster) => cluster,
            Stream::None | Stream::One(_) => panic!("this row has no Cluster"),
        }
    }

    fn redis_url(&self) -> Option<String> {
        match &self.stream {
            Stream::None => None,
            Stream::One(redis) => Some(redis.url()),
            Stream::Cluster(cluster) => Some(cluster.urls()),
        }
    }
}

/// A running installation under load.
pub(crate) struct Scene {
    // The nodes end before what they run on.
    pub(crate) fleet: Fleet,
    pub(crate) backends: Backends,
    pub(crate) ledger: Ledger,
    pub(crate) log: Arc<Log>,
    pub(crate) targets: Targets,
    pub(crate) chance: Chance,
    pub(crate) expect: Expect,
    load: Option<Load>,
    row: &'static str,
    seed: u64,
    rounds: usize,
}

impl Scene {
    /// Everything serves and is under load.
    pub(crate) fn begin(row: &'static str, backends: Backends) -> Self {
        let mut scene = Self::quiet(row, backends, Vec::new());
        scene.start_load();
        scene
    }

    /// Everything serves; nobody asks yet.
    pub(crate) fn quiet(row: &'static str, backends: Backends, more: Vec<(&'static str, String)>) -> Self {
        let seed = Chance::seed();
        eprintln!("{row}: seed {seed}");
        let settings = Settings {
            database: backends.postgres.database(),
            redis: backends.redis_url(),
            more,
        };
        let ledger = Ledger::new(&settings.database);
        let (fleet, targets) = Fleet::start(settings);
        Self {
            fleet,
            backends,
            ledger,
            log: Arc::default(),
            targets,
            chance: Chance::new(seed),
            expect: Expect::default(),
            load: None,
            row,
            seed,
            rounds: 0,
        }
    }

    pub(crate) fn start_load(&mut self) {
        self.load = Some(Load::start(&self.targets, &self.log));
        self.answers(WARM);
        wait_until("the first clicks are committed", || {
            self.ledger
                .number("SELECT COUNT(*) FROM clicks")
                .is_ok_and(|count| count > 0)
        });
    }

    /// Waits until so many more visitors were answered.
    #[track_caller]
    pub(crate) fn answers(&self, count: usize) {
        let wanted = self.log.answers() + count;
        wait_until("visitors are answered", || self.log.answers() >= wanted);
    }

    /// Waits while a fault lasts; visitors must be answered all the while.
    pub(crate) fn endure(&self, time: Duration) {
        let before = self.log.answers();
        let until = Instant::now() + time;
        while Instant::now() < until {
            let answered = self.log.answers();
            // The fault's own length, in pieces.
            std::thread::sleep(Duration::from_millis(500).min(until - Instant::now()));
            let slow = self.log.answers() == answered && self.log.answers() - before < AFTER;
            if slow {
                self.answers(1);
            }
        }
        assert!(
            self.log.answers() > before,
            "nobody was answered during {time:?} of the fault"
        );
    }

    /// One visit, logged like those of the load; its click id.
    pub(crate) fn visit(&self) -> String {
        let slot = &self.targets.redirects[0];
        let address = slot.view().expect("a serving node").address;
        self.log.sent.fetch_add(1, Ordering::SeqCst);
        let id = ask(address, &visit(&self.targets.slugs[0])).click_id();
        self.log.clicked(id.clone(), &slot.name);
        id
    }

    /// A round of the row is about to begin.
    pub(crate) fn round(&mut self) {
        self.rounds += 1;
        if matrix::long() {
            eprintln!("{}: round {}, {} answered", self.row, self.rounds, self.log.answers());
        }
    }

    /// The fault is over: a little more load, then everything has to add up. Fails the test where it does not.
    pub(crate) fn end(self) -> Figures {
        self.end_with(|_| ())
    }

    /// What the row needs is not to be had here.
    pub(crate) fn abandon(mut self) {
        self.fleet.terminate_all();
    }

    /// The same with a look at the scene before its nodes are stopped.
    pub(crate) fn end_with(mut self, look: impl FnOnce(&Self)) -> Figures {
        let fault_ended = Instant::now();
        if let Some(load) = self.load.take() {
            self.answers(AFTER);
            load.stop();
        }
        let drain = settle(&self.ledger, &self.log, self.expect, fault_ended);
        look(&self);
        let last_words = self.fleet.last_words();
        self.fleet.terminate_all();
        let figures = judge(&self.fleet, &self.ledger, &self.log, self.expect, drain);
        let violations = self.log.violations();
        assert!(
            violations.is_empty(),
            "{} (TEST_FAULTS_SEED={}, {} rounds):\n- {}\n{figures:?}\n{last_words}",
            self.row,
            self.seed,
            self.rounds,
            violations.join("\n- ")
        );
        matrix::note(self.row, self.rounds.max(1), self.seed, &figures);
        figures
    }
}
