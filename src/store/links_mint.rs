//! Making links within one transaction.

use std::collections::HashMap;

use sqlx::AnyConnection;

use super::super::{
    Answer, Answering, Influencer, Post, PromoCode, Store, Work, link_history, posts, records, take_feed,
};
use super::{Campaign, Link, StoreError, label_of};
use crate::domain::id::{BrandId, CampaignId, InfluencerId, KeyId, LinkId, PostId, PromoCodeId};
use crate::domain::invalid::Invalid;
use crate::domain::slug::Slug;
use crate::domain::target_url::TargetUrl;
use crate::domain::text::{Label, Platform};
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;

/// Minted slugs that clash are drawn again this often before the length is to blame.
const MINT_ATTEMPTS: usize = 20;

/// Which post a new link stands in.
#[derive(Debug, Clone)]
pub enum PostChoice {
    /// None that we know of.
    None,
    /// The post with this label, made if need be; wants a platform.
    Label(Label),
    /// This one.
    Id(PostId),
}

/// A link to be made.
#[derive(Debug, Clone)]
pub struct LinkDraft {
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Its influencer.
    pub influencer_id: InfluencerId,
    /// Its own destination.
    pub url: Option<TargetUrl>,
    /// A slug of the brand's choice; else one is minted.
    pub slug: Option<Slug>,
    /// Where it stands.
    pub platform: Option<Platform>,
    /// In which post.
    pub post: PostChoice,
    /// The code it is shared with.
    pub promo_code_id: Option<PromoCodeId>,
    /// Its own UTM wishes.
    pub utm: UtmTemplate,
    /// Whether to forward the short link's query.
    pub forward_query: bool,
    /// When it stops counting.
    pub expires_at: Option<Instant>,
    /// Whether it starts out paused.
    pub paused: bool,
}

/// How chosen slugs are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlugPolicy {
    /// Refuses a slug that differs from a standing one by case alone: people type slugs off videos.
    Strict,
    /// Links that were printed elsewhere keep their slugs, pairs that differ by case included.
    Import,
}

/// Whose links are made, and how.
#[derive(Debug, Clone, Copy)]
pub struct MintTerms {
    /// Whose they will be.
    pub brand: BrandId,
    /// How chosen slugs are judged.
    pub policy: SlugPolicy,
    /// Characters of a drawn slug.
    pub slug_length: usize,
    /// The key that makes them; `None`: this program by itself.
    pub by: Option<KeyId>,
    /// When they are made.
    pub now: Instant,
}

struct Minting<'c> {
    conn: &'c mut AnyConnection,
    terms: MintTerms,
    campaigns: HashMap<CampaignId, Campaign>,
    influencers: HashMap<InfluencerId, Influencer>,
}

impl<'c> Minting<'c> {
    fn new(conn: &'c mut AnyConnection, terms: MintTerms) -> Self {
        Self {
            conn,
            terms,
            campaigns: HashMap::new(),
            influencers: HashMap::new(),
        }
    }

    /// Each draft succeeds or fails for itself, in order.
    async fn make_each(mut self, drafts: Vec<LinkDraft>) -> Result<Vec<Result<Link, Invalid>>, StoreError> {
        let mut results = Vec::with_capacity(drafts.len());
        for draft in drafts {
            results.push(match self.make(draft).await {
                Ok(link) => Ok(link),
                Err(StoreError::Invalid(wrong)) => Err(wrong),
                Err(other) => return Err(other),
            });
        }
        Ok(results)
    }

    async fn make(&mut self, draft: LinkDraft) -> Result<Link, StoreError> {
        let scope = Some(self.terms.brand);
        if !self.campaigns.contains_key(&draft.campaign_id) {
            let found = records::standing(
                records::find(self.conn, scope, draft.campaign_id.number()).await,
                "campaign_id",
            )?;
            self.campaigns.insert(draft.campaign_id, found);
        }
        if !self.influencers.contains_key(&draft.influencer_id) {
            let found = records::standing(
                records::find(self.conn, scope, draft.influencer_id.number()).await,
                "influencer_id",
            )?;
            self.influencers.insert(draft.influencer_id, found);
        }
        let slug = self.settle_slug(draft.slug.clone()).await?;
        let post = self.settle_post(&draft).await?;
        let platform = draft
            .platform
            .or_else(|| post.as_ref().map(|post| post.platform.clone()));
        let mut link = Link {
            id: LinkId::random(),
            brand_id: self.terms.brand,
            campaign_id: draft.campaign_id,
            influencer_id: draft.influencer_id,
            post_id: post.as_ref().map(|post| post.id),
            platform,
            slug,
            promo_code_id: draft.promo_code_id,
            url: draft.url.map(|url| url.as_str().to_owned()),
            utm: draft.utm,
            final_url: String::new(),
            forward_query: draft.forward_query,
            expires_at: draft.expires_at,
            paused: draft.paused,
            created_at: self.terms.now,
            archived_at: None,
        };
        must_match_code(self.conn, &link).await?;
        let campaign = &self.campaigns[&link.campaign_id];
        let handle = self.influencers[&link.influencer_id].handle.as_str();
        link.final_url = link.make_final_url(campaign, handle, label_of(post.as_ref()))?;
        let seq = take_feed(self.conn, 1).await?;
        records::insert(self.conn, &link, seq).await?;
        link_history::created(self.conn, &link, self.terms.by).await?;
        Ok(link)
    }

