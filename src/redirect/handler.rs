//! One request: look up, journal, answer.

use std::hash::Hasher as _;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use siphasher::sip::SipHasher24;

use super::capture::capture;
use super::client::Client;
use super::visitor::{hash_address, visitor};
use super::{Redirector, ThreadJournal, pages};
use crate::catalog::{LinkRow, Tables};
use crate::domain::click::{CLICK_KIND, CLICK_VERSION, Click, ClickFlags};
use crate::domain::click_id::{ClickId, MAX_SEQUENCE};
use crate::domain::link::{LinkState, Season, link_state};
use crate::domain::location::LocationTemplate;
use crate::journal::{AppendError, Writer};

/// The sequence in the click id of a click that no journal holds.
const UNRECORDED: u64 = 0;

/// What to answer, once the look-up is over.
enum Verdict {
    To(Vec<u8>),
    Gone,
}

pub(super) async fn redirect(request: HttpRequest) -> HttpResponse {
    let (Some(redirector), Some(journal)) = (
        request.app_data::<web::Data<Redirector>>(),
        request.app_data::<ThreadJournal>(),
    ) else {
        return HttpResponse::InternalServerError().finish();
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return pages::wrong_method();
    }
    let started = std::time::Instant::now();
    let answer = redirector.answer(&request, &mut journal.borrow_mut());
    redirector
        .metrics
        .duration_seconds
        .observe(started.elapsed().as_secs_f64());
    answer
}

impl Redirector {
    fn answer(&self, request: &HttpRequest, journal: &mut Option<Writer>) -> HttpResponse {
        let client = self.clients.client(request);
        let path = request.path();
        let slug = path.strip_prefix('/').unwrap_or(path);
        let slug = slug.strip_suffix('/').unwrap_or(slug);
        let tables = self.catalog.tables();
        let found = self
            .catalog
            .with_link(slug, |link| self.follow(request, client, link, &tables, journal));
        match found {
            None => self.unknown(client),
            Some(Verdict::Gone) => {
                self.metrics.gone.inc();
                pages::gone()
            }
            Some(Verdict::To(location)) => found_at(location),
        }
    }

    fn unknown(&self, client: Client) -> HttpResponse {
        let mut hasher = SipHasher24::new_with_key(&self.client_hash_key);
        hash_address(&mut hasher, client.address);
        if self.unknown.check_key(&hasher.finish()).is_err() {
            self.metrics.limited.inc();
            return pages::too_many();
        }
        self.metrics.unknown.inc();
        pages::unknown()
    }

    fn follow(
        &self,
        request: &HttpRequest,
        client: Client,
        link: &LinkRow,
        tables: &Tables,
        journal: &mut Option<Writer>,
    ) -> Verdict {
        let at = self.clock.now();
        let campaign = tables.campaign(link.campaign);
        let season = campaign.map_or_else(Season::default, |campaign| campaign.season);
        let state = link_state(link.switches(), season, at);
        let template: &LocationTemplate = if state.reaches_destination() {
            &link.location
        } else {
            match campaign.and_then(|campaign| campaign.fallback.as_ref()) {
                Some(fallback) => fallback,
                None => return Verdict::Gone,
            }
        };

        let captured = capture(request, client, self.countries.as_ref());
        let salts = self.catalog.salts();
        let (visitor, own_salt) = visitor(salts, at, link.brand, client.address, captured.user_agent);
        let salt_flag = if own_salt {
            ClickFlags::LOCAL_SALT
        } else {
            ClickFlags::default()
        };
        let click = Click {
            at,
            link: link.id,
            state,
            flags: captured.flags.with(salt_flag),
            visitor,
            country: captured.country,
            user_agent: captured.user_agent,
            referrer: captured.referrer,
            language: captured.language,
        };
        let (tag, seq) = self.journal(&click, journal);
        if state == LinkState::Live || state == LinkState::CampaignNotStarted {
            self.metrics.redirected.inc();
        } else {
            self.metrics.inactive.inc();
        }

        let click_param = tables.brand(link.brand).and_then(|brand| brand.click_param.as_deref());
        let id = self.keys.encode(&ClickId {
            link: link.id,
            state,
            at,
            tag,
            seq,
        });
        let id = std::str::from_utf8(&id).expect("base 64 is ASCII");
        let query = link.forward_query().then(|| request.query_string().as_bytes());
        let mut location = Vec::with_capacity(256);
        template.write(&mut location, query, click_param, id);
        Verdict::To(location)
    }

    /// Appends the click; where it came to lie. A click that finds no room is counted, and its
    /// visitor still gets a genuine id, so that the sale can be attributed.
    fn journal(&self, click: &Click<'_>, journal: &mut Option<Writer>) -> (u32, u64) {
        let Some(writer) = journal else {
            self.metrics.dropped_full.inc();
            return (0, UNRECORDED);
        };
        if writer.next_seq() > MAX_SEQUENCE {
            self.metrics.dropped_error.inc();
            return (0, UNRECORDED);
        }
        match writer.append(CLICK_VERSION, CLICK_KIND, |out| click.encode(out)) {
            Ok(seq) => {
                fail::fail_point!("after_append", |_| std::process::abort());
                self.metrics.journaled.inc();
                (writer.tag(), seq)
            }
            Err(AppendError::Full) => {
                self.metrics.dropped_full.inc();
                (writer.tag(), UNRECORDED)
            }
            Err(error) => {
                tracing::error!(%error, "a click could not be journaled");
                self.metrics.dropped_error.inc();
                (writer.tag(), UNRECORDED)
            }
        }
    }
}

fn found_at(location: Vec<u8>) -> HttpResponse {
    let Ok(location) = HeaderValue::from_maybe_shared(actix_web::web::Bytes::from(location)) else {
        // Templates write visible ASCII only; should that ever fail, no header is better than a bad one.
        return HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR);
    };
    HttpResponse::build(StatusCode::FOUND)
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")))
        .insert_header(("x-robots-tag", HeaderValue::from_static("noindex")))
        .finish()
}
