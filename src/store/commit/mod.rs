//! The worker's commit: clicks, rollups, conversions, credits and cursors in one transaction.
//!
//! # Constraints
//! The first statements compare and set the cursors. If any cursor is not where the worker left it,
//! nothing of the batch is written: that, and no unique index, is what makes every click count once.
//!
//! # What it never does
//! It never commits a part of a batch, and never moves a cursor backwards.

mod batch;
mod clicks;
mod conversions;
mod dictionary;
mod refunds;
mod rejections;

use super::{Store, StoreError, Tx, Work};
use crate::domain::time::Instant;
pub use batch::{
    Batch, CONTRADICTS_FIRST, ClickRow, Decided, JournalPart, LostRange, Outcome, Outcomes, RefundOutcome, RefundRow,
    Rejection,
};
pub(super) use clicks::{RollupKey, Tally, add_rollups};
use dictionary::Dictionaries;
pub(super) use dictionary::{FacetTexts, facet_id, facet_texts};
use rejections::NotCounted;

/// Writes batches. One per worker: it remembers the dictionaries' ids between batches.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    agent_version: i64,
    known: Dictionaries,
}

impl Committer {
    /// A committer on this store, for clicks whose user agents were read by data of this version.
    #[must_use]
    pub fn new(store: Store, agent_version: i64) -> Self {
        Self {
            store,
            agent_version,
            known: Dictionaries::default(),
        }
    }

    /// Writes a batch, or nothing of it.
    ///
    /// # Errors
    /// [`StoreError::CursorMoved`] when another worker was faster; [`StoreError::Engine`] when the
    /// store did not answer. After the latter the commit may or may not have happened: read the
    /// cursors before anything else.
    pub async fn commit(&mut self, batch: Batch, now: Instant) -> Result<Outcomes, StoreError> {
        // On any error the dictionaries are forgotten with the transaction that may have made them.
        let mut known = std::mem::take(&mut self.known);
        let agent_version = self.agent_version;
        let commit = self.store.transact_bulk(move |tx| -> Work<'_, _> {
            Box::pin(async move {
                let outcomes = write(tx, &batch, &mut known, agent_version, now).await?;
                Ok((outcomes, known))
            })
        });
        let (outcomes, known) = commit.await?;
        self.known = known;
        Ok(outcomes)
    }
}

async fn write(
    tx: &mut Tx,
    batch: &Batch,
    known: &mut Dictionaries,
    agent_version: i64,
    now: Instant,
) -> Result<Outcomes, StoreError> {
    known.trust(tx.share_counts().await?);
    let nums = move_cursors(tx, &batch.parts, now).await?;
    lock_brands(tx, batch).await?;
    clicks::write(tx, &batch.clicks, (&nums, batch.shard), known, agent_version).await?;
    let counted = conversions::write(tx, &batch.conversions, &nums, now).await?;
    let settled = refunds::settle(tx, &batch.conversions, &counted, now).await?;
    let refunded = refunds::write(tx, &batch.refunds, &nums, now).await?;
    for rejection in &batch.rejections {
        let rejected = NotCounted {
            journal_num: nums[rejection.part],
            seq: rejection.seq,
            brand: rejection.brand,
            kind: rejection.kind,
            reason: rejection.reason,
            facts: &rejection.facts,
        };
        rejected.write(tx, now).await?;
    }
    Ok(Outcomes {
        conversions: counted,
        refunds: refunded,
        settled,
    })
}

/// Workers that bring money of the same brands take turns, so that an order and its refund which two of them bring at
/// the same time see each other. In the order of their numbers, so that nobody waits in a circle. SQLite has one writer.
async fn lock_brands(tx: &mut Tx, batch: &Batch) -> Result<(), StoreError> {
    let Tx::Postgres(conn) = tx else { return Ok(()) };
    let of_conversions = batch.conversions.iter().map(|decided| decided.conversion.brand);
    let brands = of_conversions.chain(batch.refunds.iter().map(|row| row.refund.brand));
    let brands: Vec<i64> = brands.map(|brand| brand.number()).collect();
    if !brands.is_empty() {
        sqlx::query("SELECT id FROM brands WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(brands)
            .fetch_all(&mut **conn)
            .await?;
    }
    Ok(())
}

/// Compares and sets the cursors; returns the journals' small numbers, in the order of `parts`. In the order of their
/// uuids, so that two workers which bring the same journals do not wait in a circle.
async fn move_cursors(tx: &mut Tx, parts: &[JournalPart], now: Instant) -> Result<Vec<i64>, StoreError> {
    let mut in_order: Vec<usize> = (0..parts.len()).collect();
    in_order.sort_by_key(|place| &parts[*place].journal);
    let mut nums = vec![0; parts.len()];
    for place in in_order {
        nums[place] = move_cursor(tx, &parts[place], now).await?;
    }
    Ok(nums)
}

/// Compares and sets one cursor; returns the journal's small number.
async fn move_cursor(tx: &mut Tx, part: &JournalPart, now: Instant) -> Result<i64, StoreError> {
    let lost = part.lost.map_or(0, |lost| lost.to - lost.from + 1);
    // A journal that the store has never met starts at 0; a cursor that should be there and is not
    // (an older store was restored) must not be made up.
    let sql = if part.after_seq == 0 {
        // Taken in order in SQLite, where one transaction writes at a time.
        let num = match tx {
            Tx::Sqlite(_) => "(SELECT COALESCE(MAX(num), 0) + 1 FROM journals)",
            Tx::Postgres(_) => "nextval('journal_nums')",
        };
        format!(
            "INSERT INTO journals (uuid, tag, purpose, num, seq, clicks, others, lost, first_seen_ms, updated_at_ms)
         VALUES ($1, $2, $3, {num}, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (uuid) DO UPDATE SET seq = $5, clicks = journals.clicks + $6,
             others = journals.others + $7, lost = journals.lost + $8, updated_at_ms = $9
         WHERE journals.seq = $4 RETURNING num"
        )
    } else {
        "UPDATE journals SET tag = $2, purpose = $3, seq = $5, clicks = clicks + $6, others = others + $7,
             lost = lost + $8, updated_at_ms = $9
         WHERE uuid = $1 AND seq = $4 RETURNING num"
            .to_owned()
    };
    let moved: Option<(i64,)> = tx
        .query_built(sql)
        .bind(&part.journal)
        .bind(i64::from(part.tag))
        .bind(part.purpose)
        .bind(part.after_seq)
        .bind(part.last_seq)
        .bind(part.clicks)
        .bind(part.others)
        .bind(lost)
        .bind(now.ms())
        .optional()
        .await?;
    let Some((num,)) = moved else {
        return Err(StoreError::CursorMoved {
            journal: part.journal.clone(),
        });
    };
    if let Some(lost) = part.lost {
        let sql = "INSERT INTO lost_ranges (journal_num, from_seq, to_seq, why, declared_at_ms)
            VALUES ($1, $2, $3, $4, $5)";
        let query = tx.query(sql).bind(num).bind(lost.from).bind(lost.to);
        query.bind(lost.why).bind(now.ms()).execute().await?;
    }
    Ok(num)
}
