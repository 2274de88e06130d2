//! `/docs`: the description as a page to read and to try, made of what the program carries in itself.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use super::parameters::Parameters;
use super::problem::Problem;

/// The page loads what this listener serves, and nothing else; Swagger UI has pictures in its style sheet.
const ONLY_FROM_HERE: HeaderValue =
    HeaderValue::from_static("default-src 'self'; img-src 'self' data:; frame-ancestors 'none'");

/// Addresses are relative, so that the page also works behind a proxy that puts a path in front.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>linkledger API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script src="docs/swagger-initializer.js"></script>
</body>
</html>
"#;

/// What the page loads.
const PARTS: [&str; 5] = [
    "favicon-32x32.png",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

static SETTINGS: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // The validator would send the description to somebody else's server.
    Arc::new(Config::from("openapi.json").validator_url("none"))
});

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(page, part))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/docs").get(page))
        // Relative, too. Shown there, the page would look for its parts one folder further down.
        .service(web::redirect("/docs/", "../docs").permanent())
        .service(super::at("/docs/{part}").get(part));
}

/// Shows this description as a page to read and to try.
///
/// It works without the internet.
#[utoipa::path(get, path = "/docs", tag = "this description", security(()),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")))]
async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Parameters::of(&request).done()?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, ONLY_FROM_HERE))
        .body(PAGE))
}

/// Answers with a part of the page.
#[utoipa::path(get, path = "/docs/{part}", tag = "this description", security(()),
    params(("part" = String, Path, description = "As the page names it.")),
    responses((status = 200, description = "The part.", content(
        (String = "text/css"), (String = "text/javascript"), (String = "image/png"),
    ))))]
async fn part(path: web::Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    Parameters::of(&request).done()?;
    let unknown = || Problem::not_found("part of the page");
    let name = PARTS.iter().find(|part| **part == path.as_str()).ok_or_else(unknown)?;
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&SETTINGS));
    let file = file.ok().flatten().ok_or_else(unknown)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, file.content_type));
    if file.gzpipped {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(file.bytes.into_owned()))
}
