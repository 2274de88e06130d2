//! `/v1/brands`: operators make and change them; everybody else sees their own.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given};
use super::caller::Caller;
use super::once::{Once, json};
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, Resource as _, Showing, id_in_path};
use crate::domain::id::{BrandId, BrandKind};
use crate::domain::invalid::Invalid;
use crate::domain::money::Currency;
use crate::domain::role::Need;
use crate::domain::text::{ClickParam, Name, TimeZoneName};
use crate::domain::tier::TierBounds;
use crate::store::{Brand, Record as _};

resource::shown_as_stored!(Brand, BrandKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBrand)]
struct New {
    name: Name,
    currency: Option<Currency>,
    timezone: Option<TimeZoneName>,
    #[serde(default, deserialize_with = "given")]
    click_param: Option<Option<ClickParam>>,
    tier_bounds: Option<TierBounds>,
}

/// The currency is not among these: amounts that were counted in it would change their meaning.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditBrand)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    timezone: Option<TimeZoneName>,
    #[serde(default, deserialize_with = "given")]
    click_param: Option<Option<ClickParam>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    tier_bounds: Option<TierBounds>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get, update, archive))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/brands").post(create).get(list))
        .service(super::at("/v1/brands/{id}").get(get).patch(update).delete(archive));
}

/// Makes a brand.
#[utoipa::path(post, path = "/v1/brands", tag = "brands", request_body = New,
    responses((status = 201, description = "It is made.", body = Brand)))]
async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Operate)?;
    let once = Once::of(&api, &caller, None, &request, &body)?;
    if let Some(kept) = once.kept().await? {
        return Ok(kept.into());
    }
    let new: New = body.read()?;
    let brand = Brand {
        id: BrandId::random(),
        name: new.name,
        currency: new.currency.unwrap_or(Currency::USD),
        timezone: new.timezone.unwrap_or_else(TimeZoneName::utc),
        click_param: new.click_param.unwrap_or_else(|| Some(ClickParam::standard())),
        tier_bounds: new.tier_bounds.unwrap_or_default(),
        created_at: once.now(),
        archived_at: None,
    };
    // It is shown as its own: it is not in the store before it is answered.
    let (shared, own) = (api.clone(), brand.clone());
    let answering = once.answering(move |brand: &Brand| {
        let showing = Showing {
            api: &shared,
            brand: &own,
        };
        json(StatusCode::CREATED, &brand.clone().show(&showing))
    });
    let answer = api.store.create_once(brand, answering).await?;
    api.in_force().await;
    Ok(answer.into())
}

/// Lists brands, the oldest first.
#[utoipa::path(get, path = "/v1/brands", tag = "brands", params(PageParameters),
    responses((status = 200, description = "A page.", body = ListOf<Brand>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    resource::list::<Brand>(&api, caller.own_brand(), brand, Parameters::of(&request), &[]).await
}

/// Reads one, archived or not.
#[utoipa::path(get, path = "/v1/brands/{id}", tag = "brands", params(("id" = BrandId, Path)),
    responses((status = 200, description = "As it stands.", body = Brand)))]
async fn get(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Read)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<BrandKind>(&path, Brand::WHAT)?;
    let brand: Brand = api.store.get(caller.own_brand(), id.number()).await?;
    resource::shown(&api, id, brand).await
}

/// Changes a brand: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/brands/{id}", tag = "brands", params(("id" = BrandId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = Brand)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Operate)?;
    let id = id_in_path::<BrandKind>(&path, Brand::WHAT)?;
    let edit: Edit = body.read()?;
    let apply = move |brand: &mut Brand| -> Result<(), Invalid> {
        if let Some(name) = edit.name {
            brand.name = name;
        }
        if let Some(timezone) = edit.timezone {
            brand.timezone = timezone;
        }
        if let Some(click_param) = edit.click_param {
            brand.click_param = click_param;
        }
        if let Some(tier_bounds) = edit.tier_bounds {
            brand.tier_bounds = tier_bounds;
        }
        Ok(())
    };
    let brand: Brand = api.store.update(None, id.number(), apply).await?;
    api.in_force().await;
    resource::shown(&api, id, brand).await
}

/// Archives a brand: its keys open nothing any more, its history stays.
#[utoipa::path(delete, path = "/v1/brands/{id}", tag = "brands", params(("id" = BrandId, Path)),
    responses((status = 204, description = "It is archived.")))]
async fn archive(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Operate)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<BrandKind>(&path, Brand::WHAT)?;
    api.store.archive::<Brand>(None, id.number(), api.clock.now()).await?;
    api.in_force().await;
    Ok(HttpResponse::NoContent().finish())
}
