//! `/v1/reports`.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Api;
use super::caller::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::resource::brand_of;
use crate::domain::role::Need;
use crate::report::{self, ReportQuestion};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/v1/reports").get(answer));
}

async fn answer(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let brand = brand_of(&api, brand).await?;
    let pairs = Parameters::of(&request).into_pairs();
    let question = ReportQuestion::parse(&pairs, &brand.timezone, api.clock.now())?;
    let report = report::run(&api.store, &brand, &question).await?;
    Ok(HttpResponse::Ok().json(report))
}
