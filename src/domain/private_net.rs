//! Which hosts are no public destination: addresses and names that mean something only inside one network, and names
//! that are written to look like another.
//!
//! A short link is opened by strangers, and by previews and tools that run inside somebody's network; a link to
//! `169.254.169.254` or `intranet` is an attack or a mistake. Only what is written is judged: nothing is resolved,
//! so a public name that points to a private address passes here, unless it spells that address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, ParseError};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_len)
}

const fn v6(first: u16, second: u16, prefix_len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix_len)
}

/// IPv4 ranges that are not the public internet.
const V4_NOT_PUBLIC: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),       // this network, unspecified
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // shared by carriers
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, cloud metadata
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // retired 6to4 relays
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved
    v4(255, 255, 255, 255, 32),
];

/// The one range of IPv6 from which public addresses are given out. Everything outside is refused without a list of
/// its own: loopback, unique-local, link-local, multicast, and IPv4 in an IPv6 coat (mapped, compatible, NAT64).
const V6_PUBLIC: Ipv6Net = v6(0x2000, 0, 3);

/// 6to4: the IPv4 address of the far end sits in bits 16 to 47.
const V6_6TO4: Ipv6Net = v6(0x2002, 0, 16);

/// Teredo: the server's IPv4 address in bits 32 to 63, the client's inverted in the last 32.
const V6_TEREDO: Ipv6Net = v6(0x2001, 0, 32);

/// Ranges inside [`V6_PUBLIC`] that are not public. Teredo lies inside the first and is judged before it.
const V6_NOT_PUBLIC: [Ipv6Net; 3] = [
    v6(0x2001, 0, 23),      // protocol assignments: benchmarking, ORCHID and others
    v6(0x2001, 0x0db8, 32), // documentation
    v6(0x3fff, 0, 20),      // documentation
];

/// Names, and ends of names, that resolve only inside a home, an office or a machine.
const PRIVATE_SUFFIXES: [&str; 10] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
];

/// Whether an address is out of reach from the public internet, or reserved.
#[must_use]
pub(super) fn is_private_ip(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    V4_NOT_PUBLIC.iter().any(|net| net.contains(&address))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [_, _, b2, b3, b4, b5, b6, b7, _, _, _, _, b12, b13, b14, b15] = address.octets();
    if V6_6TO4.contains(&address) {
        return is_private_v4(Ipv4Addr::new(b2, b3, b4, b5));
    }
    if V6_TEREDO.contains(&address) {
        return is_private_v4(Ipv4Addr::new(b4, b5, b6, b7)) || is_private_v4(Ipv4Addr::new(!b12, !b13, !b14, !b15));
    }
    !V6_PUBLIC.contains(&address) || V6_NOT_PUBLIC.iter().any(|net| net.contains(&address))
}

/// Whether a name leads into a network: a known private ending, a single label such as `wiki`, or a private address
/// spelled out, which services such as nip.io answer with that address. Case and one trailing dot make no difference.
#[must_use]
pub(super) fn is_private_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    !name.contains('.')
        || spells_private_v4(&name)
        || PRIVATE_SUFFIXES.iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

/// Whether four numbers in a row, between dots or between hyphens, are a private address: `10.0.0.1.nip.io`,
/// `shop-10-0-0-1.sslip.io`.
fn spells_private_v4(name: &str) -> bool {
    let spelled = |text: &str, between: char| {
        let words: Vec<&str> = text.split(between).collect();
        words
            .windows(4)
            .any(|four| four.join(".").parse().is_ok_and(is_private_v4))
    };
    name.split('-').any(|dotted| spelled(dotted, '.')) || name.split('.').any(|label| spelled(label, '-'))
}

/// Whether a name is written as something else than what it was mapped to. Label by label, ASCII may change in case
/// only, and anything else must be a real IDN. That `xn--` labels decode and encode back to themselves, the `url` crate
/// checks; the tests of `target_url` hold it to that.
pub(super) fn is_disguised_name(raw: &str, mapped: &str) -> bool {
    let honest = |(raw, mapped): (&str, &str)| {
        if raw.is_ascii() {
            // An IDN inside of an IDN: a browser that decodes twice shows another name.
            raw.eq_ignore_ascii_case(mapped) && !mapped.starts_with("xn--xn--")
        } else {
            mapped.starts_with("xn--") && !raw.chars().any(is_compatibility_form)
        }
    };
    // An ideographic full stop makes more labels than were written.
    raw.split('.').count() != mapped.split('.').count() || !raw.split('.').zip(mapped.split('.')).all(honest)
}

