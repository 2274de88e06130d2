//! API keys: only their hashes are kept.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, Store, StoreError, Work, records, take_feed};
use crate::domain::id::{BrandId, KeyId};
use crate::domain::role::Role;
use crate::domain::text::Name;
use crate::domain::time::Instant;

/// A key, as stored and as the API lists it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Its brand; null for operators.
    pub brand_id: Option<BrandId>,
    /// What it may do.
    pub role: Role,
    /// What it is for.
    pub name: Name,
    /// Its first characters, to recognise it by.
    pub hint: String,
    /// Hash of the whole key.
    #[serde(skip)]
    pub hash: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it was revoked.
    pub archived_at: Option<Instant>,
}

impl Record for ApiKey {
    const TABLE: &'static str = "api_keys";
    const WHAT: &'static str = "key";
    const UNIQUE_FIELD: &'static str = "key";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        self.archived_at
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            brand_id: columns::maybe_id(row, "brand_id")?,
            role: columns::parsed(row, "role", |name| Role::from_name(name).ok_or("unknown role"))?,
            name: columns::parsed(row, "name", Name::parse)?,
            hint: columns::text(row, "hint")?,
            hash: columns::text(row, "hash")?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("role", Value::Text(Some(self.role.name().to_owned()))),
            ("name", Value::text(&self.name)),
            ("hint", Value::text(&self.hint)),
            ("hash", Value::text(&self.hash)),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

impl Store {
    /// Whether any operator key is in force.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn has_operator_key(&self) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM api_keys WHERE brand_id IS NULL AND archived_at_ms IS NULL";
        Ok(sqlx::query_scalar::<_, i64>(sql).fetch_one(&self.control).await? > 0)
    }

    /// Puts the key that the settings name in force, and revokes the one that they named before.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn set_configured_key(&self, key: ApiKey) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                let standing = "SELECT hash FROM api_keys WHERE brand_id IS NULL AND archived_at_ms IS NULL
                    AND (hash = $1 OR name = $2)";
                let query = sqlx::query_scalar::<_, String>(standing)
                    .bind(&key.hash)
                    .bind(key.name.as_str());
                if query.fetch_all(&mut *conn).await? == [key.hash.as_str()] {
                    return Ok(());
                }
                let seq = take_feed(conn, 2).await?;
                let revoke = "UPDATE api_keys SET archived_at_ms = $1, feed_seq = $2
                    WHERE name = $3 AND brand_id IS NULL AND hash <> $4 AND archived_at_ms IS NULL";
                let revoke = sqlx::query(revoke).bind(key.created_at.ms()).bind(seq);
                revoke
                    .bind(key.name.as_str())
                    .bind(&key.hash)
                    .execute(&mut *conn)
                    .await?;
                let restore = "UPDATE api_keys SET archived_at_ms = NULL, feed_seq = $1
                    WHERE hash = $2 AND brand_id IS NULL";
                let restored = sqlx::query(restore)
                    .bind(seq + 1)
                    .bind(&key.hash)
                    .execute(&mut *conn)
                    .await?;
                if restored.rows_affected() == 0 {
                    records::insert(conn, &key, seq + 1).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
