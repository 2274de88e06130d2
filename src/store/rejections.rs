//! Events that were not counted, on their way out and back in.

use std::fmt;
use std::str::FromStr;

use sqlx::any::AnyRow;

use super::columns::{self, Value};
use super::{Scope, Store, StoreError, Work};
use crate::domain::time::{DAY_MS, Instant};

/// How long a rejection is kept.
const KEPT_MS: i64 = 30 * DAY_MS;

/// A rejection's id: the place of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectionId {
    journal_num: i64,
    seq: i64,
}

/// An event that was not counted.
#[derive(Debug, Clone)]
pub struct StoredRejection {
    /// Its id.
    pub id: RejectionId,
    /// `click`, `conversion` or `refund`.
    pub kind: String,
    /// Why it was not counted.
    pub reason: String,
    /// The facts that we use: JSON, or words about what could not be read.
    pub facts: String,
    /// When it was found.
    pub rejected_at: Instant,
    /// When it was sent in again.
    pub retried_at: Option<Instant>,
}

impl fmt::Display for RejectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rej_{}_{}", self.journal_num, self.seq)
    }
}

/// The text is not the id of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like rej_1_42, as the API returns it")]
pub struct RejectionIdError;

impl FromStr for RejectionId {
    type Err = RejectionIdError;

    fn from_str(text: &str) -> Result<Self, RejectionIdError> {
        let numbers = text.strip_prefix("rej_").and_then(|rest| rest.split_once('_'));
        let (journal_num, seq) = numbers.ok_or(RejectionIdError)?;
        let number = |digits: &str| digits.parse::<i64>().map_err(|_| RejectionIdError);
        let id = Self {
            journal_num: number(journal_num)?,
            seq: number(seq)?,
        };
        // One spelling only: no signs, no leading zeros.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(RejectionIdError)
        }
    }
}

fn read(row: &AnyRow) -> Result<StoredRejection, StoreError> {
    Ok(StoredRejection {
        id: RejectionId {
            journal_num: columns::int(row, "journal_num")?,
            seq: columns::int(row, "seq")?,
        },
        kind: columns::text(row, "kind")?,
        reason: columns::text(row, "reason")?,
        facts: columns::text(row, "facts")?,
        rejected_at: columns::instant(row, "rejected_at_ms")?,
        retried_at: columns::maybe_instant(row, "retried_at_ms")?,
    })
}

/// Where a page of rejections ended.
pub type RejectionPosition = (i64, RejectionId);

impl Store {
    /// A page of rejections, newest first. `scope` is a brand; everybody's, and those of records that nobody
    /// could read, without one.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn rejections(
        &self,
        scope: Scope,
        reason: Option<String>,
        before: Option<RejectionPosition>,
        limit: u16,
    ) -> Result<(Vec<StoredRejection>, Option<RejectionPosition>), StoreError> {
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut bound: Vec<Value> = Vec::new();
        let mut place = |value: Value| {
            bound.push(value);
            format!("${}", bound.len())
        };
        if let Some(brand) = scope {
            conditions.push(format!("brand_id = {}", place(brand.into())));
        }
        if let Some(reason) = reason {
            conditions.push(format!("reason = {}", place(Value::Text(Some(reason)))));
        }
        if let Some((at_ms, id)) = before {
            conditions.push(format!(
                "(rejected_at_ms, journal_num, seq) < ({}, {}, {})",
                place(at_ms.into()),
                place(id.journal_num.into()),
                place(id.seq.into())
            ));
        }
        let sql = format!(
            "SELECT * FROM rejections WHERE {} ORDER BY rejected_at_ms DESC, journal_num DESC, seq DESC LIMIT {}",
            conditions.join(" AND "),
            u32::from(limit) + 1
        );
        let query = bound
            .into_iter()
            .fold(sqlx::query(sqlx::AssertSqlSafe(sql)), |query, value| value.bind(query));
        let rows = query.fetch_all(&self.control).await?;
        let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = found.len() > usize::from(limit);
        found.truncate(usize::from(limit));
        let next = found.last().filter(|_| more);
        let next = next.map(|last| (last.rejected_at.ms(), last.id));
        Ok((found, next))
    }

    /// One rejection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds none with this id.
    pub async fn rejection(&self, scope: Scope, id: RejectionId) -> Result<StoredRejection, StoreError> {
        let sql = "SELECT * FROM rejections WHERE journal_num = $1 AND seq = $2 AND ($3 IS NULL OR brand_id = $3)";
        let query = sqlx::query(sql).bind(id.journal_num).bind(id.seq);
        let query = query.bind(scope.map(crate::domain::id::BrandId::number));
        match query.fetch_optional(&self.control).await? {
            Some(row) => read(&row),
            None => Err(StoreError::NotFound { what: "rejection" }),
        }
    }

    /// Notes that a rejection was sent in again.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn note_retry(&self, id: RejectionId, at: Instant) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                let sql = "UPDATE rejections SET retried_at_ms = $1 WHERE journal_num = $2 AND seq = $3";
                let query = sqlx::query(sql).bind(at.ms()).bind(id.journal_num).bind(id.seq);
                query.execute(conn).await?;
                Ok(())
            })
        })
        .await
    }

    /// Deletes the rejections that were kept long enough, by this clock and by the store's; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn forget_rejections(&self, now: Instant) -> Result<u64, StoreError> {
        let now_ms = self.engine.no_later_than_now("$1");
        let sql = format!("DELETE FROM rejections WHERE rejected_at_ms < {now_ms} - {KEPT_MS}");
        self.transact(move |conn| -> Work<'_, u64> {
            Box::pin(async move {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(now.ms());
                Ok(query.execute(conn).await?.rows_affected())
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id: RejectionId = "rej_3_17".parse().expect("an id");
        assert_eq!(id.to_string(), "rej_3_17");
        for wrong in [
            "rej_",
            "rej_3",
            "rej_03_17",
            "rej_+3_17",
            "rej_3_17_1",
            "3_17",
            "rej_3_99999999999999999999",
        ] {
            assert!(wrong.parse::<RejectionId>().is_err(), "{wrong}");
        }
    }
}
