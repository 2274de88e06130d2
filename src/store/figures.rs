//! Sums of clicks and conversions, for reports.
//!
//! Whole quarters of an hour come from the rollups; the ends of a range that does not begin or end
//! on a quarter are counted from the raw clicks.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::columns;
use super::{Store, StoreError};
use crate::domain::id::BrandId;
use crate::domain::time::{DAY_MS, Instant, QUARTER_MS};

/// What rows can be grouped and filtered by, besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Campaigns.
    Campaign,
    /// Influencers.
    Influencer,
    /// Links.
    Link,
    /// Posts; links without one stand under nothing.
    Post,
    /// Platforms; links without one stand under nothing.
    Platform,
}

impl Entity {
    /// The column for clicks, which reach their link directly.
    const fn of_click(self) -> &'static str {
        match self {
            Self::Campaign => "links.campaign_id",
            Self::Influencer => "links.influencer_id",
            Self::Link => "links.id",
            Self::Post => "links.post_id",
            Self::Platform => "links.platform",
        }
    }

    /// The column for conversions, which belong to what was credited.
    const fn of_credit(self) -> &'static str {
        match self {
            Self::Campaign => "credits.campaign_id",
            Self::Influencer => "credits.influencer_id",
            Self::Link => "credits.link_id",
            Self::Post => "credits.post_id",
            Self::Platform => "links.platform",
        }
    }

    const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Campaign => ("campaigns", "name"),
            Self::Influencer => ("influencers", "handle"),
            Self::Link => ("links", "slug"),
            Self::Post | Self::Platform => ("posts", "label"),
        }
    }
}

/// One entity: its number, its text (platforms), or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKey {
    /// Not set.
    Nothing,
    /// An id's number.
    Number(i64),
    /// A platform.
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
    pub amount: i64,
}

/// The pieces of a SELECT.
struct Sql {
    select: Vec<String>,
    group: Vec<String>,
    conditions: Vec<String>,
    bound: Vec<EntityKey>,
}

impl Sql {
    fn new(question: &Question, column: fn(Entity) -> &'static str) -> Self {
        let mut sql = Self {
            select: Vec::new(),
            group: Vec::new(),
            conditions: Vec::new(),
            bound: Vec::new(),
        };
        for (place, entity) in question.by.iter().enumerate() {
            sql.select.push(format!("{} AS k{place}", column(*entity)));
            sql.group.push(column(*entity).to_owned());
        }
        for (entity, key) in &question.only {
            let condition = match key {
                EntityKey::Nothing => format!("{} IS NULL", column(*entity)),
                key => format!("{} = {}", column(*entity), sql.bind(key.clone())),
            };
            sql.conditions.push(condition);
        }
        sql
    }

    fn bind(&mut self, key: EntityKey) -> String {
        self.bound.push(key);
        format!("${}", self.bound.len())
    }

    fn between(&mut self, column: &str, from_ms: i64, to_ms: i64) {
        let (from, to) = (
            self.bind(EntityKey::Number(from_ms)),
            self.bind(EntityKey::Number(to_ms)),
        );
        self.conditions.push(format!("{column} >= {from} AND {column} < {to}"));
    }

    fn brand(&mut self, column: &str, brand: BrandId) {
        let brand = self.bind(EntityKey::Number(brand.number()));
        self.conditions.push(format!("{column} = {brand}"));
    }

    fn quarter(&mut self, question: &Question, column: &str) {
        if question.by_quarter {
            let quarter = format!("{column} - {column} % {QUARTER_MS}");
            self.select.push(format!("{quarter} AS quarter_ms"));
            self.group.push(quarter);
        }
    }

    async fn fetch(self, store: &Store, from: &str) -> Result<Vec<AnyRow>, StoreError> {
        let group = if self.group.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", self.group.join(", "))
        };
        let text = format!(
            "SELECT {} FROM {from} WHERE {}{group}",
            self.select.join(", "),
            self.conditions.join(" AND ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for key in self.bound {
            query = match key {
                EntityKey::Number(number) => query.bind(number),
                EntityKey::Text(text) => query.bind(text),
                EntityKey::Nothing => query.bind(Option::<i64>::None),
            };
        }
        Ok(query.fetch_all(&store.control).await?)
    }
}

