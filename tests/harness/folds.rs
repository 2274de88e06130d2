//! Undoes folds, so that a test chooses how far they have come.

use super::books::Books;

impl Books {
    /// Undoes every fold; there must be some.
    pub(crate) fn unfold(&self) {
        // First: what the service folds meanwhile is not lost then.
        self.tamper("DELETE FROM visitor_days");
        self.wait_again();
    }

    /// Whatever raw clicks of people there are waits (again) to be folded, in several rows of the queue.
    pub(crate) fn wait_again(&self) {
        self.tamper(if self.are_in_postgres() {
            "INSERT INTO unfolded_visits (utc_day, clicks, visits)
            SELECT at_ms / 86400000, COUNT(*), string_agg(int8send(link_id) || int8send(visitor), '')
            FROM clicks WHERE class = 0 GROUP BY at_ms / 86400000, seq / 10000"
        } else {
            "INSERT INTO unfolded_visits (utc_day, clicks, visits)
            SELECT at_ms / 86400000, COUNT(*), unhex(group_concat(printf('%016x%016x', link_id, visitor), ''))
            FROM clicks WHERE class = 0 GROUP BY at_ms / 86400000, seq / 10000"
        });
    }
}
