//! Goals: what a campaign is to reach of one measure, and by when.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

use super::described;
use super::invalid::Invalid;
use super::money::{INPUT_MAX, Money};
use super::time::Day;

/// Goals that one campaign may have.
pub const GOALS_MAX: usize = 20;

/// Measures that are counted: whole numbers, money in minor units among them.
const WHOLE: [&str; 24] = [
    "clicks",
    "human_clicks",
    "bot_clicks",
    "unique_visitors",
    "conversions",
    "sales",
    "leads",
    "signups",
    "downloads",
    "add_to_carts",
    "promo_code_uses",
    "revenue",
    "refunds",
    "net_revenue",
    "value_per_sale",
    "commission",
    "cost",
    "spend",
    "cpa",
    "cpm",
    "impressions",
    "reach",
    "engagements",
    "follower_gain",
];
/// Measures that are one number over another, and may have decimals.
const RATIOS: [&str; 6] = ["conversion_rate", "engagement_rate", "roas", "roi", "cpc", "epc"];

/// A measure of the reports, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoalMeasure(&'static str);

impl GoalMeasure {
    /// Every measure that a goal can be set for.
    pub fn all() -> impl Iterator<Item = Self> {
        WHOLE.iter().chain(&RATIOS).map(|name| Self(name))
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    fn is_whole(self) -> bool {
        WHOLE.contains(&self.0)
    }
}

impl utoipa::PartialSchema for GoalMeasure {
    fn schema() -> RefOr<Schema> {
        described::one_of("A measure of the reports.", Self::all().map(Self::name))
    }
}

impl ToSchema for GoalMeasure {}

impl Serialize for GoalMeasure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for GoalMeasure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let known = Self::all().find(|measure| measure.0 == name);
        known.ok_or_else(|| {
            let all: Vec<_> = Self::all().map(Self::name).collect();
            de::Error::custom(format!("must be one of {}", all.join(", ")))
        })
    }
}

/// What is to be reached: above 0, at most 10^15.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Target {
    /// A whole number.
    Whole(i64),
    /// A number with decimals.
    Decimal(f64),
}

impl utoipa::PartialSchema for Target {
    fn schema() -> RefOr<Schema> {
        Object::builder()
            .schema_type(SchemaType::Type(Type::Number))
            .description(Some(
                "What is to be reached; a whole number unless the measure is a ratio.",
            ))
            .exclusive_minimum(Some(0))
            .maximum(Some(INPUT_MAX))
            .into()
    }
}

impl ToSchema for Target {}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number above 0 and at most {INPUT_MAX}")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Target, E> {
                if (1..=INPUT_MAX).contains(&number) {
                    Ok(Target::Whole(number))
                } else {
                    Err(E::invalid_value(de::Unexpected::Signed(number), &self))
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Target, E> {
                match i64::try_from(number) {
                    Ok(number) => self.visit_i64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }

            #[allow(clippy::cast_precision_loss, reason = "a bound far below 2^53")]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Target, E> {
                if number > 0.0 && number <= INPUT_MAX as f64 {
                    Ok(Target::Decimal(number))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// One goal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Goal {
    /// What is measured.
    pub measure: GoalMeasure,
    /// How much of it.
    pub target: Target,
    /// The last day, in the brand's time zone.
    pub by: Day,
}

super::object::only_from_objects!(Goal);

/// Checks what single goals cannot know: how many there are, and that nobody is to reach half a sale.
///
/// # Errors
/// [`Invalid`] naming `goals` or a target in it.
pub fn check_goals(goals: &[Goal]) -> Result<(), Invalid> {
    let mut wrong = Invalid::default();
    if goals.len() > GOALS_MAX {
        wrong.add("goals", format!("at most {GOALS_MAX} goals"));
    }
    for (place, goal) in goals.iter().enumerate() {
        if goal.measure.is_whole() && matches!(goal.target, Target::Decimal(_)) {
            let message = format!("must be a whole number, because {} is one", goal.measure.name());
            wrong.add(format!("goals[{place}].target"), message);
        }
    }
    wrong.or()
}

/// Checks a budget: above 0.
///
/// # Errors
/// [`Invalid`] naming `budget.amount`.
pub fn check_budget(budget: Option<&Money>) -> Result<(), Invalid> {
    match budget {
        Some(money) if money.amount <= 0 => Err(Invalid::one("budget.amount", "must be above 0")),
        _ => Ok(()),
    }
}
