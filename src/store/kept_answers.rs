//! Answers of creations, kept for `Idempotency-Key`: a repeat creates nothing and gets the same answer.
//!
//! # Constraints
//! The answer is written in the transaction that creates, so that whoever has the one has the other, whatever process
//! dies in between.
//!
//! # Operation
//! The key is claimed first: of two requests at once the second one waits for the first, finds the claim, and takes over
//! its answer. What fails claims nothing, because its transaction is undone. Every claim deletes what was kept long
//! enough; until then an older answer only lies there and counts no more.
//!
//! # What it never does
//! It never answers a key with what another request was told: the hash of the request must be the same. It keeps no
//! answer that refuses something.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns;
use super::{Record, Store, StoreError, Work, records, take_feed};
use crate::domain::id::KeyId;
use crate::domain::invalid::Invalid;
use crate::domain::time::{DAY_MS, Instant};

/// What a wrong key is filed under: the header that brings it.
pub const ONCE_HEADER: &str = "Idempotency-Key";
/// How long an answer is kept.
const KEPT_FOR_MS: i64 = DAY_MS;
/// The status of a claim whose answer is still being made; nobody else ever sees it.
const CLAIMED: i64 = 0;

/// The key under which a creation's answer is kept, and what it was asked for.
#[derive(Debug, Clone)]
pub struct OnceKey {
    /// Whose request.
    pub caller: KeyId,
    /// Where to.
    pub route: String,
    /// The key as it was given.
    pub given: String,
    /// Hash of all that makes it this request and no other.
    pub body_hash: String,
    /// Now.
    pub now: Instant,
}

/// An answer, word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number that says how it went.
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// How a creation is answered.
pub struct Answering<T> {
    /// Where its answer is kept; `None`: nowhere.
    pub once: Option<OnceKey>,
    /// Makes the answer from what was created.
    pub answer: Box<dyn FnOnce(&T) -> Answer + Send>,
}

impl<T> std::fmt::Debug for Answering<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").field("once", &self.once).finish()
    }
}

impl OnceKey {
    /// Answers made before this are kept no longer.
    const fn horizon_ms(&self) -> i64 {
        self.now.ms() - KEPT_FOR_MS
    }

    fn read(&self, row: &AnyRow) -> Result<Answer, StoreError> {
        if columns::text(row, "body_hash")? != self.body_hash {
            let message = "was used for another request within the last 24 hours; take a new one";
            return Err(Invalid::one(ONCE_HEADER, message).into());
        }
        let status = columns::number(row, "status")?;
        let body = columns::text(row, "answer")?;
        Ok(Answer { status, body })
    }

    async fn find(&self, conn: &mut AnyConnection) -> Result<Option<Answer>, StoreError> {
        let sql = "SELECT body_hash, status, answer FROM kept_answers
            WHERE caller = $1 AND route = $2 AND given_key = $3 AND created_at_ms > $4";
        let query = sqlx::query(sql)
            .bind(self.caller.number())
            .bind(&self.route)
            .bind(&self.given)
            .bind(self.horizon_ms());
        let row = query.fetch_optional(conn).await?;
        row.as_ref().map(|row| self.read(row)).transpose()
    }

    /// Whether the key is free, and from now on this transaction's.
    async fn claim(&self, conn: &mut AnyConnection) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM kept_answers WHERE created_at_ms <= $1")
            .bind(self.horizon_ms())
            .execute(&mut *conn)
            .await?;
        let sql = "INSERT INTO kept_answers (caller, route, given_key, body_hash, status, answer, created_at_ms)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, route, given_key) DO NOTHING";
        let claimed = sqlx::query(sql)
            .bind(self.caller.number())
            .bind(&self.route)
            .bind(&self.given)
            .bind(&self.body_hash)
            .bind(CLAIMED)
            .bind("")
            .bind(self.now.ms())
            .execute(conn)
            .await?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn keep(&self, conn: &mut AnyConnection, answer: &Answer) -> Result<(), StoreError> {
        let sql = "UPDATE kept_answers SET status = $1, answer = $2
            WHERE caller = $3 AND route = $4 AND given_key = $5";
        sqlx::query(sql)
            .bind(i64::from(answer.status))
            .bind(&answer.body)
            .bind(self.caller.number())
            .bind(&self.route)
            .bind(&self.given)
            .execute(conn)
            .await?;
        Ok(())
    }
}

impl Store {
    /// The answer that was given under this key before, where it still counts.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] naming the header when the key was used for something else.
    pub async fn kept_answer(&self, once: &OnceKey) -> Result<Option<Answer>, StoreError> {
        self.reach
            .within(async { once.find(&mut *self.control.acquire().await?).await })
            .await
    }

    /// Runs `work` and answers it in one write transaction, or gives the answer that its key has already.
    pub(super) async fn transact_once<T, F>(&self, answering: Answering<T>, work: F) -> Result<Answer, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        self.transact(move |conn| -> Work<'_, Answer> {
            Box::pin(async move {
                let Answering { once, answer } = answering;
                let Some(once) = once else {
                    return Ok(answer(&work(conn).await?));
                };
                if !once.claim(conn).await? {
                    return Ok(once.find(conn).await?.ok_or(sqlx::Error::RowNotFound)?);
                }
                let answer = answer(&work(&mut *conn).await?);
                once.keep(conn, &answer).await?;
                Ok(answer)
            })
        })
        .await
    }

    /// Writes a new thing and answers it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its unique field is taken, or its key was used for something else.
    pub async fn create_once<R: Record>(&self, record: R, answering: Answering<R>) -> Result<Answer, StoreError> {
        self.transact_once(answering, move |conn| -> Work<'_, R> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                records::insert(conn, &record, seq).await?;
                Ok(record)
            })
        })
        .await
    }
}
