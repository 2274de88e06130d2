//! Ids of events that come from outside: functions of what names the event, so that a repeat gets the
//! same id on every node without asking anybody.

use std::fmt;

use serde::Serialize;

use super::conversion::Event;
use super::id::{BASE32, BrandId};
use super::text::ExternalId;

/// 120 bits, so that no two events of a lifetime share one.
const DIGITS: usize = 24;

fn derive(context: &'static str, prefix: &str, brand: BrandId, parts: &[&str]) -> Box<str> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&brand.number().to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    let digits = hash.as_bytes()[..DIGITS].iter();
    let digits = digits.map(|byte| char::from(BASE32[usize::from(byte & 31)]));
    prefix.chars().chain(digits).collect::<String>().into()
}

macro_rules! event_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads an id as the API returned it; `None` when it is spelled otherwise.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.strip_prefix($prefix)?;
                let known = digits.len() == DIGITS && digits.bytes().all(|b| BASE32.contains(&b));
                known.then(|| Self(text.into()))
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

event_ids! {
    /// A conversion's id.
    ConversionId = "cnv_";
    /// A refund's id.
    RefundId = "rfd_";
}

impl ConversionId {
    /// The id of this identity.
    #[must_use]
    pub fn of(brand: BrandId, source: &str, event: &Event, external_id: &ExternalId) -> Self {
        let parts = [source, &event.to_string(), external_id.as_str()];
        Self(derive("linkledger 2026 conversion id v1", "cnv_", brand, &parts))
    }
}

impl RefundId {
    /// The id of this identity.
    #[must_use]
    pub fn of(brand: BrandId, source: &str, order_id: &ExternalId, refund_id: &ExternalId) -> Self {
        let parts = [source, order_id.as_str(), refund_id.as_str()];
        Self(derive("linkledger 2026 refund id v1", "rfd_", brand, &parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_parts_apart_and_reads_back() {
        let brand = BrandId::random();
        let text = |raw| ExternalId::parse(raw).expect("valid");
        let of = |order, refund| RefundId::of(brand, "api", &text(order), &text(refund));
        assert_eq!(of("a", "bc"), of("a", "bc"));
        assert_ne!(of("a", "bc"), of("ab", "c"));
        let id = of("a", "b");
        assert_eq!(RefundId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(ConversionId::parse(id.as_str()), None);
    }
}
