//! One statement on either engine, with typed values: what the worker's commit runs on.

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Encode, FromRow, Postgres, Row, Sqlite, Transaction, Type};

use super::StoreError;
use super::engine::{Bulk, Engine};

/// A value that both engines take and give.
pub(super) trait Value<'v>:
    Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> + Send + 'v
{
}

impl<'v, T> Value<'v> for T where
    T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> + Send + 'v
{
}

/// A write transaction with a typed connection.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) async fn begin(bulk: &Bulk) -> Result<Self, StoreError> {
        Ok(match bulk {
            Bulk::Sqlite(pool) => Self::Sqlite(pool.begin_with(Engine::Sqlite.begin_write()).await?),
            Bulk::Postgres(pool) => Self::Postgres(pool.begin_with(Engine::Postgres.begin_write()).await?),
        })
    }

    pub(super) const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }

    /// A statement that both engines accept.
    pub(super) fn query<'q>(&'q mut self, sql: &'static str) -> Statement<'q> {
        match self {
            Self::Sqlite(tx) => Statement::Sqlite(tx, sqlx::query(sql)),
            Self::Postgres(tx) => Statement::Postgres(tx, sqlx::query(sql)),
        }
    }

    /// The same for a text that was put together from constants of this program.
    pub(super) fn query_built<'q>(&'q mut self, sql: String) -> Statement<'q> {
        match self {
            Self::Sqlite(tx) => Statement::Sqlite(tx, sqlx::query(AssertSqlSafe(sql))),
            Self::Postgres(tx) => Statement::Postgres(tx, sqlx::query(AssertSqlSafe(sql))),
        }
    }
}

/// A statement that is being given its values.
pub(super) enum Statement<'q> {
    Sqlite(&'q mut SqliteConnection, Query<'q, Sqlite, SqliteArguments>),
    Postgres(&'q mut PgConnection, Query<'q, Postgres, PgArguments>),
}

impl<'q> Statement<'q> {
    #[must_use]
    pub(super) fn bind(self, value: impl Value<'q>) -> Self {
        match self {
            Self::Sqlite(conn, query) => Self::Sqlite(conn, query.bind(value)),
            Self::Postgres(conn, query) => Self::Postgres(conn, query.bind(value)),
        }
    }

    /// Runs it; how many rows it touched.
    pub(super) async fn execute(self) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(conn, query) => query.execute(conn).await?.rows_affected(),
            Self::Postgres(conn, query) => query.execute(conn).await?.rows_affected(),
        })
    }

    /// Every row.
    pub(super) async fn all<T: FromEither>(self) -> Result<Vec<T>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn, query) => read_all(&query.fetch_all(conn).await?)?,
            Self::Postgres(conn, query) => read_all(&query.fetch_all(conn).await?)?,
        })
    }

    /// Every row, one after the other, for answers that need not lie in memory whole.
    pub(super) async fn each<T: FromEither>(
        self,
        mut each: impl FnMut(T) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = rows.try_next().await? {
                    each(T::from_row(&row)?)?;
                }
            }
            Self::Postgres(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = rows.try_next().await? {
                    each(T::from_row(&row)?)?;
                }
            }
        }
        Ok(())
    }

    /// The row, if there is one.
    pub(super) async fn optional<T: FromEither>(self) -> Result<Option<T>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn, query) => query
                .fetch_optional(conn)
                .await?
                .map(|row| T::from_row(&row))
                .transpose()?,
            Self::Postgres(conn, query) => query
                .fetch_optional(conn)
                .await?
                .map(|row| T::from_row(&row))
                .transpose()?,
        })
    }

    /// The row that must be there.
    pub(super) async fn one<T: FromEither>(self) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(conn, query) => T::from_row(&query.fetch_one(conn).await?)?,
            Self::Postgres(conn, query) => T::from_row(&query.fetch_one(conn).await?)?,
        })
    }
}

fn read_all<'r, R: Row, T: FromRow<'r, R>>(rows: &'r [R]) -> Result<Vec<T>, sqlx::Error> {
    rows.iter().map(T::from_row).collect()
}

/// A tuple that a row of either engine is read into, column by column.
pub(super) trait FromEither: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> FromEither for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
