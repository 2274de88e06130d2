//! `/v1/links`, one by one and in bulk.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given, read};
use super::caller::Caller;
use super::campaigns::target;
use super::once::{Once, json};
use super::parameters::{CursorParameters, OwnerParameters, PageParameters, Parameters, cursor};
use super::problem::Problem;
use super::qr;
use super::resource::{self, ListOf, Resource, Showing, id_in_path};
use crate::domain::id::{BrandId, CampaignId, InfluencerId, LinkId, LinkKind, PostId, PromoCodeId};
use crate::domain::invalid::{FieldError, Invalid};
use crate::domain::role::Need;
use crate::domain::slug::Slug;
use crate::domain::target_url::TargetPolicy;
use crate::domain::text::{Label, Platform};
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;
use crate::store::{Change, Link, LinkDraft, LinkEdit, LinkEntry, MintTerms, PostChoice, Record as _, SlugPolicy};

/// Links of one bulk request.
const BULK_MAX: usize = 1000;

impl Resource for Link {
    type Kind = LinkKind;
    type Shown = ShownLink;

    fn show(self, showing: &Showing<'_>) -> ShownLink {
        let short_url = showing.api.public_url.join(self.slug.as_str());
        ShownLink {
            short_url: short_url.expect("a slug is a plain path").into(),
            link: self,
        }
    }
}

/// A link with what is derived.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkShown)]
pub(super) struct ShownLink {
    #[serde(flatten)]
    link: Link,
    /// What to share.
    #[schema(format = "uri")]
    short_url: String,
}

/// One result for each link of the request, in its order.
#[derive(Serialize, ToSchema)]
struct BulkResults {
    results: Vec<BulkResult>,
}

/// What became of one link.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum BulkResult {
    /// It was made.
    Made {
        #[schema(minimum = 201, maximum = 201)]
        status: u16,
        link: Box<ShownLink>,
    },
    /// It was refused; the others were not.
    Refused {
        #[schema(minimum = 422, maximum = 422)]
        status: u16,
        errors: Vec<FieldError>,
    },
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLink)]
struct New {
    campaign_id: CampaignId,
    influencer_id: InfluencerId,
    url: Option<String>,
    slug: Option<Slug>,
    platform: Option<Platform>,
    post: Option<Label>,
    post_id: Option<PostId>,
    promo_code_id: Option<PromoCodeId>,
    utm: Option<UtmTemplate>,
    forward_query: Option<bool>,
    expires_at: Option<Instant>,
    paused: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditLink)]
struct Edit {
    #[serde(default, deserialize_with = "given")]
    url: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    platform: Option<Option<Platform>>,
    #[serde(default, deserialize_with = "given")]
    promo_code_id: Option<Option<PromoCodeId>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    utm: Option<UtmTemplate>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    forward_query: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<Instant>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    paused: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLinks)]
struct Bulk<'a> {
    /// Each as in a request of its own.
    #[serde(borrow)]
    #[schema(value_type = Vec<New>, max_items = 1000)]
    links: Vec<&'a RawValue>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get_one, update, archive, history, bulk))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/links/{id}").get(get_one).patch(update).delete(archive);
    config
        .service(super::at("/v1/links/bulk").post(bulk))
        .service(super::at("/v1/links/{id}/qr.svg").get(qr::as_svg))
        .service(super::at("/v1/links/{id}/qr.png").get(qr::as_png))
        .service(super::at("/v1/links/{id}/history").get(history))
        .service(super::at("/v1/links").post(create).get(list))
        .service(one);
}

impl New {
    fn draft(self, policy: &TargetPolicy) -> Result<LinkDraft, Invalid> {
        let post = match (self.post, self.post_id) {
            (Some(_), Some(_)) => return Err(Invalid::one("post", "give either post or post_id")),
            (Some(label), None) => PostChoice::Label(label),
            (None, Some(id)) => PostChoice::Id(id),
            (None, None) => PostChoice::None,
        };
        Ok(LinkDraft {
            campaign_id: self.campaign_id,
            influencer_id: self.influencer_id,
            url: self.url.as_deref().map(|raw| target("url", raw, policy)).transpose()?,
            slug: self.slug,
            platform: self.platform,
            post,
            promo_code_id: self.promo_code_id,
            utm: self.utm.unwrap_or_default(),
            forward_query: self.forward_query.unwrap_or(true),
            expires_at: self.expires_at,
            paused: self.paused.unwrap_or(false),
        })
    }
}

resource::readable_thing!(Link, LinkId, shown as ShownLink, at "/v1/links/{id}", tag "links");

/// Makes a link.
#[utoipa::path(post, path = "/v1/links", tag = "links", request_body = New,
    responses((status = 201, description = "It is made.", body = ShownLink)))]
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
    let draft = body.read::<New>()?.draft(&api.targets)?;
    let answering = once.showing(brand).await?;
    let terms = minting(&api, &caller, brand, &once);
    let answer = api.store.mint_link_once(terms, draft, answering).await?;
    api.in_force().await;
    Ok(answer.into())
}

fn minting(api: &Api, caller: &Caller, brand: BrandId, once: &Once) -> MintTerms {
    MintTerms {
        brand,
        policy: SlugPolicy::Strict,
        slug_length: api.slug_length,
        by: Some(caller.key()),
        now: once.now(),
    }
}

