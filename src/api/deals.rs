//! `/v1/campaigns/{id}/influencers/{influencer}`: an influencer's own terms in a campaign.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::resource::{self, id_in_path, show_in};
use crate::domain::deal::DealTerm;
use crate::domain::id::{CampaignId, CampaignKind, DealId, DealKind, InfluencerId, InfluencerKind};
use crate::domain::role::Need;
use crate::domain::time::Instant;
use crate::store::{Campaign, Deal, DealPlace, Influencer, Record as _};

resource::shown_as_stored!(Deal, DealKind);

/// The whole deal: what is absent is not part of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDeal)]
struct New {
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(put, get, archive))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/campaigns/{id}/influencers/{influencer}")
        .put(put)
        .get(get)
        .delete(archive);
    config.service(one);
}

fn place(path: &(String, String)) -> Result<DealPlace, Problem> {
    let campaign = id_in_path::<CampaignKind>(&path.0, Campaign::WHAT)?;
    let influencer = id_in_path::<InfluencerKind>(&path.1, Influencer::WHAT)?;
    Ok((campaign, influencer))
}

/// Makes an influencer's deal in a campaign, or replaces it.
///
/// One that was archived stands again.
#[utoipa::path(put, path = "/v1/campaigns/{id}/influencers/{influencer}", tag = "campaigns", request_body = New,
    params(("id" = CampaignId, Path), ("influencer" = InfluencerId, Path)),
    responses((status = 201, description = "It is made.", body = Deal),
        (status = 200, description = "It is replaced.", body = Deal)))]
async fn put(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let (campaign_id, influencer_id) = place(&path)?;
    let new: New = body.read()?;
    let term = DealTerm::parse(new.starts_at, new.ends_at)?;
    let wanted = Deal {
        id: DealId::random(),
        brand_id: brand,
        campaign_id,
        influencer_id,
        starts_at: term.starts_at,
        ends_at: term.ends_at,
        created_at: api.clock.now(),
        archived_at: None,
    };
    let (deal, made) = api.store.put_deal(wanted).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(show_in(&api, brand, deal).await?))
}

/// Reads a deal, archived or not.
#[utoipa::path(get, path = "/v1/campaigns/{id}/influencers/{influencer}", tag = "campaigns",
    params(("id" = CampaignId, Path), ("influencer" = InfluencerId, Path)),
    responses((status = 200, description = "As it stands.", body = Deal)))]
async fn get(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let deal = api.store.deal(Some(brand), place(&path)?).await?;
    resource::shown(&api, brand, deal).await
}

/// Archives a deal: the campaign's terms alone count again. Twice does no harm.
#[utoipa::path(delete, path = "/v1/campaigns/{id}/influencers/{influencer}", tag = "campaigns",
    params(("id" = CampaignId, Path), ("influencer" = InfluencerId, Path)),
    responses((status = 204, description = "It is archived.")))]
async fn archive(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    Parameters::of(&request).done()?;
    let deal = api.store.deal(Some(brand), place(&path)?).await?;
    let now = api.clock.now();
    api.store.archive::<Deal>(Some(brand), deal.number(), now).await?;
    Ok(HttpResponse::NoContent().finish())
}
