//! Instants as the store keeps them: milliseconds since 1970 in UTC.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

use super::described;

/// One second, in the milliseconds that every instant is counted in.
pub const SECOND_MS: i64 = 1_000;
/// One quarter of an hour: the grain of rollups, fine enough for every time zone in use.
pub const QUARTER_MS: i64 = 15 * 60 * SECOND_MS;
/// One UTC day.
pub const DAY_MS: i64 = 86_400 * SECOND_MS;

/// Date and time of RFC 3339: `0` is a digit, `T` a `t` of either case or a space.
const SHAPE: &[u8] = b"0000-00-00T00:00:00";

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
        if !is_rfc_3339(text.as_bytes()) {
            return Err(InstantError);
        }
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

/// Whether a text has the shape of RFC 3339. The calendar's library, which then judges the numbers, takes more shapes
/// than callers mean: weeks, times without minutes, zones in brackets, offsets beyond a day; and it moves a second 60,
/// which no clock of ours counts.
fn is_rfc_3339(text: &[u8]) -> bool {
    let like = |text: &[u8], shape: &[u8]| {
        let fits = |(given, wanted): (&u8, &u8)| match wanted {
            b'0' => given.is_ascii_digit(),
            b'T' => matches!(given, b'T' | b't' | b' '),
            other => given == other,
        };
        text.len() == shape.len() && text.iter().zip(shape).all(fits)
    };
    let Some((time, rest)) = text.split_at_checked(SHAPE.len()) else {
        return false;
    };
    let fraction = match rest {
        [b'.', digits @ ..] => 1 + digits.iter().take_while(|digit| digit.is_ascii_digit()).count(),
        _ => 0,
    };
    let offset = match &rest[fraction..] {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', offset @ ..] => like(offset, b"00:00") && offset < &b"24:00"[..],
        _ => false,
    };
    like(time, SHAPE) && !time.ends_with(b"60") && fraction != 1 && offset
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

/// A calendar day between the years 0 and 9999, in whatever zone its field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// The text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date like 2026-03-01")]
pub struct DayError;

impl Day {
    /// Reads `YYYY-MM-DD` and nothing else.
    ///
    /// # Errors
    /// [`DayError`] for anything else, such as a date with a time or the 30th of February.
    pub fn parse(text: &str) -> Result<Self, DayError> {
        let date: Date = text.parse().map_err(|_| DayError)?;
        // The calendar's library reads more spellings than it writes.
        let plain = date.year() >= 0 && date.to_string() == text;
        plain.then_some(Self(date)).ok_or(DayError)
    }

    /// Its first instant in UTC.
    #[must_use]
    pub fn start_in_utc(self) -> Instant {
        let start = self.0.to_zoned(TimeZone::UTC).expect("UTC has every day");
        Instant::from_ms(start.timestamp().as_millisecond())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl utoipa::PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        described::formatted("A date, such as 2026-03-01.", KnownFormat::Date)
    }
}

impl utoipa::ToSchema for Day {}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
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
        for same in [
            "2026-03-01 12:00:00z",
            "2026-03-01T12:00:00.000Z",
            "2026-03-01t23:59:00+11:59",
        ] {
            assert_eq!(Instant::parse(same), Ok(at), "{same}");
        }
        for wrong in ["2026-03-01", "2026-03-01T12:00:00", "yesterday", "", "1772366400"] {
            assert_eq!(Instant::parse(wrong), Err(InstantError), "{wrong}");
        }
    }

    #[test]
    fn a_day_has_one_spelling() {
        let day = Day::parse("2026-03-01").expect("valid");
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(day.start_in_utc().to_string(), "2026-03-01T00:00:00Z");
        for wrong in [
            "20260301",
            "2026-3-1",
            "2026-02-30",
            "2026-03-01T00:00:00",
            "-000001-01-01",
            "",
            " 2026-03-01",
        ] {
            assert_eq!(Day::parse(wrong), Err(DayError), "{wrong}");
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
