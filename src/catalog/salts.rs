//! The salts that visitors' hashes are made with, by UTC day: every node's, and this node's own for days of which it has
//! none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::store::SALT_DAYS_KEPT;

pub(super) type Salt = [u8; 16];

/// The salts in force.
#[derive(Default)]
pub struct Salts {
    by_day: ArcSwap<BTreeMap<i64, Salt>>,
    /// For days whose shared salt this node does not have; drawn when they are needed, and kept in memory only.
    own: ArcSwap<BTreeMap<i64, Salt>>,
}

fn draw() -> Salt {
    uuid::Uuid::new_v4().into_bytes()
}

/// A new salt in the text that the store keeps: 32 hexadecimal digits.
#[must_use]
pub fn draw_salt() -> String {
    uuid::Uuid::from_bytes(draw()).simple().to_string()
}

impl Salts {
    /// Replaces the salts by what the store holds; unreadable ones are left out.
    pub fn set(&self, stored: &BTreeMap<i64, String>) {
        let read = |text: &String| uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes);
        self.load(
            stored
                .iter()
                .filter_map(|(day, text)| Some((*day, read(text)?)))
                .collect(),
        );
    }

    pub(super) fn load(&self, salts: BTreeMap<i64, Salt>) {
        self.by_day.store(Arc::new(salts));
    }

    /// Destroys what is too old by `today`, whether the store answers or not.
    pub fn begin_day(&self, today: i64) {
        let oldest = today - SALT_DAYS_KEPT;
        for salts in [&self.by_day, &self.own] {
            if salts.load().keys().any(|day| *day < oldest) {
                salts.rcu(|salts| {
                    salts
                        .range(oldest..)
                        .map(|(day, salt)| (*day, *salt))
                        .collect::<BTreeMap<_, _>>()
                });
            }
        }
    }

    /// The salt of a day, and whether it is this node's own.
    pub fn of_day(&self, day: i64) -> (Salt, bool) {
        match self.by_day.load().get(&day) {
            Some(salt) => (*salt, false),
            None => (self.own_of_day(day), true),
        }
    }

    fn own_of_day(&self, day: i64) -> Salt {
        let known = |salts: &BTreeMap<i64, Salt>| salts.get(&day).copied();
        if let Some(salt) = known(&self.own.load()) {
            return salt;
        }
        let drawn = draw();
        self.own.rcu(|salts| {
            let mut salts = (**salts).clone();
            // Another thread may have been faster.
            salts.entry(day).or_insert(drawn);
            salts
        });
        known(&self.own.load()).unwrap_or(drawn)
    }

    pub(super) fn all(&self) -> Arc<BTreeMap<i64, Salt>> {
        self.by_day.load_full()
    }

    /// The days of which there is a salt.
    #[must_use]
    pub fn days(&self) -> Vec<i64> {
        self.by_day.load().keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_are_destroyed_in_time_without_a_store_and_so_are_a_nodes_own() {
        let salts = Salts::default();
        salts.set(&(10..=14).map(|day| (day, draw_salt())).collect());
        salts.begin_day(12);
        assert_eq!(salts.days(), [10, 11, 12, 13, 14]);
        salts.begin_day(13);
        assert_eq!(salts.days(), [11, 12, 13, 14]);
        assert!(salts.of_day(10).1 && !salts.of_day(14).1);
        let own = salts.of_day(20);
        assert!(own.1);
        salts.begin_day(22);
        assert_eq!(salts.of_day(20), own);
        salts.begin_day(23);
        assert_ne!(salts.of_day(20).0, own.0);
        assert_ne!(salts.of_day(21).0, salts.of_day(22).0);
    }

    #[test]
    fn unreadable_salts_are_left_out() {
        let salts = Salts::default();
        salts.set(&[(1, "no salt".to_owned()), (2, draw_salt())].into());
        assert_eq!(salts.days(), [2]);
    }
}
