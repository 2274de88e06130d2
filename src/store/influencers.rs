//! Influencers.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, StoreError};
use crate::domain::id::{BrandId, InfluencerId};
use crate::domain::influencer::Account;
use crate::domain::text::{Email, Handle, Label, Name};
use crate::domain::time::Instant;

/// An influencer, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Influencer {
    /// Their id.
    pub id: InfluencerId,
    /// Whose they are.
    pub brand_id: BrandId,
    /// Their handle, unique in the brand without regard to case.
    pub handle: Handle,
    /// Their name.
    pub name: Name,
    /// Where they can be reached.
    pub email: Option<Email>,
    /// Their accounts.
    pub accounts: Vec<Account>,
    /// The brand's own tags.
    pub tags: Vec<Label>,
    /// Opens their page; shown as part of `share_url`.
    #[serde(skip)]
    pub share_token: String,
    /// When they were added.
    pub created_at: Instant,
    /// When they were archived.
    pub archived_at: Option<Instant>,
}

impl Record for Influencer {
    const TABLE: &'static str = "influencers";
    const WHAT: &'static str = "influencer";
    const UNIQUE_FIELD: &'static str = "handle";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        self.archived_at
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            brand_id: columns::id(row, "brand_id")?,
            handle: columns::parsed(row, "handle", Handle::parse)?,
            name: columns::parsed(row, "name", Name::parse)?,
            email: columns::maybe_parsed(row, "email", Email::parse)?,
            accounts: columns::json(row, "accounts")?,
            tags: columns::json(row, "tags")?,
            share_token: columns::text(row, "share_token")?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("handle", Value::text(&self.handle)),
            ("handle_folded", Value::Text(Some(self.handle.as_str().to_lowercase()))),
            ("name", Value::text(&self.name)),
            ("email", Value::maybe_text(self.email.as_ref())),
            ("accounts", Value::json(&self.accounts)),
            ("tags", Value::json(&self.tags)),
            ("share_token", Value::text(&self.share_token)),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}
