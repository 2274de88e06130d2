//! `/v1/posts`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given};
use super::caller::Caller;
use super::once::Once;
use super::parameters::{OwnerParameters, PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, id_in_path, must_stand};
use crate::domain::id::{CampaignId, InfluencerId, PostId, PostKind};
use crate::domain::invalid::Invalid;
use crate::domain::role::Need;
use crate::domain::target_url::{TargetPolicy, TargetUrl};
use crate::domain::text::{Label, Name, Platform};
use crate::domain::time::Instant;
use crate::store::{Campaign, Influencer, Post, Record as _};

resource::shown_as_stored!(Post, PostKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPost)]
struct New {
    campaign_id: CampaignId,
    influencer_id: InfluencerId,
    platform: Platform,
    label: Label,
    url: Option<String>,
    format: Option<Name>,
    posted_at: Option<Instant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditPost)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    label: Option<Label>,
    #[serde(default, deserialize_with = "given")]
    url: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    format: Option<Option<Name>>,
    #[serde(default, deserialize_with = "given")]
    posted_at: Option<Option<Instant>>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one, update, archive_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/posts/{id}")
        .get(get_one)
        .patch(update)
        .delete(archive_one);
    config
        .service(super::at("/v1/posts").post(create).get(list))
        .service(one);
}

/// A post's own address is only shown, never redirected to; it must still be an address.
fn post_url(raw: &str) -> Result<String, Invalid> {
    let url = TargetUrl::parse(raw, &TargetPolicy::default()).map_err(|error| Invalid::one("url", error))?;
    Ok(url.as_str().to_owned())
}

resource::one_thing!(Post, PostId, shown as Post, at "/v1/posts/{id}", tag "posts");

/// Makes a post.
#[utoipa::path(post, path = "/v1/posts", tag = "posts", request_body = New,
    responses((status = 201, description = "It is made.", body = Post)))]
async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let once = Once::of(&api, &caller, Some(brand), &request, &body)?;
    if let Some(kept) = once.kept().await? {
        return Ok(kept.into());
    }
    let new: New = body.read()?;
    must_stand::<Campaign>(&api, brand, new.campaign_id.number(), "campaign_id").await?;
    must_stand::<Influencer>(&api, brand, new.influencer_id.number(), "influencer_id").await?;
    let post = Post {
        id: PostId::random(),
        brand_id: brand,
        campaign_id: new.campaign_id,
        influencer_id: new.influencer_id,
        platform: new.platform,
        label: new.label,
        url: new.url.as_deref().map(post_url).transpose()?,
        format: new.format,
        posted_at: new.posted_at,
        created_at: once.now(),
        archived_at: None,
    };
    once.create(brand, post).await
}

/// Lists posts, the oldest first.
#[utoipa::path(get, path = "/v1/posts", tag = "posts", params(PageParameters, OwnerParameters),
    responses((status = 200, description = "A page.", body = ListOf<Post>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let filters = parameters.owners()?;
    resource::list::<Post>(&api, Some(brand), brand, parameters, &filters).await
}

/// Changes a post: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/posts/{id}", tag = "posts", params(("id" = PostId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = Post)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let id = id_in_path::<PostKind>(&path, Post::WHAT)?;
    let edit: Edit = body.read()?;
    let apply = move |post: &mut Post| -> Result<(), Invalid> {
        if let Some(label) = edit.label {
            post.label = label;
        }
        if let Some(url) = edit.url {
            post.url = url.as_deref().map(post_url).transpose()?;
        }
        if let Some(format) = edit.format {
            post.format = format;
        }
        if let Some(posted_at) = edit.posted_at {
            post.posted_at = posted_at;
        }
        Ok(())
    };
    let post: Post = api.store.update(Some(brand), id.number(), apply).await?;
    resource::shown(&api, brand, post).await
}
