//! Sums of clicks and conversions, for reports.
//!
//! Whole quarters of an hour come from the rollups; the ends of a range that does not begin or end
//! on a quarter are counted from the raw clicks.

mod entity;
mod sql;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use self::entity::Source;
use self::sql::Sql;
use super::columns;
use super::{Store, StoreError};
use crate::domain::id::BrandId;
use crate::domain::time::{DAY_MS, Instant, QUARTER_MS};
pub use entity::Entity;

/// One entity: its number, its own text, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKey {
    /// Not set.
    Nothing,
    /// An id's number.
    Number(i64),
    /// A platform, a country, a browser…
    Text(String),
}

/// What to sum up.
#[derive(Debug, Clone)]
pub struct Question {
    /// Whose.
    pub brand: BrandId,
    /// First instant.
    pub from: Instant,
    /// First instant that no longer belongs to it.
    pub to: Instant,
    /// Grouped by these.
    pub by: Vec<Entity>,
    /// Whether also by quarter of an hour.
    pub by_quarter: bool,
    /// Only these.
    pub only: Vec<(Entity, EntityKey)>,
}

/// Clicks of one group.
#[derive(Debug, Clone)]
pub struct ClickSum {
    /// The group.
    pub keys: Vec<EntityKey>,
    /// Its quarter of an hour; 0 where it was not asked for.
    pub quarter_ms: i64,
    /// All clicks.
    pub clicks: i64,
    /// Those of people.
    pub human: i64,
}

/// Conversions of one group, event and currency.
#[derive(Debug, Clone)]
pub struct ConversionSum {
    /// The group; empty for what nobody earned.
    pub keys: Vec<EntityKey>,
    /// Its quarter of an hour; 0 where it was not asked for.
    pub quarter_ms: i64,
    /// sale, lead…
    pub event: String,
    /// `None` where it came without an amount.
    pub currency: Option<String>,
    /// How many.
    pub count: i64,
    /// How many of them had an eligible click.
    pub with_click: i64,
    /// Their amounts, in minor units.
    pub amount: i128,
}

/// Amounts are added up in two parts, because one shop's mistake must not overflow a sum and take the reports with it.
const AMOUNT_PART: i64 = 1_000_000_000;

fn keys(row: &AnyRow, by: &[Entity]) -> Result<Vec<EntityKey>, StoreError> {
    by.iter()
        .enumerate()
        .map(|(place, entity)| {
            let column = ["k0", "k1"][place];
            Ok(match entity {
                thing if thing.is_thing() => {
                    columns::maybe_int(row, column)?.map_or(EntityKey::Nothing, EntityKey::Number)
                }
                _ => columns::maybe_text(row, column)?.map_or(EntityKey::Nothing, EntityKey::Text),
            })
        })
        .collect()
}

fn quarter_of(row: &AnyRow, question: &Question) -> Result<i64, StoreError> {
    if question.by_quarter {
        columns::int(row, "quarter_ms")
    } else {
        Ok(0)
    }
}

/// A range cut into what rollups can answer and what only raw clicks can.
struct Pieces {
    whole: Option<(i64, i64)>,
    ends: Vec<(i64, i64)>,
}

fn pieces(from_ms: i64, to_ms: i64) -> Pieces {
    let up = |ms: i64| ms + (-ms).rem_euclid(QUARTER_MS);
    let (first, last) = (up(from_ms), to_ms - to_ms.rem_euclid(QUARTER_MS));
    if first >= last {
        return Pieces {
            whole: None,
            ends: vec![(from_ms, to_ms)],
        };
    }
    let ends = [(from_ms, first), (last, to_ms)]
        .into_iter()
        .filter(|(from, to)| from < to)
        .collect();
    Pieces {
        whole: Some((first, last)),
        ends,
    }
}

