//! Cursors: how far each journal is in the store. Rows are never deleted.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, StoreError};

/// Journals asked for in one question.
const ASKED_AT_ONCE: usize = 500;

/// What the store knows of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow {
    /// The small number that stands for the journal in click rows.
    pub num: i64,
    /// The highest committed sequence.
    pub seq: i64,
}

impl Store {
    /// Every journal that ever reached the store, by its uuid.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn journals(&self) -> Result<HashMap<String, JournalRow>, StoreError> {
        let rows = sqlx::query("SELECT uuid, num, seq FROM journals")
            .fetch_all(&self.steps)
            .await?;
        rows.iter()
            .map(|row| {
                let known = JournalRow {
                    num: row.try_get("num")?,
                    seq: row.try_get("seq")?,
                };
                Ok((row.try_get("uuid")?, known))
            })
            .collect()
    }

    /// The cursors of these journals, by uuid; one that the store has never heard of is left out. There are many more
    /// journals in the store than one node has, so this asks for no others.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn cursors_of(&self, journals: &[String]) -> Result<HashMap<String, i64>, StoreError> {
        let mut cursors = HashMap::with_capacity(journals.len());
        for journals in journals.chunks(ASKED_AT_ONCE) {
            let places: Vec<String> = (1..=journals.len()).map(|place| format!("${place}")).collect();
            let sql = format!("SELECT uuid, seq FROM journals WHERE uuid IN ({})", places.join(", "));
            let query = journals
                .iter()
                .fold(sqlx::query(AssertSqlSafe(sql)), |query, uuid| query.bind(uuid));
            for row in query.fetch_all(&self.steps).await? {
                cursors.insert(row.try_get("uuid")?, row.try_get("seq")?);
            }
        }
        Ok(cursors)
    }

    /// The cursor of one journal; 0 when the store has never heard of it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn cursor(&self, journal: &str) -> Result<i64, StoreError> {
        let seq = sqlx::query_scalar("SELECT seq FROM journals WHERE uuid = $1").bind(journal);
        Ok(seq.fetch_optional(&self.steps).await?.unwrap_or(0))
    }
}
