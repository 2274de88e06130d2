//! API keys: only their hashes are kept.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, Scope, Store, StoreError, Work, records, take_feed};
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

/// Operator keys in force.
async fn operator_keys(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM api_keys WHERE brand_id IS NULL AND archived_at_ms IS NULL";
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

/// Whether this key is in force and no other one by its name.
async fn is_configured(conn: &mut AnyConnection, key: &ApiKey) -> Result<bool, StoreError> {
    let standing = "SELECT hash FROM api_keys WHERE brand_id IS NULL AND archived_at_ms IS NULL
        AND (hash = $1 OR name = $2)";
    let query = sqlx::query_scalar::<_, String>(standing)
        .bind(&key.hash)
        .bind(key.name.as_str());
    Ok(query.fetch_all(conn).await? == [key.hash.as_str()])
}

impl Store {
    /// Puts this operator key in force where there is none; whether there was none. Of nodes that start together one
    /// does it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn ensure_operator_key(&self, key: ApiKey) -> Result<bool, StoreError> {
        let known = async { operator_keys(&mut *self.control.acquire().await?).await };
        if self.reach.within(known).await? > 0 {
            return Ok(false);
        }
        self.transact(move |conn| -> Work<'_, bool> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                if operator_keys(conn).await? > 0 {
                    return Ok(false);
                }
                records::insert(conn, &key, seq).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Revokes a key. Twice does no harm.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds no such key, [`StoreError::Conflict`] when nobody would be
    /// left to manage brands.
    pub async fn revoke_key(&self, scope: Scope, id: KeyId, at: Instant) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                let key: ApiKey = records::find(conn, scope, id.number()).await?;
                if key.brand_id.is_none() && key.archived_at.is_none() && operator_keys(conn).await? == 1 {
                    let detail = "This is the last operator key in force: make another one before it is revoked.";
                    return Err(StoreError::Conflict(detail.to_owned()));
                }
                records::archive::<ApiKey>(conn, scope, id.number(), at).await?;
                Ok(())
            })
        })
        .await
    }

    /// Puts the key that the settings name in force, and revokes the one that they named before.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn set_configured_key(&self, key: ApiKey) -> Result<(), StoreError> {
        let known = async { is_configured(&mut *self.control.acquire().await?, &key).await };
        if self.reach.within(known).await? {
            return Ok(());
        }
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                if is_configured(conn, &key).await? {
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
