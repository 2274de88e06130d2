//! Who asks: the peer, or what a trusted proxy says of its peer.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

/// Whose word about clients is taken.
#[derive(Debug, Clone, Default)]
pub struct ClientRules {
    trusted_proxies: Vec<IpNet>,
}

/// What is known of a client. Never stored as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Whether headers about the client may be believed.
    pub(super) behind_proxy: bool,
}

impl ClientRules {
    /// Believes `X-Forwarded-For` of peers in these networks.
    #[must_use]
    pub const fn new(trusted_proxies: Vec<IpNet>) -> Self {
        Self { trusted_proxies }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// The client of a request: the last hop of `X-Forwarded-For` that is not itself a trusted
    /// proxy. Anything further left was written by somebody we do not know.
    pub(super) fn client(&self, request: &HttpRequest) -> Client {
        let peer = request
            .peer_addr()
            .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
        if !self.trusts(peer) {
            return Client {
                address: peer,
                behind_proxy: false,
            };
        }
        let headers: Vec<_> = request.headers().get_all("x-forwarded-for").collect();
        let hops = headers
            .iter()
            .rev()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.rsplit(','));
        let mut address = peer;
        for hop in hops {
            // A hop that is no address ends what can be believed.
            let Some(hop) = parse_hop(hop.trim()) else { break };
            address = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        Client {
            address,
            behind_proxy: true,
        }
    }
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    bare.or_else(with_port)
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn client(peer: &str, forwarded: &[&str]) -> Client {
        let rules = ClientRules::new(vec!["10.0.0.0/8".parse().expect("a network")]);
        let mut request = TestRequest::default().peer_addr(peer.parse().expect("an address"));
        for value in forwarded {
            request = request.append_header(("x-forwarded-for", *value));
        }
        rules.client(&request.to_http_request())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_stranger_s_word_is_not_taken() {
        assert_eq!(
            client("203.0.113.9:1", &["198.51.100.1"]).address,
            address("203.0.113.9")
        );
    }

    #[test]
    fn a_proxy_s_word_is_taken_up_to_the_first_stranger() {
        assert_eq!(
            client("10.0.0.1:1", &["1.2.3.4, 198.51.100.1"]).address,
            address("198.51.100.1")
        );
        assert_eq!(
            client("10.0.0.1:1", &["1.2.3.4", "198.51.100.1, 10.9.9.9"]).address,
            address("198.51.100.1")
        );
        assert_eq!(
            client("10.0.0.1:1", &["[2001:db8::1]:4711"]).address,
            address("2001:db8::1")
        );
        assert_eq!(client("10.0.0.1:1", &["nonsense"]).address, address("10.0.0.1"));
        assert_eq!(client("10.0.0.1:1", &[]).address, address("10.0.0.1"));
    }
}
