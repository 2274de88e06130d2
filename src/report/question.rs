//! What a report is asked: parsed from the query, refused where it cannot be answered.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

use super::bucket::{Bucket, day_start};
use super::dimension::{Dimension, Filter, dimension_names, dimensions, filter};
use super::measures::Measures;
use crate::domain::text::TimeZoneName;
use crate::domain::time::Instant;
use crate::store::figures::{Entity, EntityKey};

/// Days of a report that names none, today included.
const DEFAULT_DAYS: i64 = 30;
/// Rows of a page where the question names none, and at most.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=10_000;
const DEFAULT_LIMIT: usize = 1000;

/// A parameter that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct QuestionError {
    /// The query parameter.
    pub parameter: String,
    /// What is wrong and what would be right.
    pub message: String,
}

pub(super) fn wrong<T>(parameter: &str, message: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError {
        parameter: parameter.to_owned(),
        message: message.into(),
    })
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// The measure; `None`: time where there is a time dimension, else revenue, then clicks.
    pub measure: Option<&'static str>,
    /// Largest first.
    pub descending: bool,
}

/// A report's question.
#[derive(Debug, Clone)]
pub struct ReportQuestion {
    /// None: one row for everything.
    pub by: Vec<Dimension>,
    /// First instant.
    pub from: Instant,
    /// First instant that no longer belongs to it.
    pub to: Instant,
    /// As it was asked, or as it was made up: shown in the answer.
    pub from_shown: String,
    /// The same of the end.
    pub to_shown: String,
    /// The zone of days and hours.
    pub tz: TimeZoneName,
    /// Only these.
    pub only: Vec<(Entity, EntityKey)>,
    /// Only influencers of this tier.
    pub tier: Option<EntityKey>,
    /// The order of rows.
    pub sort: Sort,
    /// Rows of one page.
    pub limit: usize,
    /// Rows skipped before it.
    pub skip: usize,
    /// How it is written.
    pub format: Format,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, with totals.
    Json,
    /// CSV, rows only.
    Csv,
}

enum Edge {
    At(Instant),
    On(Date),
}

fn edge(parameter: &str, text: &str) -> Result<Edge, QuestionError> {
    // `2026-11-21` is a date; anything longer must be an instant.
    if text.len() == 10
        && let Ok(date) = text.parse::<Date>()
    {
        return Ok(Edge::On(date));
    }
    match Instant::parse(text) {
        Ok(at) => Ok(Edge::At(at)),
        Err(_) => wrong(
            parameter,
            "expected a date such as 2026-03-01 or a time such as 2026-03-01T12:00:00Z",
        ),
    }
}

impl ReportQuestion {
    /// Reads query parameters. `zone` is the brand's, for questions that name none.
    ///
    /// # Errors
    /// [`QuestionError`] names the first parameter that is unknown or cannot be answered.
    pub fn parse(parameters: &[(String, String)], zone: &TimeZoneName, now: Instant) -> Result<Self, QuestionError> {
        let mut by = None;
        let (mut from, mut to, mut tz) = (None, None, zone.clone());
        let (mut only, mut tier) = (Vec::new(), None);
        let mut sort = Sort {
            measure: None,
            descending: true,
        };
        let (mut limit, mut skip, mut format) = (DEFAULT_LIMIT, 0, Format::Json);
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in parameters {
            if seen.contains(&name.as_str()) {
                return wrong(name, "is given twice");
            }
            seen.push(name);
            match name.as_str() {
                "by" => by = Some(dimensions(value)?),
                "from" => from = Some(edge("from", value)?),
                "to" => to = Some(edge("to", value)?),
                "tz" => match TimeZoneName::parse(value) {
                    Ok(zone) => tz = zone,
                    Err(error) => return wrong("tz", error.to_string()),
                },
                "model" if value == "last_touch" => {}
                "model" => return wrong("model", "this version reports last_touch only"),
                "format" => match value.as_str() {
                    "json" => format = Format::Json,
                    "csv" => format = Format::Csv,
                    _ => return wrong("format", "must be json or csv"),
                },
                "sort" => sort = parse_sort(value)?,
                "limit" => match value.parse() {
                    Ok(rows) if LIMIT.contains(&rows) => limit = rows,
                    _ => return wrong("limit", format!("must be from {} to {}", LIMIT.start(), LIMIT.end())),
                },
                "cursor" => match value.strip_prefix("row_").and_then(|digits| digits.parse().ok()) {
                    Some(rows) => skip = rows,
                    None => return wrong("cursor", "must be a next_cursor of the same report"),
                },
                other => match filter(other, value)? {
                    Filter::Only(entity, key) => only.push((entity, key)),
                    Filter::Tier(key) => tier = Some(key),
                },
            }
        }
        let Some(by) = by else {
            return wrong(
                "by",
                format!("is required: total, or one or two of {}", dimension_names()),
            );
        };
        let (from, to, from_shown, to_shown) = range(from, to, &tz.zone(), now)?;
        Ok(Self {
            by,
            from,
            to,
            from_shown,
            to_shown,
            tz,
            only,
            tier,
            sort,
            limit,
            skip,
            format,
        })
    }

