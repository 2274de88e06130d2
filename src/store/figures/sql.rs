//! Builds one SELECT: what is summed up, grouped and filtered.

use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::entity::{Source, tables};
use super::{EntityKey, Question};
use crate::domain::id::BrandId;
use crate::domain::time::QUARTER_MS;
use crate::store::columns::AnyQuery;
use crate::store::{Store, StoreError};

/// The pieces of a SELECT.
pub(super) struct Sql {
    pub(super) select: Vec<String>,
    pub(super) group: Vec<String>,
    pub(super) conditions: Vec<String>,
    pub(super) order: Vec<&'static str>,
    pub(super) tables: String,
    bound: Vec<EntityKey>,
}

impl Sql {
    pub(super) fn new(question: &Question, source: Source) -> Self {
        let mut met = question.by.iter().chain(question.only.iter().map(|(entity, _)| entity));
        let facets = met.any(|entity| entity.is_facet());
        let mut sql = Self::of_table(tables(source, facets));
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

    /// Without keys and filters.
    pub(super) fn of_table(tables: String) -> Self {
        Self {
            select: Vec::new(),
            group: Vec::new(),
            conditions: Vec::new(),
            order: Vec::new(),
            tables,
            bound: Vec::new(),
        }
    }

    /// Rows as they are, not summed up.
    pub(super) fn each_row(&mut self, order: &[&'static str]) {
        self.group.clear();
        self.order.extend(order);
    }

    /// The place of a value in the text.
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

    pub(super) fn one_of(&mut self, column: &str, numbers: &[i64]) {
        let places: Vec<_> = numbers
            .iter()
            .map(|number| self.bind(EntityKey::Number(*number)))
            .collect();
        self.conditions.push(format!("{column} IN ({})", places.join(", ")));
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

    fn text(&self) -> String {
        let list = |words: &str, items: &[&str]| {
            if items.is_empty() {
                String::new()
            } else {
                format!(" {words} {}", items.join(", "))
            }
        };
        let group: Vec<&str> = self.group.iter().map(String::as_str).collect();
        format!(
            "SELECT {} FROM {} WHERE {}{}{}",
            self.select.join(", "),
            self.tables,
            self.conditions.join(" AND "),
            list("GROUP BY", &group),
            list("ORDER BY", &self.order)
        )
    }

    fn query(self) -> AnyQuery<'static> {
        let mut query = sqlx::query(AssertSqlSafe(self.text()));
        for key in self.bound {
            query = match key {
                EntityKey::Number(number) => query.bind(number),
                EntityKey::Text(text) => query.bind(text),
                EntityKey::Nothing => query.bind(Option::<i64>::None),
            };
        }
        query
    }

    pub(super) async fn fetch(self, store: &Store) -> Result<Vec<AnyRow>, StoreError> {
        Ok(self.query().fetch_all(&store.control).await?)
    }

    /// Row by row, for answers that need not lie in memory whole.
    pub(super) async fn for_each(
        self,
        store: &Store,
        mut each: impl FnMut(&AnyRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut rows = self.query().fetch(&store.control);
        while let Some(row) = rows.try_next().await? {
            each(&row)?;
        }
        Ok(())
    }
}
