//! Bringing the schema up to date. The files under `migrations/` are part of the binary.

use std::borrow::Cow;

use sqlx::SqlitePool;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::StoreError;

/// Every migration of the SQLite schema, oldest first. A file that has shipped is never edited.
const SQLITE: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../../migrations/sqlite/0001_ledger.sql")),
    (2, "product", include_str!("../../migrations/sqlite/0002_product.sql")),
    (3, "visitors", include_str!("../../migrations/sqlite/0003_visitors.sql")),
];

pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let made = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        let kind = MigrationType::Simple;
        Migration::new(
            version,
            Cow::Borrowed(description),
            kind,
            sqlx::SqlStr::from_static(sql),
            false,
        )
    };
    let migrator = Migrator::with_migrations(SQLITE.iter().map(made).collect());
    Ok(migrator.run(pool).await?)
}
