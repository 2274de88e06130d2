//! Progress bars: on a terminal they move, elsewhere they are silent.

use indicatif::{ProgressBar, ProgressStyle};

fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Counts clicks, with their rate and the time that is left.
pub(super) fn clicks(length: u64, doing: &'static str) -> ProgressBar {
    let bar = bar(length, "{msg:<12} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta}");
    bar.set_message(doing);
    bar
}

/// Counts steps and names the one under way.
pub(super) fn steps(length: u64) -> ProgressBar {
    bar(length, "[{pos}/{len}] {wide_msg}")
}

/// Ends a bar. Where none is shown, one line says what was done.
pub(super) fn done(bar: &ProgressBar) {
    bar.finish();
    if bar.is_hidden() {
        eprintln!(
            "{}: {} of {}",
            bar.message(),
            bar.position(),
            bar.length().unwrap_or_default()
        );
    }
}
