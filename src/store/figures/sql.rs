//! Builds one SELECT: what is summed up, grouped and filtered.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::entity::{Source, tables};
use super::{EntityKey, Question};
use crate::domain::id::BrandId;
use crate::domain::time::QUARTER_MS;
use crate::store::{Store, StoreError};

/// The pieces of a SELECT.
pub(super) struct Sql {
    pub(super) select: Vec<String>,
    pub(super) group: Vec<String>,
    pub(super) conditions: Vec<String>,
    pub(super) tables: String,
    bound: Vec<EntityKey>,
}

impl Sql {
    pub(super) fn new(question: &Question, source: Source) -> Self {
        let mut met = question.by.iter().chain(question.only.iter().map(|(entity, _)| entity));
        let facets = met.any(|entity| entity.is_facet());
        let mut sql = Self {
            select: Vec::new(),
            group: Vec::new(),
            conditions: Vec::new(),
            tables: tables(source, facets),
            bound: Vec::new(),
        };
        for (place, entity) in question.by.iter().enumerate() {
            sql.select.push(format!("{} AS k{place}", entity.column(source)));
            sql.group.push(entity.column(source).to_owned());
        }
        for (entity, key) in &question.only {
            let condition = match key {
                EntityKey::Nothing => format!("{} IS NULL", entity.column(source)),
                key => format!("{} = {}", entity.column(source), sql.bind(key.clone())),
            };
            sql.conditions.push(condition);
        }
        sql
    }

    fn bind(&mut self, key: EntityKey) -> String {
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

    pub(super) async fn fetch(self, store: &Store) -> Result<Vec<AnyRow>, StoreError> {
        let group = if self.group.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", self.group.join(", "))
        };
        let text = format!(
            "SELECT {} FROM {} WHERE {}{group}",
            self.select.join(", "),
            self.tables,
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
