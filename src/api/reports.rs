//! `/v1/reports`.

use actix_web::http::header::{CONTENT_DISPOSITION, LINK};
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;
use utoipa::OpenApi;

use super::Api;
use super::caller::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::resource::brand_of;
use crate::domain::role::Need;
use crate::report::{self, Format, Report, ReportQuestion};

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(answer))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/v1/reports").get(answer));
}

/// Reports clicks, sales and what they are worth, by one thing or two.
///
/// CSV has no place for `next_cursor`: where rows are left, a `Link` header leads to the next page.
#[utoipa::path(get, path = "/v1/reports", tag = "reports", params(ReportQuestion),
    responses((status = 200, description = "The report.", content((Report), (String = "text/csv")),
        headers(("Link" = Option<String>, description = "CSV only: the next page, as `rel=\"next\"` (RFC 8288).")))))]
async fn answer(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let brand = brand_of(&api, brand).await?;
    let pairs = Parameters::of(&request).into_pairs()?;
    let question = ReportQuestion::parse(&pairs, &brand.timezone, api.clock.now())?;
    let report = report::run(&api.store, &brand, &question).await?;
    if question.format == Format::Json {
        return Ok(HttpResponse::Ok().json(report));
    }
    let next = report.next_cursor.as_deref().map(|cursor| next_page(&pairs, cursor));
    let dimensions: Vec<_> = question.by.iter().map(|dimension| dimension.name()).collect();
    let pieces = report::csv::pieces(report, &dimensions)
        .map(|piece| Ok::<_, std::convert::Infallible>(web::Bytes::from(piece)));
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"report.csv\""));
    if let Some(next) = next {
        answer.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    Ok(answer.streaming(futures_util::stream::iter(pieces)))
}

/// The address of the same question's next page.
fn next_page(pairs: &[(String, String)], cursor: &str) -> String {
    let same = pairs.iter().filter(|(name, _)| name != "cursor");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(same)
        .append_pair("cursor", cursor)
        .finish();
    format!("/v1/reports?{query}")
}