/// Whether a character is another way to write ASCII (full-width `ａ`, `①`, `ﬁ`), or vanishes (zero-width space).
fn is_compatibility_form(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    match Host::parse(c.encode_utf8(&mut [0; 4])) {
        Ok(Host::Domain(mapped)) => !mapped.starts_with("xn--"),
        Ok(_) | Err(ParseError::EmptyHost) => true,
        // Not allowed to stand alone, such as an accent; the name as a whole was accepted.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(address: &str) -> bool {
        is_private_ip(address.parse().expect(address))
    }

    #[test]
    fn first_and_last_addresses_of_ipv4_ranges_are_private_and_their_neighbours_are_not() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "255.255.255.255"),
        ] {
            assert!(private(first) && private(last), "{first} to {last}");
            let first: Ipv4Addr = first.parse().expect(first);
            let last: Ipv4Addr = last.parse().expect(last);
            for neighbour in [u32::from(first).checked_sub(1), u32::from(last).checked_add(1)] {
                let neighbour = neighbour.map(Ipv4Addr::from);
                assert!(!neighbour.is_some_and(is_private_v4), "{neighbour:?}");
            }
        }
    }

    #[test]
    fn ipv6_outside_the_public_range_is_private() {
        for address in [
            "::",
            "::1",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
            "1fff::1",
            "4000::1",
        ] {
            assert!(private(address), "{address}");
        }
    }

    #[test]
    fn ipv6_inside_the_public_range_is_public_but_for_its_reserved_parts() {
        for address in ["2606:4700:4700::1111", "2001:4860::1", "2a00::1", "3ffe::1"] {
            assert!(!private(address), "{address}");
        }
        for address in ["2001:db8::1", "2001:2::1", "2001:10::1", "3fff:0fff::1"] {
            assert!(private(address), "{address}");
        }
    }

    #[test]
    fn tunnels_are_judged_by_the_ipv4_address_inside() {
        assert!(private("2002:0a00:0001::1"), "6to4 of 10.0.0.1");
        assert!(private("2002:7f00:0001::"), "6to4 of 127.0.0.1");
        assert!(!private("2002:0808:0808::1"), "6to4 of 8.8.8.8");
        // Teredo: 0808:0808 is server 8.8.8.8; f5ff:fffe is client 10.0.0.1 inverted, f7f7:f7f7 is 8.8.8.8.
        assert!(private("2001:0:808:808::f5ff:fffe"));
        assert!(private("2001:0:a00:1::f7f7:f7f7"));
        assert!(!private("2001:0:808:808::f7f7:f7f7"));
    }

    #[test]
    fn names_that_only_a_network_of_its_own_knows_are_private() {
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "printer.local",
            "x.internal",
            "metadata.google.internal.",
            "hr.intranet",
            "nas.lan",
            "router.home.arpa",
            "home.arpa",
            "wiki",
            "wiki.",
            "a.b.corp",
            "127.0.0.1.nip.io",
            "shop.10.0.0.1.nip.io.",
            "shop-192.168.0.1.nip.io",
            "169.254.169.254-x.nip.io",
            "10-0-0-1.sslip.io",
            "shop-127-0-0-1-x.traefik.me",
            "a.www-172-16-0-1.sslip.io",
            "",
        ] {
            assert!(is_private_name(name), "{name}");
        }
    }

    #[test]
    fn names_that_merely_look_like_private_ones_are_public() {
        for name in [
            "localhost.com",
            "mylocal.example",
            "notlocal.co",
            "x.notinternal",
            "arpa.home.example",
            "shop.test",
            "shop.invalid",
            "shop.example.",
            "8.8.8.8.nip.io",
            "ec2-52-1-2-3.compute-1.amazonaws.com",
            "10-0-0.example",
            "10-0.0-1.example",
            "v10-0-0-1.example",
            "10-0-0-256.example",
            "2026-10-0-0.example",
            "10-0-0-x1.example",
            "127.0.0.example",
        ] {
            assert!(!is_private_name(name), "{name}");
        }
    }
}
