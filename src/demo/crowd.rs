//! Who clicks: people in their browsers and apps, and the programs among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::chance::{Chance, running};

/// Somebody who clicks: one address and one user agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// Gives the address.
    pub(super) number: u32,
    pub(super) agent: &'static str,
    pub(super) country: &'static str,
    pub(super) language: &'static str,
}

/// The most visitors there are addresses for.
pub(super) const VISITORS_MAX: usize = 1 << 22;

const IN_APP: [(&str, &[&str]); 4] = [
    (
        "instagram",
        &[
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 389.0.0.21.81 (iPhone15,3; iOS 18_5; en_US; en; scale=3.00; 1290x2796; 745678123)",
            "Mozilla/5.0 (Linux; Android 15; SM-S926B Build/AP3A.240905.015; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/137.0.7151.61 Mobile Safari/537.36 Instagram 385.0.0.47.74 Android (35/15; 450dpi; 1080x2340; samsung; SM-S926B; e2s; s5e9945; de_DE; 740001234)",
        ],
    ),
    (
        "tiktok",
        &[
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 musical_ly_39.8.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/en Region/US",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A.240205.004; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/136.0.7103.125 Mobile Safari/537.36 trill_390802 JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/trill app_version/39.8.2 ByteLocale/en",
        ],
    ),
    (
        "pinterest",
        &[
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
        ],
    ),
    (
        "youtube",
        &[
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
        ],
    ),
];

const BROWSERS: [&str; 11] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/136.0.7103.91 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-A546B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 15; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
];

/// Programs that say who they are.
pub(super) const BOTS: [&str; 5] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "python-requests/2.32.3",
    "curl/8.5.0",
];

/// Programs that draw a preview of a link that somebody posted.
pub(super) const PREVIEWS: [&str; 4] = [
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.24.20.89 A",
];

const PLACES: [(&str, &str, usize); 10] = [
    ("US", "en-US,en;q=0.9", 38),
    ("GB", "en-GB,en;q=0.9", 14),
    ("DE", "de-DE,de;q=0.9,en;q=0.6", 12),
    ("FR", "fr-FR,fr;q=0.9", 8),
    ("CA", "en-CA,en;q=0.9,fr;q=0.5", 7),
    ("NL", "nl-NL,nl;q=0.9,en;q=0.8", 6),
    ("BR", "pt-BR,pt;q=0.9", 5),
    ("IN", "en-IN,en;q=0.9,hi;q=0.7", 5),
    ("JP", "ja-JP,ja;q=0.9", 3),
    ("SE", "sv-SE,sv;q=0.9,en;q=0.8", 2),
];

/// Of a hundred people who come from a post in an app, how many stay in the app's own browser.
const STAY_IN_APP_PERCENT: usize = 60;

/// Draws people.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Vec<usize>,
    drawn: u32,
}

impl Crowd {
    pub(super) fn new() -> Self {
        Self {
            places: running(PLACES.iter().map(|(_, _, weight)| *weight)),
            drawn: 0,
        }
    }

    /// Somebody new with this user agent.
    pub(super) fn with_agent(&mut self, chance: &mut Chance, agent: &'static str) -> Visitor {
        let (country, language, _) = PLACES[chance.weighted(&self.places)];
        self.drawn += 1;
        Visitor {
            number: self.drawn,
            agent,
            country,
            language,
        }
    }

    /// A person who comes from a post on this platform.
    pub(super) fn person(&mut self, chance: &mut Chance, platform: &str) -> Visitor {
        let apps = IN_APP
            .iter()
            .find(|(known, _)| *known == platform)
            .map(|(_, agents)| *agents);
        let agent = match apps {
            Some(agents) if chance.percent(STAY_IN_APP_PERCENT) => *chance.pick(agents),
            _ => *chance.pick(&BROWSERS),
        };
        self.with_agent(chance, agent)
    }
}

impl Visitor {
    /// The address at one of this visitor's clicks. Every fourth has IPv6, where a phone keeps its
    /// first 64 bits and changes the rest as often as it likes.
    pub(super) fn address(&self, click: u32) -> IpAddr {
        const CARRIERS: u32 = u32::from_be_bytes([100, 64, 0, 0]);
        if self.number.is_multiple_of(4) {
            let [a, b, c, d] = self.number.to_be_bytes().map(u16::from);
            let [e, f, g, h] = click.to_be_bytes().map(u16::from);
            return Ipv6Addr::new(0x2001, 0xdb8, a << 8 | b, c << 8 | d, 0, 1, e << 8 | f, g << 8 | h).into();
        }
        Ipv4Addr::from(CARRIERS + self.number).into()
    }
}

/// Where a person who follows a link on this platform comes from.
pub(super) fn referrer(platform: &str) -> Option<&'static str> {
    match platform {
        "instagram" => Some("https://l.instagram.com/?u=https%3A%2F%2Fgo.example"),
        "pinterest" => Some("https://www.pinterest.com/"),
        "youtube" => Some("https://www.youtube.com/"),
        _ => None,
    }
}
