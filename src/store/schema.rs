//! Bringing the schema up to date. The files under `migrations/` are part of the binary.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection as _, PgPool, SqlitePool};

use super::StoreError;
use super::engine::Engine;

/// Every migration of the SQLite schema, oldest first. A file that has shipped is never edited.
const SQLITE: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../../migrations/sqlite/0001_ledger.sql")),
    (2, "product", include_str!("../../migrations/sqlite/0002_product.sql")),
    (3, "visitors", include_str!("../../migrations/sqlite/0003_visitors.sql")),
    (
        4,
        "unfolded visits",
        include_str!("../../migrations/sqlite/0004_unfolded_visits.sql"),
    ),
    (
        5,
        "sealed days",
        include_str!("../../migrations/sqlite/0005_sealed_days.sql"),
    ),
];

/// The same of the Postgres schema.
const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../../migrations/postgres/0001_ledger.sql")),
    (2, "views", include_str!("../../migrations/postgres/0002_views.sql")),
];

fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let made = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            sqlx::SqlStr::from_static(sql),
            false,
        )
    };
    Migrator::with_migrations(files.iter().map(made).collect())
}

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    Ok(migrator(SQLITE).run(pool).await?)
}

/// Under Postgres's advisory lock of migrations, so that nodes which start together take turns. A migration that fails
/// leaves the lock to its connection, which therefore ends here instead of going back to the pool.
pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<(), StoreError> {
    let mut conn = pool.acquire().await?.detach();
    migrator(POSTGRES).run_direct(None, &mut conn, false).await?;
    conn.close().await?;
    Ok(())
}

/// The version that this program works on.
pub(super) fn version(engine: Engine) -> i64 {
    let files = match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    files.last().map_or(0, |(version, ..)| *version)
}

/// The version of the stored schema; 0 when there is none.
pub(super) async fn stored_version(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    let sql = "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM _sqlx_migrations WHERE success";
    match sqlx::query_scalar(sql).fetch_one(conn).await {
        // The one thing that can be wrong with this question: nobody has made the table yet.
        Err(error) if error.as_database_error().is_some() && !StoreError::is_away(&error) => Ok(0),
        answer => Ok(answer?),
    }
}