fn keys(row: &AnyRow, by: &[Entity]) -> Result<Vec<EntityKey>, StoreError> {
    by.iter()
        .enumerate()
        .map(|(place, entity)| {
            let column = ["k0", "k1"][place];
            Ok(match entity {
                Entity::Platform => columns::maybe_text(row, column)?.map_or(EntityKey::Nothing, EntityKey::Text),
                _ => columns::maybe_int(row, column)?.map_or(EntityKey::Nothing, EntityKey::Number),
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
            let mut sql = Sql::new(question, Entity::of_click);
            sql.quarter(question, "click_rollups.quarter_ms");
            sql.select
                .push("CAST(COALESCE(SUM(click_rollups.clicks), 0) AS BIGINT) AS clicks".to_owned());
            sql.select
                .push("CAST(COALESCE(SUM(click_rollups.human), 0) AS BIGINT) AS human".to_owned());
            sql.brand("links.brand_id", question.brand);
            sql.between("click_rollups.quarter_ms", from_ms, to_ms);
            let rows = sql
                .fetch(self, "click_rollups JOIN links ON links.id = click_rollups.link_id")
                .await?;
            collect_clicks(&rows, question, &mut sums)?;
        }
        for (from_ms, to_ms) in pieces.ends {
            let mut sql = Sql::new(question, Entity::of_click);
            sql.quarter(question, "clicks.at_ms");
            sql.select.push("COUNT(*) AS clicks".to_owned());
            sql.select.push(
                "CAST(COALESCE(SUM(CASE WHEN clicks.class = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS human".to_owned(),
            );
            sql.brand("links.brand_id", question.brand);
            sql.between("clicks.at_ms", from_ms, to_ms);
            let rows = sql
                .fetch(self, "clicks JOIN links ON links.id = clicks.link_id")
                .await?;
            collect_clicks(&rows, question, &mut sums)?;
        }
        Ok(sums)
    }

    /// Visitors of human clicks per group: distinct within a UTC day, days summed.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count_visitors(&self, question: &Question) -> Result<Vec<(Vec<EntityKey>, i64)>, StoreError> {
        let mut sql = Sql::new(question, Entity::of_click);
        sql.select.push("COUNT(DISTINCT clicks.visitor) AS visitors".to_owned());
        sql.group.push(format!("clicks.at_ms / {DAY_MS}"));
        sql.conditions.push("clicks.class = 0".to_owned());
        sql.brand("links.brand_id", question.brand);
        sql.between("clicks.at_ms", question.from.ms(), question.to.ms());
        let rows = sql
            .fetch(self, "clicks JOIN links ON links.id = clicks.link_id")
            .await?;
        rows.iter()
            .map(|row| Ok((keys(row, &question.by)?, row.try_get("visitors")?)))
            .collect()
    }

    /// Conversions that somebody earned, summed up by event and currency.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_conversions(&self, question: &Question) -> Result<Vec<ConversionSum>, StoreError> {
        let mut sql = Sql::new(question, Entity::of_credit);
        sql.conditions.push("conversions.state = 'attributed'".to_owned());
        let from = "conversions JOIN credits ON credits.conversion_id = conversions.id
            LEFT JOIN links ON links.id = credits.link_id";
        self.sum_events(sql, question, &question.by, from).await
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
        let mut sql = Sql::new(&alone, Entity::of_credit);
        sql.conditions.push("conversions.state = 'unattributed'".to_owned());
        self.sum_events(sql, &alone, &[], "conversions").await
    }

    async fn sum_events(
        &self,
        mut sql: Sql,
        question: &Question,
        by: &[Entity],
        from: &str,
    ) -> Result<Vec<ConversionSum>, StoreError> {
        sql.quarter(question, "conversions.occurred_at_ms");
        sql.select
            .push("conversions.event AS event, conversions.currency AS currency".to_owned());
        sql.group.push("conversions.event, conversions.currency".to_owned());
        sql.select.push("COUNT(*) AS count".to_owned());
        sql.select
            .push("CAST(COALESCE(SUM(conversions.amount), 0) AS BIGINT) AS amount".to_owned());
        sql.select.push(
            "CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM touchpoints
                WHERE touchpoints.conversion_id = conversions.id AND touchpoints.kind = 'click'
                AND touchpoints.verdict <> 'ineligible') THEN 1 ELSE 0 END), 0) AS BIGINT) AS with_click"
                .to_owned(),
        );
        sql.brand("conversions.brand_id", question.brand);
        sql.between("conversions.occurred_at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self, from).await?;
        rows.iter()
            .map(|row| {
                Ok(ConversionSum {
                    keys: keys(row, by)?,
                    quarter_ms: quarter_of(row, question)?,
                    event: columns::text(row, "event")?,
                    currency: columns::maybe_text(row, "currency")?,
                    count: columns::int(row, "count")?,
                    with_click: columns::int(row, "with_click")?,
                    amount: columns::int(row, "amount")?,
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
