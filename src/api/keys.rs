//! `/v1/keys`: shown once, stored hashed.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::Body;
use super::caller::{Caller, key_hash};
use super::once::Once;
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, id_in_path};
use crate::domain::id::{BrandId, KeyId, KeyKind};
use crate::domain::invalid::Invalid;
use crate::domain::role::{Need, Role};
use crate::domain::text::Name;
use crate::domain::time::Instant;
use crate::store::{Answer, ApiKey, OnceKey, Record as _, Scope};

/// Random characters of a key: 40 of 62 letters and digits are 238 bits.
const KEY_CHARS: usize = 40;
const KEY_PREFIX: &str = "llk_";
/// Characters of a key that are kept to recognise it by.
const HINT_CHARS: usize = 8;

resource::shown_as_stored!(ApiKey, KeyKind);

fn alphabet() -> Vec<char> {
    ('0'..='9').chain('a'..='z').chain('A'..='Z').collect()
}

/// Draws a new key.
#[must_use]
pub fn draw_key() -> String {
    format!("{KEY_PREFIX}{}", nanoid::nanoid!(KEY_CHARS, &alphabet()))
}

/// Where a new key comes from. A repeated creation must show the key again, and it is stored nowhere: so under an
/// `Idempotency-Key` it is not drawn but made, from the installation's secret and all that makes up the request.
enum Source {
    Drawn(String),
    Made(OnceKey),
}

impl Source {
    fn of(once: &Once) -> Self {
        once.key()
            .map_or_else(|| Self::Drawn(draw_key()), |key| Self::Made(key.clone()))
    }

    /// The key that was created at this time; another day the same request is another creation.
    fn key(&self, api: &Api, created_at: &str) -> String {
        let request = match self {
            Self::Drawn(key) => return key.clone(),
            Self::Made(request) => request,
        };
        let caller = request.caller.to_string();
        let words = [&caller, &request.route, &request.given, &request.body_hash, created_at];
        let alphabet = alphabet();
        // Bytes beyond the last whole round of the alphabet would favour its first letters.
        let rounds = usize::from(u8::MAX) / alphabet.len() * alphabet.len();
        let bytes = api.key_seed.bytes(&words).map(usize::from);
        let letters = bytes
            .filter(|byte| *byte < rounds)
            .map(|byte| alphabet[byte % alphabet.len()]);
        format!("{KEY_PREFIX}{}", letters.take(KEY_CHARS).collect::<String>())
    }

    /// The answer with the key, this once.
    fn reveal(&self, api: &Api, answer: &Answer) -> HttpResponse {
        let stored: Map<String, Value> = serde_json::from_str(&answer.body).unwrap_or_default();
        let text = |field: &str| stored.get(field).and_then(Value::as_str).unwrap_or_default();
        let key = self.key(api, text("created_at"));
        let key = key.starts_with(text("hint")).then_some(key);
        HttpResponse::Created().json(NewKeyShown { stored, key })
    }
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
#[derive(Serialize, ToSchema)]
#[schema(as = KeyShownOnce)]
struct NewKeyShown {
    /// As the answer was kept.
    #[serde(flatten)]
    #[schema(value_type = ApiKey)]
    stored: Map<String, Value>,
    /// The key itself. Null where the creation was sent again and the secret that made its key is no longer among the
    /// installation's.
    #[schema(required)]
    key: Option<String>,
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
async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let once = Once::of(&api, &caller, Some(brand), &request, &body)?;
    if let Some(kept) = once.kept().await? {
        return Ok(Source::of(&once).reveal(&api, &kept));
    }
    let new: New = body.read()?;
    let role = new.role.unwrap_or(Role::Read);
    if role == Role::Operator && caller.role() != Role::Operator {
        return Err(Problem::forbidden("Only an operator can make operator keys."));
    }
    let source = Source::of(&once);
    let stored = ApiKey::from(NewKey {
        key: &source.key(&api, &once.now().to_string()),
        name: new.name,
        role,
        brand: (role != Role::Operator).then_some(brand),
        now: once.now(),
    });
    let answering = once.showing(brand).await?;
    let answer = api.store.create_once(stored, answering).await?;
    api.in_force().await;
    Ok(source.reveal(&api, &answer))
}

/// Lists keys, the oldest first.
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
    resource::shown(&api, caller.brand(Need::Manage)?, key).await
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
    resource::shown(&api, caller.brand(Need::Manage)?, key).await
}

/// Revokes a key.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = KeyId, Path)),
    responses((status = 204, description = "It is archived."),
        (status = 409, description = "It is the last operator key in force.", body = Problem,
            content_type = "application/problem+json")))]
async fn archive(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<KeyKind>(&path, ApiKey::WHAT)?;
    api.store.revoke_key(scope, id, api.clock.now()).await?;
    api.in_force().await;
    Ok(HttpResponse::NoContent().finish())
}
