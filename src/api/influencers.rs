//! `/v1/influencers`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given};
use super::caller::Caller;
use super::once::Once;
use super::parameters::{PageParameters, Parameters};
use super::problem::Problem;
use super::resource::{self, ListOf, Resource, Showing, id_in_path};
use crate::domain::id::{InfluencerId, InfluencerKind};
use crate::domain::influencer::{Account, MAX_ACCOUNTS, MAX_TAGS, tier};
use crate::domain::invalid::Invalid;
use crate::domain::role::Need;
use crate::domain::text::{Email, Handle, Label, Name};
use crate::domain::tier::Tier;
use crate::store::{Influencer, Record as _};

/// Characters of a share token: long enough that nobody guesses another influencer's page.
const SHARE_TOKEN_CHARS: usize = 24;

impl Resource for Influencer {
    type Kind = InfluencerKind;
    type Shown = ShownInfluencer;

    fn show(self, showing: &Showing<'_>) -> ShownInfluencer {
        let share_url = showing.api.api_public_url.join(&format!("i/{}", self.share_token));
        ShownInfluencer {
            tier: tier(&self.accounts, &showing.brand.tier_bounds),
            share_url: share_url.expect("a token is a plain path").into(),
            influencer: self,
        }
    }
}

/// An influencer with what is derived.
#[derive(Serialize, ToSchema)]
#[schema(as = InfluencerShown)]
pub(super) struct ShownInfluencer {
    #[serde(flatten)]
    influencer: Influencer,
    /// By the largest account and the brand's bounds; null without any account.
    #[schema(required)]
    tier: Option<Tier>,
    /// The influencer's own page.
    #[schema(format = "uri")]
    share_url: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInfluencer)]
struct New {
    handle: Handle,
    name: Name,
    email: Option<Email>,
    #[schema(max_items = 20)]
    accounts: Option<Vec<Account>>,
    #[schema(max_items = 50)]
    tags: Option<Vec<Label>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditInfluencer)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    handle: Option<Handle>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "given")]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_items = 20)]
    accounts: Option<Vec<Account>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_items = 50)]
    tags: Option<Vec<Label>>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one, update, archive_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/influencers/{id}")
        .get(get_one)
        .patch(update)
        .delete(archive_one);
    config
        .service(super::at("/v1/influencers").post(create).get(list))
        .service(one);
}

fn check(accounts: &[Account], tags: &[Label]) -> Result<(), Invalid> {
    let mut wrong = Invalid::default();
    if accounts.len() > MAX_ACCOUNTS {
        wrong.add("accounts", format!("at most {MAX_ACCOUNTS} accounts"));
    }
    if tags.len() > MAX_TAGS {
        wrong.add("tags", format!("at most {MAX_TAGS} tags"));
    }
    wrong.or()
}

resource::one_thing!(Influencer, InfluencerId, shown as ShownInfluencer, at "/v1/influencers/{id}", tag "influencers");

/// Makes an influencer.
#[utoipa::path(post, path = "/v1/influencers", tag = "influencers", request_body = New,
    responses((status = 201, description = "It is made.", body = ShownInfluencer)))]
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
    let (accounts, tags) = (new.accounts.unwrap_or_default(), new.tags.unwrap_or_default());
    check(&accounts, &tags)?;
    let influencer = Influencer {
        id: InfluencerId::random(),
        brand_id: brand,
        handle: new.handle,
        name: new.name,
        email: new.email,
        accounts,
        tags,
        share_token: nanoid::nanoid!(SHARE_TOKEN_CHARS),
        created_at: once.now(),
        archived_at: None,
    };
    once.create(brand, influencer).await
}

/// Lists influencers, the oldest first.
#[utoipa::path(get, path = "/v1/influencers", tag = "influencers", params(PageParameters),
    responses((status = 200, description = "A page.", body = ListOf<ShownInfluencer>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    resource::list::<Influencer>(&api, Some(brand), brand, Parameters::of(&request), &[]).await
}

/// Changes an influencer: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/influencers/{id}", tag = "influencers", params(("id" = InfluencerId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = ShownInfluencer)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let id = id_in_path::<InfluencerKind>(&path, Influencer::WHAT)?;
    let edit: Edit = body.read()?;
    let apply = move |influencer: &mut Influencer| -> Result<(), Invalid> {
        // Links keep the handle that their UTM parameters were minted with, until they are moved.
        if let Some(handle) = edit.handle {
            influencer.handle = handle;
        }
        if let Some(name) = edit.name {
            influencer.name = name;
        }
        if let Some(email) = edit.email {
            influencer.email = email;
        }
        if let Some(accounts) = edit.accounts {
            influencer.accounts = accounts;
        }
        if let Some(tags) = edit.tags {
            influencer.tags = tags;
        }
        check(&influencer.accounts, &influencer.tags)
    };
    let influencer: Influencer = api.store.update(Some(brand), id.number(), apply).await?;
    resource::shown(&api, brand, influencer).await
}
