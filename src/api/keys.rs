//! `/v1/keys`: shown once, stored hashed.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::Body;
use super::caller::{Caller, key_hash};
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, Resource, id_in_path};
use crate::domain::id::{BrandId, KeyId, KeyKind};
use crate::domain::invalid::Invalid;
use crate::domain::role::{Need, Role};
use crate::domain::text::Name;
use crate::domain::time::Instant;
use crate::store::{ApiKey, Record as _, Scope};

/// Random characters of a key: 40 of 62 letters and digits are 238 bits.
const KEY_CHARS: usize = 40;
const KEY_PREFIX: &str = "llk_";
/// Characters of a key that are kept to recognise it by.
const HINT_CHARS: usize = 8;

impl Resource for ApiKey {
    type Kind = KeyKind;
}

/// Draws a new key.
#[must_use]
pub fn draw_key() -> String {
    let alphabet: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').collect();
    format!("{KEY_PREFIX}{}", nanoid::nanoid!(KEY_CHARS, &alphabet))
}

/// A key that is to be stored.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// The key itself.
    pub key: &'a str,
    /// What it is for.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// Its brand; `None` for operators.
    pub brand: Option<BrandId>,
    /// When it was made.
    pub now: Instant,
}

impl From<NewKey<'_>> for ApiKey {
    fn from(new: NewKey<'_>) -> Self {
        Self {
            id: KeyId::random(),
            brand_id: new.brand,
            role: new.role,
            name: new.name,
            hint: new.key.chars().take(HINT_CHARS).collect(),
            hash: key_hash(new.key),
            created_at: new.now,
            archived_at: None,
        }
    }
}

/// A key that was just made: the only time that it is shown.
#[derive(ToSchema)]
#[schema(as = KeyShownOnce)]
#[expect(dead_code, reason = "describes what is put together by hand")]
struct NewKeyShown {
    #[serde(flatten)]
    stored: ApiKey,
    /// The key itself.
    key: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
struct New {
    name: Name,
    /// `read` unless it says otherwise.
    role: Option<Role>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditKey)]
struct Edit {
    name: Name,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get, update, archive))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/keys").post(create).get(list))
        .service(super::at("/v1/keys/{id}").get(get).patch(update).delete(archive));
}

/// Operators manage all keys; admins those of their brand.
fn scope(caller: &Caller) -> Result<Scope, Problem> {
    caller.must(Need::Manage)?;
    Ok(caller.own_brand())
}

/// Makes a key.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = New,
    responses((status = 201, description = "It is made.", body = NewKeyShown)))]
async fn create(api: web::Data<Api>, caller: Caller, body: Body) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let new: New = body.read()?;
    let role = new.role.unwrap_or(Role::Read);
    if role == Role::Operator && caller.role() != Role::Operator {
        return Err(Problem::forbidden("Only an operator can make operator keys."));
    }
    let key = draw_key();
    let stored = api
        .store
        .create(ApiKey::from(NewKey {
            key: &key,
            name: new.name,
            role,
            brand: (role != Role::Operator).then_some(brand),
            now: api.clock.now(),
        }))
        .await?;
    api.in_force().await;
    let mut shown = resource::show_in(&api, brand, &stored).await?;
    shown["key"] = key.into();
    Ok(HttpResponse::Created().json(shown))
}

/// Lists what stands.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(PageParameters),
    responses((status = 200, description = "A page.", body = ListOf<ApiKey>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    resource::list::<ApiKey>(&api, scope(&caller)?, brand, Parameters::of(&request), &[]).await
}

/// Reads one, archived or not.
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "keys", params(("id" = KeyId, Path)),
    responses((status = 200, description = "As it stands.", body = ApiKey)))]
async fn get(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<KeyKind>(&path, ApiKey::WHAT)?;
    let key: ApiKey = api.store.get(scope, id.number()).await?;
    resource::shown(&api, caller.brand(Need::Manage)?, &key).await
}

/// Changes a key: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/keys/{id}", tag = "keys", params(("id" = KeyId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = ApiKey)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    let id = id_in_path::<KeyKind>(&path, ApiKey::WHAT)?;
    let edit: Edit = body.read()?;
    let apply = move |key: &mut ApiKey| -> Result<(), Invalid> {
        key.name = edit.name;
        Ok(())
    };
    let key: ApiKey = api.store.update(scope, id.number(), apply).await?;
    resource::shown(&api, caller.brand(Need::Manage)?, &key).await
}

/// Revokes a key.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = KeyId, Path)),
    responses((status = 204, description = "It is archived.")))]
async fn archive(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<KeyKind>(&path, ApiKey::WHAT)?;
    api.store.archive::<ApiKey>(scope, id.number(), api.clock.now()).await?;
    api.in_force().await;
    Ok(HttpResponse::NoContent().finish())
}
