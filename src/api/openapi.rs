//! `/openapi.json`: the description of this API, generated from the types that parse and show.
//!
//! # How a route comes into it
//! 1. Request structs derive `ToSchema` with a name of their own: `#[schema(as = NewThing)]`, and keep
//!    `deny_unknown_fields`. In an `Edit`, a field that may be left out but not be null gets `#[schema(nullable = false)]`.
//! 2. The record in `src/store` derives `ToSchema`. What an answer has beyond its record stands in a struct of its own,
//!    with the record flattened into it.
//! 3. Every handler gets `#[utoipa::path]` with its method, its path, its tag, what it takes and what it answers when all
//!    goes well; its first line of documentation is the summary. What all addresses share is added here, by [`Common`]:
//!    the problems, the header that names a brand, the key, the operation's id. The generic handlers of one thing come
//!    described from `resource::one_thing!`.
//! 4. The file's `Description` lists its handlers, and [`document`] lists the file.
//!
//! `tests/openapi.rs` fails for a route that is not described, and for a description without a route.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::once::GIVEN_MAX_CHARS;
use super::parameters::Parameters;
use super::problem::{PROBLEM_JSON, Problem};
use super::{
    brands, campaigns, conversions, deals, decisions, docs, explain, follower_counts, influencers, keys, links,
    post_metrics, posts, promo_codes, qr, refunds, rejections, reports,
};
use crate::store::ONCE_HEADER;

/// Header values that every client sends as they are written. Others that are UTF-8 are taken, too.
const PORTABLE: &str = "^[!-~]([ -~]*[!-~])?$";
/// The name under which the key is described.
const KEY: &str = "key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "linkledger",
        description = "Short links and promo codes per influencer, and who earned which sale.\n\n\
            Times are RFC 3339, money is whole minor units with a currency, ids are opaque. Every answer has an \
            `X-Request-Id`. What is wrong is told as `application/problem+json`; its `errors` name the fields. \
            A method that an address does not take gets 405 with `Allow`.",
    ),
    paths(show),
    components(schemas(Problem)),
    tags(
        (name = "brands", description = "The tenants; operators make them."),
        (name = "keys", description = "Who may do what; shown once, stored hashed."),
        (name = "influencers", description = "Who shares."),
        (name = "campaigns", description = "What is shared, until when, and by which rule it earns."),
        (name = "posts", description = "Where on a platform it is shared."),
        (name = "links", description = "Short links, one by one or by the thousand."),
        (name = "promo codes", description = "Words at the checkout that name their influencer."),
        (name = "platform figures", description = "What platforms tell of accounts and posts."),
        (name = "conversions", description = "What a shop says happened, and who earned it."),
        (name = "reports", description = "Clicks and sales by anything."),
        (name = "this description", description = "What you are reading."),
    ),
)]
struct Frame;

/// Everything described, in the order in which a reader meets it.
fn document() -> Document {
    let files = [
        brands::Description::openapi(),
        keys::Description::openapi(),
        influencers::Description::openapi(),
        campaigns::Description::openapi(),
        deals::Description::openapi(),
        posts::Description::openapi(),
        links::Description::openapi(),
        qr::Description::openapi(),
        promo_codes::Description::openapi(),
        follower_counts::Description::openapi(),
        post_metrics::Description::openapi(),
        conversions::Description::openapi(),
        explain::Description::openapi(),
        decisions::Description::openapi(),
        refunds::Description::openapi(),
        rejections::Description::openapi(),
        reports::Description::openapi(),
        docs::Description::openapi(),
    ];
    let mut whole = Frame::openapi();
    for file in files {
        whole.merge(file);
    }
    Common.modify(&mut whole);
    whole
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(document);

static AS_JSON: LazyLock<web::Bytes> =
    LazyLock::new(|| web::Bytes::from(serde_json::to_vec(&*DOCUMENT).expect("a description has plain keys")));

/// The methods that an address takes, as an `Allow` header lists them.
pub(super) fn methods(path: &str) -> String {
    let mut item = DOCUMENT.paths.paths.get(path).cloned().unwrap_or_default();
    let methods: Vec<String> = operations(&mut item).map(|(method, _)| method.to_uppercase()).collect();
    methods.join(", ")
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/openapi.json").get(show));
}

/// Answers with this description.
#[utoipa::path(get, path = "/openapi.json", tag = "this description", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Parameters::of(&request).done()?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(AS_JSON.clone()))
}

