//! What the metrics listener answers: figures, and how this process is.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Roles;
use super::health::Health;
use crate::catalog::Catalog;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::stream::Redis;

/// A probe waits no longer for a server: it must not be that which makes a node look dead.
const STORE_PATIENCE: Duration = Duration::from_millis(500);

/// What the probes look at.
#[derive(Clone)]
pub(super) struct Probes {
    pub(super) metrics: Metrics,
    pub(super) catalog: Arc<Catalog>,
    pub(super) store: Store,
    pub(super) roles: Roles,
    pub(super) health: Health,
    /// `None` where there is none to ask.
    pub(super) redis: Option<Redis>,
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/metrics", web::get().to(metrics))
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz));
}

async fn metrics(probes: web::Data<Probes>) -> HttpResponse {
    probes
        .metrics
        .links_loaded
        .set(i64::try_from(probes.catalog.links_loaded()).unwrap_or(i64::MAX));
    match probes.metrics.render() {
        Ok(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("alive\n")
}

const fn name(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

/// Ready as long as redirects can be served: links are in memory and the journal is local, so a store or a Redis that is
/// down is named, and changes nothing. Not ready while a node without a snapshot waits for the store.
async fn readyz(probes: web::Data<Probes>) -> HttpResponse {
    let orphans = probes.catalog.orphans();
    let (serving, whole) = (probes.health.is_serving(), probes.health.is_whole());
    // A store that is just being made is left alone.
    let answers = serving && {
        let asked = tokio::time::timeout(STORE_PATIENCE, probes.store.answers());
        asked.await.unwrap_or(false)
    };
    let mut told = json!({
        "status": if serving { "ready" } else { "waiting for the store" },
        "roles": {
            "redirect": probes.roles.redirect,
            "api": probes.roles.api,
            "worker": probes.roles.worker,
        },
        "links_loaded": probes.catalog.links_loaded(),
        "orphaned_links": orphans.count(),
        "store": name(answers),
        "from_snapshot": serving && !whole && probes.roles.need_links(),
    });
    if orphans.count() > 0 {
        told["orphaned_slugs"] = Value::from(orphans.some());
    }
    if let Some(redis) = &probes.redis {
        let answers = tokio::time::timeout(STORE_PATIENCE, redis.answers()).await;
        told["redis"] = name(answers.unwrap_or(false)).into();
    }
    if serving {
        HttpResponse::Ok().json(told)
    } else {
        HttpResponse::ServiceUnavailable().json(told)
    }
}
