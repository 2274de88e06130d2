//! The rows in Postgres, with nothing between the test and them.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::runtime::Runtime;

/// Where a click lies: the journal's tag and the sequence.
pub(crate) type Place = (u32, u64);

/// A database that may be away.
pub(crate) struct Ledger {
    url: String,
    runtime: Runtime,
}

impl Ledger {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    /// `Err` while the database does not answer.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        self.runtime.block_on(async {
            let mut conn = PgConnection::connect(&self.url).await?;
            let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut conn).await?;
            conn.close().await?;
            Ok(rows)
        })
    }

    pub(crate) fn number(&self, sql: &str) -> Result<i64, sqlx::Error> {
        self.rows(sql)?[0].try_get(0)
    }

    /// How often each place is there.
    pub(crate) fn clicks(&self) -> Result<HashMap<Place, usize>, sqlx::Error> {
        let sql = "SELECT journals.tag, clicks.seq FROM clicks JOIN journals ON journals.num = clicks.journal_num";
        let mut places = HashMap::new();
        for row in self.rows(sql)? {
            let (tag, seq): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let place = (
                u32::try_from(tag).expect("a tag"),
                u64::try_from(seq).expect("a sequence"),
            );
            *places.entry(place).or_default() += 1;
        }
        Ok(places)
    }

    /// Conversions by id: state and amount.
    pub(crate) fn conversions(&self) -> Result<HashMap<String, (String, i64)>, sqlx::Error> {
        self.events("SELECT id, state, COALESCE(amount, 0) FROM conversions")
    }

    /// Refunds by id: state and amount.
    pub(crate) fn refunds(&self) -> Result<HashMap<String, (String, i64)>, sqlx::Error> {
        self.events("SELECT id, state, COALESCE(amount, 0) FROM refunds")
    }

    fn events(&self, sql: &str) -> Result<HashMap<String, (String, i64)>, sqlx::Error> {
        let rows = self.rows(sql)?;
        let read = |row: &PgRow| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)));
        rows.iter().map(read).collect()
    }
}
