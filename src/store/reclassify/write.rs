//! The writes of a reclassification, each inside one transaction.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;

use super::{Change, Rollups};
use crate::domain::click::{ClickClass, ClickFlags};
use crate::domain::time::DAY_MS;
use crate::domain::visitors::VisitorSet;
use crate::store::commit::{FacetTexts, facet_id, facet_texts};
use crate::store::visitors::put;
use crate::store::{StoreError, Tx, columns};

/// What a stale click counts as now, unless that is what it counted as before.
pub(super) fn change(row: &AnyRow) -> Result<Option<Change>, StoreError> {
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
        rowid: columns::int(row, "number")?,
        class,
        reason,
        link: columns::int(row, "link_id")?,
        facet: facet_texts(facet.each_ref().map(String::as_str)),
        human: human(class) - human(before),
    }))
}

pub(super) async fn write_rollups(tx: &mut Tx, quarter_ms: i64, rollups: Rollups) -> Result<(), StoreError> {
    for (link, of_link) in rollups {
        tx.query("DELETE FROM click_rollups WHERE link_id = $1 AND quarter_ms = $2")
            .bind(link)
            .bind(quarter_ms)
            .execute()
            .await?;
        for (facet, tally) in of_link {
            let facet = facet_id(tx, &facet).await?;
            let sql = "INSERT INTO click_rollups (link_id, quarter_ms, shard, facet_id, clicks, human, inactive)
                VALUES ($1, $2, 0, $3, $4, $5, $6)";
            let query = tx.query(sql).bind(link).bind(quarter_ms).bind(facet);
            let query = query.bind(tally.clicks).bind(tally.human).bind(tally.inactive);
            query.execute().await?;
        }
    }
    Ok(())
}

/// The rollups have a row for every facet here: the quarter was rolled up again just before.
pub(super) async fn write_changes(tx: &mut Tx, quarter_ms: i64, changes: Vec<Change>) -> Result<(), StoreError> {
    let mut human: BTreeMap<(i64, FacetTexts), i64> = BTreeMap::new();
    for change in changes {
        tx.query("UPDATE clicks SET class = $1, reason = $2 WHERE rowid = $3")
            .bind(i64::from(change.class.code()))
            .bind(change.reason)
            .bind(change.rowid)
            .execute()
            .await?;
        *human.entry((change.link, change.facet)).or_default() += change.human;
    }
    for ((link, facet), human) in human {
        let facet = facet_id(tx, &facet).await?;
        let sql = "UPDATE click_rollups SET human = human + $1
            WHERE link_id = $2 AND quarter_ms = $3 AND shard = 0 AND facet_id = $4";
        let query = tx.query(sql).bind(human).bind(link).bind(quarter_ms).bind(facet);
        query.execute().await?;
    }
    Ok(())
}

/// Writes the sets of a day's links, which hold everybody up to row `upto`, with whom the fold has added since.
pub(super) async fn write_sets(
    tx: &mut Tx,
    utc_day: i64,
    mut sets: BTreeMap<i64, VisitorSet>,
    upto: i64,
) -> Result<(), StoreError> {
    let sql = "SELECT link_id, visitor FROM clicks
        WHERE rowid > $1 AND rowid <= (SELECT folded_rowid FROM click_marks WHERE id = 1) AND class = 0
            AND +at_ms >= $2 AND +at_ms < $3";
    let query = tx.query(sql).bind(upto);
    let query = query.bind(utc_day * DAY_MS).bind((utc_day + 1) * DAY_MS);
    let folded_since: Vec<(i64, i64)> = query.all().await?;
    for (link, visitor) in folded_since {
        if let Some(set) = sets.get_mut(&link) {
            set.insert(visitor.cast_unsigned());
        }
    }
    for (link, set) in sets {
        if set.is_empty() {
            tx.query("DELETE FROM visitor_days WHERE utc_day = $1 AND link_id = $2")
                .bind(utc_day)
                .bind(link)
                .execute()
                .await?;
        } else {
            put(tx, utc_day, link, &set).await?;
        }
    }
    Ok(())
}
