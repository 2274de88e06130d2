//! Reads shards of the stream for a worker; see the [module's papers](super).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::client::Redis;
use super::commands::EntryId;
use super::format::SHARDS_MAX;
use super::lot::{Decoded, Draft, Known, decode};
use crate::journal::JournalId;
use crate::metrics::Metrics;
use crate::stream::{CursorSource, Feed, FeedError, Lot, cursor_of};

/// The shards that a worker is to read, as they are now.
pub type OwnedShards = watch::Receiver<Vec<u16>>;

/// How often shards beyond the configured ones are looked at: another node may still write to them.
const STRAYS_EVERY: Duration = Duration::from_secs(5);
/// Of these so many at a time: there are many, nearly always empty, and nobody must wait for them.
const STRAYS_AT_ONCE: usize = 8;
/// How often a shard with held journals is read from its start again.
const RESCAN_EVERY: Duration = Duration::from_secs(1);
/// A shard whose server has failed is left alone this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often a stream's length is told.
const MEASURE_EVERY: Duration = Duration::from_secs(2);
/// Bytes that one page is meant to have; what it has depends on the entries, so the next page is told from the last.
const PAGE_BYTES: usize = 2 << 20;
/// Entries of one page.
const PAGE_ENTRIES: std::ops::RangeInclusive<usize> = 8..=64;

/// Every shard that there can be.
#[must_use]
pub fn all_shards() -> OwnedShards {
    watch::channel((0..SHARDS_MAX).collect()).1
}

/// What is remembered of a shard.
struct Shard {
    /// Behind which entry the next page starts, where entries of held journals were passed over.
    after: Option<EntryId>,
    rescanned: Instant,
    page_entries: usize,
    not_before: Option<Instant>,
    /// Whether something lay there at the last look.
    busy: bool,
    looked: Option<Instant>,
    measured: Option<Instant>,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            after: None,
            rescanned: Instant::now(),
            page_entries: *PAGE_ENTRIES.start(),
            not_before: None,
            busy: false,
            looked: None,
            measured: None,
        }
    }
}

impl Shard {
    /// Takes back what was told of its length.
    fn tell_no_more(&mut self, number: u16, metrics: &Metrics) {
        if self.measured.take().is_some() {
            // An error says that it was never told.
            let _ = metrics.stream_entries.remove_label_values(&[number.to_string()]);
        }
    }
}

/// Reads the shards that one worker owns.
pub struct RedisFeed {
    redis: Redis,
    source: Arc<dyn CursorSource>,
    owned: OwnedShards,
    configured: u16,
    metrics: Metrics,
    shards: BTreeMap<u16, Shard>,
    /// The shard of the last lot: the next one is looked for behind it.
    last: u16,
    known: Known,
    /// What is to be deleted once the last lot is committed.
    lot: Vec<(JournalId, EntryId)>,
    failed: bool,
}

impl RedisFeed {
    /// A feed of these shards, of which so many are written to by nodes with the same settings.
    #[must_use]
    pub fn new(
        redis: Redis,
        source: Arc<dyn CursorSource>,
        owned: OwnedShards,
        configured: u16,
        metrics: Metrics,
    ) -> Self {
        Self {
            redis,
            source,
            owned,
            configured,
            metrics,
            shards: BTreeMap::new(),
            last: 0,
            known: Known::default(),
            lot: Vec::new(),
            failed: false,
        }
    }

    /// The owned shards that are to be looked at now, from behind the last one on; a few strays first.
    fn due(&mut self) -> Vec<u16> {
        let mut owned: Vec<u16> = self
            .owned
            .borrow()
            .iter()
            .copied()
            .filter(|s| *s < SHARDS_MAX)
            .collect();
        owned.sort_unstable();
        owned.dedup();
        // Whoever reads a shard now tells its length.
        self.shards.retain(|number, shard| {
            let keeps = owned.binary_search(number).is_ok();
            if !keeps {
                shard.tell_no_more(*number, &self.metrics);
            }
            keeps
        });
        let behind_last = owned.partition_point(|shard| *shard <= self.last);
        owned.rotate_left(behind_last);
        let now = Instant::now();
        let (mut known, mut strays) = (Vec::new(), Vec::new());
        for number in owned {
            let shard = self.shards.entry(number).or_default();
            if shard.not_before.is_some_and(|at| now < at) {
                continue;
            }
            if number < self.configured || shard.busy {
                known.push(number);
            } else if shard.looked.is_none_or(|at| at.elapsed() >= STRAYS_EVERY) && strays.len() < STRAYS_AT_ONCE {
                strays.push(number);
            }
        }
        // A round ends with the first shard that holds something: behind the others strays would never have their turn.
        strays.extend(known);
        strays
    }

