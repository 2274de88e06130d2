//! What a report is asked: parsed from the query, refused where it cannot be answered.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

use super::bucket::{Bucket, day_start};
use super::measures::Measures;
use crate::domain::id::{CampaignId, InfluencerId, LinkId, PostId, PromoCodeId};
use crate::domain::text::{Platform, TimeZoneName};
use crate::domain::time::Instant;
use crate::store::figures::{Entity, EntityKey};

/// Dimensions of one report at most.
const DIMENSIONS_MAX: usize = 2;
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

fn wrong<T>(parameter: &str, message: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError {
        parameter: parameter.to_owned(),
        message: message.into(),
    })
}

/// What rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// A thing.
    Entity(Entity),
    /// A span of time.
    Time(Bucket),
}

const DIMENSIONS: [(&str, Dimension); 15] = [
    ("campaign", Dimension::Entity(Entity::Campaign)),
    ("influencer", Dimension::Entity(Entity::Influencer)),
    ("link", Dimension::Entity(Entity::Link)),
    ("post", Dimension::Entity(Entity::Post)),
    ("platform", Dimension::Entity(Entity::Platform)),
    ("promo_code", Dimension::Entity(Entity::PromoCode)),
    ("country", Dimension::Entity(Entity::Country)),
    ("device", Dimension::Entity(Entity::Device)),
    ("os", Dimension::Entity(Entity::Os)),
    ("browser", Dimension::Entity(Entity::Browser)),
    ("referrer", Dimension::Entity(Entity::Referrer)),
    ("hour", Dimension::Time(Bucket::Hour)),
    ("day", Dimension::Time(Bucket::Day)),
    ("week", Dimension::Time(Bucket::Week)),
    ("month", Dimension::Time(Bucket::Month)),
];

impl Dimension {
    /// The name in `by` and in keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        DIMENSIONS
            .iter()
            .find(|(_, dimension)| *dimension == self)
            .map_or("", |(name, _)| name)
    }

    fn named(name: &str) -> Option<Self> {
        DIMENSIONS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, dimension)| *dimension)
    }
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
        let mut only = Vec::new();
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
                other => only.push(filter(other, value)?),
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
            Dimension::Entity(_) => None,
        })
    }

    /// The dimensions that are things, in order.
    #[must_use]
    pub fn entities(&self) -> Vec<Entity> {
        let thing = |dimension: &Dimension| match dimension {
            Dimension::Entity(entity) => Some(*entity),
            Dimension::Time(_) => None,
        };
        self.by.iter().filter_map(thing).collect()
    }
}

fn dimension_names() -> String {
    DIMENSIONS.map(|(name, _)| name).join(", ")
}

fn dimensions(value: &str) -> Result<Vec<Dimension>, QuestionError> {
    if value == "total" {
        return Ok(Vec::new());
    }
    let mut by = Vec::new();
    for name in value.split(',') {
        let Some(dimension) = Dimension::named(name) else {
            return wrong("by", format!("`{name}` is none of total, {}", dimension_names()));
        };
        if by.contains(&dimension) {
            return wrong("by", format!("names {name} twice"));
        }
        by.push(dimension);
    }
    if by.len() > DIMENSIONS_MAX {
        return wrong("by", "takes at most two dimensions");
    }
    let times = by
        .iter()
        .filter(|dimension| matches!(dimension, Dimension::Time(_)))
        .count();
    if times > 1 {
        wrong("by", "takes at most one of hour, day, week and month")
    } else {
        Ok(by)
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

fn filter(name: &str, value: &str) -> Result<(Entity, EntityKey), QuestionError> {
    fn number<K: crate::domain::id::IdKind>(
        name: &str,
        value: &str,
        of: fn(crate::domain::id::Id<K>) -> i64,
    ) -> Result<EntityKey, QuestionError> {
        match value.parse() {
            Ok(id) => Ok(EntityKey::Number(of(id))),
            Err(error) => wrong(name, crate::domain::id::IdError::to_string(&error)),
        }
    }
    let Some(Dimension::Entity(entity)) = Dimension::named(name) else {
        return wrong(name, "is not a parameter of reports");
    };
    let key = match entity {
        Entity::Campaign => number(name, value, CampaignId::number)?,
        Entity::Influencer => number(name, value, InfluencerId::number)?,
        Entity::Link => number(name, value, LinkId::number)?,
        Entity::Post => number(name, value, PostId::number)?,
        Entity::PromoCode => number(name, value, PromoCodeId::number)?,
        Entity::Platform => match Platform::parse(value) {
            Ok(platform) => EntityKey::Text(platform.as_str().to_owned()),
            Err(error) => return wrong(name, error.to_string()),
        },
        Entity::Country => EntityKey::Text(value.to_uppercase()),
        Entity::Device | Entity::Os | Entity::Browser | Entity::Referrer => EntityKey::Text(value.to_owned()),
    };
    // What has no name is asked for by an empty one.
    let key = if value.is_empty() { EntityKey::Nothing } else { key };
    Ok((entity, key))
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
            ("by=total&by=link", "by"),
            ("by=total&cursor=x", "cursor"),
            ("by=total&to=9999-12-31", "to"),
        ] {
            assert_eq!(ask(text).expect_err(text).parameter, parameter, "{text}");
        }
    }
}