    /// The time dimension, where there is one.
    #[must_use]
    pub fn bucket(&self) -> Option<Bucket> {
        self.by.iter().find_map(|dimension| match dimension {
            Dimension::Time(bucket) => Some(*bucket),
            Dimension::Entity(_) | Dimension::Tier => None,
        })
    }
}

fn parse_sort(value: &str) -> Result<Sort, QuestionError> {
    let (name, descending) = value.strip_prefix('-').map_or((value, false), |name| (name, true));
    match Measures::names().into_iter().find(|known| *known == name) {
        Some(measure) => Ok(Sort {
            measure: Some(measure),
            descending,
        }),
        None => wrong("sort", format!("`{name}` is none of {}", Measures::names().join(", "))),
    }
}

/// Dates belong to the report whole, the last one too; instants are first in and first out.
fn range(
    from: Option<Edge>,
    to: Option<Edge>,
    zone: &TimeZone,
    now: Instant,
) -> Result<(Instant, Instant, String, String), QuestionError> {
    let today = now.timestamp().to_zoned(zone.clone()).date();
    let first_day = |last: Date| last.saturating_sub((DEFAULT_DAYS - 1).days());
    let to = to.unwrap_or(Edge::On(today));
    let from = from.unwrap_or_else(|| {
        Edge::On(match to {
            Edge::On(date) => first_day(date),
            Edge::At(at) => first_day(at.timestamp().to_zoned(zone.clone()).date()),
        })
    });
    let start = |date: Date, plus: Span| {
        let date = date.checked_add(plus).ok().and_then(|date| day_start(date, zone));
        date.map_or_else(|| wrong("to", "is too far away"), Ok)
    };
    let (from_at, from_shown) = match from {
        Edge::At(at) => (at, at.to_string()),
        Edge::On(date) => (start(date, 0.days())?, date.to_string()),
    };
    let (to_at, to_shown) = match to {
        Edge::At(at) => (at, at.to_string()),
        Edge::On(date) => (start(date, 1.day())?, date.to_string()),
    };
    if from_at > to_at {
        return wrong("from", "must not lie after to");
    }
    Ok((from_at, to_at, from_shown, to_shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Result<ReportQuestion, QuestionError> {
        let parameters: Vec<_> = url::form_urlencoded::parse(text.as_bytes())
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        let now = Instant::parse("2026-11-21T12:00:00Z").expect("valid");
        ReportQuestion::parse(&parameters, &TimeZoneName::utc(), now)
    }

    #[test]
    fn dates_are_inclusive_in_the_zone_and_instants_are_taken_as_they_are() {
        let question = ask("by=day&from=2026-11-01&to=2026-11-02&tz=Asia/Kolkata").expect("valid");
        assert_eq!(question.from.to_string(), "2026-10-31T18:30:00Z");
        assert_eq!(question.to.to_string(), "2026-11-02T18:30:00Z");
        let question = ask("by=total&from=2026-11-01T01:02:03Z").expect("valid");
        assert_eq!(question.from.to_string(), "2026-11-01T01:02:03Z");
        assert_eq!(question.to.to_string(), "2026-11-22T00:00:00Z");
    }

    #[test]
    fn without_dates_it_is_the_last_thirty_days() {
        let question = ask("by=total").expect("valid");
        assert_eq!(
            (question.from_shown.as_str(), question.to_shown.as_str()),
            ("2026-10-23", "2026-11-21")
        );
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_name() {
        for (text, parameter) in [
            ("", "by"),
            ("by=colour", "by"),
            ("by=day,hour", "by"),
            ("by=link,link", "by"),
            ("by=link,post,platform", "by"),
            ("by=total&colour=red", "colour"),
            ("by=total&from=yesterday", "from"),
            ("by=total&from=2026-13-01", "from"),
            ("by=total&from=2026-11-05&to=2026-11-01", "from"),
            ("by=total&tz=Mars", "tz"),
            ("by=total&model=magic", "model"),
            ("by=total&format=xml", "format"),
            ("by=total&limit=0", "limit"),
            ("by=total&limit=10001", "limit"),
            ("by=total&sort=-colour", "sort"),
            ("by=total&campaign=lnk_000000001a", "campaign"),
            ("by=total&tier=giga", "tier"),
            ("by=tier,tier", "by"),
            ("by=total&by=link", "by"),
            ("by=total&cursor=x", "cursor"),
            ("by=total&to=9999-12-31", "to"),
        ] {
            assert_eq!(ask(text).expect_err(text).parameter, parameter, "{text}");
        }
    }
}
