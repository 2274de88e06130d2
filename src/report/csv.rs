//! A report as CSV (RFC 4180) that a spreadsheet may open.
//!
//! Labels are other people's words. A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`,
//! one of these in full width, a tab or a new line for a formula, so such a label gets an apostrophe in
//! front. Figures are ours and stay as they are: money in whole minor units, as in JSON.

use super::measures::Measures;
use super::run::{Report, Row};

/// Rows encoded at once: the pieces in which an answer is sent.
const ROWS_AT_ONCE: usize = 256;

/// What formulas begin with; some spreadsheets read the full-width signs as the plain ones.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];

/// A label that no spreadsheet takes for a formula.
fn harmless(label: &str) -> String {
    if label.starts_with(FORMULA_STARTS) {
        format!("'{label}")
    } else {
        label.to_owned()
    }
}

fn encode(records: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for record in records {
        writer
            .write_record(record)
            .expect("records of one report have the same fields, and memory takes all");
    }
    writer.into_inner().expect("memory takes all")
}

fn record(row: &Row) -> Vec<String> {
    let labels = row
        .label
        .values()
        .map(|label| harmless(label.as_str().unwrap_or_default()));
    let keys = row.key.values().map(|key| harmless(key.as_str().unwrap_or_default()));
    let figures = row.measures.values().into_iter().map(|(_, value)| value.to_csv());
    keys.chain(labels).chain(figures).collect()
}

/// The report in pieces: the head first, then its rows.
pub fn pieces(report: Report, dimensions: &[&str]) -> impl Iterator<Item = Vec<u8>> + use<> {
    let keys = dimensions.iter().map(|name| (*name).to_owned());
    let labels = dimensions.iter().map(|name| format!("{name}_label"));
    let currency = |name: &str| {
        if Measures::is_money(name) {
            format!("{name}_{}_minor", report.currency.to_lowercase())
        } else {
            name.to_owned()
        }
    };
    let figures: Vec<String> = Measures::names().into_iter().map(currency).collect();
    let head = encode(std::iter::once(keys.chain(labels).chain(figures).collect()));
    let mut rows = report.rows.into_iter();
    let body = std::iter::from_fn(move || {
        let piece: Vec<Row> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        (!piece.is_empty()).then(|| encode(piece.iter().map(record)))
    });
    std::iter::once(head).chain(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_taken_for_a_formula() {
        for (label, cell) in [
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("-5", "'-5"),
            ("+x", "'+x"),
            ("\tx", "'\tx"),
            ("\nx", "'\nx"),
            ("＝1+1", "'＝1+1"),
            ("＠sum", "'＠sum"),
            ("mia", "mia"),
        ] {
            assert_eq!(harmless(label), cell);
        }
    }
}
