//! UTM parameters: templates per campaign and link, filled in per link, laid over the destination.

use serde::{Deserialize, Deserializer, Serialize, de};
use url::form_urlencoded;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::described;
use super::target_url::TargetUrl;

/// The longest template of one field, in characters.
pub const PATTERN_MAX_CHARS: usize = 200;

/// The longest filled-in field, in characters. Names may be long and stand in a template often; what is beyond is cut,
/// because a redirect's header must stay below what proxies accept.
pub const RENDERED_MAX_CHARS: usize = 256;

/// The placeholders that a template may contain.
pub const PLACEHOLDERS: [&str; 4] = ["{influencer}", "{platform}", "{post}", "{campaign}"];

/// The template of one field: text with [`PLACEHOLDERS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UtmPattern(Box<str>);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UtmError {
    /// Beyond [`PATTERN_MAX_CHARS`].
    #[error("a UTM field has at most {PATTERN_MAX_CHARS} characters, this one has {found}: shorten it")]
    TooLong {
        /// How many characters there were.
        found: usize,
    },
    /// A line end, a tab or the like.
    #[error("a UTM field cannot contain control characters: remove line ends and tabs")]
    ControlCharacter,
    /// A brace without its other half, or one inside the other.
    #[error("a UTM field's braces must come in pairs, each around one placeholder: close or remove the stray one")]
    UnbalancedBrace,
    /// Braces around something else.
    #[error("unknown placeholder {found}: use {{influencer}}, {{platform}}, {{post}} or {{campaign}}")]
    UnknownPlaceholder {
        /// The placeholder as written, with its braces.
        found: String,
    },
}

/// Templates for the five UTM parameters. An absent field says nothing; an empty one says that there is to be none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct UtmTemplate {
    /// `utm_source`.
    pub source: Option<UtmPattern>,
    /// `utm_medium`.
    pub medium: Option<UtmPattern>,
    /// `utm_campaign`.
    pub campaign: Option<UtmPattern>,
    /// `utm_term`.
    pub term: Option<UtmPattern>,
    /// `utm_content`.
    pub content: Option<UtmPattern>,
}

super::object::only_from_objects!(UtmTemplate);

/// What the placeholders stand for on one link. What is absent renders to nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UtmValues<'a> {
    /// The influencer's handle.
    pub influencer: Option<&'a str>,
    /// The platform.
    pub platform: Option<&'a str>,
    /// The post's label.
    pub post: Option<&'a str>,
    /// The campaign's name.
    pub campaign: Option<&'a str>,
}

/// Names and values, filled in and not yet encoded, in the order source, medium, campaign, term, content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UtmParams(Vec<(&'static str, String)>);

impl UtmPattern {
    /// Reads a template.
    pub fn parse(raw: &str) -> Result<Self, UtmError> {
        let found = raw.chars().count();
        if found > PATTERN_MAX_CHARS {
            return Err(UtmError::TooLong { found });
        }
        if raw.chars().any(char::is_control) {
            return Err(UtmError::ControlCharacter);
        }
        let mut rest = raw;
        while let Some(open) = rest.find(['{', '}']) {
            let from = &rest[open..];
            // From this brace to the next one, which must be the closing one of a pair.
            let close = from[1..].find(['{', '}']).map(|at| at + 1);
            let pair = close.filter(|&at| from.starts_with('{') && from[at..].starts_with('}'));
            let (placeholder, after) = from.split_at(pair.ok_or(UtmError::UnbalancedBrace)? + 1);
            if !PLACEHOLDERS.contains(&placeholder) {
                let found = placeholder.to_owned();
                return Err(UtmError::UnknownPlaceholder { found });
            }
            rest = after;
        }
        Ok(Self(raw.into()))
    }

    /// The template as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In one pass, so that a value which itself reads `{post}` is left alone.
    fn render(&self, values: &UtmValues<'_>) -> String {
        let mut out = String::new();
        let mut rest: &str = &self.0;
        while let Some((text, tail)) = rest.split_once('{') {
            // `parse` saw to it that each brace is closed and the name known.
            let (name, after) = tail.split_once('}').unwrap_or((tail, ""));
            let value = match name {
                "influencer" => values.influencer,
                "platform" => values.platform,
                "post" => values.post,
                _ => values.campaign,
            };
            out.push_str(text);
            out.push_str(value.unwrap_or_default());
            rest = after;
        }
        out.push_str(rest);
        if let Some((end, _)) = out.char_indices().nth(RENDERED_MAX_CHARS) {
            out.truncate(end);
        }
        out
    }
}

