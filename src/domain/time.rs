//! Instants as the store keeps them: milliseconds since 1970 in UTC.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

use super::described;

/// One second, in the milliseconds that every instant is counted in.
pub const SECOND_MS: i64 = 1_000;
/// One quarter of an hour: the grain of rollups, fine enough for every time zone in use.
pub const QUARTER_MS: i64 = 15 * 60 * SECOND_MS;
/// One UTC day.
pub const DAY_MS: i64 = 86_400 * SECOND_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// The text is not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time like 2026-03-01T12:00:00Z (RFC 3339, with its offset)")]
pub struct InstantError;

impl Instant {
    /// The earliest time that a clock may honestly show: before this software existed.
    pub const EARLIEST_HONEST: Self = Self(1_577_836_800_000); // 2020-01-01T00:00:00Z

    /// The instant at these milliseconds since 1970; clamped to the years 0 to 9999.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        const MIN_MS: i64 = -62_167_219_200_000;
        const MAX_MS: i64 = 253_402_207_200_000;
        Self(if ms < MIN_MS {
            MIN_MS
        } else if ms > MAX_MS {
            MAX_MS
        } else {
            ms
        })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, with `T` or a space, any offset, fractions cut to milliseconds.
    ///
    /// # Errors
    /// [`InstantError`] for anything else, such as a date without a time or a time without an offset.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        let stamp: Timestamp = text.parse().map_err(|_| InstantError)?;
        Ok(Self::from_ms(stamp.as_millisecond()))
    }

    /// The start of the quarter of an hour that holds this instant.
    #[must_use]
    pub const fn quarter(self) -> Self {
        Self(self.0 - self.0.rem_euclid(QUARTER_MS))
    }

    /// Whole UTC days since 1970.
    #[must_use]
    pub const fn utc_day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// The same instant in the calendar's library.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).expect("clamped to the library's range when made")
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.timestamp(), f)
    }
}

impl utoipa::PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        described::formatted("An instant, such as 2026-03-01T12:00:00Z.", KnownFormat::DateTime)
    }
}

impl utoipa::ToSchema for Instant {}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_with_any_offset_and_prints_in_utc() {
        let at = Instant::parse("2026-03-01T13:00:00+01:00").expect("valid");
        assert_eq!(at.to_string(), "2026-03-01T12:00:00Z");
        for wrong in ["2026-03-01", "2026-03-01T12:00:00", "yesterday", "", "1772366400"] {
            assert_eq!(Instant::parse(wrong), Err(InstantError), "{wrong}");
        }
    }

    #[test]
    fn the_extremes_are_clamped_to_what_can_be_printed() {
        for ms in [i64::MIN, i64::MAX] {
            let _ = Instant::from_ms(ms).to_string();
        }
        assert_eq!(Instant::from_ms(-1).utc_day(), -1);
        assert_eq!(Instant::from_ms(-1).quarter().ms(), -QUARTER_MS);
    }
}
