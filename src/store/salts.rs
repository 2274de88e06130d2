//! Visitor salts: one per UTC day, the same on every node, destroyed after 48 hours.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{Store, StoreError, Work};
use crate::domain::time::{DAY_MS, Instant};

/// Days ahead for which salts are made, so that a node outlives a store that is down over midnight.
const DAYS_AHEAD: i64 = 2;
/// Salts of days that ended this many days ago are destroyed, here and on every node.
pub const SALT_DAYS_KEPT: i64 = 2;

async fn stored(conn: &mut AnyConnection) -> Result<BTreeMap<i64, String>, StoreError> {
    let rows = sqlx::query("SELECT utc_day, salt FROM salts").fetch_all(conn).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("utc_day")?, row.try_get("salt")?)))
        .collect()
}

impl Store {
    /// Makes the salts that are missing, destroys those that are old by this clock and by the store's, and returns those in force by UTC day.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn salts(&self, now: Instant, draw: fn() -> String) -> Result<BTreeMap<i64, String>, StoreError> {
        let today = now.utc_day();
        let oldest = today - SALT_DAYS_KEPT;
        let ahead = today..=today + DAYS_AHEAD;
        let known = async { stored(&mut *self.control.acquire().await?).await };
        let known = self.reach.within(known).await?;
        if known.keys().all(|day| *day >= oldest) && ahead.clone().all(|day| known.contains_key(&day)) {
            return Ok(known);
        }
        let now_ms = self.engine.no_later_than_now("$1");
        let destroy = format!("DELETE FROM salts WHERE utc_day < {now_ms} / {DAY_MS} - {SALT_DAYS_KEPT}");
        self.transact(move |conn| -> Work<'_, _> {
            Box::pin(async move {
                let query = sqlx::query(AssertSqlSafe(destroy)).bind(now.ms());
                query.execute(&mut *conn).await?;
                for day in ahead {
                    sqlx::query("INSERT INTO salts (utc_day, salt) VALUES ($1, $2) ON CONFLICT (utc_day) DO NOTHING")
                        .bind(day)
                        .bind(draw())
                        .execute(&mut *conn)
                        .await?;
                }
                stored(conn).await
            })
        })
        .await
    }
}
