//! What the resources share: how things are shown, listed and archived.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::parameters::{Parameters, cursor};
use super::problem::Problem;
use crate::domain::id::{BrandId, Id, IdKind};
use crate::domain::role::Need;
use crate::store::{Brand, Filter, Record, Scope, standing};

/// What is known while things are shown.
pub(super) struct Showing<'a> {
    pub(super) api: &'a Api,
    pub(super) brand: &'a Brand,
}

/// A kind of thing of one brand, as the API shows it.
pub(super) trait Resource: Record {
    /// Its ids.
    type Kind: IdKind;
    /// The record itself, or the record with what is not stored but derived.
    type Shown: Serialize;

    fn show(self, showing: &Showing<'_>) -> Self::Shown;
}

/// A kind of thing that is shown as it is stored.
macro_rules! shown_as_stored {
    ($record:ty, $kind:ty) => {
        impl crate::api::resource::Resource for $record {
            type Kind = $kind;
            type Shown = Self;

            fn show(self, _: &crate::api::resource::Showing<'_>) -> Self {
                self
            }
        }
    };
}
pub(super) use shown_as_stored;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct ListOf<T> {
    /// In the list's order.
    pub(super) data: Vec<T>,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// GET of one thing under `{id}`, described: a description belongs to a function of its own, which a generic one is not.
macro_rules! readable_thing {
    ($record:ty, $id:ty, shown as $shown:ty, at $path:literal, tag $tag:literal) => {
        /// Reads one, archived or not.
        #[utoipa::path(get, path = $path, tag = $tag, params(("id" = $id, Path)),
                                            responses((status = 200, description = "As it stands.", body = $shown)))]
        async fn get_one(
            api: actix_web::web::Data<crate::api::Api>,
            caller: crate::api::caller::Caller,
            path: actix_web::web::Path<String>,
            request: actix_web::HttpRequest,
        ) -> Result<actix_web::HttpResponse, crate::api::problem::Problem> {
            crate::api::resource::get::<$record>(api, caller, path, request).await
        }
    };
}
pub(super) use readable_thing;

/// The same, and DELETE.
macro_rules! one_thing {
    ($record:ty, $id:ty, shown as $shown:ty, at $path:literal, tag $tag:literal) => {
        crate::api::resource::readable_thing!($record, $id, shown as $shown, at $path, tag $tag);

        /// Archives one.
        ///
        /// It is no longer listed and no longer counts, but keeps its history. Twice does no harm.
        #[utoipa::path(delete, path = $path, tag = $tag, params(("id" = $id, Path)),
                                            responses((status = 204, description = "It is archived.")))]
        async fn archive_one(
            api: actix_web::web::Data<crate::api::Api>,
            caller: crate::api::caller::Caller,
            path: actix_web::web::Path<String>,
            request: actix_web::HttpRequest,
        ) -> Result<actix_web::HttpResponse, crate::api::problem::Problem> {
            crate::api::resource::archive::<$record>(api, caller, path, request).await
        }
    };
}
pub(super) use one_thing;

/// An id from an address; whatever is no id of this kind names nothing.
pub(super) fn id_in_path<K: IdKind>(text: &str, what: &str) -> Result<Id<K>, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// The brand of a request, as stored.
pub(super) async fn brand_of(api: &Api, id: BrandId) -> Result<Brand, Problem> {
    Ok(api.store.get::<Brand>(None, id.number()).await?)
}

pub(super) async fn show_in<R: Resource>(api: &Api, brand: BrandId, record: R) -> Result<R::Shown, Problem> {
    let brand = brand_of(api, brand).await?;
    Ok(record.show(&Showing { api, brand: &brand }))
}

/// What a field refers to; refused when this brand does not have it or has archived it.
pub(super) async fn must_stand<R: Record>(api: &Api, brand: BrandId, number: i64, field: &str) -> Result<R, Problem> {
    Ok(standing(api.store.get(Some(brand), number).await, field)?)
}

/// `200` with the bare resource.
pub(super) async fn shown<R: Resource>(api: &Api, brand: BrandId, record: R) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(show_in(api, brand, record).await?))
}

/// GET of one.
pub(super) async fn get<R: Resource>(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<R::Kind>(&path, R::WHAT)?;
    let record: R = api.store.get(Some(brand), id.number()).await?;
    shown(&api, brand, record).await
}

/// GET of many, filtered by ids of other things.
pub(super) async fn list<R: Resource>(
    api: &Api,
    scope: Scope,
    brand: BrandId,
    mut parameters: Parameters,
    filters: &[Filter],
) -> Result<HttpResponse, Problem> {
    let page = parameters.page()?;
    parameters.done()?;
    let listed = api.store.list::<R>(scope, filters, page).await?;
    let brand = brand_of(api, brand).await?;
    let showing = Showing { api, brand: &brand };
    Ok(HttpResponse::Ok().json(ListOf {
        data: listed.data.into_iter().map(|record| record.show(&showing)).collect(),
        next_cursor: listed.next.map(cursor),
    }))
}

/// DELETE: archives.
pub(super) async fn archive<R: Resource>(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    Parameters::of(&request).done()?;
    let id = id_in_path::<R::Kind>(&path, R::WHAT)?;
    api.store
        .archive::<R>(Some(brand), id.number(), api.clock.now())
        .await?;
    api.in_force().await;
    Ok(HttpResponse::NoContent().finish())
}
