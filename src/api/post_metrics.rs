//! `/v1/post-metrics`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, WHOLE_BODY};
use super::caller::Caller;
use super::once::Once;
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, must_stand};
use crate::domain::figures::{AsOf, Figure, PostFigures};
use crate::domain::id::{PostId, PostMetricsId, PostMetricsKind};
use crate::domain::invalid::Invalid;
use crate::domain::role::Need;
use crate::store::{Post, PostMetrics};

resource::shown_as_stored!(PostMetrics, PostMetricsKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPostMetrics)]
struct New {
    post_id: PostId,
    as_of: AsOf,
    impressions: Option<Figure>,
    reach: Option<Figure>,
    views: Option<Figure>,
    likes: Option<Figure>,
    comments: Option<Figure>,
    shares: Option<Figure>,
    saves: Option<Figure>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/post-metrics").post(create).get(list))
        .service(super::at("/v1/post-metrics/{id}").get(get_one));
}

impl New {
    fn figures(&self) -> Result<PostFigures, Invalid> {
        let figures = PostFigures {
            impressions: self.impressions,
            reach: self.reach,
            views: self.views,
            likes: self.likes,
            comments: self.comments,
            shares: self.shares,
            saves: self.saves,
        };
        let named = figures.named();
        if named.iter().all(|(_, figure)| figure.is_none()) {
            let names = named.map(|(name, _)| name).join(", ");
            return Err(Invalid::one(WHOLE_BODY, format!("give at least one of {names}")));
        }
        Ok(figures)
    }
}

resource::readable_thing!(PostMetrics, PostMetricsId, shown as PostMetrics, at "/v1/post-metrics/{id}", tag "platform figures");

/// Records a post's figures at an instant.
#[utoipa::path(post, path = "/v1/post-metrics", tag = "platform figures", request_body = New,
    responses((status = 201, description = "It is made.", body = PostMetrics)))]
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
    let metrics = PostMetrics {
        id: PostMetricsId::random(),
        brand_id: brand,
        post_id: new.post_id,
        as_of: new.as_of.check(once.now())?,
        figures: new.figures()?,
        created_at: once.now(),
    };
    must_stand::<Post>(&api, brand, new.post_id.number(), "post_id").await?;
    once.create(brand, metrics).await
}

/// Lists posts' figures, the oldest first.
#[utoipa::path(get, path = "/v1/post-metrics", tag = "platform figures",
    params(PageParameters, ("post_id" = Option<PostId>, Query, description = "Only of this post.")),
    responses((status = 200, description = "A page.", body = ListOf<PostMetrics>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let mut filters = Vec::new();
    if let Some(id) = parameters.take::<PostId>("post_id")? {
        filters.push(("post_id", id.into()));
    }
    resource::list::<PostMetrics>(&api, Some(brand), brand, parameters, &filters).await
}
