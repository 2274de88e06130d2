//! The two weeks that a demo lives through: its service runs on a clock that the demo moves.

use crate::domain::time::{DAY_MS, Instant};

/// Days of a demo; the last one is today.
pub(super) const DAYS: u32 = 14;
/// Steps of a day: the clock stands still within each.
pub(super) const STEPS_A_DAY: u32 = 8;
/// All steps.
pub(super) const STEPS: u32 = DAYS * STEPS_A_DAY;

/// When each step is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    now: Instant,
}

impl Calendar {
    pub(super) const fn ending(now: Instant) -> Self {
        Self { now }
    }

    /// A step's time: spread over its UTC day, and today's over what has passed of it.
    pub(super) fn at(&self, step: u32) -> Instant {
        let (day, within) = (i64::from(step / STEPS_A_DAY), i64::from(step % STEPS_A_DAY));
        let start = (self.now.utc_day() - i64::from(DAYS - 1) + day) * DAY_MS;
        let end = (start + DAY_MS).min(self.now.ms());
        Instant::from_ms(start + (end - start) * (within + 1) / i64::from(STEPS_A_DAY + 1))
    }

    /// The date of a step's day, as reports name it.
    pub(super) fn date(&self, step: u32) -> String {
        self.at(step).timestamp().strftime("%F").to_string()
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_never_go_back_and_stay_on_their_day() {
        for now in [
            "2026-11-27T00:00:00Z",
            "2026-11-27T13:45:10.123Z",
            "2026-11-27T23:59:59.999Z",
        ] {
            let now = Instant::parse(now).expect("valid");
            let calendar = Calendar::ending(now);
            let mut before = calendar.at(0);
            for step in 0..STEPS {
                let at = calendar.at(step);
                assert!(before <= at && at <= now);
                let day = now.utc_day() - i64::from(DAYS - 1 - step / STEPS_A_DAY);
                assert_eq!(at.utc_day(), day, "{at}");
                before = at;
            }
            assert_eq!(calendar.date(0), "2026-11-14");
            assert_eq!(calendar.date(STEPS - 1), "2026-11-27");
        }
    }
}