impl UtmTemplate {
    /// A link's fields over its campaign's: what the link leaves absent comes from the campaign.
    #[must_use]
    pub fn overlay(&self, over: &Self) -> Self {
        let pick = |over: &Option<UtmPattern>, under: &Option<_>| over.clone().or_else(|| under.clone());
        Self {
            source: pick(&over.source, &self.source),
            medium: pick(&over.medium, &self.medium),
            campaign: pick(&over.campaign, &self.campaign),
            term: pick(&over.term, &self.term),
            content: pick(&over.content, &self.content),
        }
    }

    /// Fills the placeholders in. A field that comes out empty is left out.
    #[must_use]
    pub fn render(&self, values: &UtmValues<'_>) -> UtmParams {
        let fields = [
            ("utm_source", &self.source),
            ("utm_medium", &self.medium),
            ("utm_campaign", &self.campaign),
            ("utm_term", &self.term),
            ("utm_content", &self.content),
        ];
        let filled = fields.into_iter().filter_map(|(name, pattern)| {
            let value = pattern.as_ref()?.render(values);
            (!value.is_empty()).then_some((name, value))
        });
        UtmParams(filled.collect())
    }
}

impl UtmParams {
    /// The pairs in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// The link's final URL: the destination with the minted parameters after its own. A parameter of the destination that
/// a minted one also names is dropped; the others, and the fragment, are kept byte for byte.
#[must_use]
pub fn apply(target: &TargetUrl, params: &UtmParams) -> String {
    let whole = target.as_str();
    if params.0.is_empty() {
        return whole.to_owned();
    }
    let (head, fragment) = whole.split_at(whole.find('#').unwrap_or(whole.len()));
    let (base, query) = head.split_once('?').unwrap_or((head, ""));
    let is_minted = |pair: &str| {
        form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| params.0.iter().any(|(minted, _)| name == *minted))
    };
    let kept = query
        .split('&')
        .filter(|pair| !query.is_empty() && !is_minted(pair))
        .map(str::to_owned);
    let minted = params
        .0
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    let query: Vec<String> = kept.chain(minted).collect();
    format!("{base}?{}{fragment}", query.join("&"))
}

/// A space becomes `%20`, not `+`: every reader decodes the one, only form readers the other.
fn encoded(value: &str) -> String {
    let pieces = form_urlencoded::byte_serialize(value.as_bytes());
    pieces.map(|piece| if piece == "+" { "%20" } else { piece }).collect()
}

impl utoipa::PartialSchema for UtmPattern {
    fn schema() -> RefOr<Schema> {
        let names = PLACEHOLDERS.map(|name| name.trim_matches(['{', '}'])).join("|");
        described::plain("Text in which {influencer}, {platform}, {post} and {campaign} are filled in.")
            .max_length(Some(PATTERN_MAX_CHARS))
            .pattern(Some(format!(r"^(?:[^{{}}\x00-\x1F\x7F-\x9F]|\{{(?:{names})\}})*$")))
            .into()
    }
}

impl ToSchema for UtmPattern {}

