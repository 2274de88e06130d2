//! The classes of a quarter's stale clicks, by what their agents say now.
//!
//! A click is found by its time and its place in its journal: rows are numbered in SQLite only.

use std::collections::{BTreeMap, HashSet};

use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::rollups::SHARD;
use super::{Moved, ROWS_AT_ONCE, STALE};
use crate::domain::click::{ClickClass, ClickFlags};
use crate::domain::time::QUARTER_MS;
use crate::store::commit::{FacetTexts, RollupKey, Tally, add_rollups, facet_id, facet_texts};
use crate::store::{Store, StoreError, Tx, columns};

/// A click that counts otherwise now.
struct Change {
    at_ms: i64,
    journal_num: i64,
    seq: i64,
    class: ClickClass,
    reason: String,
    link: i64,
    facet: FacetTexts,
    /// What it adds to people's clicks: 1, 0 or -1.
    human: i64,
}

/// Where a click is found: its time, its journal's number and its sequence.
type Place = (i64, i64, i64);

impl Change {
    const fn place(&self) -> Place {
        (self.at_ms, self.journal_num, self.seq)
    }
}

/// What a stale click counts as now, unless that is what it counted as before.
fn change(row: &AnyRow) -> Result<Option<Change>, StoreError> {
    let code = |column| -> Result<u8, StoreError> { Ok(u8::try_from(columns::int(row, column)?).unwrap_or(u8::MAX)) };
    let unknown = |column| StoreError::Unreadable {
        column,
        message: "no class of clicks".to_owned(),
    };
    let before = ClickClass::from_code(code("class")?).ok_or_else(|| unknown("class"))?;
    let of_agent = ClickClass::from_code(code("agent_class")?).ok_or_else(|| unknown("agent_class"))?;
    let by_agent = (of_agent, columns::text(row, "agent_reason")?);
    let (class, reason) = ClickClass::of_click(ClickFlags::from_bits(code("flags")?), by_agent);
    if class == before && reason == columns::text(row, "reason")? {
        return Ok(None);
    }
    let text = |column| columns::text(row, column);
    let facet = [
        text("country")?,
        text("device")?,
        text("os")?,
        text("browser")?,
        text("host")?,
    ];
    let human = |class| i64::from(class == ClickClass::Human);
    Ok(Some(Change {
        at_ms: columns::int(row, "at_ms")?,
        journal_num: columns::int(row, "journal_num")?,
        seq: columns::int(row, "seq")?,
        class,
        reason,
        link: columns::int(row, "link_id")?,
        facet: facet_texts(facet.each_ref().map(String::as_str)),
        human: human(class) - human(before),
    }))
}

async fn write(tx: &mut Tx, quarter_ms: i64, changes: Vec<Change>) -> Result<(), StoreError> {
    tx.own_counts().await?;
    // Clicks whose day was sealed and dropped since they were read count on as they did: so says what was kept of them.
    let changed = set_classes(tx, quarter_ms, &changes).await?;
    let mut human: BTreeMap<(i64, FacetTexts), i64> = BTreeMap::new();
    for change in changes {
        if !changed.contains(&change.place()) {
            continue;
        }
        *human.entry((change.link, change.facet)).or_default() += change.human;
    }
    let mut rollups: BTreeMap<RollupKey, Tally> = BTreeMap::new();
    for ((link, facet), human) in human {
        let facet = facet_id(tx, &facet).await?;
        rollups.entry((link, quarter_ms, facet)).or_default().human += human;
    }
    rollups.retain(|_, tally| *tally != Tally::default());
    let rollups: Vec<_> = rollups.into_iter().collect();
    add_rollups(tx, SHARD, &rollups).await
}

/// Returns the places of the clicks that are still there.
async fn set_classes(tx: &mut Tx, quarter_ms: i64, changes: &[Change]) -> Result<HashSet<Place>, StoreError> {
    match tx {
        // Which keeps its clicks.
        Tx::Sqlite(_) => {
            for change in changes {
                let sql =
                    "UPDATE clicks SET class = $1, reason = $2 WHERE at_ms = $3 AND journal_num = $4 AND seq = $5";
                let query = tx.query(sql).bind(i64::from(change.class.code())).bind(&change.reason);
                let query = query.bind(change.at_ms).bind(change.journal_num).bind(change.seq);
                query.execute().await?;
            }
            Ok(changes.iter().map(Change::place).collect())
        }
        Tx::Postgres(conn) => {
            // The quarter is said once more so that only its partition is looked at.
            let sql = "UPDATE clicks SET class = changed.class, reason = changed.reason
                FROM UNNEST($1::smallint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
                    AS changed (class, reason, at_ms, journal_num, seq)
                WHERE clicks.at_ms >= $6 AND clicks.at_ms < $7 AND clicks.at_ms = changed.at_ms
                    AND clicks.journal_num = changed.journal_num AND clicks.seq = changed.seq
                RETURNING clicks.at_ms, CAST(clicks.journal_num AS BIGINT), clicks.seq";
            let numbers = |of: fn(&Change) -> i64| changes.iter().map(of).collect::<Vec<i64>>();
            let classes: Vec<i16> = changes.iter().map(|change| change.class.code().into()).collect();
            let reasons: Vec<&str> = changes.iter().map(|change| &*change.reason).collect();
            let query = sqlx::query_as(sql).bind(classes).bind(reasons);
            let changed: Vec<Place> = query
                .bind(numbers(|change| change.at_ms))
                .bind(numbers(|change| change.journal_num))
                .bind(numbers(|change| change.seq))
                .bind(quarter_ms)
                .bind(quarter_ms + QUARTER_MS)
                .fetch_all(&mut **conn)
                .await?;
            Ok(changed.into_iter().collect())
        }
    }
}

impl Store {
    /// Gives a quarter's stale clicks the class that they have now, and takes it into the rollups.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn classify_again(&self, quarter_ms: i64) -> Result<Moved, StoreError> {
        let sql = format!(
            "SELECT clicks.at_ms AS at_ms, clicks.journal_num AS journal_num, clicks.seq AS seq, clicks.flags AS flags,
                clicks.class AS class, clicks.reason AS reason, clicks.link_id AS link_id, clicks.country AS country,
                user_agents.class AS agent_class, user_agents.reason AS agent_reason, user_agents.device AS device,
                user_agents.os AS os, user_agents.browser AS browser, referrers.host AS host
            FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
                JOIN referrers ON referrers.id = clicks.referrer_id
            WHERE clicks.at_ms >= $1 AND clicks.at_ms < $2 AND user_agents.version = {STALE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(quarter_ms);
        let mut rows = query.bind(quarter_ms + QUARTER_MS).fetch(&self.control);
        let mut moved = Moved::default();
        let mut changes = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let Some(change) = change(&row)? else { continue };
            match change.human {
                1 => moved.to_people += 1,
                -1 => moved.to_programs += 1,
                _ => {}
            }
            changes.push(change);
            if changes.len() == ROWS_AT_ONCE {
                self.change_classes(quarter_ms, std::mem::take(&mut changes)).await?;
            }
        }
        self.change_classes(quarter_ms, changes).await?;
        Ok(moved)
    }

    async fn change_classes(&self, quarter_ms: i64, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write_politely(move |tx| Box::pin(write(tx, quarter_ms, changes)))
            .await
    }
}
