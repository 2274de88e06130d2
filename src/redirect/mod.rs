//! The data plane: look a slug up, journal the click, answer. Needs nothing but the local disk.
//!
//! The click is in the page cache before the answer leaves. When the journal is full the visitor is
//! sent on all the same, and the click is counted as dropped.

mod capture;
mod client;
mod geo;
mod handler;
mod pages;
mod visitor;

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::web;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::domain::click_id::ClickIdKeys;
use crate::journal::Writer;
use crate::metrics::Metrics;
pub use client::ClientRules;
pub use geo::{Countries, GeoError};

/// Unknown slugs that one client may ask for at once, and regains per minute. People mistype; only
/// programs walk.
const UNKNOWN_SLUGS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// What all redirect threads share.
pub struct Redirector {
    /// Links, campaigns, brands, visitors' salts.
    pub catalog: Arc<Catalog>,
    /// Signs click ids.
    pub keys: Arc<ClickIdKeys>,
    /// Who the client is.
    pub clients: ClientRules,
    /// Where its address is, if the operator has a database of that.
    pub countries: Option<Countries>,
    /// What time it is.
    pub clock: Clock,
    /// Where to say it.
    pub metrics: RedirectMetrics,
    unknown: DefaultKeyedRateLimiter<u64>,
    client_hash_key: [u8; 16],
}

impl Redirector {
    /// A redirector without any client on its list.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        keys: Arc<ClickIdKeys>,
        clients: ClientRules,
        countries: Option<Countries>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let quota = Quota::per_minute(UNKNOWN_SLUGS_PER_MINUTE);
        Self {
            catalog,
            keys,
            clients,
            countries,
            clock,
            metrics: RedirectMetrics::new(metrics),
            unknown: RateLimiter::keyed(quota),
            client_hash_key: uuid::Uuid::new_v4().into_bytes(),
        }
    }

    /// Forgets clients that have behaved for a minute. Call it now and then.
    pub fn forget_quiet_clients(&self) {
        self.unknown.retain_recent();
        self.unknown.shrink_to_fit();
    }
}

/// The counters of this room, looked up once: a label look-up on every click would cost more than
/// the click.
#[derive(Debug, Clone)]
pub struct RedirectMetrics {
    redirected: prometheus::IntCounter,
    inactive: prometheus::IntCounter,
    gone: prometheus::IntCounter,
    unknown: prometheus::IntCounter,
    limited: prometheus::IntCounter,
    journaled: prometheus::IntCounter,
    dropped_full: prometheus::IntCounter,
    dropped_error: prometheus::IntCounter,
    duration_seconds: prometheus::Histogram,
}

impl RedirectMetrics {
    fn new(metrics: &Metrics) -> Self {
        let outcome = |name: &str| metrics.redirects.with_label_values(&[name]);
        let dropped = |reason: &str| metrics.clicks_dropped.with_label_values(&[reason]);
        Self {
            redirected: outcome("redirected"),
            inactive: outcome("inactive"),
            gone: outcome("gone"),
            unknown: outcome("unknown"),
            limited: outcome("limited"),
            journaled: metrics.clicks_journaled.clone(),
            dropped_full: dropped("journal_full"),
            dropped_error: dropped("journal_error"),
            duration_seconds: metrics.redirect_duration_seconds.clone(),
        }
    }
}

/// One thread's journal. `None` when even an empty one found no room; then every click is counted
/// as dropped until a restart.
pub type ThreadJournal = Rc<RefCell<Option<Writer>>>;

/// The redirect listener's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.default_service(web::to(handler::redirect));
}