/// What all addresses have in common, said once.
struct Common;

/// A problem that many addresses may answer with: its status, its name among the components, and when it comes.
type Shared = (u16, &'static str, &'static str);

const BAD_REQUEST: Shared = (400, "BadRequest", "A parameter or the body cannot be read.");
const UNAUTHORIZED: Shared = (401, "Unauthorized", "No key, or one that is not in force.");
const FORBIDDEN: Shared = (403, "Forbidden", "The key's role or brand does not allow it.");
const NOT_FOUND: Shared = (404, "NotFound", "There is no such thing, or no such brand.");
const TOO_LARGE: Shared = (413, "TooLarge", "The body is too large.");
const INVALID: Shared = (422, "Invalid", "Well-formed but wrong; `errors` says where.");
const UNAVAILABLE: Shared = (
    503,
    "Unavailable",
    "Not possible right now; nothing was done. Try again.",
);

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for shared in [
            BAD_REQUEST,
            UNAUTHORIZED,
            FORBIDDEN,
            NOT_FOUND,
            TOO_LARGE,
            INVALID,
            UNAVAILABLE,
        ] {
            components.responses.insert(shared.1.to_owned(), problem(shared).into());
        }
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key: `Authorization: Bearer llk_…`."))
            .build();
        components.add_security_scheme(KEY, SecurityScheme::Http(bearer));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                complete(method, path, operation);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(method: &str, path: &str, operation: &mut Operation) {
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    operation.operation_id = Some(std::iter::once(method).chain(words).collect::<Vec<_>>().join("_"));
    answers_with(operation, BAD_REQUEST);
    if path.contains('{') {
        answers_with(operation, NOT_FOUND);
    }
    if operation.request_body.is_some() {
        answers_with(operation, TOO_LARGE);
        answers_with(operation, INVALID);
    }
    // What needs no key says so itself.
    if operation.security.is_some() {
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(KEY, [])]);
    // An unknown brand in the header is not found, whatever the address.
    for shared in [UNAUTHORIZED, FORBIDDEN, NOT_FOUND, UNAVAILABLE] {
        answers_with(operation, shared);
    }
    let makes_something = makes_something(method, path, operation);
    let parameters = operation.parameters.get_or_insert_default();
    let brand = "An operator names the brand by id or name; `default` where absent.";
    parameters.push(header("Linkledger-Brand", brand, ObjectBuilder::new()).into());
    if makes_something {
        let once = "Sent again under the same key within 24 hours, the request makes nothing and gets the same answer.";
        let bounds = ObjectBuilder::new()
            .min_length(Some(1))
            .max_length(Some(GIVEN_MAX_CHARS))
            .pattern(Some(PORTABLE));
        parameters.push(header(ONCE_HEADER, once, bounds).into());
    }
}

/// Whether `Idempotency-Key` means something there: wherever something is made, a bulk of links included.
fn makes_something(method: &str, path: &str, operation: &Operation) -> bool {
    method == "post" && (operation.responses.responses.contains_key("201") || path.ends_with("/bulk"))
}

/// A header that may be sent, in words.
fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .schema(Some(schema.schema_type(SchemaType::Type(Type::String))))
        .build()
}

fn answers_with(operation: &mut Operation, (status, name, _): Shared) {
    let shared = RefOr::Ref(Ref::from_response_name(name));
    operation
        .responses
        .responses
        .entry(status.to_string())
        .or_insert(shared);
}

/// The shared answer itself, with the header that its status always has.
fn problem((status, _, when): Shared) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let media_type = PROBLEM_JSON.to_str().expect("visible ASCII").to_owned();
    let answer = ResponseBuilder::new().description(when).content(media_type, content);
    let text = || {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        HeaderBuilder::new().schema(Some(text)).build()
    };
    match status {
        401 => answer.header("WWW-Authenticate", text()),
        503 => answer.header("Retry-After", text()),
        _ => answer,
    }
    .build()
}
