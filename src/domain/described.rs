//! How the domain's own types describe themselves in the API's description: what their parsers take, and nothing else.

use std::ops::RangeInclusive;

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

/// White space that [`str::trim`] drops, as part of a character class.
const SPACE: &str = r"\t-\r \x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000";
/// Control characters, as part of a character class.
const CONTROL: &str = r"\x00-\x1F\x7F-\x9F";

/// What a field's text may consist of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Letters {
    /// Anything that can be printed, with something visible in it; white space around it is dropped.
    Printable,
    /// Printable without any white space inside.
    Unbroken,
    /// A regular expression for the whole text; white space around it is dropped.
    Matching(&'static str),
    /// What a regular expression cannot say.
    Checked,
}

impl Letters {
    fn pattern(self) -> Option<String> {
        let inside = match self {
            Self::Printable => format!("[^{SPACE}{CONTROL}][^{CONTROL}]*"),
            Self::Unbroken => format!("[^{SPACE}{CONTROL}]+"),
            Self::Matching(pattern) => pattern.to_owned(),
            Self::Checked => return None,
        };
        Some(format!("^[{SPACE}]*{inside}[{SPACE}]*$"))
    }
}

/// A text of so many characters, white space around it included.
pub(super) fn text(description: &str, characters: RangeInclusive<usize>, letters: Letters) -> RefOr<Schema> {
    plain(description)
        .min_length(Some(*characters.start()))
        .max_length(Some(*characters.end()))
        .pattern(letters.pattern())
        .into()
}

/// A text that is wholly described by a regular expression.
pub(super) fn matching(description: &str, pattern: impl Into<String>) -> RefOr<Schema> {
    plain(description).pattern(Some(pattern.into())).into()
}

/// A text in a known format.
pub(super) fn formatted(description: &str, format: KnownFormat) -> RefOr<Schema> {
    plain(description)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .into()
}

/// One of these words.
pub(super) fn one_of<'a>(description: &str, words: impl Iterator<Item = &'a str>) -> RefOr<Schema> {
    plain(description).enum_values(Some(words)).into()
}

/// A text without any bounds of its own.
pub(super) fn plain(description: &str) -> ObjectBuilder {
    Object::builder()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(description.trim()))
}
