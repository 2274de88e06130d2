//! `/v1/follower-counts`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::once::Once;
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf};
use crate::domain::figures::{AsOf, Followers};
use crate::domain::id::{FollowerCountId, FollowerCountKind, InfluencerId};
use crate::domain::role::Need;
use crate::domain::text::Platform;
use crate::store::FollowerCount;

resource::shown_as_stored!(FollowerCount, FollowerCountKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFollowerCount)]
struct New {
    influencer_id: Option<InfluencerId>,
    platform: Platform,
    as_of: AsOf,
    followers: Followers,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/follower-counts").post(create).get(list))
        .service(super::at("/v1/follower-counts/{id}").get(get_one));
}

resource::readable_thing!(FollowerCount, FollowerCountId, shown as FollowerCount, at "/v1/follower-counts/{id}", tag "platform figures");

/// Records a follower count.
#[utoipa::path(post, path = "/v1/follower-counts", tag = "platform figures", request_body = New,
    responses((status = 201, description = "It is made.", body = FollowerCount)))]
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
    let count = FollowerCount {
        id: FollowerCountId::random(),
        brand_id: brand,
        influencer_id: new.influencer_id,
        platform: new.platform,
        as_of: new.as_of.check(once.now())?,
        followers: new.followers,
        created_at: once.now(),
    };
    let answering = once.showing(brand).await?;
    Ok(api.store.count_followers_once(count, answering).await?.into())
}

/// Lists follower counts, the oldest first.
#[utoipa::path(get, path = "/v1/follower-counts", tag = "platform figures",
    params(PageParameters, ("influencer_id" = Option<InfluencerId>, Query, description = "Only of this influencer."),
        ("platform" = Option<Platform>, Query, description = "Only of this platform.")),
    responses((status = 200, description = "A page.", body = ListOf<FollowerCount>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let mut filters = Vec::new();
    if let Some(id) = parameters.take::<InfluencerId>("influencer_id")? {
        filters.push(("influencer_id", id.into()));
    }
    if let Some(platform) = parameters.take::<Platform>("platform")? {
        filters.push(("platform", platform.as_str().into()));
    }
    resource::list::<FollowerCount>(&api, Some(brand), brand, parameters, &filters).await
}
