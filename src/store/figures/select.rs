//! How the sums' SELECTs are put together, and how their rows are read.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::{Store, StoreError, columns};
use super::{Entity, EntityKey, Question};
use crate::domain::id::BrandId;
use crate::domain::time::QUARTER_MS;

/// The pieces of a SELECT.
pub(super) struct Sql {
    pub(super) select: Vec<String>,
    pub(super) group: Vec<String>,
    pub(super) conditions: Vec<String>,
    bound: Vec<EntityKey>,
}

impl Sql {
    pub(super) fn new(question: &Question, column: fn(Entity) -> &'static str) -> Self {
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

    pub(super) fn bind(&mut self, key: EntityKey) -> String {
        self.bound.push(key);
        format!("${}", self.bound.len())
    }

    pub(super) fn between(&mut self, column: &str, from_ms: i64, to_ms: i64) {
        let (from, to) = (
            self.bind(EntityKey::Number(from_ms)),
            self.bind(EntityKey::Number(to_ms)),
        );
        self.conditions.push(format!("{column} >= {from} AND {column} < {to}"));
    }

    pub(super) fn brand(&mut self, column: &str, brand: BrandId) {
        let brand = self.bind(EntityKey::Number(brand.number()));
        self.conditions.push(format!("{column} = {brand}"));
    }

    pub(super) fn quarter(&mut self, question: &Question, column: &str) {
        if question.by_quarter {
            let quarter = format!("{column} - {column} % {QUARTER_MS}");
            self.select.push(format!("{quarter} AS quarter_ms"));
            self.group.push(quarter);
        }
    }

    pub(super) async fn fetch(self, store: &Store, from: &str) -> Result<Vec<AnyRow>, StoreError> {
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

pub(super) fn keys(row: &AnyRow, by: &[Entity]) -> Result<Vec<EntityKey>, StoreError> {
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

pub(super) fn quarter_of(row: &AnyRow, question: &Question) -> Result<i64, StoreError> {
    if question.by_quarter {
        columns::int(row, "quarter_ms")
    } else {
        Ok(0)
    }
}

/// A range cut into what rollups can answer and what only raw clicks can.
pub(super) struct Pieces {
    pub(super) whole: Option<(i64, i64)>,
    pub(super) ends: Vec<(i64, i64)>,
}

pub(super) fn pieces(from_ms: i64, to_ms: i64) -> Pieces {
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
