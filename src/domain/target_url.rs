//! Where a link leads: a destination that was checked before it was stored, in the form in which it was checked.
//!
//! The `url` crate reads what browsers read, which is more than a person would call a URL: it drops tabs and line
//! ends, takes `\` for `/`, fills in slashes, decodes `%` in hosts, maps full-width letters, and reads `0x7f.1` as an
//! address. So the raw text is checked first, the parsed host is compared with the host as written, and only the
//! serialised form is kept: what was checked is what a visitor is sent to.

use std::fmt;

use serde::Serialize;
use url::{Host, ParseError, Url};

use super::private_net::{is_disguised_name, is_private_ip, is_private_name};

/// The longest destination, in bytes of its serialised form: short enough for every browser, proxy and header limit,
/// with room for UTM parameters and a click id.
pub const MAX_LEN: usize = 2048;

/// What an installation allows as destinations.
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    /// Let links lead into private networks; for tests and for installations inside one.
    pub allow_private: bool,
    /// The hosts under which this installation is reached, each `host` (any port) or `host:port`: a link to itself
    /// would be a loop.
    pub own_hosts: Vec<String>,
}

/// A destination: http or https, a public host that is written as what it is, no user name, no port 0. There is no
/// `Deserialize`: a destination cannot be read without a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TargetUrl(Box<str>);

/// Why a text is no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what the variant means")]
pub enum TargetUrlError {
    #[error("the URL is empty: write where the link leads, such as https://shop.example/")]
    Empty,
    #[error("the URL contains a control character, such as a tab or a line end: remove it")]
    ControlCharacter,
    #[error("the URL begins or ends with a space: remove it")]
    OuterWhitespace,
    #[error("the URL contains a backslash: write '/', or '%5C' if a backslash is meant")]
    Backslash,
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    #[error("the URL names no host: write it after ://, such as https://shop.example/")]
    MissingHost,
    #[error("the URL's host is neither a domain name nor an IP address: check its spelling")]
    InvalidHost,
    #[error("the URL contains a user name or '@' before its host: remove that")]
    Credentials,
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    #[error("the URL's host is disguised: write plain letters, and IPv4 as four decimal numbers")]
    DisguisedHost,
    #[error("the URL's host is private or reserved, visitors cannot reach it: use a public one")]
    PrivateHost,
    #[error("the URL leads back to this link tracker: use the final destination instead")]
    OwnHost,
    #[error("the URL is longer than {MAX_LEN} bytes when encoded: shorten it")]
    TooLong,
}

impl TargetUrl {
    /// Checks a destination that a person or a program sent.
    pub fn parse(raw: &str, policy: &TargetPolicy) -> Result<Self, TargetUrlError> {
        check_text(raw)?;
        let raw_host = check_authority(raw)?;
        let url = Url::parse(raw).map_err(|error| match error {
            ParseError::EmptyHost => TargetUrlError::MissingHost,
            ParseError::InvalidPort => TargetUrlError::Port,
            _ => TargetUrlError::InvalidHost,
        })?;
        if url.as_str().len() > MAX_LEN {
            return Err(TargetUrlError::TooLong);
        }
        let private = match url.host() {
            None => return Err(TargetUrlError::MissingHost),
            Some(Host::Domain(name)) => {
                if !is_well_formed(name) {
                    return Err(TargetUrlError::InvalidHost);
                }
                if is_disguised_name(raw_host, name) {
                    return Err(TargetUrlError::DisguisedHost);
                }
                is_private_name(name)
            }
            Some(Host::Ipv4(address)) => {
                if raw_host != address.to_string() {
                    return Err(TargetUrlError::DisguisedHost);
                }
                is_private_ip(address.into())
            }
            Some(Host::Ipv6(address)) => is_private_ip(address.into()),
        };
        if policy.own_hosts.iter().any(|own| leads_to(&url, own)) {
            return Err(TargetUrlError::OwnHost);
        }
        if private && !policy.allow_private {
            return Err(TargetUrlError::PrivateHost);
        }
        Ok(Self(String::from(url).into()))
    }

