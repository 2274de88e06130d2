//! Clicks, summed up.
//!
//! Whole quarters of an hour come from the rollups; the ends of a range that does not begin or end
//! on a quarter are counted from the raw clicks.

use sqlx::any::AnyRow;

use super::entity::Source;
use super::sql::Sql;
use super::{EntityKey, Question, keys, quarter_of};
use crate::domain::time::{DAY_MS, Instant, QUARTER_MS};
use crate::store::{Store, StoreError, columns};

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
            // Asked afterwards: a day that is dropped meanwhile is not missed.
            if let Some(day) = self.sealed_days(from_ms, to_ms).await?.first() {
                return Err(StoreError::Conflict(format!(
                    "raw clicks of {} are no longer kept: let the range begin and end on a quarter of an hour",
                    Instant::from_ms(day * DAY_MS)
                )));
            }
        }
        Ok(sums)
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
