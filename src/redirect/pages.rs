//! The few pages that a visitor sees instead of a destination.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}";

fn page(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{text}</p></html>\n"
    );
    HttpResponse::build(status)
        .insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")))
        .insert_header(("x-robots-tag", HeaderValue::from_static("noindex")))
        .body(body)
}

pub(super) fn unknown() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        "No such link",
        "This short link does not exist. Check its spelling.",
    )
}

pub(super) fn gone() -> HttpResponse {
    page(
        StatusCode::GONE,
        "This link has ended",
        "The offer behind this link is over.",
    )
}

pub(super) fn too_many() -> HttpResponse {
    let mut answer = page(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many unknown links",
        "Please try again in a minute.",
    );
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

pub(super) fn wrong_method() -> HttpResponse {
    let mut answer = page(
        StatusCode::METHOD_NOT_ALLOWED,
        "Not here",
        "Short links answer GET and HEAD.",
    );
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}