    /// Takes a destination back from a row that was checked when it was written. The policy is not asked again: it
    /// may have become stricter since, and a link that is in the world must go on working.
    pub fn from_stored(stored: &str) -> Result<Self, TargetUrlError> {
        match Url::parse(stored) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(String::from(url).into())),
            _ => Err(TargetUrlError::Scheme),
        }
    }

    /// The serialised URL: visible ASCII only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as the `url` crate's type.
    #[must_use]
    pub fn to_url(&self) -> Url {
        Url::parse(&self.0).expect("what the url crate serialised it also parses")
    }

    /// The host, lower-case, IDN as `xn--`, IPv6 in brackets, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        // Serialised http URLs always have a path, and only rows of old could have a user name.
        let authority = rest.split('/').next().unwrap_or_default();
        split_port(authority.rsplit('@').next().unwrap_or_default()).0
    }
}

fn check_text(raw: &str) -> Result<(), TargetUrlError> {
    let fault = match raw {
        "" => TargetUrlError::Empty,
        // First of all, so that nothing walks over more.
        _ if raw.len() > MAX_LEN => TargetUrlError::TooLong,
        _ if raw.chars().any(char::is_control) => TargetUrlError::ControlCharacter,
        _ if raw.trim() != raw => TargetUrlError::OuterWhitespace,
        _ if raw.contains('\\') => TargetUrlError::Backslash,
        _ => return Ok(()),
    };
    Err(fault)
}

/// Checks scheme, `@` and port as written, and returns the host as written.
fn check_authority(raw: &str) -> Result<&str, TargetUrlError> {
    let (scheme, rest) = raw.split_once("://").ok_or(TargetUrlError::Scheme)?;
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return Err(TargetUrlError::Scheme);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(TargetUrlError::Credentials);
    }
    let (host, port) = split_port(authority);
    if host.is_empty() {
        return Err(TargetUrlError::MissingHost);
    }
    if host.contains('%') {
        return Err(TargetUrlError::DisguisedHost);
    }
    let port_is_good =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_none_or(port_is_good) {
        return Err(TargetUrlError::Port);
    }
    Ok(host)
}

/// Splits `host:port`, where the host may be IPv6 in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let host_end = if authority.starts_with('[') {
        authority.find(']').map(|bracket| bracket + 1)
    } else {
        authority.find(':')
    };
    let (host, rest) = authority.split_at(host_end.unwrap_or(authority.len()));
    (host, rest.strip_prefix(':'))
}

fn is_well_formed(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let in_label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let mut labels = name.split('.');
    name.len() <= 253 && labels.all(|l| (1..=63).contains(&l.len()) && l.bytes().all(in_label))
}

