//! Who calls: the key behind a request and the brand it speaks for.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, dev, web};

use super::Api;
use super::problem::Problem;
use crate::catalog::KeyGate;
use crate::domain::id::{BrandId, KeyId};
use crate::domain::role::{Need, Role};

/// The header by which an operator names a brand.
const BRAND_HEADER: &str = "linkledger-brand";
/// The brand of an operator who names none.
const DEFAULT_BRAND: &str = "default";

/// An authenticated caller.
#[derive(Debug)]
pub(super) struct Caller {
    gate: KeyGate,
    named_brand: Option<BrandId>,
    api: Arc<Api>,
}

/// The hash by which a key is known.
#[must_use]
pub fn key_hash(key: &str) -> String {
    blake3::hash(key.as_bytes()).to_hex().to_string()
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(authenticate(request))
    }
}

fn authenticate(request: &HttpRequest) -> Result<Caller, Problem> {
    let api = request
        .app_data::<web::Data<Api>>()
        .ok_or_else(Problem::unauthorized)?
        .clone()
        .into_inner();
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, key) = header
        .and_then(|value| value.split_once(' '))
        .ok_or_else(Problem::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized());
    }
    let tables = api.catalog.tables();
    let standing = |gate: &KeyGate| {
        gate.brand
            .is_none_or(|id| tables.brand(id).is_some_and(|brand| !brand.archived))
    };
    let gate = tables.key(&key_hash(key.trim())).filter(standing);
    let gate = gate.ok_or_else(Problem::unauthorized)?;
    let named = match request.headers().get(BRAND_HEADER) {
        None => None,
        Some(value) => {
            let found = tables.brand_named(value.to_str().unwrap_or_default().trim());
            // Only an operator may learn which brands there are.
            if gate.brand.is_some() && found != gate.brand {
                return Err(Problem::forbidden(
                    "This key belongs to another brand than Linkledger-Brand names.",
                ));
            }
            Some(found.ok_or_else(|| Problem::not_found("brand"))?)
        }
    };
    drop(tables);
    Ok(Caller {
        gate,
        named_brand: named,
        api,
    })
}

impl Caller {
    /// The key itself, for the record of who did what.
    pub(super) const fn key(&self) -> KeyId {
        self.gate.id
    }

    /// The role of the key.
    pub(super) const fn role(&self) -> Role {
        self.gate.role
    }

    /// Refuses a caller whose role does not cover `need`.
    pub(super) fn must(&self, need: Need) -> Result<(), Problem> {
        if self.role().covers(need) {
            Ok(())
        } else {
            Err(Problem::forbidden(format!(
                "A key of role {} may not do this.",
                self.role().name()
            )))
        }
    }

    /// The brand that the request is about, once the role allows `need`.
    pub(super) fn brand(&self, need: Need) -> Result<BrandId, Problem> {
        self.must(need)?;
        if let Some(brand) = self.gate.brand.or(self.named_brand) {
            return Ok(brand);
        }
        let tables = self.api.catalog.tables();
        let default = tables.brand_named(DEFAULT_BRAND);
        default.ok_or_else(|| {
            Problem::forbidden("There is no brand named default: name one in the Linkledger-Brand header.")
        })
    }

    /// Whether the request is about one brand because the key or the caller says so, and not by default.
    pub(super) const fn narrowed(&self) -> bool {
        self.gate.brand.is_some() || self.named_brand.is_some()
    }

    /// The key's own brand; `None` for operators, who see all.
    pub(super) const fn own_brand(&self) -> Option<BrandId> {
        self.gate.brand
    }
}
