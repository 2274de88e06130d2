//! The report at the end of a demo.

use std::fmt::{self, Display, Formatter};

use crate::command::written::{dollars, grouped};
use crate::config::Config;
use crate::demo::{DEMO_DIR, Demo, ESTIMATE_PERCENT, Sample, Told, Total};

/// Differences that are printed: the first ones say enough.
const DIFFERENCES_SHOWN: usize = 20;

/// What is printed.
pub(super) struct Page<'a> {
    pub(super) demo: &'a Demo,
    pub(super) config: &'a Config,
}

fn count(number: usize) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let told = &self.demo.told;
        writeln!(
            f,
            "{}: {} influencers, {} to {}\n",
            told.brand,
            told.rows.len(),
            told.dates.0,
            told.dates.1
        )?;
        table(f, told)?;
        let (clicks, programs) = told.clicks;
        writeln!(
            f,
            "\n{} clicks: {} of people, who were {} visitors (each once a day), and {} of programs, previews and prefetches.\n\
             Conversion: orders that came with a click which could have earned them, of a hundred clicks of people. An order by\n\
             a promo code alone does not count in it.",
            grouped(clicks),
            grouped(told.total.people),
            grouped(told.visitors),
            grouped(programs)
        )?;
        writeln!(f, "\nNot credited, and why:\n")?;
        for left in &told.left_out {
            let state = &left.state;
            writeln!(
                f,
                "{:>8} {:>14}  {state}: {}",
                count(left.events),
                dollars(left.amount),
                left.why
            )?;
        }
        writeln!(f, "\nSome orders explain themselves:")?;
        for sample in &told.samples {
            explained(f, sample)?;
        }
        self.checked(f)?;
        self.look_around(f)
    }
}

fn table(f: &mut Formatter<'_>, told: &Told) -> fmt::Result {
    let heads = [
        [
            "influencer",
            "tier",
            "clicks of",
            "orders",
            "code",
            "revenue",
            "refunds",
            "value per",
            "orders a",
        ],
        ["", "", "people", "", "uses", "", "", "sale", "click"],
    ];
    for head in heads {
        cells(f, head.map(str::to_owned))?;
    }
    for row in &told.rows {
        line(f, &row.handle, &row.tier, &row.total)?;
    }
    line(f, "total", "", &told.total)
}

fn line(f: &mut Formatter<'_>, name: &str, tier: &str, total: &Total) -> fmt::Result {
    let rate = |rate: f64| format!("{:.2} %", rate * 100.0);
    cells(
        f,
        [
            name.to_owned(),
            tier.to_owned(),
            grouped(total.people),
            grouped(total.orders),
            grouped(total.code_uses),
            dollars(total.revenue),
            dollars(total.refunds),
            total.value_per_sale.map(dollars).unwrap_or_default(),
            total.conversion_rate.map(rate).unwrap_or_default(),
        ],
    )
}

fn cells(
    f: &mut Formatter<'_>,
    [name, tier, people, orders, uses, revenue, refunds, value, rate]: [String; 9],
) -> fmt::Result {
    writeln!(
        f,
        "{name:<16} {tier:<5} {people:>9} {orders:>7} {uses:>6} {revenue:>13} {refunds:>11} {value:>10} {rate:>8}"
    )
}

fn explained(f: &mut Formatter<'_>, sample: &Sample) -> fmt::Result {
    writeln!(
        f,
        "\n  order {} over {}, {}: {}",
        sample.order,
        dollars(sample.amount),
        sample.state,
        sample.why
    )?;
    for touch in &sample.touchpoints {
        writeln!(f, "    {touch}")?;
    }
    Ok(())
}

impl Page<'_> {
    fn checked(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (checked, verified) = (&self.demo.checked, &self.demo.verified);
        writeln!(
            f,
            "\nChecked: {} figures of the reports and the outcome of {} orders and other events against what was sent: {}.",
            count(checked.figures),
            count(checked.events),
            match checked.differences.len() {
                0 => "all equal".to_owned(),
                different => format!("{} DIFFER", count(different)),
            }
        )?;
        if checked.estimated > 0 {
            let estimated = count(checked.estimated);
            writeln!(
                f,
                "Among them {estimated} counts of visitors that reports estimate within {ESTIMATE_PERCENT} %."
            )?;
        }
        for difference in checked.differences.iter().take(DIFFERENCES_SHOWN) {
            writeln!(f, "  DIFFERENCE: {difference}")?;
        }
        writeln!(
            f,
            "Recounted {} clicks and {} events in the store: {}.",
            grouped(verified.clicks),
            grouped(verified.conversions),
            if verified.mismatches.is_empty() {
                "the books agree"
            } else {
                "THE BOOKS DO NOT AGREE"
            }
        )?;
        for mismatch in &verified.mismatches {
            writeln!(f, "  MISMATCH ({}): {}", mismatch.check, mismatch.detail)?;
        }
        Ok(())
    }

    fn look_around(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let dir = self.config.data_dir.display();
        let api = self
            .config
            .api_public_url
            .as_ref()
            .map_or_else(|| format!("http://{}/", self.config.api_addr), ToString::to_string);
        let key = &self.demo.read_key;
        let program = std::env::args().next().unwrap_or_else(|| "linkledger".to_owned());
        writeln!(
            f,
            "\nTo look around, have these files served (--keep-serving does so at once), and ask:\n\n  \
             LINKLEDGER_DATA_DIR={dir} {program} serve\n  \
             curl -s -H 'Authorization: Bearer {key}' '{api}v1/reports?by=influencer&sort=-revenue'\n\n\
             API           {api}\n\
             this brand    {key} (reads)\n\
             everything    {} (operator; with the header Linkledger-Brand, else it sees the brand `default`)\n\n\
             Both keys are shown this once.",
            self.demo.operator_key
        )?;
        if self.config.data_dir.as_path() == std::path::Path::new(DEMO_DIR) {
            writeln!(
                f,
                "All of it is invented and lies in {dir}: remove that directory and it is gone."
            )?;
        }
        Ok(())
    }
}
