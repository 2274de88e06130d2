//! Carries the journals of one data directory into the streams; see the [module's papers](super).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::client::Redis;
use super::confirm::Question;
use super::format::{encode, shard_of};
use super::in_flight::{Batch, InFlight};
use crate::journal::{JournalId, JournalStats, MAX_PAYLOAD_BYTES};
use crate::metrics::Metrics;
use crate::shutdown::Stopping;
use crate::stream::journals::Journals;
use crate::stream::{CursorSource, Progress};

/// Records of one batch.
const BATCH_MAX_RECORDS: usize = 4096;
/// Payload bytes of one batch, unless one record alone has more.
const BATCH_MAX_BYTES: usize = MAX_PAYLOAD_BYTES;
/// What one journal may have in flight, packed. Enough for a worker to work on until the next confirmation.
const IN_FLIGHT_MAX_BYTES: usize = 8 << 20;
/// What all journals of a node may have in flight; beyond it each may have one batch.
const ALL_IN_FLIGHT_MAX_BYTES: usize = 64 << 20;
/// Journals that send at the same time; each holds one batch in memory.
const SENT_AT_ONCE: usize = 16;
/// How long it sleeps when there was nothing to send, unless somebody waits.
const IDLE: Duration = Duration::from_millis(50);

/// Forwards one data directory's journals.
pub struct Forwarder {
    pub(super) journals: Journals,
    pub(super) redis: Redis,
    pub(super) source: Arc<dyn CursorSource>,
    pub(super) shards: u16,
    pub(super) progress: Progress,
    pub(super) metrics: Metrics,
    pub(super) in_flight: BTreeMap<JournalId, InFlight>,
    pub(super) asking: Option<Question>,
    pub(super) asked_at: Option<Instant>,
    /// Which journal comes first in the next round.
    turn: usize,
    /// Whether Redis, or the store, has failed and that was said.
    redis_failed: bool,
    pub(super) store_failed: bool,
}

impl Forwarder {
    /// A forwarder of the journals under `root` into so many shards.
    #[must_use]
    pub fn new(
        root: &Path,
        stats: Arc<JournalStats>,
        redis: Redis,
        source: Arc<dyn CursorSource>,
        shards: u16,
        progress: Progress,
        metrics: Metrics,
    ) -> Self {
        Self {
            journals: Journals::new(root, stats),
            redis,
            source,
            shards,
            progress,
            metrics,
            in_flight: BTreeMap::new(),
            asking: None,
            asked_at: None,
            turn: 0,
            redis_failed: false,
            store_failed: false,
        }
    }

    /// Forwards until told to stop and everything that was journaled is in Redis, or `drain_for` is over, be it in the
    /// middle of a round: what was not acknowledged is sent again. What is left waits on disk for the next start, or for
    /// `drain`.
    pub async fn run(mut self, stopping: Stopping, drain_for: Duration) {
        let mut over = stopping.clone();
        let over = async {
            over.wait().await;
            tokio::time::sleep(drain_for).await;
        };
        tokio::select! {
            () = self.forward(stopping) => {}
            () = over => tracing::warn!("stopping with records that are not in Redis; the next start forwards them"),
        }
    }

