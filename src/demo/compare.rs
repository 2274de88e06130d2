//! Lays what the API reports beside what the oracle says.

use std::collections::HashMap;

use serde_json::Value;

use super::DemoError;
use super::calendar::{Calendar, STEPS};
use super::desk::Desk;
use super::mint::Minted;
use super::oracle::{DIMENSIONS, ESTIMATE_PERCENT, Figure, Figures, Oracle};
use super::orders::Due;
use super::plan::Plan;

/// What was compared, and what did not agree.
#[derive(Debug, Default)]
pub struct Checked {
    /// Figures that were compared.
    pub figures: usize,
    /// Those of them that a report only estimates: visitors of very busy days.
    pub estimated: usize,
    /// Orders and other events whose outcome was compared.
    pub events: usize,
    /// One sentence for each that is not as it should be.
    pub differences: Vec<String>,
}

fn fits(figure: Figure, reported: &Value) -> bool {
    match figure {
        Figure::Whole(number) => reported.as_i64() == Some(number),
        Figure::About(number) => {
            let off = reported.as_i64().map(|reported| (reported - number).abs());
            off.is_some_and(|off| off * 100 <= number * ESTIMATE_PERCENT)
        }
        Figure::Missing => reported.is_null(),
        // To the nearest millionth; where two are equally near, either.
        Figure::Ratio { n, d } => {
            let millionths = reported
                .as_f64()
                .and_then(|ratio| format!("{:.0}", ratio * 1e6).parse::<i64>().ok());
            millionths.is_some_and(|millionths| 2 * (millionths * d - n * 1_000_000).abs() <= d)
        }
    }
}

fn shown(figure: Figure) -> String {
    match figure {
        Figure::Whole(number) => number.to_string(),
        Figure::About(number) => format!("{number} within {ESTIMATE_PERCENT} %"),
        Figure::Ratio { n, d } => format!("{n} / {d}"),
        Figure::Missing => "null".to_owned(),
    }
}

impl Checked {
    fn figure(&mut self, at: &str, name: &str, expected: Figure, reported: Option<&Value>) {
        self.figures += 1;
        self.estimated += usize::from(matches!(expected, Figure::About(_)));
        let Some(reported) = reported else {
            let difference = format!("{at}: the report has no {name}; it should be {}", shown(expected));
            self.differences.push(difference);
            return;
        };
        if !fits(expected, reported) {
            let difference = format!(
                "{at}: {name} is {reported} in the report and should be {}",
                shown(expected)
            );
            self.differences.push(difference);
        }
    }

    /// One row; where the report has none, everything in it must be nothing.
    fn row(&mut self, at: &str, expected: &Figures, reported: Option<&Value>) {
        for (name, figure) in expected.measures() {
            match reported {
                Some(row) => self.figure(at, name, figure, row.get(name)),
                None if matches!(figure, Figure::Whole(0) | Figure::Missing) => {}
                None => self.figure(at, name, figure, None),
            }
        }
    }

    fn report(&mut self, dimension: &str, oracle: &Oracle, report: &Value) {
        let label = |row: &Value| row["label"][dimension].as_str().unwrap_or_default().to_owned();
        let rows: HashMap<String, &Value> = report["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| (label(row), row))
            .collect();
        let expected = &oracle.rows[dimension];
        for (name, figures) in expected {
            self.row(&format!("{dimension} {name}"), figures, rows.get(name).copied());
        }
        for name in rows.keys().filter(|name| !expected.contains_key(*name)) {
            self.row(
                &format!("{dimension} {name}"),
                &Figures::default(),
                rows.get(name).copied(),
            );
        }
        let total = &report["total"];
        self.row(
            &format!("total of the report by {dimension}"),
            &oracle.rows["total"][""],
            Some(total),
        );
        let unattributed = [
            ("unattributed_conversions", oracle.unattributed),
            ("unattributed_revenue", oracle.unattributed_revenue),
        ];
        for (name, number) in unattributed {
            self.figure("total", name, Figure::Whole(number), total.get(name));
        }
    }

    /// Every event by itself: its state, its reason, and who got the credit.
    fn events(&mut self, plan: &Plan, minted: &Minted, conversions: &[Value]) {
        let key = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            (text("event"), text("external_id"))
        };
        let listed: HashMap<_, &Value> = conversions.iter().map(|one| (key(one), one)).collect();
        for order in &plan.orders {
            self.events += 1;
            let at = format!("{} {}", order.event, order.external_id);
            let Some(stored) = listed.get(&(order.event.to_owned(), order.external_id.clone())) else {
                self.differences.push(format!("{at} is not listed"));
                continue;
            };
            let (state, reason, creator) = match order.due {
                Due::Earned(earned) => ("attributed", None, Some(minted.creators[earned.creator].as_str())),
                Due::Nobody(reason) => ("unattributed", Some(reason), None),
                Due::Held(reason) => ("held", Some(reason), None),
                Due::Test => ("test", None, None),
            };
            let credited = stored["credits"][0]["influencer_id"].as_str();
            let wrong_credit = matches!(order.due, Due::Earned(_)) && credited != creator;
            if stored["state"] != state || stored["reason"].as_str() != reason || wrong_credit {
                let difference =
                    format!("{at} should be {state} ({reason:?}) to {creator:?} and is listed as {stored}");
                self.differences.push(difference);
            }
        }
        if listed.len() != plan.orders.len() || conversions.len() != listed.len() {
            let (sent, stored) = (plan.orders.len(), conversions.len());
            self.differences
                .push(format!("{sent} events were told and {stored} are listed"));
        }
    }
}

/// The question about one dimension over the days of the demo.
pub(super) fn question(dimension: &str, calendar: &Calendar) -> String {
    let (from, to) = (calendar.date(0), calendar.date(STEPS - 1));
    format!("v1/reports?by={dimension}&from={from}&to={to}&tz=UTC&limit=10000")
}

/// Asks for every report and every event, and compares.
pub(super) async fn check(
    desk: &Desk,
    plan: &Plan,
    minted: &Minted,
    oracle: &Oracle,
    calendar: &Calendar,
) -> Result<(Checked, Vec<Value>), DemoError> {
    let mut checked = Checked::default();
    for dimension in DIMENSIONS {
        let report = desk.get(&question(dimension, calendar)).await?;
        checked.report(dimension, oracle, &report);
    }
    let conversions = desk.list("v1/conversions").await?;
    checked.events(plan, minted, &conversions);
    Ok((checked, conversions))
}
