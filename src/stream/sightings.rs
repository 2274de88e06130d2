//! When a journal was last seen at which sequence: how old its oldest unconfirmed record can be.
//!
//! Records carry their times, but reading them to say how old they are would cost more than it
//! tells. A sequence that was not there yet when the keeper looked last is younger than that look.

use std::collections::VecDeque;

/// Looks that are remembered. One a second; when a store is down for longer, every other is dropped.
const REMEMBERED: usize = 4096;

/// One journal's looks, oldest first.
#[derive(Debug, Default)]
pub struct Sightings {
    /// When (ms since 1970), and the last sequence then.
    looks: VecDeque<(u64, u64)>,
}

impl Sightings {
    /// Takes a look down and tells since when at the longest something is unconfirmed; `None` when
    /// that was so before the first look.
    pub(super) fn unconfirmed_since_ms(&mut self, now_ms: u64, last_seq: u64, confirmed: u64) -> Option<u64> {
        self.looks.push_back((now_ms, last_seq));
        // Of the looks at which everything was confirmed by now, only the youngest matters.
        while self.looks.get(1).is_some_and(|(_, last)| *last <= confirmed) {
            self.looks.pop_front();
        }
        if self.looks.len() > REMEMBERED {
            let mut place = 0;
            self.looks.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        let (at_ms, last) = self.looks.front()?;
        (*last <= confirmed).then_some(*at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_no_older_than_the_look_before_it_came() {
        let mut sightings = Sightings::default();
        assert_eq!(sightings.unconfirmed_since_ms(1000, 5, 5), Some(1000));
        // Steady traffic: something is always under way, and never older than a look.
        assert_eq!(sightings.unconfirmed_since_ms(2000, 9, 8), Some(1000));
        assert_eq!(sightings.unconfirmed_since_ms(3000, 14, 13), Some(2000));
        // The store stands still: the age grows.
        assert_eq!(sightings.unconfirmed_since_ms(4000, 20, 13), Some(2000));
        assert_eq!(sightings.unconfirmed_since_ms(9000, 20, 13), Some(2000));
        // And goes on.
        assert_eq!(sightings.unconfirmed_since_ms(10_000, 20, 14), Some(3000));
        assert_eq!(sightings.unconfirmed_since_ms(11_000, 20, 20), Some(11_000));
    }

    #[test]
    fn what_was_there_before_the_first_look_is_older_than_it_knows() {
        let mut sightings = Sightings::default();
        assert_eq!(sightings.unconfirmed_since_ms(1000, 5, 2), None);
        for second in 0..20_000 {
            assert_eq!(sightings.unconfirmed_since_ms(2000 + second, 5 + second, 2), None);
        }
        assert!(sightings.looks.len() <= REMEMBERED + 1);
    }
}
