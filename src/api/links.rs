//! `/v1/links`, one by one and in bulk.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::body::{Body, given, read};
use super::caller::Caller;
use super::campaigns::target;
use super::parameters::{OwnerParameters, PageParameters, Parameters};
use super::problem::Problem;
use super::qr;
use super::resource::{self, ListOf, Resource, Showing, id_in_path, show};
use crate::domain::id::{CampaignId, InfluencerId, LinkId, LinkKind, PostId};
use crate::domain::invalid::{FieldError, Invalid};
use crate::domain::role::Need;
use crate::domain::slug::Slug;
use crate::domain::target_url::TargetPolicy;
use crate::domain::text::{Label, Platform};
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;
use crate::store::{Link, LinkDraft, LinkEdit, PostChoice, Record as _, SlugPolicy};

/// Links of one bulk request.
const BULK_MAX: usize = 1000;

impl Resource for Link {
    type Kind = LinkKind;

    fn derive(&self, showing: &Showing<'_>, map: &mut Map<String, Value>) {
        let short_url = showing.api.public_url.join(self.slug.as_str());
        map.insert(
            "short_url".to_owned(),
            short_url.map_or(Value::Null, |url| url.as_str().into()),
        );
    }
}

/// A link with what is derived.
#[derive(ToSchema)]
#[schema(as = LinkShown)]
#[expect(dead_code, reason = "describes what `derive` adds")]
struct ShownLink {
    #[serde(flatten)]
    link: Link,
    /// What to share.
    #[schema(format = "uri")]
    short_url: String,
}

/// One result for each link of the request, in its order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together by hand")]
struct BulkResults {
    results: Vec<BulkResult>,
}

/// What became of one link.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is put together by hand")]
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
#[openapi(paths(create, list, get_one, update, archive_one, bulk))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let one = super::at("/v1/links/{id}")
        .get(get_one)
        .patch(update)
        .delete(archive_one);
    config
        .service(super::at("/v1/links/bulk").post(bulk))
        .service(super::at("/v1/links/{id}/qr.svg").get(qr::as_svg))
        .service(super::at("/v1/links/{id}/qr.png").get(qr::as_png))
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
            utm: self.utm.unwrap_or_default(),
            forward_query: self.forward_query.unwrap_or(true),
            expires_at: self.expires_at,
            paused: self.paused.unwrap_or(false),
        })
    }
}

resource::one_thing!(Link, LinkId, shown as ShownLink, at "/v1/links/{id}", tag "links");

/// Makes a link.
#[utoipa::path(post, path = "/v1/links", tag = "links", request_body = New,
    responses((status = 201, description = "It is made.", body = ShownLink)))]
async fn create(api: web::Data<Api>, caller: Caller, body: Body) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let draft = body.read::<New>()?.draft(&api.targets)?;
    let now = api.clock.now();
    let mut made = api
        .store
        .mint_links(brand, vec![draft], SlugPolicy::Strict, api.slug_length, now)
        .await?;
    let link = made
        .pop()
        .unwrap_or_else(|| Err(Invalid::one("(body)", "no link was made")))?;
    api.in_force().await;
    resource::created(&api, brand, &link).await
}

/// Makes up to 1,000 links.
///
/// Every link for itself: what is wrong with one does not keep the others from being made.
#[utoipa::path(post, path = "/v1/links/bulk", tag = "links", request_body = Bulk<'_>,
    responses((status = 200, description = "What became of each.", body = BulkResults)))]
async fn bulk(api: web::Data<Api>, caller: Caller, body: Body) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
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
    let now = api.clock.now();
    let made = api
        .store
        .mint_links(brand, drafts, SlugPolicy::Strict, api.slug_length, now)
        .await?;
    api.in_force().await;

    let brand = resource::brand_of(&api, brand).await?;
    let showing = Showing {
        api: &api,
        brand: &brand,
    };
    let mut made = made.into_iter();
    let results: Vec<Value> = parsed
        .into_iter()
        .map(|draft| {
            let outcome = draft.and_then(|_| {
                made.next()
                    .unwrap_or_else(|| Err(Invalid::one("(body)", "the store gave no answer for this link")))
            });
            match outcome {
                Ok(link) => json!({"status": 201, "link": show(&link, &showing)}),
                Err(wrong) => json!({"status": 422, "errors": wrong.0}),
            }
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "results": results })))
}

/// Lists what stands.
#[utoipa::path(get, path = "/v1/links", tag = "links",
    params(PageParameters, OwnerParameters, ("post_id" = Option<PostId>, Query, description = "Only of this post.")),
    responses((status = 200, description = "A page.", body = ListOf<ShownLink>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let mut filters = parameters.owners()?;
    if let Some(id) = parameters.take::<PostId>("post_id")? {
        filters.push(("post_id", id.number()));
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
        utm: edit.utm,
        forward_query: edit.forward_query,
        expires_at: edit.expires_at,
        paused: edit.paused,
    };
    let link = api.store.update_link(Some(brand), id, edit).await?;
    api.in_force().await;
    resource::shown(&api, brand, &link).await
}
