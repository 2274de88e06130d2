//! The patterns, compiled.

use std::borrow::Cow;

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::domain::click::ClickClass;

const CRAWLERS: &str = include_str!("data/crawlers.json");
const FAMILIES: &str = include_str!("data/families.json");
const APPS: &str = include_str!("data/apps.json");
/// Memory that the compiled crawler patterns may take, in bytes.
const SET_MAX_BYTES: usize = 256 << 20;
/// The family of what no pattern knows.
const OTHER: &str = "Other";
/// The tag of crawlers that draw previews of links.
const PREVIEW_KIND: &str = "social-preview";

/// How texts of browsers begin. Everything else with a word in front is an app or a program; the
/// later ones are phones from before the smartphone.
const BROWSER_STARTS: [&str; 12] = [
    "Mozilla/",
    "Opera/",
    "BlackBerry",
    "Nokia",
    "SonyEricsson",
    "SAMSUNG-",
    "LG-",
    "MOT-",
    "HTC",
    "UCWEB",
    "DoCoMo/",
    "KDDI-",
];
/// What stands behind `compatible;` in a browser.
const COMPATIBLE_BROWSERS: [&str; 4] = ["MSIE ", "Konqueror", "AOL ", "Avant Browser"];

#[derive(Deserialize)]
struct Crawler {
    pattern: String,
    kind: String,
}

#[derive(Deserialize)]
struct Families {
    user_agent_parsers: Vec<ua_parser::user_agent::Parser<'static>>,
    os_parsers: Vec<ua_parser::os::Parser<'static>>,
}

#[derive(Deserialize)]
struct Apps {
    in_app: Vec<InApp>,
    program_words: Vec<String>,
    people_words: Vec<String>,
}

#[derive(Deserialize)]
struct InApp {
    token: String,
}

pub(super) struct Patterns {
    crawlers: RegexSet,
    kinds: Vec<String>,
    browsers: ua_parser::user_agent::Extractor<'static>,
    systems: ua_parser::os::Extractor<'static>,
    apps: Apps,
}

/// The data is part of the program: that it can be read is what this room's tests prove.
const BUILT_IN: &str = "built-in data, read by every test run";

impl Patterns {
    pub(super) fn compile() -> Self {
        let crawlers: Vec<Crawler> = serde_json::from_str(CRAWLERS).expect(BUILT_IN);
        let families: Families = serde_json::from_str(FAMILIES).expect(BUILT_IN);
        let set = RegexSetBuilder::new(crawlers.iter().map(|crawler| &crawler.pattern))
            .size_limit(SET_MAX_BYTES)
            .build()
            .expect(BUILT_IN);
        let browsers = ua_parser::user_agent::Builder::new()
            .push_all(families.user_agent_parsers)
            .expect(BUILT_IN);
        let systems = ua_parser::os::Builder::new()
            .push_all(families.os_parsers)
            .expect(BUILT_IN);
        Self {
            crawlers: set,
            kinds: crawlers.into_iter().map(|crawler| crawler.kind).collect(),
            browsers: browsers.build().expect(BUILT_IN),
            systems: systems.build().expect(BUILT_IN),
            apps: serde_json::from_str(APPS).expect(BUILT_IN),
        }
    }

    pub(super) fn families(&self, user_agent: &str) -> (String, String) {
        let browser = self.browsers.extract(user_agent).map(|value| value.family.into_owned());
        let system = self.systems.extract(user_agent).map(|value| value.os.into_owned());
        (
            browser.unwrap_or_else(|| OTHER.to_owned()),
            system.unwrap_or_else(|| OTHER.to_owned()),
        )
    }

    pub(super) fn classify(&self, user_agent: &str) -> (ClickClass, Cow<'static, str>) {
        let text = user_agent.trim();
        if text.is_empty() {
            return (ClickClass::Bot, Cow::Borrowed("no_user_agent"));
        }
        if self.is_in_app(text) {
            return (ClickClass::Human, Cow::Borrowed(""));
        }
        if let Some(first) = self.crawlers.matches(text).iter().next() {
            let kind = self.kinds[first].as_str();
            let class = if kind == PREVIEW_KIND {
                ClickClass::Preview
            } else {
                ClickClass::Bot
            };
            return (class, Cow::Owned(format!("crawler_{}", kind.replace('-', "_"))));
        }
        let program = |reason| (ClickClass::Bot, Cow::Borrowed(reason));
        if !BROWSER_STARTS.iter().any(|start| text.starts_with(start)) {
            return program("not_a_browser");
        }
        if self.has_program_word(text) {
            return program("program_word");
        }
        if text.contains("http://") || text.contains("https://") || text.contains("www.") {
            return program("address_in_user_agent");
        }
        if let Some((_, behind)) = text.split_once("(compatible;") {
            let behind = behind.trim_start();
            if !COMPATIBLE_BROWSERS.iter().any(|browser| behind.contains(browser)) {
                return program("compatible_with_no_browser");
            }
        }
        if text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == "Mozilla/" {
            return program("bare_mozilla");
        }
        (ClickClass::Human, Cow::Borrowed(""))
    }

    /// A browser inside an app names the app behind a whole browser's text.
    fn is_in_app(&self, text: &str) -> bool {
        text.starts_with("Mozilla/")
            && text.contains("AppleWebKit")
            && !text.contains("compatible;")
            && !text.contains("http://")
            && !text.contains("https://")
            && self.apps.in_app.iter().any(|app| text.contains(&app.token))
    }

    fn has_program_word(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for word in words.filter(|word| !word.is_empty()) {
            let bare = word.trim_matches('-');
            if self.apps.people_words.iter().any(|known| known == bare) {
                continue;
            }
            // Names like `FooBot` or `barcrawler` are one word, and no browser's word ends so.
            let ends_like_one = ["bot", "crawler", "spider"].iter().any(|end| bare.ends_with(end));
            if ends_like_one || self.apps.program_words.iter().any(|known| known == bare) {
                return true;
            }
        }
        false
    }
}
