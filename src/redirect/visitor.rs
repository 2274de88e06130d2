//! Visitors without names: a hash of address and user agent under the day's salt.
//!
//! The salt is the same on every node, changes at midnight UTC and is destroyed after 48 hours, so
//! that a visitor can be counted once a day and never be found again. No address is stored.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::catalog::Salts;
use crate::domain::id::BrandId;
use crate::domain::time::Instant;

/// Of an IPv6 address the first 64 bits count: the rest changes by the hour on one phone.
pub(super) fn hash_address(hasher: &mut SipHasher24, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()[..8]),
    }
}

/// The visitor's hash for one brand and day, and whether the salt was this node's own.
pub(super) fn visitor(salts: &Salts, at: Instant, brand: BrandId, address: IpAddr, user_agent: &[u8]) -> (u64, bool) {
    let (salt, own) = salts.of_day(at.utc_day());
    let mut hasher = SipHasher24::new_with_key(&salt);
    // With the node's own salt the day must still tell apart what the shared ones would.
    hasher.write_i64(at.utc_day());
    hasher.write_i64(brand.number());
    hash_address(&mut hasher, address);
    hasher.write(user_agent);
    (hasher.finish(), own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::draw_salt;

    #[test]
    fn a_visitor_is_the_same_within_a_day_and_brand_and_nowhere_else() {
        let salts = Salts::default();
        let day = Instant::parse("2026-11-21T00:00:00Z").expect("valid");
        let later = Instant::parse("2026-11-21T23:59:59Z").expect("valid");
        let tomorrow = Instant::parse("2026-11-22T00:00:00Z").expect("valid");
        let stored = [day, tomorrow]
            .map(|at| (at.utc_day(), draw_salt()))
            .into_iter()
            .collect();
        salts.set(&stored);
        let brand = |n| BrandId::from_number(n).expect("in range");
        let address: IpAddr = "203.0.113.9".parse().expect("valid");
        let first = visitor(&salts, day, brand(1), address, b"agent");
        assert_eq!(visitor(&salts, later, brand(1), address, b"agent"), first);
        assert!(!first.1);
        for other in [
            visitor(&salts, tomorrow, brand(1), address, b"agent"),
            visitor(&salts, day, brand(2), address, b"agent"),
            visitor(&salts, day, brand(1), address, b"another"),
            visitor(&salts, day, brand(1), "203.0.113.8".parse().expect("valid"), b"agent"),
        ] {
            assert_ne!(other.0, first.0);
        }
        let unsalted = Instant::parse("2026-12-24T00:00:00Z").expect("valid");
        assert!(visitor(&salts, unsalted, brand(1), address, b"agent").1);
    }
}
