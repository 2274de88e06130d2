//! `/v1/links/{id}/qr.svg` and `.png`: the short link for posters and videos.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};
use utoipa::OpenApi;

use super::Api;
use super::caller::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::resource::id_in_path;
use crate::domain::id::{LinkId, LinkKind};
use crate::domain::role::Need;
use crate::store::{Link, Record as _};

/// Empty modules around the code, which scanners need (ISO/IEC 18004).
const QUIET_MODULES: usize = 4;
/// Pixels of one module in the PNG.
const MODULE_PIXELS: usize = 12;

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(as_svg, as_png))]
pub(super) struct Description;

async fn code(api: &Api, caller: &Caller, id: &str, request: &HttpRequest) -> Result<QrCode, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(request).done()?;
    let id = id_in_path::<LinkKind>(id, Link::WHAT)?;
    let link: Link = api.store.get(Some(brand), id.number()).await?;
    let url = api
        .public_url
        .join(link.slug.as_str())
        .map_err(|_| Problem::not_found("link"))?;
    // Quartile correction survives a logo, a crease or a bad print.
    QrCode::with_error_correction_level(url.as_str(), EcLevel::Q)
        .map_err(|_| Problem::unparsable("The short link is too long for a QR code."))
}

fn picture(media_type: &str, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400")))
        .body(bytes)
}

/// Draws the short link as a QR code.
#[utoipa::path(get, path = "/v1/links/{id}/qr.svg", tag = "links", params(("id" = LinkId, Path)),
    responses((status = 200, description = "The picture.", body = String, content_type = "image/svg+xml")))]
pub(super) async fn as_svg(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let code = code(&api, &caller, &path, &request).await?;
    let svg = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(picture("image/svg+xml", svg.into_bytes()))
}

/// Draws the short link as a QR code.
#[utoipa::path(get, path = "/v1/links/{id}/qr.png", tag = "links", params(("id" = LinkId, Path)),
    responses((status = 200, description = "The picture.", body = Vec<u8>, content_type = "image/png")))]
pub(super) async fn as_png(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let code = code(&api, &caller, &path, &request).await?;
    Ok(picture("image/png", png(&code)))
}

/// Eight bits of grey a pixel: a few kilobytes, and every reader takes it.
fn png(code: &QrCode) -> Vec<u8> {
    let modules = code.width();
    let side = (modules + 2 * QUIET_MODULES) * MODULE_PIXELS;
    let colors = code.to_colors();
    let mut pixels = vec![u8::MAX; side * side];
    for (place, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (row, column) = (place / modules + QUIET_MODULES, place % modules + QUIET_MODULES);
        for line in row * MODULE_PIXELS..(row + 1) * MODULE_PIXELS {
            let start = line * side + column * MODULE_PIXELS;
            pixels[start..start + MODULE_PIXELS].fill(0);
        }
    }
    let side = u32::try_from(side).expect("a QR code has at most 177 modules");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .expect("memory takes all, and the size is not zero");
    writer
        .write_image_data(&pixels)
        .expect("as many pixels as the header says");
    writer.finish().expect("memory takes all");
    bytes
}
