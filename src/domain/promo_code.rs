//! Promo codes: a word at the checkout that names its influencer.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::campaign::Conflict;
use super::deal::DealTerm;
use super::id::{BrandId, CampaignId, InfluencerId, PostId, PromoCodeId};
use super::link::Season;
use super::money::Money;
use super::text::{CodeText, Handle};
use super::time::Instant;

/// Letters of a handle that a minted code takes over: it must be said in one breath.
const MINTED_LETTERS_MAX: usize = 12;

/// Whether a code earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum CodeStatus {
    /// It does.
    Active,
    /// Its sales are held for a person to look at: perhaps it leaked.
    Review,
    /// It no longer does.
    Retired,
}

super::object::only_from_words!(CodeStatus);

impl CodeStatus {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Review => "review",
            Self::Retired => "retired",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Review, Self::Retired]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// What the buyer saves; told by the brand, applied by its shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Discount {
    /// Per cent of the order: 1 to 100.
    Percent(Percent),
    /// A fixed amount.
    Amount(Money),
}

/// Written out because a derive would let both stand side by side.
impl PartialSchema for Discount {
    fn schema() -> RefOr<Schema> {
        let only = |name: &str, of: RefOr<Schema>| {
            ObjectBuilder::new()
                .property(name, of)
                .required(name)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        OneOfBuilder::new()
            .item(only("percent", Percent::schema()))
            .item(only("amount", Ref::from_schema_name(Money::name()).into()))
            .description(Some("What the buyer saves: per cent of the order, or a fixed amount."))
            .into()
    }
}

impl ToSchema for Discount {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Money::name().into_owned(), Money::schema()));
        Money::schemas(schemas);
    }
}

/// A whole per cent, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u8")]
#[schema(minimum = 1, maximum = 100)]
pub struct Percent(u8);

impl TryFrom<u8> for Percent {
    type Error = &'static str;
    fn try_from(percent: u8) -> Result<Self, Self::Error> {
        if (1..=100).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err("must be from 1 to 100")
        }
    }
}

/// Who a code belongs to, and the rule by which it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeOwner {
    /// The code.
    pub code: PromoCodeId,
    /// Its brand.
    pub brand: BrandId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its influencer.
    pub influencer: InfluencerId,
    /// The post it was spoken in, where it was named.
    pub post: Option<PostId>,
    /// Whether it earns.
    pub status: CodeStatus,
    /// First instant at which it no longer earns.
    pub expires_at: Option<Instant>,
    /// When its campaign counts.
    pub season: Season,
    /// When the influencer's own deal counts.
    pub deal: DealTerm,
    /// What its campaign says of code against click.
    pub conflict: Conflict,
}

/// A code made from a handle: its letters and digits in upper case, then the discount, then a number
/// that grows with every attempt that was taken.
#[must_use]
pub fn mint(handle: &Handle, discount: Option<&Discount>, attempt: u32) -> CodeText {
    let letters: String = handle
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(MINTED_LETTERS_MAX)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let letters = if letters.is_empty() { "CODE".to_owned() } else { letters };
    let saves = match discount {
        Some(Discount::Percent(percent)) => percent.0.to_string(),
        _ => String::new(),
    };
    let again = match attempt {
        0 => String::new(),
        // A dash keeps `MIA10` and the second `MIA1` apart.
        n => format!("-{}", n + 1),
    };
    CodeText::parse(&format!("{letters}{saves}{again}")).expect("short, printable and not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_made_from_the_handle_and_the_discount() {
        let handle = Handle::parse("@mia.runs").expect("valid");
        let ten = Discount::Percent(Percent(10));
        assert_eq!(mint(&handle, Some(&ten), 0).as_str(), "MIARUNS10");
        assert_eq!(mint(&handle, Some(&ten), 1).as_str(), "MIARUNS10-2");
        assert_eq!(
            mint(&Handle::parse("\u{7f8e}").expect("valid"), None, 0).as_str(),
            "CODE"
        );
    }
}