/// Makes up to 1,000 links.
///
/// Every link for itself: what is wrong with one does not keep the others from being made.
#[utoipa::path(post, path = "/v1/links/bulk", tag = "links", request_body = Bulk<'_>,
    responses((status = 200, description = "What became of each.", body = BulkResults)))]
async fn bulk(api: web::Data<Api>, caller: Caller, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let once = Once::of(&api, &caller, Some(brand), &request, &body)?;
    if let Some(kept) = once.kept().await? {
        return Ok(kept.into());
    }
    let bulk: Bulk<'_> = body.read()?;
    if bulk.links.len() > BULK_MAX {
        return Err(Invalid::one("links", format!("at most {BULK_MAX} links at once")).into());
    }
    let parsed: Vec<Result<LinkDraft, Invalid>> = bulk
        .links
        .iter()
        .map(|raw| {
            read::<New>(raw.get())
                .map_err(|error| Invalid(vec![error]))?
                .draft(&api.targets)
        })
        .collect();
    let drafts = parsed.iter().filter_map(|draft| draft.as_ref().ok().cloned()).collect();
    let terms = minting(&api, &caller, brand, &once);
    let brand = resource::brand_of(&api, brand).await?;
    let shared = api.clone();
    let answering = once.answering(move |made: &Vec<Result<Link, Invalid>>| {
        let showing = Showing {
            api: &shared,
            brand: &brand,
        };
        json(StatusCode::OK, &results(parsed, made, &showing))
    });
    let answer = api.store.mint_links_once(terms, drafts, answering).await?;
    api.in_force().await;
    Ok(answer.into())
}

/// What became of each entry, in order: refused when it was read, or by the store.
fn results(
    parsed: Vec<Result<LinkDraft, Invalid>>,
    made: &[Result<Link, Invalid>],
    showing: &Showing<'_>,
) -> BulkResults {
    let mut made = made.iter().cloned();
    let results = parsed.into_iter().map(|draft| {
        let outcome = draft.and_then(|_| {
            made.next()
                .unwrap_or_else(|| Err(Invalid::one("(body)", "the store gave no answer for this link")))
        });
        match outcome {
            Ok(link) => BulkResult::Made {
                status: StatusCode::CREATED.as_u16(),
                link: Box::new(link.show(showing)),
            },
            Err(wrong) => BulkResult::Refused {
                status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
                errors: wrong.0,
            },
        }
    });
    BulkResults {
        results: results.collect(),
    }
}

/// Lists links, the oldest first.
#[utoipa::path(get, path = "/v1/links", tag = "links",
    params(PageParameters, OwnerParameters, ("post_id" = Option<PostId>, Query, description = "Only of this post.")),
    responses((status = 200, description = "A page.", body = ListOf<ShownLink>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let mut filters = parameters.owners()?;
    if let Some(id) = parameters.take::<PostId>("post_id")? {
        filters.push(("post_id", id.into()));
    }
    resource::list::<Link>(&api, Some(brand), brand, parameters, &filters).await
}

/// Changes a link: what is absent stays as it is.
#[utoipa::path(patch, path = "/v1/links/{id}", tag = "links", params(("id" = LinkId, Path)), request_body = Edit,
    responses((status = 200, description = "As it stands now.", body = ShownLink)))]
async fn update(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let id = id_in_path::<LinkKind>(&path, Link::WHAT)?;
    let edit: Edit = body.read()?;
    let url = match edit.url {
        Some(Some(raw)) => Some(Some(target("url", &raw, &api.targets)?)),
        Some(None) => Some(None),
        None => None,
    };
    let edit = LinkEdit {
        url,
        platform: edit.platform,
        promo_code_id: edit.promo_code_id,
        utm: edit.utm,
        forward_query: edit.forward_query,
        expires_at: edit.expires_at,
        paused: edit.paused,
    };
    let change = change(&api, &caller);
    let link = api.store.update_link(Some(brand), id, edit, change).await?;
    api.in_force().await;
    resource::shown(&api, brand, link).await
}

fn change(api: &Api, caller: &Caller) -> Change {
    Change {
        key: caller.key(),
        at: api.clock.now(),
    }
}

/// Archives a link.
///
/// It is no longer listed and no longer counts, but keeps its history. Twice does no harm.
#[utoipa::path(delete, path = "/v1/links/{id}", tag = "links", params(("id" = LinkId, Path)),
    responses((status = 204, description = "It is archived.")))]
async fn archive(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<LinkKind>(&path, Link::WHAT)?;
    let change = change(&api, &caller);
    api.store.archive_link(Some(brand), id, change).await?;
    api.in_force().await;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists what became of a link, newest first.
#[utoipa::path(get, path = "/v1/links/{id}/history", tag = "links",
    params(("id" = LinkId, Path), CursorParameters),
    responses((status = 200, description = "A page.", body = ListOf<LinkEntry>)))]
async fn history(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let (limit, before) = (parameters.limit()?, parameters.position()?);
    parameters.done()?;
    let id = id_in_path::<LinkKind>(&path, Link::WHAT)?;
    let link: Link = api.store.get(Some(brand), id.number()).await?;
    let (data, next) = api.store.link_history(link.id, before, limit).await?;
    Ok(HttpResponse::Ok().json(ListOf {
        data,
        next_cursor: next.map(cursor),
    }))
}