/// Whether a URL leads to one of this installation's own addresses.
fn leads_to(url: &Url, own: &str) -> bool {
    let (own_host, own_port) = split_port(own);
    let Ok(own_host) = Host::parse(own_host) else {
        return false;
    };
    let own_host = own_host.to_string();
    let host = url.host_str().unwrap_or_default();
    host.trim_end_matches('.') == own_host.trim_end_matches('.')
        && own_port.is_none_or(|port| port.parse().ok() == url.port_or_known_default())
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::TargetUrlError as E;
    use super::*;

    /// Destinations that are refused, by reason; a space separates them.
    const REFUSED: &str = "
Scheme shop.example //shop.example/ javascript:alert(1) javascript://shop.example/%0aalert(1) data:,x
Scheme ftp://shop.example/ file:///etc/passwd http:shop.example http:/shop.example/ ws://shop.example/
ControlCharacter java\tscript:alert(1) https://sh\rop.example/ https://shop.example/\r \u{1}https://a.example
ControlCharacter https://shop.example/\u{7f} https://shop.example/\u{85}x \0 https://shop.example/\t
OuterWhitespace \u{a0}https://shop.example/ https://shop.example/\u{3000} https://shop.example/\u{2028}
Backslash https:\\\\shop.example https://shop.example\\@evil.example/ https://shop.example/a\\b https://a.example/?\\
MissingHost http:///shop.example https:// http://?x http://#x http://:80/
InvalidHost http://256.1.1.1/ http://1.2.3.4.5/ http://shop.123/ http://[::1 http://[::g]/ http://a|b.example/
InvalidHost http://a..example/ http://.example/ http://a\"b.example/ http://a'b.example/ http://\u{301}a.example/
InvalidHost http://xn--.example/ http://xn--a.example/ http://xn--google-.com/ http://xn--zzzzzz.example/
InvalidHost http://xn--u-ccb.example/ http://xn--bücher.example/ http://localhost..example/ http://shop.example../
Credentials http://user@shop.example/ http://a:b@shop.example/ http://@shop.example/ http://a.example:80@b.example/
Port http://a.example:0/ http://a.example:/ http://a.example:65536/ http://a.example:8o/ http://a.example:+80/
DisguisedHost http://2130706433/ http://0x7f.0.0.1/ http://0177.0.0.1/ http://127.1/ http://134744072/
DisguisedHost http://8.8.8.010/ http://8.8.8.8./ http://１２７.0.0.1/ http://ｓhop.example/ http://①.example/
DisguisedHost http://shop。example/ http://bücher。example/ http://sh%6fp.example/ http://[fe80::1%25eth0]/
DisguisedHost http://\u{212a}elvin.example/ http://sh\u{200b}op.example/ http://sh\u{ad}öp.example/
DisguisedHost http://xn--xn--a--gua.example/ http://ⓢhop.example/ http://ﬁne.example/
OwnHost https://go.brand.example/x https://GO.Brand.example./x http://go.brand.example:99/ http://8.8.4.4:8080/
OwnHost https://xn--krzer-kva.example/ https://ku\u{308}rzer.example:443/ https://kürzer.example/";

    /// Refused unless private destinations are allowed.
    const PRIVATE: &str = "http://localhost/ http://LOCALHOST./ http://a.localhost/ http://nas.local/ \
http://x.internal/ http://hr.intranet/ http://nas.lan/ http://pi.home.arpa./ http://wiki/ http://127.0.0.1:8080/ \
http://10.1.2.3/ http://172.16.0.1/ http://192.168.1.1/ http://169.254.169.254/latest http://100.64.0.1/ \
http://0.0.0.0/ http://224.0.0.1/ http://255.255.255.255/ http://198.18.0.1/ http://192.0.2.1/ http://240.0.0.1/ \
http://[::1]/ http://[::]/ http://[fd00::1]/ http://[fe80::1]/ http://[ff02::1]/ http://[::ffff:127.0.0.1]/ \
http://[::127.0.0.1]/ http://[64:ff9b::a00:1]/ http://[2002:7f00:1::]/ http://[2001:0:808:808::f5ff:fffe]/";

    /// Accepted as they stand.
    const KEPT: &str = "https://shop.example/ http://shop.example:8080/a https://shop.example/a%20b?c=d#e \
https://shop.example/?redir_url=https%3A%2F%2Fevil.example https://shop.example/@user?mail=a@b.example \
https://8.8.8.8/ https://[2606:4700:4700::1111]:8443/ https://xn--bcher-kva.example/ https://shop.example./ \
https://shop.example/#/route?x=1 https://a_b.shop.example/ https://www.go.brand.example/ http://8.8.4.4:81/ \
https://go.brand.example.evil.example/ https://shop.test/ https://localhost.shop.example/ \
https://shop.example/%0d%0a https://shop.example/?a=1&&b https://xn--ls8h.example/ https://shop.example/a//b/";

    /// Accepted, and stored in another form.
    const SERIALISED: &str = "
HTTPS://Shop.EXAMPLE -> https://shop.example/
https://shop.example:443/ -> https://shop.example/
http://shop.example:080/a/../b -> http://shop.example/b
https://bücher.example/ -> https://xn--bcher-kva.example/
https://BÜCHER.example/ -> https://xn--bcher-kva.example/
https://bu\u{308}cher.example/ -> https://xn--bcher-kva.example/
https://XN--BCHER-KVA.example/ -> https://xn--bcher-kva.example/
https://日本語.jp/道#片 -> https://xn--wgv71a119e.jp/%E9%81%93#%E7%89%87
https://shop.example?a=b -> https://shop.example/?a=b
https://a.example/a b?c d#e f -> https://a.example/a%20b?c%20d#e%20f
https://a.example/<\">' -> https://a.example/%3C%22%3E'
http://forecast.weather.gov/x.php?wwa=high wind warning -> http://forecast.weather.gov/x.php?wwa=high%20wind%20warning";

    fn parse(raw: &str, allow_private: bool) -> Result<TargetUrl, E> {
        let own_hosts = "go.brand.example 8.8.4.4:8080 Kürzer.example:443 [::1]:8081".split(' ');
        let own_hosts = own_hosts.map(String::from).collect();
        TargetUrl::parse(
            raw,
            &TargetPolicy {
                allow_private,
                own_hosts,
            },
        )
    }

    #[test]
    fn each_bad_destination_is_refused_for_its_own_reason_whatever_is_allowed() {
        for line in REFUSED.split('\n').skip(1) {
            let (why, list) = line.split_once(' ').expect("a reason and a list");
            for raw in list.split(' ') {
                for allow_private in [false, true] {
                    let error = parse(raw, allow_private).expect_err(raw);
                    assert_eq!(format!("{error:?}"), why, "{raw:?}");
                }
            }
        }
    }

    #[test]
    fn outer_spaces_and_emptiness_are_refused() {
        assert_eq!(parse("", true), Err(E::Empty));
        assert_eq!(parse(" https://a.example/", true), Err(E::OuterWhitespace));
        assert_eq!(parse("https://a.example/ ", true), Err(E::OuterWhitespace));
        assert_eq!(parse("https://a b.example/", true), Err(E::InvalidHost));
        assert_eq!(parse("https://a.example/\n", true), Err(E::ControlCharacter));
    }

    #[test]
    fn private_destinations_pass_only_where_allowed() {
        for raw in PRIVATE.split(' ') {
            assert_eq!(parse(raw, false), Err(E::PrivateHost), "{raw}");
            assert!(parse(raw, true).is_ok(), "{raw}");
        }
        assert_eq!(parse("http://[0::1]:8081/", true), Err(E::OwnHost));
    }

    #[test]
    fn good_destinations_are_kept_in_serialised_form() {
        let changed = SERIALISED.split('\n').filter_map(|row| row.split_once(" -> "));
        for (raw, stored) in KEPT.split(' ').map(|raw| (raw, raw)).chain(changed) {
            let target = parse(raw, false).expect(raw);
            assert_eq!(target.as_str(), stored);
            assert!(stored.bytes().all(|b| b.is_ascii_graphic()));
            assert_eq!(target.to_url().as_str(), stored);
            assert_eq!(Some(target.host()), target.to_url().host_str());
            assert_eq!(parse(stored, false).as_ref(), Ok(&target));
            assert_eq!(TargetUrl::from_stored(stored).as_ref(), Ok(&target));
            assert_eq!(serde_json::to_value(&target).ok(), Some(stored.into()));
        }
    }

    #[test]
    fn length_is_measured_after_encoding() {
        let path = |text: &str, times| parse(&format!("http://a.example/{}", text.repeat(times)), false);
        assert!(path("x", MAX_LEN - 17).is_ok());
        for (text, times) in [("x", MAX_LEN - 16), ("é", 400), ("x", 1_000_000)] {
            assert_eq!(path(text, times), Err(E::TooLong));
        }
    }

    #[test]
    fn stored_rows_outlive_a_stricter_policy_but_must_still_be_http() {
        assert!(TargetUrl::from_stored("http://10.0.0.1/").is_ok());
        for stored in ["javascript:alert(1)", "/x", "http://", ""] {
            assert_eq!(TargetUrl::from_stored(stored), Err(E::Scheme));
        }
    }
}
