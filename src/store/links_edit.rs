//! Changing links within one transaction, each change with its entry in the link's history.

use super::super::{Change, Influencer, Post, Scope, Store, Work, link_history, records, take_feed};
use super::mint::must_match_code;
use super::{Campaign, Link, StoreError, label_of};
use crate::domain::id::{LinkId, PromoCodeId};
use crate::domain::invalid::Invalid;
use crate::domain::target_url::TargetUrl;
use crate::domain::text::Platform;
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;

impl Store {
    /// Changes a link; its final address follows.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what is wrong with the change.
    pub async fn update_link(
        &self,
        scope: Scope,
        id: LinkId,
        edit: LinkEdit,
        change: Change,
    ) -> Result<Link, StoreError> {
        self.transact(move |conn| -> Work<'_, Link> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                let before: Link = records::find(conn, scope, id.number()).await?;
                records::refuse_archived(&before)?;
                let mut link = before.clone();
                // Pausing a link must not move it: its address is made anew only where its makings change.
                let moved = edit.url.is_some() || edit.platform.is_some() || edit.utm.is_some();
                edit.apply(&mut link);
                if link.promo_code_id != before.promo_code_id {
                    must_match_code(conn, &link).await?;
                }
                let brand = Some(link.brand_id);
                let campaign: Campaign = records::find(conn, brand, link.campaign_id.number()).await?;
                let influencer: Influencer = records::find(conn, brand, link.influencer_id.number()).await?;
                let post: Option<Post> = match link.post_id {
                    Some(post) => Some(records::find(conn, brand, post.number()).await?),
                    None => None,
                };
                let elsewhere = |post: &&Post| {
                    link.platform
                        .as_ref()
                        .is_some_and(|platform| *platform != post.platform)
                };
                if let Some(post) = post.as_ref().filter(elsewhere) {
                    let message = format!("the link's post stands on {}", post.platform);
                    return Err(Invalid::one("platform", message).into());
                }
                let label = label_of(post.as_ref());
                if moved {
                    link.final_url = link.make_final_url(&campaign, influencer.handle.as_str(), label)?;
                }
                records::save(conn, &link, seq).await?;
                link_history::updated(conn, &before, &link, change).await?;
                Ok(link)
            })
        })
        .await
    }

    /// Archives a link. Twice does no harm, and is one entry of its history.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds no such link.
    pub async fn archive_link(&self, scope: Scope, id: LinkId, change: Change) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                if records::archive::<Link>(conn, scope, id.number(), change.at).await? {
                    link_history::archived(conn, id, change).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// What may be changed of a link; outer `None` leaves a field as it is. Campaign, influencer and
/// slug never change: what was earned through the link belongs to them.
#[derive(Debug, Clone, Default)]
pub struct LinkEdit {
    /// Another destination; inner `None`: follow the campaign's again.
    pub url: Option<Option<TargetUrl>>,
    /// Another platform.
    pub platform: Option<Option<Platform>>,
    /// Another code; inner `None`: none.
    pub promo_code_id: Option<Option<PromoCodeId>>,
    /// Other UTM wishes.
    pub utm: Option<UtmTemplate>,
    /// Whether to forward the short link's query.
    pub forward_query: Option<bool>,
    /// Another end; inner `None`: never.
    pub expires_at: Option<Option<Instant>>,
    /// Pause or resume.
    pub paused: Option<bool>,
}

impl LinkEdit {
    fn apply(self, link: &mut Link) {
        if let Some(url) = self.url {
            link.url = url.map(|url| url.as_str().to_owned());
        }
        if let Some(platform) = self.platform {
            link.platform = platform;
        }
        if let Some(promo_code_id) = self.promo_code_id {
            link.promo_code_id = promo_code_id;
        }
        if let Some(utm) = self.utm {
            link.utm = utm;
        }
        if let Some(forward_query) = self.forward_query {
            link.forward_query = forward_query;
        }
        if let Some(expires_at) = self.expires_at {
            link.expires_at = expires_at;
        }
        if let Some(paused) = self.paused {
            link.paused = paused;
        }
    }
}
