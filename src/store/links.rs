//! Links: minted one by one or by the thousand, and changed.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Campaign, Record, StoreError};
use crate::domain::id::{BrandId, CampaignId, InfluencerId, LinkId, PostId};
use crate::domain::slug::Slug;
use crate::domain::target_url::TargetUrl;
use crate::domain::text::{Label, Platform};
use crate::domain::time::Instant;
use crate::domain::utm::{UtmTemplate, UtmValues, apply};

#[path = "links_mint.rs"]
mod mint;

pub use mint::{LinkDraft, LinkEdit, PostChoice, SlugPolicy};

/// A link, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Its influencer.
    pub influencer_id: InfluencerId,
    /// The post it stands in.
    pub post_id: Option<PostId>,
    /// The platform it stands on.
    pub platform: Option<Platform>,
    /// What is shared.
    pub slug: Slug,
    /// Its own destination; absent: it follows the campaign's.
    pub url: Option<String>,
    /// Its own UTM wishes, over the campaign's.
    pub utm: UtmTemplate,
    /// Where it leads, UTM parameters included.
    pub final_url: String,
    /// Whether the short link's own query is forwarded.
    pub forward_query: bool,
    /// First instant at which it no longer counts.
    pub expires_at: Option<Instant>,
    /// Whether it is paused.
    pub paused: bool,
    /// When it was made.
    pub created_at: Instant,
    /// When it was deleted.
    pub archived_at: Option<Instant>,
}

impl Link {
    /// The address that the link's and the campaign's wishes come to.
    pub(super) fn make_final_url(
        &self,
        campaign: &Campaign,
        handle: &str,
        post: Option<&str>,
    ) -> Result<String, StoreError> {
        let stored = self.url.as_deref().unwrap_or(&campaign.destination_url);
        let target = TargetUrl::from_stored(stored).map_err(|error| StoreError::Unreadable {
            column: "url",
            message: error.to_string(),
        })?;
        let values = UtmValues {
            influencer: Some(handle),
            platform: self.platform.as_ref().map(Platform::as_str),
            post,
            campaign: Some(campaign.name.as_str()),
        };
        let params = campaign.utm.overlay(&self.utm).render(&values);
        Ok(apply(&target, &params))
    }
}

impl Record for Link {
    const TABLE: &'static str = "links";
    const WHAT: &'static str = "link";
    const UNIQUE_FIELD: &'static str = "slug";

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
            post_id: columns::maybe_id(row, "post_id")?,
            platform: columns::maybe_parsed(row, "platform", Platform::parse)?,
            slug: columns::parsed(row, "slug", Slug::parse_imported)?,
            url: columns::maybe_text(row, "url")?,
            utm: columns::json(row, "utm")?,
            final_url: columns::text(row, "final_url")?,
            forward_query: columns::flag(row, "forward_query")?,
            expires_at: columns::maybe_instant(row, "expires_at_ms")?,
            paused: columns::flag(row, "paused")?,
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
            ("post_id", self.post_id.into()),
            ("platform", Value::maybe_text(self.platform.as_ref())),
            ("slug", Value::text(&self.slug)),
            ("slug_folded", Value::Text(Some(self.slug.folded().into_owned()))),
            ("url", Value::maybe_text(self.url.as_ref())),
            ("utm", Value::json(&self.utm)),
            ("final_url", Value::text(&self.final_url)),
            ("forward_query", self.forward_query.into()),
            ("expires_at_ms", self.expires_at.into()),
            ("paused", self.paused.into()),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

/// What a post is called on a link: one of its label or its id.
pub(super) fn label_of(post: Option<&super::Post>) -> Option<&str> {
    post.map(|post| Label::as_str(&post.label))
}
