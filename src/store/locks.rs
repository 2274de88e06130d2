//! Who may write what at the same time, in Postgres; in SQLite one transaction writes at a time, and nothing is locked.
//!
//! # Operation
//! Two advisory locks end with their transaction. Commits share the counts: they go on beside each other.
//! Whoever makes counts anew owns them: no commit is under way meanwhile, so that no click is counted twice or not at
//! all, and since nobody else holds a row of the user agents, facets and rollups then, nobody waits in a circle. Commits
//! wait for that as long as the owner's transaction takes, which is therefore short. The second lock is that of the
//! stored sets of visitors, whose rows are read, united and written again. Commits do not take it, so it may be
//! held for long. Nobody takes both. A third ends with its connection: one reclassification runs at a time, on whatever
//! machine it was started.

use sqlx::postgres::PgConnection;

use super::engine::Bulk;
use super::{Store, StoreError, Tx};

const COUNTS: i64 = 0x6c6c_636f_756e;
const VISITORS: i64 = 0x6c6c_7669_7369;
const RECLASSIFICATION: i64 = 0x6c6c_7265_636c;

/// The right to reclassify, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    /// In Postgres; in SQLite there is one data directory, whose lock says enough.
    _lock: Option<PgConnection>,
}

impl Store {
    /// The right to reclassify, unless somebody else has it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn claim_reclassification(&self) -> Result<Option<Claim>, StoreError> {
        let Bulk::Postgres(pool) = &self.bulk else {
            return Ok(Some(Claim { _lock: None }));
        };
        let mut conn = pool.acquire().await?.detach();
        let query = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(RECLASSIFICATION);
        let claimed: bool = query.fetch_one(&mut conn).await?;
        Ok(claimed.then(|| Claim { _lock: Some(conn) }))
    }
}

impl Tx {
    async fn lock(&mut self, sql: &'static str, lock: i64) -> Result<(), StoreError> {
        if let Self::Postgres(conn) = self {
            sqlx::query(sql).bind(lock).execute(&mut **conn).await?;
        }
        Ok(())
    }

    /// For a commit, before anything else. Returns the store's token.
    pub(super) async fn share_counts(&mut self) -> Result<String, StoreError> {
        let token = self.engine().token();
        let (token,): (String,) = match self {
            Self::Sqlite(_) => self.query_built(format!("SELECT {token}")).one().await?,
            Self::Postgres(_) => {
                // Postgres does not leave a function out of a subquery that does something.
                let held = "(SELECT pg_advisory_xact_lock_shared($1)) AS held";
                let query = self.query_built(format!("SELECT {token} FROM {held}"));
                query.bind(COUNTS).one().await?
            }
        };
        Ok(token)
    }

    /// For whoever makes counts anew, before anything else.
    pub(super) async fn own_counts(&mut self) -> Result<(), StoreError> {
        self.lock("SELECT pg_advisory_xact_lock($1)", COUNTS).await
    }

    /// For whoever writes stored sets of visitors.
    pub(super) async fn own_visitors(&mut self) -> Result<(), StoreError> {
        self.lock("SELECT pg_advisory_xact_lock($1)", VISITORS).await
    }

    /// The same, unless somebody else has them.
    pub(super) async fn try_own_visitors(&mut self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgres(conn) => {
                let query = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(VISITORS);
                Ok(query.fetch_one(&mut **conn).await?)
            }
        }
    }
}
