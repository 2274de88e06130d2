//! `/v1/campaigns`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given};
use super::caller::Caller;
use super::once::Once;
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, id_in_path};
use crate::domain::campaign::AttributionRule;
use crate::domain::goal::{Goal, check_budget, check_goals};
use crate::domain::id::{CampaignId, CampaignKind};
use crate::domain::invalid::Invalid;
use crate::domain::money::Money;
use crate::domain::role::Need;
use crate::domain::target_url::{TargetPolicy, TargetUrl};
use crate::domain::text::Name;
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;
use crate::store::{Campaign, Record as _};

resource::shown_as_stored!(Campaign, CampaignKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCampaign)]
struct New {
    name: Name,
    destination_url: String,
    fallback_url: Option<String>,
    utm: Option<UtmTemplate>,
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
    budget: Option<Money>,
    goals: Option<Vec<Goal>>,
    attribution: Option<AttributionRule>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditCampaign)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    destination_url: Option<String>,
    #[serde(default, deserialize_with = "given")]
    fallback_url: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    utm: Option<UtmTemplate>,
    #[serde(default, deserialize_with = "given")]
    starts_at: Option<Option<Instant>>,
    #[serde(default, deserialize_with = "given")]
    ends_at: Option<Option<Instant>>,
    #[serde(default, deserialize_with = "given")]
    budget: Option<Option<Money>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    goals: Option<Vec<Goal>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    attribution: Option<AttributionRule>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one, update, archive_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/campaigns/{id}")
        .get(get_one)
        .patch(update)
        .delete(archive_one);
    config
        .service(super::at("/v1/campaigns").post(create).get(list))
        .service(one);
}

/// A destination as the policy of this installation allows it.
pub(super) fn target(field: &str, raw: &str, policy: &TargetPolicy) -> Result<TargetUrl, Invalid> {
    TargetUrl::parse(raw, policy).map_err(|error| Invalid::one(field, error))
}

fn check(campaign: &Campaign) -> Result<(), Invalid> {
    if let (Some(start), Some(end)) = (campaign.starts_at, campaign.ends_at)
        && end <= start
    {
        return Err(Invalid::one("ends_at", "must lie after starts_at"));
    }
    check_budget(campaign.budget.as_ref())?;
    check_goals(&campaign.goals)?;
    campaign.attribution.check()
}

resource::one_thing!(Campaign, CampaignId, shown as Campaign, at "/v1/campaigns/{id}", tag "campaigns");

/// Makes a campaign.
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", request_body = New,
    responses((status = 201, description = "It is made.", body = Campaign)))]
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
    let fallback = new
        .fallback_url
        .as_deref()
        .map(|raw| target("fallback_url", raw, &api.targets))
        .transpose()?;
    let campaign = Campaign {
        id: CampaignId::random(),
        brand_id: brand,
        name: new.name,
        destination_url: target("destination_url", &new.destination_url, &api.targets)?
            .as_str()
            .to_owned(),
        fallback_url: fallback.map(|url| url.as_str().to_owned()),
        utm: new.utm.unwrap_or_default(),
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        budget: new.budget,
        goals: new.goals.unwrap_or_default(),
        attribution: new.attribution.unwrap_or_default(),
        created_at: once.now(),
        archived_at: None,
    };
    check(&campaign)?;
    let answer = once.create(brand, campaign).await?;
    api.in_force().await;
    Ok(answer)
}

/// Lists campaigns, the oldest first.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", params(PageParameters),
    responses((status = 200, description = "A page.", body = ListOf<Campaign>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    resource::list::<Campaign>(&api, Some(brand), brand, Parameters::of(&request), &[]).await
}

/// Changes a campaign: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = CampaignId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = Campaign)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let id = id_in_path::<CampaignKind>(&path, Campaign::WHAT)?;
    let edit: Edit = body.read()?;
    let policy = api.targets.clone();
    let apply = move |campaign: &mut Campaign| -> Result<(), Invalid> {
        if let Some(name) = edit.name {
            campaign.name = name;
        }
        if let Some(raw) = edit.destination_url {
            campaign.destination_url = target("destination_url", &raw, &policy)?.as_str().to_owned();
        }
        if let Some(raw) = edit.fallback_url {
            let url = raw.map(|raw| target("fallback_url", &raw, &policy)).transpose()?;
            campaign.fallback_url = url.map(|url| url.as_str().to_owned());
        }
        if let Some(utm) = edit.utm {
            campaign.utm = utm;
        }
        if let Some(starts_at) = edit.starts_at {
            campaign.starts_at = starts_at;
        }
        if let Some(ends_at) = edit.ends_at {
            campaign.ends_at = ends_at;
        }
        if let Some(budget) = edit.budget {
            campaign.budget = budget;
        }
        if let Some(goals) = edit.goals {
            campaign.goals = goals;
        }
        if let Some(attribution) = edit.attribution {
            campaign.attribution = attribution;
        }
        check(campaign)
    };
    let campaign = api
        .store
        .update_campaign(Some(brand), id, api.clock.now(), apply)
        .await?;
    api.in_force().await;
    resource::shown(&api, brand, campaign).await
}