    async fn standing(&mut self, slug: &Slug) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT slug FROM links WHERE slug_folded = $1";
        Ok(sqlx::query_scalar(sql)
            .bind(slug.folded().into_owned())
            .fetch_all(&mut *self.conn)
            .await?)
    }

    async fn settle_slug(&mut self, wanted: Option<Slug>) -> Result<Slug, StoreError> {
        if let Some(slug) = wanted {
            let standing = self.standing(&slug).await?;
            if standing.iter().any(|other| other == slug.as_str()) {
                return Err(Invalid::one("slug", "is taken; a slug is never issued twice").into());
            }
            if self.terms.policy == SlugPolicy::Strict
                && let Some(other) = standing.first()
            {
                let message = format!("differs from `{other}` by case alone, and people type slugs off a video");
                return Err(Invalid::one("slug", message).into());
            }
            return Ok(slug);
        }
        for _ in 0..MINT_ATTEMPTS {
            let slug = Slug::mint(self.terms.slug_length);
            if self.standing(&slug).await?.is_empty() {
                return Ok(slug);
            }
        }
        let message = format!(
            "no free slug of {} characters was found; raise LINKLEDGER_SLUG_LENGTH",
            self.terms.slug_length
        );
        Err(Invalid::one("slug", message).into())
    }

    async fn settle_post(&mut self, draft: &LinkDraft) -> Result<Option<Post>, StoreError> {
        let post: Post = match &draft.post {
            PostChoice::None => return Ok(None),
            PostChoice::Id(id) => records::standing(
                records::find(self.conn, Some(self.terms.brand), id.number()).await,
                "post_id",
            )?,
            PostChoice::Label(label) => {
                let Some(platform) = draft.platform.clone() else {
                    return Err(Invalid::one("platform", "is required where `post` names a post by its label").into());
                };
                let seq = take_feed(self.conn, 1).await?;
                let wanted = Post {
                    id: PostId::random(),
                    brand_id: self.terms.brand,
                    campaign_id: draft.campaign_id,
                    influencer_id: draft.influencer_id,
                    platform,
                    label: label.clone(),
                    url: None,
                    format: None,
                    posted_at: None,
                    created_at: self.terms.now,
                    archived_at: None,
                };
                records::standing(posts::find_or_make(self.conn, wanted, seq).await, "post")?
            }
        };
        if post.campaign_id != draft.campaign_id || post.influencer_id != draft.influencer_id {
            return Err(Invalid::one("post_id", "belongs to another campaign or influencer").into());
        }
        if draft
            .platform
            .as_ref()
            .is_some_and(|platform| *platform != post.platform)
        {
            return Err(Invalid::one("platform", format!("the post stands on {}", post.platform)).into());
        }
        Ok(Some(post))
    }
}

/// A link's code must stand, and be the same influencer's in the same campaign: it would earn for somebody else.
pub(super) async fn must_match_code(conn: &mut AnyConnection, link: &Link) -> Result<(), StoreError> {
    const FIELD: &str = "promo_code_id";
    let Some(code) = link.promo_code_id else {
        return Ok(());
    };
    let found = records::find(conn, Some(link.brand_id), code.number()).await;
    let code: PromoCode = records::standing(found, FIELD)?;
    if code.campaign_id != link.campaign_id || code.influencer_id != link.influencer_id {
        return Err(Invalid::one(FIELD, "belongs to another campaign or influencer").into());
    }
    Ok(())
}

impl Store {
    /// Makes links in one transaction. Each draft succeeds or fails for itself, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then nothing was made.
    pub async fn mint_links(
        &self,
        terms: MintTerms,
        drafts: Vec<LinkDraft>,
    ) -> Result<Vec<Result<Link, Invalid>>, StoreError> {
        self.transact(move |conn| -> Work<'_, _> { Box::pin(Minting::new(conn, terms).make_each(drafts)) })
            .await
    }

    /// The same, answered.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the key was used for something else; then nothing was made.
    pub async fn mint_links_once(
        &self,
        terms: MintTerms,
        drafts: Vec<LinkDraft>,
        answering: Answering<Vec<Result<Link, Invalid>>>,
    ) -> Result<Answer, StoreError> {
        self.transact_once(answering, move |conn| -> Work<'_, _> {
            Box::pin(Minting::new(conn, terms).make_each(drafts))
        })
        .await
    }

    /// Makes one link and answers it.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong with the draft or its key; then nothing was made.
    pub async fn mint_link_once(
        &self,
        terms: MintTerms,
        draft: LinkDraft,
        answering: Answering<Link>,
    ) -> Result<Answer, StoreError> {
        self.transact_once(answering, move |conn| -> Work<'_, Link> {
            Box::pin(async move { Minting::new(conn, terms).make(draft).await })
        })
        .await
    }
}
