//! Hours, days, weeks and months in a time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

use crate::domain::time::Instant;

/// A span of time that rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// A clock hour; on the day when clocks go back, one of them is met twice and told apart by its offset.
    Hour,
    /// A calendar day.
    Day,
    /// A week that begins on Monday (ISO 8601).
    Week,
    /// A calendar month.
    Month,
}

impl Bucket {
    /// The start of the bucket that holds `at`.
    #[must_use]
    pub fn start(self, at: Instant, zone: &TimeZone) -> Instant {
        let local = at.timestamp().to_zoned(zone.clone());
        let start = match self {
            // From the instant, not the wall clock, which may show an hour twice.
            Self::Hour => {
                let into = i64::from(local.minute()) * 60_000 + i64::from(local.second()) * 1000;
                return Instant::from_ms(at.ms() - into - i64::from(local.millisecond()));
            }
            Self::Day => day_start(local.date(), zone),
            Self::Week => {
                let days = i64::from(local.weekday().to_monday_zero_offset());
                day_start(local.date().saturating_sub(days.days()), zone)
            }
            Self::Month => day_start(local.date().first_of_month(), zone),
        };
        start.unwrap_or(at)
    }

    /// The start of the next bucket.
    #[must_use]
    pub fn next(self, start: Instant, zone: &TimeZone) -> Instant {
        let span: Span = match self {
            Self::Hour => return Instant::from_ms(start.ms() + 3_600_000),
            Self::Day => 1.day(),
            Self::Week => 7.days(),
            Self::Month => 1.month(),
        };
        let date = start.timestamp().to_zoned(zone.clone()).date().saturating_add(span);
        day_start(date, zone).unwrap_or(Instant::from_ms(i64::MAX))
    }

    /// The bucket's name: `2026-11-21T14:00:00+01:00`, `2026-11-21`, `2026-W47`, `2026-11`.
    #[must_use]
    pub fn name(self, start: Instant, zone: &TimeZone) -> String {
        let local = start.timestamp().to_zoned(zone.clone());
        match self {
            Self::Hour => local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            Self::Day => local.strftime("%Y-%m-%d").to_string(),
            Self::Week => local.strftime("%G-W%V").to_string(),
            Self::Month => local.strftime("%Y-%m").to_string(),
        }
    }
}

/// The first instant of a calendar day: not always midnight, where clocks go forward at it.
#[must_use]
pub(super) fn day_start(date: Date, zone: &TimeZone) -> Option<Instant> {
    let first: Zoned = date.to_zoned(zone.clone()).ok()?;
    Some(Instant::from_ms(Timestamp::from(first).as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("built in")
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("valid")
    }

    #[test]
    fn days_follow_half_hour_zones_and_clock_changes() {
        let kolkata = zone("Asia/Kolkata");
        let start = Bucket::Day.start(at("2026-11-21T18:29:59Z"), &kolkata);
        assert_eq!(start, at("2026-11-20T18:30:00Z"));
        assert_eq!(
            Bucket::Day.start(at("2026-11-21T18:30:00Z"), &kolkata),
            at("2026-11-21T18:30:00Z")
        );
        let berlin = zone("Europe/Berlin");
        let long_day = Bucket::Day.start(at("2026-10-25T12:00:00Z"), &berlin);
        let next = Bucket::Day.next(long_day, &berlin);
        assert_eq!(next.ms() - long_day.ms(), 25 * 3_600_000);
    }

    #[test]
    fn an_hour_that_is_met_twice_is_two_hours() {
        let berlin = zone("Europe/Berlin");
        let first = Bucket::Hour.start(at("2026-10-25T00:30:00Z"), &berlin);
        let second = Bucket::Hour.start(at("2026-10-25T01:30:00Z"), &berlin);
        assert_ne!(first, second);
        assert_eq!(Bucket::Hour.name(first, &berlin), "2026-10-25T02:00:00+02:00");
        assert_eq!(Bucket::Hour.name(second, &berlin), "2026-10-25T02:00:00+01:00");
    }

    #[test]
    fn weeks_begin_on_monday_and_are_named_by_iso() {
        let utc = TimeZone::UTC;
        let start = Bucket::Week.start(at("2027-01-01T12:00:00Z"), &utc);
        assert_eq!(start, at("2026-12-28T00:00:00Z"));
        assert_eq!(Bucket::Week.name(start, &utc), "2026-W53");
        assert_eq!(
            Bucket::Month.name(Bucket::Month.start(at("2026-11-21T12:00:00Z"), &utc), &utc),
            "2026-11"
        );
        assert_eq!(
            Bucket::Month.next(at("2026-01-01T00:00:00Z"), &utc),
            at("2026-02-01T00:00:00Z")
        );
    }
}
