//! Short texts that people type: each with its own bounds, checked where it enters.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};

use super::described::{self, Letters};

/// A text was empty, too long, or held characters that its field does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More characters than the field takes.
    #[error("must be at most {max} characters long")]
    TooLong {
        /// The most characters that the field takes.
        max: usize,
    },
    /// A line break, NUL or other control character.
    #[error("must not contain control characters")]
    Control,
    /// A character outside of the field's alphabet.
    #[error("may only contain {allowed}")]
    Alphabet {
        /// The characters that the field takes, in words.
        allowed: &'static str,
    },
    /// Not the shape that the field asks for.
    #[error("expected {expected}")]
    Shape {
        /// What the field asks for, in words.
        expected: &'static str,
    },
}

/// White space around a text is dropped, but counts: the bound is one for what is sent.
fn bounded(raw: &str, max: usize) -> Result<&str, TextError> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if raw.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    Ok(text)
}

/// One `@`, something unbroken on both sides, and a dot on the right.
const EMAIL: &str = r"[^\s@\x00-\x1F\x7F-\x9F]+@[^\s@\x00-\x1F\x7F-\x9F]*\.[^\s@\x00-\x1F\x7F-\x9F]*";

macro_rules! text_types {
    ($($(#[doc = $doc:literal])* $name:ident($max:literal, $letters:expr) = $parse:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Box<str>);

        impl $name {
            #[doc = concat!("Reads a `", stringify!($name), "`; white space around it is dropped.")]
            ///
            /// # Errors
            /// [`TextError`], which says what the field takes.
            pub fn parse(raw: &str) -> Result<Self, TextError> {
                let parse: fn(&str) -> Result<String, TextError> = $parse;
                parse(bounded(raw, $max)?).map(|text| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                described::text(concat!($($doc, "\n"),*), 1..=$max, $letters)
            }
        }

        impl utoipa::ToSchema for $name {}

        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(raw: String) -> Result<Self, TextError> {
                Self::parse(&raw)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_types! {
    /// A display name: 1 to 200 characters.
    Name(200, Letters::Printable) = |text| Ok(text.to_owned());

    /// A free remark: 1 to 1,000 characters.
    Note(1000, Letters::Printable) = |text| Ok(text.to_owned());

    /// A post's label, unique within its campaign and influencer: 1 to 100 characters.
    Label(100, Letters::Printable) = |text| Ok(text.to_owned());

    /// An influencer's handle: 1 to 64 of letters, digits, `.`, `_`, `-`; a leading `@` is dropped.
    Handle(65, Letters::Matching(r"@?[\p{L}\p{N}._-]{1,64}")) = |text| {
        let text = bounded(text.strip_prefix('@').unwrap_or(text), 64)?;
        if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            Ok(text.to_owned())
        } else {
            Err(TextError::Alphabet { allowed: "letters, digits, `.`, `_` and `-`" })
        }
    };

    /// A platform such as `instagram`: 1 to 32 of `[a-z0-9_-]`, folded to lower case.
    Platform(32, Letters::Matching("[A-Za-z0-9_-]+")) = |text| {
        let text = text.to_ascii_lowercase();
        if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-') {
            Ok(text)
        } else {
            Err(TextError::Alphabet { allowed: "letters a to z, digits, `_` and `-`" })
        }
    };

    /// An e-mail address: one `@` with something on both sides, at most 254 characters.
    Email(254, Letters::Matching(EMAIL)) = |text| {
        let expected = TextError::Shape { expected: "an e-mail address such as ada@example.com" };
        let Some((local, domain)) = text.rsplit_once('@') else { return Err(expected) };
        let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
        if plain(local) && plain(domain) && domain.contains('.') { Ok(text.to_owned()) } else { Err(expected) }
    };

    /// The name of the query parameter that carries the click id: a letter or `_`, then up to 31
    /// more of letters, digits, `_`.
    ClickParam(32, Letters::Matching("[A-Za-z_][A-Za-z0-9_]*")) = |text| {
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(text.to_owned())
        } else {
            Err(TextError::Shape { expected: "a parameter name such as ll_click" })
        }
    };

    /// A shop's own identifier (order number, customer, subscription): 1 to 255 characters.
    ExternalId(255, Letters::Printable) = |text| Ok(text.to_owned());

    /// A promo code as it was typed: 1 to 64 characters without white space.
    CodeText(64, Letters::Unbroken) = |text| {
        if text.contains(char::is_whitespace) {
            Err(TextError::Alphabet { allowed: "characters other than white space" })
        } else {
            Ok(text.to_owned())
        }
    };

    /// An IANA time zone such as `Europe/Berlin`.
    TimeZoneName(64, Letters::Checked) = |text| {
        jiff::tz::TimeZone::get(text)
            .map_err(|_| TextError::Shape { expected: "an IANA time zone such as Europe/Berlin" })?;
        Ok(text.to_owned())
    };
}

impl TimeZoneName {
    /// The zone's rules.
    #[must_use]
    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.0).expect("looked up when it was parsed; the data is built in")
    }

    /// UTC, the default everywhere.
    #[must_use]
    pub fn utc() -> Self {
        Self("UTC".into())
    }
}

impl CodeText {
    /// The form under which codes are the same: people type them in any case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl ClickParam {
    /// `ll_click`, unless the brand chose another.
    #[must_use]
    pub fn standard() -> Self {
        Self("ll_click".into())
    }
}

/// Cuts `text` to at most `max_bytes`, on a character's border.
#[must_use]
pub fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_drops_its_at_sign_and_refuses_the_rest() {
        assert_eq!(
            Handle::parse(" @mia.runs ").map(|h| h.to_string()),
            Ok("mia.runs".into())
        );
        assert_eq!(Handle::parse("@"), Err(TextError::Empty));
        assert!(Handle::parse("mia runs").is_err());
        assert!(Handle::parse("@@mia").is_err());
    }

    #[test]
    fn texts_refuse_nul_line_breaks_and_excess() {
        assert_eq!(Name::parse("a\0b"), Err(TextError::Control));
        assert_eq!(Name::parse("a\nb"), Err(TextError::Control));
        assert_eq!(Name::parse("  "), Err(TextError::Empty));
        assert_eq!(Name::parse(&"ä".repeat(201)), Err(TextError::TooLong { max: 200 }));
        assert!(Name::parse(&"ä".repeat(200)).is_ok());
    }

    #[test]
    fn addresses_zones_and_parameters_have_their_shapes() {
        assert!(Email::parse("mia+brand@example.com").is_ok());
        for wrong in ["mia", "@example.com", "mia@", "mia@local", "a b@example.com", "a@b@"] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
        assert!(TimeZoneName::parse("Asia/Kathmandu").is_ok());
        assert!(TimeZoneName::parse("Mars/Olympus").is_err());
        assert!(ClickParam::parse("ll_click").is_ok());
        assert!(ClickParam::parse("9x").is_err());
        assert!(ClickParam::parse("a&b").is_err());
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
    }
}
