//! Posts: where on a platform an influencer's links stand.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, StoreError, records};
use crate::domain::id::{BrandId, CampaignId, InfluencerId, PostId};
use crate::domain::text::{Label, Name, Platform};
use crate::domain::time::Instant;

/// A post, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// The campaign it belongs to.
    pub campaign_id: CampaignId,
    /// Who posted it.
    pub influencer_id: InfluencerId,
    /// Where.
    pub platform: Platform,
    /// What the brand calls it; unique per campaign, influencer and platform.
    pub label: Label,
    /// The post's own address.
    pub url: Option<String>,
    /// Such as reel, story or video.
    pub format: Option<Name>,
    /// When it went up.
    pub posted_at: Option<Instant>,
    /// When it was added here.
    pub created_at: Instant,
    /// When it was archived.
    pub archived_at: Option<Instant>,
}

impl Record for Post {
    const TABLE: &'static str = "posts";
    const WHAT: &'static str = "post";
    const UNIQUE_FIELD: &'static str = "label";

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
            campaign_id: columns::id(row, "campaign_id")?,
            influencer_id: columns::id(row, "influencer_id")?,
            platform: columns::parsed(row, "platform", Platform::parse)?,
            label: columns::parsed(row, "label", Label::parse)?,
            url: columns::maybe_text(row, "url")?,
            format: columns::maybe_parsed(row, "format", Name::parse)?,
            posted_at: columns::maybe_instant(row, "posted_at_ms")?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("campaign_id", self.campaign_id.into()),
            ("influencer_id", self.influencer_id.into()),
            ("platform", Value::text(&self.platform)),
            ("label", Value::text(&self.label)),
            ("label_folded", Value::Text(Some(self.label.as_str().to_lowercase()))),
            ("url", Value::maybe_text(self.url.as_ref())),
            ("format", Value::maybe_text(self.format.as_ref())),
            ("posted_at_ms", self.posted_at.into()),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

/// The post with this label, made where there is none yet.
pub(super) async fn find_or_make(conn: &mut AnyConnection, wanted: Post, seq: i64) -> Result<Post, StoreError> {
    let sql = "SELECT * FROM posts
        WHERE campaign_id = $1 AND influencer_id = $2 AND platform = $3 AND label_folded = $4";
    let row = sqlx::query(sql)
        .bind(wanted.campaign_id.number())
        .bind(wanted.influencer_id.number())
        .bind(wanted.platform.as_str())
        .bind(wanted.label.as_str().to_lowercase())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = row {
        return Post::read(&row);
    }
    records::insert(conn, &wanted, seq).await?;
    Ok(wanted)
}