impl<'de> Deserialize<'de> for UtmPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::target_url::TargetPolicy;

    fn pattern(raw: &str) -> Option<UtmPattern> {
        Some(UtmPattern::parse(raw).expect(raw))
    }

    fn applied(target: &str, template: &UtmTemplate) -> String {
        let target = TargetUrl::parse(target, &TargetPolicy::default()).expect(target);
        let (influencer, platform) = (Some("Zoë & co"), Some("instagram"));
        let values = UtmValues {
            influencer,
            platform,
            ..UtmValues::default()
        };
        apply(&target, &template.render(&values))
    }

    fn source(raw: &str) -> UtmTemplate {
        let source = pattern(raw);
        UtmTemplate {
            source,
            ..UtmTemplate::default()
        }
    }

    #[test]
    fn templates_with_known_placeholders_are_read() {
        for raw in [
            "",
            "plain text",
            "{influencer}",
            "a{platform}{post}-{campaign}b",
            "é ✓",
            &"é".repeat(200),
        ] {
            assert_eq!(pattern(raw).expect("a pattern").as_str(), raw);
        }
    }

    #[test]
    fn each_bad_template_is_refused_for_its_own_reason() {
        for raw in "{ } a{post post} }{ {{post}} {po{st} {post}} {post}{".split(' ') {
            assert_eq!(UtmPattern::parse(raw), Err(UtmError::UnbalancedBrace), "{raw}");
        }
        for found in ["{}", "{Post}", "{ post }", "{handle}"] {
            let found = found.to_owned();
            let refused = UtmPattern::parse(&format!("{{post}}{found}"));
            assert_eq!(refused, Err(UtmError::UnknownPlaceholder { found }));
        }
        for raw in ["a\nb", "\t", "\0", "\u{85}"] {
            assert_eq!(UtmPattern::parse(raw), Err(UtmError::ControlCharacter));
        }
        assert_eq!(
            UtmPattern::parse(&"é".repeat(201)),
            Err(UtmError::TooLong { found: 201 })
        );
        let refused = UtmPattern::parse("{x}").expect_err("unknown").to_string();
        assert!(refused.ends_with("{x}: use {influencer}, {platform}, {post} or {campaign}"));
    }

    #[test]
    fn a_links_fields_lie_over_its_campaigns_and_an_empty_one_removes() {
        let campaign = UtmTemplate {
            medium: pattern("influencer"),
            ..source("{platform}")
        };
        let link = UtmTemplate {
            medium: pattern(""),
            content: pattern("{influencer}"),
            ..UtmTemplate::default()
        };
        let url = applied("https://a.example/", &campaign.overlay(&link));
        assert_eq!(
            url,
            "https://a.example/?utm_source=instagram&utm_content=Zo%C3%AB%20%26%20co"
        );
    }

    #[test]
    fn values_are_filled_in_once_and_empty_fields_left_out() {
        let template = UtmTemplate {
            term: pattern("{post}"),
            campaign: pattern("x-{campaign}"),
            ..source("s")
        };
        let params = template.render(&UtmValues {
            campaign: Some("{post}"),
            ..UtmValues::default()
        });
        assert_eq!(
            params.as_slice(),
            [("utm_source", "s".to_owned()), ("utm_campaign", "x-{post}".to_owned())]
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let post = Some("ééééééé".repeat(30));
        let params = source("{post}{post}").render(&UtmValues {
            post: post.as_deref(),
            ..UtmValues::default()
        });
        assert_eq!(params.as_slice()[0].1, "é".repeat(RENDERED_MAX_CHARS));
    }

    #[test]
    fn minted_parameters_win_and_the_rest_of_the_destination_is_untouched() {
        for (given, expected) in [
            ("", "?utm_source=ll"),
            ("?", "?utm_source=ll"),
            ("#f?x", "?utm_source=ll#f?x"),
            ("?b=%2f+1&&a&b=", "?b=%2f+1&&a&b=&utm_source=ll"),
            ("?a&", "?a&&utm_source=ll"),
            ("?a?", "?a?&utm_source=ll"),
            ("?utm_source=x&a=1&utm_source#f", "?a=1&utm_source=ll#f"),
            ("?utm%5Fsource=x&UTM_SOURCE=y", "?UTM_SOURCE=y&utm_source=ll"),
            ("?utm_medium=x", "?utm_medium=x&utm_source=ll"),
        ] {
            let url = |rest| format!("https://a.example/p{rest}");
            assert_eq!(applied(&url(given), &source("ll")), url(expected));
        }
        let untouched = "https://a.example/?utm_source=x&&#f";
        assert_eq!(applied(untouched, &UtmTemplate::default()), untouched);
    }

    #[test]
    fn json_is_checked_field_by_field() {
        let template: UtmTemplate = serde_json::from_str(r#"{"source":"{post}","term":null}"#).expect("json");
        assert_eq!(template.source, pattern("{post}"));
        for bad in [r#"{"source":"{x}"}"#, r#"{"src":"x"}"#, r#"{"source":1}"#] {
            assert!(serde_json::from_str::<UtmTemplate>(bad).is_err(), "{bad}");
        }
    }
}
