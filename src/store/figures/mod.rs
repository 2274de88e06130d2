//! Figures for reports: sums of clicks, orders and refunds, what platforms told, and visitors.

mod clicks;
mod entity;
mod orders;
mod platforms;
mod sql;
mod visitors;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::columns;
use super::{Store, StoreError};
use crate::domain::id::BrandId;
use crate::domain::time::Instant;
pub use clicks::ClickSum;
pub use entity::Entity;
pub use orders::{ConversionSum, RefundSum, UseSum};
pub use platforms::{FollowerGain, PostGain};
pub use visitors::Span;

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
    /// Grouped by these, three at most.
    pub by: Vec<Entity>,
    /// Whether also by quarter of an hour.
    pub by_quarter: bool,
    /// Only these.
    pub only: Vec<(Entity, EntityKey)>,
}

fn keys(row: &AnyRow, by: &[Entity]) -> Result<Vec<EntityKey>, StoreError> {
    by.iter()
        .enumerate()
        .map(|(place, entity)| {
            let column = ["k0", "k1", "k2"][place];
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

impl Store {
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
