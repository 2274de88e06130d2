//! How big an influencer is. Authors disagree about where the tiers begin, so the bounds are a brand's setting.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The size class of an influencer, smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum Tier {
    /// Below the first bound.
    Nano,
    /// From the first bound.
    Micro,
    /// From the second bound.
    Mid,
    /// From the third bound.
    Macro,
    /// From the fourth bound, without an end.
    Mega,
}

super::object::only_from_words!(Tier);

impl Tier {
    /// Every tier, smallest first.
    pub const ALL: [Self; 5] = [Self::Nano, Self::Micro, Self::Mid, Self::Macro, Self::Mega];

    /// Reads a tier's lower-case name.
    pub fn parse(raw: &str) -> Result<Self, TierError> {
        Self::ALL
            .into_iter()
            .find(|tier| tier.as_str() == raw)
            .ok_or(TierError::Unknown)
    }

    /// The lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::Mid => "mid",
            Self::Macro => "macro",
            Self::Mega => "mega",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The follower count at which each tier above nano begins: above zero, and each above the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Bounds", try_from = "Bounds")]
pub struct TierBounds(Bounds);

impl utoipa::PartialSchema for TierBounds {
    fn schema() -> RefOr<Schema> {
        Bounds::schema()
    }
}

impl ToSchema for TierBounds {}

/// The follower count at which each tier above nano begins: above zero, and each above the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct Bounds {
    #[schema(minimum = 1)]
    micro: u64,
    #[schema(minimum = 2)]
    mid: u64,
    #[serde(rename = "macro")]
    #[schema(minimum = 3)]
    macro_: u64,
    #[schema(minimum = 4)]
    mega: u64,
}

super::object::only_from_objects!(Bounds);

/// Why something is no tier, or no set of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// No such tier.
    #[error("a tier is one of nano, micro, mid, macro and mega")]
    Unknown,
    /// The smallest tier would be empty.
    #[error("the bound of micro must be above 0, or nobody could be nano")]
    Zero,
    /// A tier would be empty, or below the one before it.
    #[error("tier bounds must rise: micro < mid < macro < mega")]
    NotAscending,
}

impl TierBounds {
    /// Checks four bounds: where micro, mid, macro and mega begin.
    pub fn parse(micro: u64, mid: u64, macro_: u64, mega: u64) -> Result<Self, TierError> {
        if micro == 0 {
            return Err(TierError::Zero);
        }
        if !(micro < mid && mid < macro_ && macro_ < mega) {
            return Err(TierError::NotAscending);
        }
        Ok(Self(Bounds {
            micro,
            mid,
            macro_,
            mega,
        }))
    }

    /// The tier of an influencer with so many followers.
    #[must_use]
    pub fn tier_of(&self, followers: u64) -> Tier {
        let Bounds {
            micro,
            mid,
            macro_,
            mega,
        } = self.0;
        match followers {
            n if n >= mega => Tier::Mega,
            n if n >= macro_ => Tier::Macro,
            n if n >= mid => Tier::Mid,
            n if n >= micro => Tier::Micro,
            _ => Tier::Nano,
        }
    }

    /// The smallest follower count of a tier.
    #[must_use]
    pub fn lower_bound(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Nano => 0,
            Tier::Micro => self.0.micro,
            Tier::Mid => self.0.mid,
            Tier::Macro => self.0.macro_,
            Tier::Mega => self.0.mega,
        }
    }
}

impl Default for TierBounds {
    /// nano < 10k, micro < 100k, mid < 500k, macro < 1M, mega.
    fn default() -> Self {
        Self(Bounds {
            micro: 10_000,
            mid: 100_000,
            macro_: 500_000,
            mega: 1_000_000,
        })
    }
}

impl TryFrom<Bounds> for TierBounds {
    type Error = TierError;

    fn try_from(raw: Bounds) -> Result<Self, TierError> {
        Self::parse(raw.micro, raw.mid, raw.macro_, raw.mega)
    }
}

impl From<TierBounds> for Bounds {
    fn from(bounds: TierBounds) -> Self {
        bounds.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bounds_part_the_tiers_exactly() {
        let bounds = TierBounds::default();
        for (followers, tier) in [
            (0, Tier::Nano),
            (9_999, Tier::Nano),
            (10_000, Tier::Micro),
            (99_999, Tier::Micro),
            (100_000, Tier::Mid),
            (499_999, Tier::Mid),
            (500_000, Tier::Macro),
            (999_999, Tier::Macro),
            (1_000_000, Tier::Mega),
            (u64::MAX, Tier::Mega),
        ] {
            assert_eq!(bounds.tier_of(followers), tier, "{followers}");
        }
    }

    #[test]
    fn every_tier_begins_at_its_lower_bound() {
        let bounds = TierBounds::parse(3_000, 50_000, 50_001, 9_000_000).expect("bounds");
        for tier in Tier::ALL {
            assert_eq!(bounds.tier_of(bounds.lower_bound(tier)), tier);
        }
    }

    #[test]
    fn bounds_that_do_not_rise_or_start_at_zero_are_refused() {
        assert_eq!(TierBounds::parse(0, 1, 2, 3), Err(TierError::Zero));
        for (micro, mid, macro_, mega) in [(1, 1, 2, 3), (1, 3, 2, 4), (1, 2, 4, 4), (9, 8, 7, 6)] {
            let refused = TierBounds::parse(micro, mid, macro_, mega);
            assert_eq!(refused, Err(TierError::NotAscending));
        }
    }

    #[test]
    fn bounds_go_to_json_and_back_and_are_checked_on_the_way() {
        let json = r#"{"micro":10000,"mid":100000,"macro":500000,"mega":1000000}"#;
        let bounds: TierBounds = serde_json::from_str(json).expect("bounds");
        assert_eq!(bounds, TierBounds::default());
        assert_eq!(serde_json::to_string(&bounds).ok().as_deref(), Some(json));
        for bad in [
            r#"{"micro":10000,"mid":100000,"macro":500000}"#,
            r#"{"micro":10000,"mid":100000,"macro":500000,"mega":1000000,"giga":2000000}"#,
            r#"{"micro":10000,"mid":100000,"macro":500000,"mega":500000}"#,
            r#"{"micro":-1,"mid":100000,"macro":500000,"mega":1000000}"#,
            r#"{"micro":1.5,"mid":100000,"macro":500000,"mega":1000000}"#,
        ] {
            assert!(serde_json::from_str::<TierBounds>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tiers_have_one_lower_case_name_everywhere() {
        for tier in Tier::ALL {
            assert_eq!(Tier::parse(tier.as_str()), Ok(tier));
            assert_eq!(serde_json::to_value(tier).ok(), Some(tier.as_str().into()));
            assert_eq!(tier.to_string(), tier.as_str());
        }
        assert_eq!(Tier::parse("Nano"), Err(TierError::Unknown));
    }
}
