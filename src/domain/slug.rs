//! The short name behind a link: what visitors click on and type off a video.

use std::borrow::{Borrow, Cow};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::openapi::{RefOr, Schema};

use super::described;

/// What minted slugs are made of: digits and lower-case consonants. Left out are the look-alikes (0 o, 1 l i),
/// because people copy slugs by eye, and every vowel with y, so that no word can appear by accident.
pub const MINT_ALPHABET: [char; 27] = [
    '2', '3', '4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't',
    'v', 'w', 'x', 'z',
];

/// The shortest slug.
pub const MIN_LEN: usize = 3;

/// The longest slug.
pub const MAX_LEN: usize = 64;

/// A slug: 3 to 64 ASCII letters, digits, `_` or `-`; imported ones may be shorter. Case is kept; [`Slug::folded`] is
/// for comparing without it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Slug(Box<str>);

/// Why a text is no slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Too short or too long.
    #[error("a slug has 3 to 64 characters, this one has {found}: shorten or lengthen it")]
    Length {
        /// How many characters there were.
        found: usize,
    },
    /// Something that would need escaping in a URL.
    #[error("a slug cannot contain {found:?}: use letters A-Z and a-z, digits, '_' and '-' only")]
    Character {
        /// The first character that cannot stay.
        found: char,
    },
}

impl Slug {
    /// Reads a slug that a person chose.
    ///
    /// # Errors
    /// [`SlugError`] says what to change.
    pub fn parse(raw: &str) -> Result<Self, SlugError> {
        let slug = Self::parse_imported(raw)?;
        if raw.len() < MIN_LEN {
            Err(SlugError::Length { found: raw.len() })
        } else {
            Ok(slug)
        }
    }

    /// Reads a slug that stands already, here or in another shortener: what was printed elsewhere may be shorter.
    ///
    /// # Errors
    /// [`SlugError`] when it is empty, too long, or would need escaping.
    pub fn parse_imported(raw: &str) -> Result<Self, SlugError> {
        let stray = raw
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        if let Some(found) = stray {
            return Err(SlugError::Character { found });
        }
        // All ASCII by now, so bytes are characters.
        if (1..=MAX_LEN).contains(&raw.len()) {
            Ok(Self(raw.into()))
        } else {
            Err(SlugError::Length { found: raw.len() })
        }
    }

    /// Makes a random slug. A length outside 3..=64 is moved to the nearest end, so that what is minted always parses.
    /// Whether it is free is for the store to say.
    #[must_use]
    pub fn mint(length: usize) -> Self {
        let length = length.clamp(MIN_LEN, MAX_LEN);
        Self(nanoid::nanoid!(length, &MINT_ALPHABET).into_boxed_str())
    }

    /// The slug as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which slugs that differ by case alone are the same; borrowed when it already is that form.
    #[must_use]
    pub fn folded(&self) -> Cow<'_, str> {
        if self.0.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(self.0.to_ascii_lowercase())
        } else {
            Cow::Borrowed(&self.0)
        }
    }
}

impl utoipa::PartialSchema for Slug {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^[A-Za-z0-9_-]{{{MIN_LEN},{MAX_LEN}}}$");
        described::matching(
            "What is shared and typed. Case is kept, but never the only difference.",
            pattern,
        )
    }
}

impl utoipa::ToSchema for Slug {}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets a map keyed by slugs be asked with the bytes of a request, without building a slug first.
impl Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn slugs_people_choose_are_kept_as_written() {
        for raw in ["abc", "Summer_24-A", "A6qOVH", "---", &"x".repeat(64)] {
            let slug = Slug::parse(raw).expect(raw);
            assert_eq!(slug.as_str(), raw);
            assert_eq!(slug.to_string(), raw);
        }
    }

    #[test]
    fn lengths_outside_3_to_64_are_refused() {
        for length in [0, 1, 2, 65, 5000] {
            let raw = "x".repeat(length);
            assert_eq!(Slug::parse(&raw), Err(SlugError::Length { found: length }));
        }
    }

    #[test]
    fn characters_that_a_url_would_escape_are_refused() {
        for (raw, found) in [
            ("a b c", ' '),
            ("abc/", '/'),
            ("abc.", '.'),
            ("été", 'é'),
            ("ab%63", '%'),
            ("abc\n", '\n'),
            ("ａbc", 'ａ'),
        ] {
            assert_eq!(Slug::parse(raw), Err(SlugError::Character { found }));
        }
    }

    #[test]
    fn minted_slugs_parse_have_their_length_and_use_only_the_alphabet() {
        for length in [3, 8, 64] {
            let slug = Slug::mint(length);
            assert_eq!(slug.as_str().len(), length);
            assert!(slug.as_str().chars().all(|c| MINT_ALPHABET.contains(&c)));
            assert_eq!(Slug::parse(slug.as_str()).as_ref(), Ok(&slug));
        }
        assert_eq!(Slug::mint(0).as_str().len(), MIN_LEN);
        assert_eq!(Slug::mint(1000).as_str().len(), MAX_LEN);
        assert_ne!(Slug::mint(16), Slug::mint(16));
    }

    #[test]
    fn the_alphabet_has_no_look_alike_no_vowel_and_nothing_twice() {
        let unwanted = "0o1liaeiouy";
        for (at, c) in MINT_ALPHABET.iter().enumerate() {
            assert!(!unwanted.contains(*c) && !c.is_ascii_uppercase());
            assert!(!MINT_ALPHABET[..at].contains(c));
        }
    }

    #[test]
    fn folding_ignores_case_and_nothing_else() {
        let mixed = Slug::parse("SuMMer-1").expect("a slug");
        assert_eq!(mixed.folded(), "summer-1");
        let lower = Slug::parse("summer_1").expect("a slug");
        assert!(matches!(lower.folded(), Cow::Borrowed("summer_1")));
    }

    #[test]
    fn a_map_of_slugs_can_be_asked_with_text() {
        let map = HashMap::from([(Slug::parse("abc").expect("a slug"), 7)]);
        assert_eq!(map.get("abc"), Some(&7));
    }

    #[test]
    fn json_goes_through_parse() {
        let slug: Slug = serde_json::from_str("\"abc\"").expect("a slug");
        assert_eq!(serde_json::to_string(&slug).ok().as_deref(), Some("\"abc\""));
        assert!(serde_json::from_str::<Slug>("\"a/b\"").is_err());
        assert!(serde_json::from_str::<Slug>("123").is_err());
    }
}
