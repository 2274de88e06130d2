//! What platforms tell of accounts and posts, each at one instant.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::described;
use super::invalid::Invalid;
use super::time::{DAY_MS, Day, Instant, InstantError};

/// Most followers that an account can have: more than there are people.
pub const FOLLOWERS_MAX: u64 = 10_000_000_000;
/// The largest figure of a post, below 2^53, so that every JavaScript client reads it exactly.
pub const FIGURE_MAX: u64 = 1_000_000_000_000_000;
/// How far ahead of this node's clock a figure may be dated: a plain date begins up to 14 hours earlier in UTC than
/// where it is written.
const AHEAD_MAX_MS: i64 = DAY_MS;
/// Before this there was no platform to tell anything.
const EARLIEST: Instant = Instant::from_ms(946_684_800_000); // 2000-01-01T00:00:00Z

macro_rules! bounded {
    ($($(#[doc = $doc:literal])* $name:ident($max:ident);)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64")]
        pub struct $name(u64);

        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                described::whole(concat!($($doc, "\n"),*), 0..=$max)
            }
        }

        impl ToSchema for $name {}


        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = String;
            fn try_from(number: u64) -> Result<Self, String> {
                if number <= $max {
                    Ok(Self(number))
                } else {
                    Err(format!("must be at most {}", $max))
                }
            }
        }

        impl TryFrom<i64> for $name {
            type Error = String;
            fn try_from(number: i64) -> Result<Self, String> {
                u64::try_from(number).map_err(|_| "must not be negative".to_owned())?.try_into()
            }
        }

        impl From<$name> for i64 {
            fn from(number: $name) -> Self {
                Self::try_from(number.0).expect("bounded far below 2^63")
            }
        }
    )*};
}

bounded! {
    /// Followers of an account: 0 to ten billion.
    Followers(FOLLOWERS_MAX);
    /// A figure of a post: 0 to 10^15.
    Figure(FIGURE_MAX);
}

/// When a figure held. A plain date means its start in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf(Instant);

impl AsOf {
    /// Reads RFC 3339, or a date.
    ///
    /// # Errors
    /// [`InstantError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        if let Ok(at) = Instant::parse(text) {
            return Ok(Self(at));
        }
        let day = Day::parse(text).map_err(|_| InstantError)?;
        Ok(Self(day.start_in_utc()))
    }

    /// The instant, unless it cannot be true.
    ///
    /// # Errors
    /// [`Invalid`] naming `as_of`.
    pub fn check(self, now: Instant) -> Result<Instant, Invalid> {
        if (EARLIEST.ms()..=now.ms() + AHEAD_MAX_MS).contains(&self.0.ms()) {
            Ok(self.0)
        } else {
            Err(Invalid::one("as_of", "must lie between the year 2000 and tomorrow"))
        }
    }
}

impl utoipa::PartialSchema for AsOf {
    fn schema() -> RefOr<Schema> {
        described::plain("An instant, such as 2026-03-01T12:00:00Z, or a date, such as 2026-03-01: its start in UTC.")
            .into()
    }
}

impl ToSchema for AsOf {}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let expected = "expected a time like 2026-03-01T12:00:00Z or a date like 2026-03-01";
        Self::parse(&text).map_err(|_| serde::de::Error::custom(expected))
    }
}

/// A post's figures so far, each where its platform tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PostFigures {
    /// How often it was shown.
    pub impressions: Option<Figure>,
    /// To how many people.
    pub reach: Option<Figure>,
    /// How often it was played.
    pub views: Option<Figure>,
    /// Likes.
    pub likes: Option<Figure>,
    /// Comments.
    pub comments: Option<Figure>,
    /// How often it was passed on.
    pub shares: Option<Figure>,
    /// How often it was kept.
    pub saves: Option<Figure>,
}

impl PostFigures {
    /// Every figure with its name.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Option<Figure>); 7] {
        [
            ("impressions", self.impressions),
            ("reach", self.reach),
            ("views", self.views),
            ("likes", self.likes),
            ("comments", self.comments),
            ("shares", self.shares),
            ("saves", self.saves),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_as_it_is_and_a_date_begins_in_utc() {
        let ms = |text| AsOf::parse(text).map(|as_of| as_of.0.to_string());
        assert_eq!(ms("2026-03-01T13:00:00+01:00").as_deref(), Ok("2026-03-01T12:00:00Z"));
        assert_eq!(ms("2026-03-01").as_deref(), Ok("2026-03-01T00:00:00Z"));
        for wrong in [
            "2026-03",
            "2026-02-30",
            "2026-03-01T12:00:00",
            "20260301",
            "yesterday",
            "",
            "2026-03-01 ",
        ] {
            assert!(AsOf::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_a_day_ahead_is_taken_and_a_millisecond_more_is_not() {
        let now = Instant::from_ms(1_790_000_000_000);
        let at = |ms| AsOf(Instant::from_ms(ms)).check(now);
        assert!(at(now.ms() + DAY_MS).is_ok());
        assert!(at(now.ms() + DAY_MS + 1).is_err());
        assert!(at(EARLIEST.ms()).is_ok());
        assert!(at(EARLIEST.ms() - 1).is_err());
    }

    #[test]
    fn numbers_have_their_bounds() {
        assert!(Followers::try_from(FOLLOWERS_MAX).is_ok());
        assert!(Followers::try_from(FOLLOWERS_MAX + 1).is_err());
        assert!(Followers::try_from(-1_i64).is_err());
        assert!(serde_json::from_str::<Figure>("1.5").is_err());
    }
}
