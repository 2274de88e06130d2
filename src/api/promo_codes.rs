//! `/v1/promo-codes`.

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
use crate::domain::id::{BrandId, CampaignId, InfluencerId, PostId, PromoCodeId, PromoCodeKind};
use crate::domain::invalid::Invalid;
use crate::domain::promo_code::{CodeStatus, Discount, mint};
use crate::domain::role::Need;
use crate::domain::text::CodeText;
use crate::domain::time::Instant;
use crate::store::{Campaign, Influencer, Post, PromoCode, Record as _, StoreError};

/// Codes that are tried when none was chosen.
const MINT_ATTEMPTS: u32 = 50;
/// From this attempt on the number is drawn: handles without Latin letters share the word they begin with, so the
/// numbers from 2 on may all be gone.
const DRAWN_FROM_ATTEMPT: u32 = 20;

resource::shown_as_stored!(PromoCode, PromoCodeKind);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPromoCode)]
struct New {
    campaign_id: CampaignId,
    influencer_id: InfluencerId,
    code: Option<CodeText>,
    post_id: Option<PostId>,
    discount: Option<Discount>,
    expires_at: Option<Instant>,
    status: Option<CodeStatus>,
    replacement_code: Option<CodeText>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditPromoCode)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    discount: Option<Option<Discount>>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<Instant>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    status: Option<CodeStatus>,
    #[serde(default, deserialize_with = "given")]
    replacement_code: Option<Option<CodeText>>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one, update, archive_one))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/promo-codes/{id}")
        .get(get_one)
        .patch(update)
        .delete(archive_one);
    config
        .service(super::at("/v1/promo-codes").post(create).get(list))
        .service(one);
}

resource::one_thing!(PromoCode, PromoCodeId, shown as PromoCode, at "/v1/promo-codes/{id}", tag "promo codes");

/// Makes a promo code.
#[utoipa::path(post, path = "/v1/promo-codes", tag = "promo codes", request_body = New,
    responses((status = 201, description = "It is made.", body = PromoCode)))]
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
    let influencer: Influencer = must_stand(&api, brand, new.influencer_id.number(), "influencer_id").await?;
    if let Some(post) = new.post_id {
        let post: Post = must_stand(&api, brand, post.number(), "post_id").await?;
        if post.campaign_id != new.campaign_id || post.influencer_id != new.influencer_id {
            return Err(Invalid::one("post_id", "belongs to another campaign or influencer").into());
        }
    }
    let chosen = new.code.clone();
    let mut attempt = 0;
    loop {
        let code = chosen
            .clone()
            .unwrap_or_else(|| mint(&influencer.handle, new.discount.as_ref(), number(attempt)));
        let answering = once.showing(brand).await?;
        let made = new.promo_code(brand, code, once.now());
        match api.store.create_once(made, answering).await {
            // Somebody else's code: a chosen one is refused, a minted one gets the next number.
            Err(StoreError::Invalid(wrong)) if is_taken(&wrong) && chosen.is_none() && attempt < MINT_ATTEMPTS => {
                attempt += 1;
            }
            made => return Ok(made?.into()),
        }
    }
}

fn is_taken(wrong: &Invalid) -> bool {
    wrong.0.iter().all(|error| error.field == PromoCode::UNIQUE_FIELD)
}

/// The number that a minted code ends in: 0 for none.
fn number(attempt: u32) -> u32 {
    if attempt < DRAWN_FROM_ATTEMPT {
        return attempt;
    }
    // A version 4 UUID is random where this looks.
    let (drawn, ..) = uuid::Uuid::new_v4().as_fields();
    DRAWN_FROM_ATTEMPT + drawn % 1_000_000
}

impl New {
    fn promo_code(&self, brand: BrandId, code: CodeText, now: Instant) -> PromoCode {
        PromoCode {
            id: PromoCodeId::random(),
            brand_id: brand,
            campaign_id: self.campaign_id,
            influencer_id: self.influencer_id,
            post_id: self.post_id,
            code,
            discount: self.discount,
            expires_at: self.expires_at,
            status: self.status.unwrap_or(CodeStatus::Active),
            replacement_code: self.replacement_code.clone(),
            created_at: now,
            archived_at: None,
        }
    }
}

/// Lists promo codes, the oldest first.
#[utoipa::path(get, path = "/v1/promo-codes", tag = "promo codes", params(PageParameters, OwnerParameters),
    responses((status = 200, description = "A page.", body = ListOf<PromoCode>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let filters = parameters.owners()?;
    resource::list::<PromoCode>(&api, Some(brand), brand, parameters, &filters).await
}

/// Changes a promo code: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/promo-codes/{id}", tag = "promo codes", params(("id" = PromoCodeId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = PromoCode)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<PromoCodeKind>(&path, PromoCode::WHAT)?;
    let edit: Edit = body.read()?;
    let apply = move |code: &mut PromoCode| -> Result<(), Invalid> {
        if let Some(discount) = edit.discount {
            code.discount = discount;
        }
        if let Some(expires_at) = edit.expires_at {
            code.expires_at = expires_at;
        }
        if let Some(status) = edit.status {
            code.status = status;
        }
        if let Some(replacement_code) = edit.replacement_code {
            code.replacement_code = replacement_code;
        }
        Ok(())
    };
    let code: PromoCode = api.store.update(Some(brand), id.number(), apply).await?;
    resource::shown(&api, brand, code).await
}