    async fn forward(&mut self, mut stopping: Stopping) {
        loop {
            // Before the round: what was journaled before the stop is then read in it.
            let ending = stopping.is_set();
            let sent = self.round().await;
            if ending && !sent && self.all_sent() {
                return;
            }
            if sent {
                continue;
            }
            tokio::select! {
                () = self.progress.hurried(), if !ending => {}
                () = stopping.wait(), if !ending => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }

    /// Sends what there is, once for each journal, and reads the cursors when it is time. Whether anything was sent.
    pub async fn round(&mut self) -> bool {
        if let Err(error) = self.journals.look() {
            tracing::error!(%error, "the journals cannot be listed");
        }
        self.start_own();
        let sent = self.send().await;
        self.confirm().await;
        sent
    }

    /// Whether everything that can be read was sent.
    fn all_sent(&self) -> bool {
        self.in_flight.values().all(|journal| journal.pending.is_none())
            && self.journals.readable().iter().all(|id| self.may_read(*id))
    }

    /// A journal that is written to right now is this process's own, since it holds the data directory: nobody has sent
    /// any of it. The others wait to hear from the store how far they are.
    fn start_own(&mut self) {
        for (id, live) in self.journals.waiting() {
            if live {
                self.start(id, 0);
            }
        }
    }

    pub(super) fn start(&mut self, id: JournalId, after_seq: u64) {
        self.journals.start(id, after_seq);
        self.in_flight.insert(id, InFlight::from(after_seq));
    }

    fn may_read(&self, id: JournalId) -> bool {
        let all: usize = self.in_flight.values().map(InFlight::bytes).sum();
        let own = self.in_flight.get(&id).map_or(0, InFlight::bytes);
        own == 0 || own < IN_FLIGHT_MAX_BYTES && all < ALL_IN_FLIGHT_MAX_BYTES
    }

    async fn send(&mut self) -> bool {
        let ids = self.due();
        let redis = &self.redis;
        let sending = ids.iter().filter_map(|id| {
            let batch = self.in_flight.get(id)?.pending.as_ref()?;
            let shard = shard_of(*id, self.shards);
            Some(async move { (*id, redis.add(shard, &batch.bytes).await) })
        });
        let answers = join_all(sending).await;
        let mut sent = false;
        for (id, answer) in answers {
            let Some(journal) = self.in_flight.get_mut(&id) else {
                continue;
            };
            match answer {
                Ok(entry) => {
                    fail::fail_point!("after_xadd", |_| std::process::abort());
                    journal.appended(entry);
                    sent = true;
                    self.redis_failed = false;
                }
                Err(error) => {
                    journal.unknown();
                    self.metrics.stream_resends.inc();
                    if !self.redis_failed {
                        tracing::warn!(%error, "Redis took no records; they wait on disk and are sent again");
                        self.redis_failed = true;
                    }
                }
            }
        }
        sent
    }

    /// Journals with something to send now, with that read.
    fn due(&mut self) -> Vec<JournalId> {
        let readable = self.journals.readable();
        let pending = self.in_flight.iter().filter(|(_, journal)| journal.pending.is_some());
        let mut order: Vec<JournalId> = pending.map(|(id, _)| *id).collect();
        let known: HashSet<JournalId> = order.iter().copied().collect();
        order.extend(readable.into_iter().filter(|id| !known.contains(id)));
        // The API's and those in arrears stand in front, but nobody stands there for ever.
        self.turn = self.turn.wrapping_add(1);
        if order.len() > SENT_AT_ONCE {
            let places = order.len();
            order.rotate_left(self.turn * SENT_AT_ONCE % places);
        }
        let mut due = Vec::new();
        for id in order {
            if due.len() == SENT_AT_ONCE {
                break;
            }
            if self.fill(id) {
                due.push(id);
            }
        }
        due
    }

    /// Whether a journal has a batch to send now.
    fn fill(&mut self, id: JournalId) -> bool {
        let Some(journal) = self.in_flight.get(&id) else {
            return false;
        };
        if !journal.may_send() {
            return false;
        }
        if journal.pending.is_some() {
            return true;
        }
        if !self.may_read(id) {
            return false;
        }
        let Some(stretch) = self.journals.read(id, BATCH_MAX_RECORDS, BATCH_MAX_BYTES) else {
            return false;
        };
        match encode(&stretch) {
            Ok(bytes) => {
                if let Some(journal) = self.in_flight.get_mut(&id) {
                    journal.pending = Some(Batch {
                        first_seq: stretch.after_seq + 1,
                        last_seq: stretch.last_seq(),
                        bytes,
                    });
                }
                true
            }
            Err(error) => {
                tracing::error!(journal = %id, %error, "a batch cannot be packed; trying again");
                self.journals.start(id, stretch.after_seq);
                false
            }
        }
    }
}
