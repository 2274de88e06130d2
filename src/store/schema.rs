//! Bringing the schema up to date. The files under `migrations/` are part of the binary.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlitePool};

use super::StoreError;

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
];

/// The same of the Postgres schema.
const POSTGRES: &[(i64, &str, &str)] = &[(1, "ledger", include_str!("../../migrations/postgres/0001_ledger.sql"))];

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

/// Under Postgres's advisory lock of migrations, so that nodes which start together take turns.
pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<(), StoreError> {
    Ok(migrator(POSTGRES).run(pool).await?)
}