    async fn read(&mut self, number: u16, max_records: usize) -> Result<Option<Lot>, FeedError> {
        let shard = self.shards.entry(number).or_default();
        if number < self.configured || shard.busy {
            self.measure(number).await?;
        }
        let shard = self.shards.entry(number).or_default();
        if shard.rescanned.elapsed() >= RESCAN_EVERY {
            shard.after = None;
        }
        if shard.after.is_none() {
            shard.rescanned = Instant::now();
        }
        let mut after = shard.after.clone();
        let mut draft = Draft::default();
        let mut busy = false;
        loop {
            let entries = self.shards.entry(number).or_default().page_entries;
            let from = after.as_ref().map_or_else(|| "-".to_owned(), |id| format!("({id}"));
            let page = self.redis.range(number, &from, entries).await?;
            self.failed = false;
            let is_last = page.len() < entries;
            if let Some(last) = page.last() {
                busy = true;
                after = Some(last.id.clone());
                let bytes: usize = page.iter().filter_map(|found| found.batch.as_ref()).map(Vec::len).sum();
                let fitting = PAGE_BYTES / (bytes / page.len()).max(1);
                let shard = self.shards.entry(number).or_default();
                shard.page_entries = fitting.clamp(*PAGE_ENTRIES.start(), *PAGE_ENTRIES.end());
            }
            self.judge(number, decode(page), &mut draft).await?;
            if is_last || draft.is_full(max_records) {
                break;
            }
        }
        let shard = self.shards.entry(number).or_default();
        shard.looked = Some(Instant::now());
        shard.busy = busy;
        if !busy && number >= self.configured {
            shard.tell_no_more(number, &self.metrics);
        }
        shard.after = after.filter(|_| draft.left_behind && !draft.is_blocked());
        if draft.is_empty() {
            return Ok(None);
        }
        let (lot, entries) = draft.finish(number, &mut self.known);
        self.lot = entries;
        Ok(Some(lot))
    }

    async fn judge(&mut self, number: u16, page: Decoded, draft: &mut Draft) -> Result<(), FeedError> {
        let doubtful = draft.doubtful(&page, &self.known);
        if !doubtful.is_empty() {
            let cursors = self.source.cursors(doubtful.clone()).await?;
            for id in doubtful {
                self.known.positions.insert(id, cursor_of(&cursors, id));
            }
        }
        let verdicts = draft.judge(page, &mut self.known);
        if verdicts.unreadable > 0 {
            let (shard, entries) = (number, verdicts.unreadable);
            tracing::error!(
                shard,
                entries,
                "entries of the stream are foreign or damaged and are deleted; a damaged batch is sent again"
            );
            self.metrics.stream_unreadable.inc_by(entries);
        }
        if verdicts.gaps > 0 {
            let (shard, batches) = (number, verdicts.gaps);
            tracing::warn!(
                shard,
                batches,
                "batches behind a gap are dropped; what is missing is sent again with them"
            );
            self.metrics.stream_gaps.inc_by(batches);
        }
        for journal in verdicts.newly_held {
            tracing::error!(%journal, "a batch of an unknown version: this journal waits for a newer worker");
            self.metrics
                .journal_faults
                .with_label_values(&["unknown_version"])
                .inc();
        }
        self.delete(number, &verdicts.dead).await;
        Ok(())
    }

    /// What stays in spite of it is skipped and deleted next time.
    async fn delete(&self, shard: u16, entries: &[EntryId]) {
        if let Err(error) = self.redis.delete(shard, entries).await {
            tracing::debug!(shard, %error, "entries were not deleted");
        }
    }

    async fn measure(&mut self, number: u16) -> Result<(), FeedError> {
        let shard = self.shards.entry(number).or_default();
        if shard.measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
            let entries = self.redis.entries(number).await?;
            shard.measured = Some(Instant::now());
            let gauge = &self.metrics.stream_entries;
            gauge.with_label_values(&[number.to_string()]).set(entries);
        }
        Ok(())
    }

    /// A server that fails does not end the worker's round, and keeps no other server's shards waiting.
    fn leave_alone(&mut self, number: u16, error: &FeedError) {
        if !self.failed {
            tracing::warn!(shard = number, %error, "the stream cannot be read; trying again every second");
            self.failed = true;
        }
        let not_before = Some(Instant::now() + TRY_AGAIN);
        for (shard, state) in &mut self.shards {
            if *shard == number || !self.redis.is_cluster() {
                state.not_before = not_before;
            }
        }
    }
}

impl Feed for RedisFeed {
    /// Whatever is left in the streams is any worker's.
    const DRAINS: bool = false;

    async fn poll(&mut self, max_records: usize) -> Result<Lot, FeedError> {
        self.lot.clear();
        for number in self.due() {
            match self.read(number, max_records).await {
                Ok(Some(lot)) => {
                    self.last = number;
                    return Ok(lot);
                }
                Ok(None) => {}
                Err(error @ FeedError::Redis(_)) => {
                    self.leave_alone(number, &error);
                    if !self.redis.is_cluster() {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Lot::default())
    }

    async fn done(&mut self) {
        let entries: Vec<EntryId> = self.lot.drain(..).map(|(_, id)| id).collect();
        self.delete(self.last, &entries).await;
        fail::fail_point!("after_xdel", |_| std::process::abort());
    }

    fn rewind(&mut self) {
        self.known = Known::default();
        self.lot.clear();
        for shard in self.shards.values_mut() {
            shard.after = None;
        }
    }

    /// Its entries of the last lot stay as well: the lot was committed only up to the record that is held.
    fn hold(&mut self, journal: JournalId) {
        self.known.held.insert(journal);
        self.known.positions.remove(&journal);
        self.lot.retain(|(of, _)| *of != journal);
    }
}
