//! The patterns, compiled.

use std::borrow::Cow;

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::words::{Words, without_device};
use crate::domain::click::ClickClass;

const CRAWLERS: &str = include_str!("data/crawlers.json");
const FAMILIES: &str = include_str!("data/families.json");
/// Memory that the compiled crawler patterns may take, in bytes.
const SET_MAX_BYTES: usize = 256 << 20;
/// The family of what no pattern knows.
const OTHER: &str = "Other";
/// The tag of crawlers that draw previews of links.
const PREVIEW_KIND: &str = "social-preview";

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

pub(super) struct Patterns {
    crawlers: RegexSet,
    kinds: Vec<String>,
    browsers: ua_parser::user_agent::Extractor<'static>,
    systems: ua_parser::os::Extractor<'static>,
    words: Words,
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
            words: Words::read().expect(BUILT_IN),
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
        if self.words.is_in_app(text) {
            return (ClickClass::Human, Cow::Borrowed(""));
        }
        let text = without_device(text);
        if let Some(found) = self.crawler(&text) {
            return found;
        }
        match self.words.program(&text.to_ascii_lowercase()) {
            Some(reason) => (ClickClass::Bot, Cow::Borrowed(reason)),
            None => (ClickClass::Human, Cow::Borrowed("")),
        }
    }

    /// A preview before a bot: what draws previews often names itself after search engines, too.
    fn crawler(&self, text: &str) -> Option<(ClickClass, Cow<'static, str>)> {
        let matches = self.crawlers.matches(text);
        let mut kinds = matches.iter().map(|index| self.kinds[index].as_str());
        let first = kinds.next()?;
        let kind = kinds.find(|kind| *kind == PREVIEW_KIND).unwrap_or(first);
        let class = if kind == PREVIEW_KIND {
            ClickClass::Preview
        } else {
            ClickClass::Bot
        };
        Some((class, Cow::Owned(format!("crawler_{}", kind.replace('-', "_")))))
    }
}