impl Store {
    /// Clicks, summed up.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_clicks(&self, question: &Question) -> Result<Vec<ClickSum>, StoreError> {
        let pieces = pieces(question.from.ms(), question.to.ms());
        let mut sums = Vec::new();
        if let Some((from_ms, to_ms)) = pieces.whole {
            let mut sql = Sql::new(question, Source::Rollups);
            sql.quarter(question, "click_rollups.quarter_ms");
            sql.select
                .push("CAST(COALESCE(SUM(click_rollups.clicks), 0) AS BIGINT) AS clicks".to_owned());
            sql.select
                .push("CAST(COALESCE(SUM(click_rollups.human), 0) AS BIGINT) AS human".to_owned());
            sql.brand("links.brand_id", question.brand);
            sql.between("click_rollups.quarter_ms", from_ms, to_ms);
            let rows = sql.fetch(self).await?;
            collect_clicks(&rows, question, &mut sums)?;
        }
        for (from_ms, to_ms) in pieces.ends {
            let mut sql = Sql::new(question, Source::RawClicks);
            sql.quarter(question, "clicks.at_ms");
            sql.select.push("COUNT(*) AS clicks".to_owned());
            sql.select.push(
                "CAST(COALESCE(SUM(CASE WHEN clicks.class = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS human".to_owned(),
            );
            sql.brand("links.brand_id", question.brand);
            sql.between("clicks.at_ms", from_ms, to_ms);
            let rows = sql.fetch(self).await?;
            collect_clicks(&rows, question, &mut sums)?;
        }
        Ok(sums)
    }

    /// Visitors of human clicks per group: distinct within a UTC day, days summed.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count_visitors(&self, question: &Question) -> Result<Vec<(Vec<EntityKey>, i64)>, StoreError> {
        let mut sql = Sql::new(question, Source::RawClicks);
        sql.select.push("COUNT(DISTINCT clicks.visitor) AS visitors".to_owned());
        sql.group.push(format!("clicks.at_ms / {DAY_MS}"));
        sql.conditions.push("clicks.class = 0".to_owned());
        sql.brand("links.brand_id", question.brand);
        sql.between("clicks.at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| Ok((keys(row, &question.by)?, row.try_get("visitors")?)))
            .collect()
    }

    /// Conversions that somebody earned, summed up by event and currency.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_conversions(&self, question: &Question) -> Result<Vec<ConversionSum>, StoreError> {
        let mut sql = Sql::new(question, Source::Credits);
        sql.conditions.push("conversions.state = 'attributed'".to_owned());
        self.sum_events(sql, question, &question.by).await
    }

    /// Conversions that nobody earned.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_unattributed(&self, question: &Question) -> Result<Vec<ConversionSum>, StoreError> {
        let alone = Question {
            by: Vec::new(),
            only: Vec::new(),
            ..question.clone()
        };
        let mut sql = Sql::new(&alone, Source::Credits);
        "conversions".clone_into(&mut sql.tables);
        sql.conditions.push("conversions.state = 'unattributed'".to_owned());
        self.sum_events(sql, &alone, &[]).await
    }

    async fn sum_events(
        &self,
        mut sql: Sql,
        question: &Question,
        by: &[Entity],
    ) -> Result<Vec<ConversionSum>, StoreError> {
        sql.quarter(question, "conversions.occurred_at_ms");
        sql.select
            .push("conversions.event AS event, conversions.currency AS currency".to_owned());
        sql.group.push("conversions.event, conversions.currency".to_owned());
        sql.select.push("COUNT(*) AS count".to_owned());
        sql.select.push(format!(
            "CAST(COALESCE(SUM(conversions.amount / {AMOUNT_PART}), 0) AS BIGINT) AS amount_high,
            CAST(COALESCE(SUM(conversions.amount % {AMOUNT_PART}), 0) AS BIGINT) AS amount_low"
        ));
        sql.select.push(
            "CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM touchpoints
                WHERE touchpoints.conversion_id = conversions.id AND touchpoints.kind = 'click'
                AND touchpoints.verdict <> 'ineligible') THEN 1 ELSE 0 END), 0) AS BIGINT) AS with_click"
                .to_owned(),
        );
        sql.brand("conversions.brand_id", question.brand);
        sql.between("conversions.occurred_at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| {
                Ok(ConversionSum {
                    keys: keys(row, by)?,
                    quarter_ms: quarter_of(row, question)?,
                    event: columns::text(row, "event")?,
                    currency: columns::maybe_text(row, "currency")?,
                    count: columns::int(row, "count")?,
                    with_click: columns::int(row, "with_click")?,
                    amount: i128::from(columns::int(row, "amount_high")?) * i128::from(AMOUNT_PART)
                        + i128::from(columns::int(row, "amount_low")?),
                })
            })
            .collect()
    }

    /// What the things with these ids are called.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn labels(&self, entity: Entity, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
        const AT_ONCE: usize = 500;
        let (table, column) = entity.labels();
        let mut labels = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(AT_ONCE) {
            let places: Vec<_> = (1..=chunk.len()).map(|place| format!("${place}")).collect();
            let text = format!(
                "SELECT id, {column} AS label FROM {table} WHERE id IN ({})",
                places.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in chunk {
                query = query.bind(*id);
            }
            for row in query.fetch_all(&self.control).await? {
                labels.push((row.try_get("id")?, row.try_get("label")?));
            }
        }
        Ok(labels)
    }
}

fn collect_clicks(rows: &[AnyRow], question: &Question, sums: &mut Vec<ClickSum>) -> Result<(), StoreError> {
    for row in rows {
        sums.push(ClickSum {
            keys: keys(row, &question.by)?,
            quarter_ms: quarter_of(row, question)?,
            clicks: columns::int(row, "clicks")?,
            human: columns::int(row, "human")?,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_quarters_without_gap_or_overlap() {
        for (from, to) in [
            (0, 10),
            (1, QUARTER_MS),
            (0, QUARTER_MS),
            (5, 3 * QUARTER_MS + 7),
            (-5, 5),
            (7, 7),
        ] {
            let pieces = pieces(from, to);
            let mut all = pieces.ends.clone();
            all.extend(pieces.whole);
            all.sort_unstable();
            let covered: i64 = all.iter().map(|(a, b)| b - a).sum();
            assert_eq!(covered, to - from, "{from}..{to}");
            assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0));
            if let Some((a, b)) = pieces.whole {
                assert_eq!((a % QUARTER_MS, b % QUARTER_MS), (0, 0));
            }
        }
    }
}
