//! What a brand reads at the end: taken from the API, never from the oracle.

use std::collections::BTreeMap;

use serde_json::Value;

use super::DemoError;
use super::calendar::{Calendar, STEPS};
use super::compare::question;
use super::desk::Desk;
use super::mint::Minted;
use super::orders::{Due, Order};
use super::plan::Plan;

/// One influencer's row.
#[derive(Debug)]
pub struct Row {
    /// The handle.
    pub handle: String,
    /// nano to mega.
    pub tier: String,
    /// The figures.
    pub total: Total,
}

/// The figures of a row; money in cents.
#[derive(Debug)]
pub struct Total {
    /// Clicks of people.
    pub people: i64,
    /// Credited orders.
    pub orders: i64,
    /// Orders that carried the influencer's code, whoever got the credit.
    pub code_uses: i64,
    /// Before refunds.
    pub revenue: i64,
    /// What came back.
    pub refunds: i64,
    /// A credited order is worth so much; `None` without any.
    pub value_per_sale: Option<i64>,
    /// Orders after a click by clicks of people, as the report writes it.
    pub conversion_rate: Option<f64>,
}

/// Events that earned nobody anything, by reason.
#[derive(Debug)]
pub struct LeftOut {
    /// unattributed, held or test.
    pub state: String,
    /// In words.
    pub why: String,
    /// How many.
    pub events: usize,
    /// What they are worth, in cents.
    pub amount: i64,
}

/// One event that explains itself.
#[derive(Debug)]
pub struct Sample {
    /// The shop's number.
    pub order: String,
    /// In cents.
    pub amount: i64,
    /// attributed, unattributed…
    pub state: String,
    /// In words.
    pub why: String,
    /// What was considered: kind, verdict, and why.
    pub touchpoints: Vec<String>,
}

/// Everything.
#[derive(Debug)]
pub struct Told {
    /// The brand.
    pub brand: String,
    /// First and last date.
    pub dates: (String, String),
    /// The influencers, best first.
    pub rows: Vec<Row>,
    /// All of them.
    pub total: Total,
    /// All clicks, and those of programs, previews and prefetches.
    pub clicks: (i64, i64),
    /// Distinct within a day.
    pub visitors: i64,
    /// What was not credited.
    pub left_out: Vec<LeftOut>,
    /// Some that explain themselves.
    pub samples: Vec<Sample>,
}

fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_default()
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

impl Total {
    fn of(row: &Value) -> Self {
        Self {
            people: number(row, "human_clicks"),
            orders: number(row, "sales"),
            code_uses: number(row, "promo_code_uses"),
            revenue: number(row, "revenue"),
            refunds: number(row, "refunds"),
            value_per_sale: row["value_per_sale"].as_i64(),
            conversion_rate: row["conversion_rate"].as_f64(),
        }
    }
}

pub(super) async fn tell(
    desk: &Desk,
    plan: &Plan,
    minted: &Minted,
    calendar: &Calendar,
    conversions: &[Value],
) -> Result<Told, DemoError> {
    let report = desk
        .get(&format!("{}&sort=-revenue", question("influencer", calendar)))
        .await?;
    let influencers = desk.list("v1/influencers").await?;
    let row = |row: &Value| {
        let handle = text(&row["label"], "influencer");
        let known = influencers.iter().find(|one| one["handle"] == handle.as_str());
        Row {
            tier: known.map(|one| text(one, "tier")).unwrap_or_default(),
            handle,
            total: Total::of(row),
        }
    };
    let total = &report["total"];
    Ok(Told {
        brand: minted.brand.clone(),
        dates: (calendar.date(0), calendar.date(STEPS - 1)),
        rows: report["rows"].as_array().into_iter().flatten().map(row).collect(),
        total: Total::of(total),
        clicks: (number(total, "clicks"), number(total, "bot_clicks")),
        visitors: number(total, "unique_visitors"),
        left_out: left_out(desk, conversions).await?,
        samples: samples(desk, plan, conversions).await?,
    })
}

async fn explain(desk: &Desk, conversion: &Value) -> Result<Value, DemoError> {
    desk.get(&format!("v1/conversions/{}/explain", text(conversion, "id")))
        .await
}

/// Counts by state and reason; the words are those of the first one's explanation.
async fn left_out(desk: &Desk, conversions: &[Value]) -> Result<Vec<LeftOut>, DemoError> {
    let mut kinds: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for conversion in conversions.iter().filter(|one| one["state"] != "attributed") {
        let kind = (text(conversion, "state"), text(conversion, "reason"));
        kinds.entry(kind).or_default().push(conversion);
    }
    let mut left_out = Vec::new();
    for ((state, _), events) in kinds.into_iter().rev() {
        left_out.push(LeftOut {
            state,
            why: text(&explain(desk, events[0]).await?, "why"),
            events: events.len(),
            amount: events.iter().map(|one| number(&one["amount"], "amount")).sum(),
        });
    }
    Ok(left_out)
}

/// One that a creator's click and code earned together, one whose code won against another's click, and
/// one that came too late. Which order shows what is known from the plan; what is shown is the API's.
async fn samples(desk: &Desk, plan: &Plan, conversions: &[Value]) -> Result<Vec<Sample>, DemoError> {
    let with_code = |order: &Order, with_link: bool| match order.due {
        Due::Earned(earned) => earned.code.is_some() && earned.link.is_some() == with_link && !order.clicks.is_empty(),
        _ => false,
    };
    let wanted: [&dyn Fn(&Order) -> bool; 3] = [
        &|order| with_code(order, true),
        &|order| with_code(order, false),
        &|order| order.due == Due::Nobody("outside_window"),
    ];
    let mut samples = Vec::new();
    for wanted in wanted {
        let shown = plan.orders.iter().find(|order| wanted(order));
        let of = |order: &Order, one: &Value| one["event"] == order.event && one["external_id"] == *order.external_id;
        let Some(found) = shown.and_then(|order| conversions.iter().find(|one| of(order, one))) else {
            continue;
        };
        let explained = explain(desk, found).await?;
        let touch = |touch: &Value| {
            let kind = text(touch, "kind").replace('_', " ");
            format!("{kind}, {}: {}", text(touch, "verdict"), text(touch, "why"))
        };
        samples.push(Sample {
            order: text(&explained, "external_id"),
            amount: number(&explained["amount"], "amount"),
            state: text(&explained, "state"),
            why: text(&explained, "why"),
            touchpoints: explained["touchpoints"]
                .as_array()
                .into_iter()
                .flatten()
                .map(touch)
                .collect(),
        });
    }
    Ok(samples)
}
