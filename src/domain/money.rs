//! Money: integers in minor units, with a currency. No floats anywhere; what is split adds up again.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::described;

/// The largest amount that is accepted from outside, in minor units either way: ten trillion dollars. Below 2^53, so
/// every JavaScript client reads it exactly, and thousands of such amounts still add up within 64 bits.
pub const INPUT_MAX: i64 = 1_000_000_000_000_000;

/// The active currencies of ISO 4217 by how many decimals their minor unit has.
const CODES: [(u32, &str); 4] = [
    (2, TWO_DECIMALS),
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

const TWO_DECIMALS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN \
    BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ \
    GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP \
    MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG \
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD \
    XCD XCG YER ZAR ZMW ZWG";

/// An active ISO 4217 currency. Metals and codes for tests or for no currency have no minor unit and are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount in minor units of a currency. What comes from outside is held to [`INPUT_MAX`] by [`Money::parse`] and by
/// `Deserialize`; sums of ours may be larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(description = "An amount in minor units of a currency.")]
pub struct Money {
    /// In minor units: 12999 is 129.99 USD, and 12999 JPY.
    #[serde(deserialize_with = "amount_within_limit")]
    #[schema(minimum = -1_000_000_000_000_000_i64, maximum = 1_000_000_000_000_000_i64)]
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
}

super::object::only_from_objects!(Money);

/// What is wrong with an amount, a currency or a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No active currency.
    #[error("unknown currency: write the three capital letters of an active ISO 4217 code, such as USD")]
    UnknownCurrency,
    /// Beyond [`INPUT_MAX`].
    #[error("the amount is beyond {INPUT_MAX} minor units: check that it is not multiplied twice")]
    AmountTooLarge,
    /// Different currencies do not add up.
    #[error("{left} and {right} cannot be added: convert one of them first")]
    CurrencyMismatch {
        /// The first amount's currency.
        left: Currency,
        /// The second amount's currency.
        right: Currency,
    },
    /// Beyond 64 bits.
    #[error("the sum does not fit 64 bits: add up fewer amounts at once")]
    Overflow,
}

impl Currency {
    /// The US dollar, the currency of a brand that names none.
    pub const USD: Self = Self(*b"USD");

    /// Reads a code of three capital letters.
    pub fn parse(raw: &str) -> Result<Self, MoneyError> {
        match raw.as_bytes() {
            &[a, b, c] if exponent_of(raw).is_some() => Ok(Self([a, b, c])),
            _ => Err(MoneyError::UnknownCurrency),
        }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is three capital letters")
    }

    /// How many decimals the minor unit has: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        exponent_of(self.as_str()).unwrap_or(2)
    }
}

fn exponent_of(code: &str) -> Option<u32> {
    let listed = |(_, codes): &&(u32, &str)| codes.split(' ').any(|known| known == code);
    CODES.iter().find(listed).map(|(exponent, _)| *exponent)
}

impl Money {
    /// Takes an amount that comes from outside.
    pub fn parse(amount: i64, currency: Currency) -> Result<Self, MoneyError> {
        if amount.unsigned_abs() > INPUT_MAX.unsigned_abs() {
            return Err(MoneyError::AmountTooLarge);
        }
        Ok(Self { amount, currency })
    }

    /// The sum of two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference of two amounts of one currency.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, apply: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        let (left, right) = (self.currency, other.currency);
        if left != right {
            return Err(MoneyError::CurrencyMismatch { left, right });
        }
        let amount = apply(self.amount, other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, currency: left })
    }
}

/// Splits an amount in proportion to weights by largest remainder: each part is its exact share rounded towards zero,
/// and the units left over go to the largest remainders, the first of equals first. The parts add up to the amount. If
/// all weights are 0 the parts are equal; without weights there are no parts, which the caller must not let happen to
/// money that is owed.
#[must_use]
pub fn split_by_weights(amount: i64, weights: &[u64]) -> Vec<i64> {
    let all_zero = weights.iter().all(|weight| *weight == 0);
    let weights: Vec<i128> = weights
        .iter()
        .map(|weight| if all_zero { 1 } else { i128::from(*weight) })
        .collect();
    let total: i128 = weights.iter().sum();
    // At most 2^63, and a weight is below 2^64: products stay within i128.
    let whole = i128::from(amount).abs();
    let mut parts: Vec<i128> = weights.iter().map(|weight| whole * weight / total).collect();
    let left_over = whole - parts.iter().sum::<i128>();

    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(whole * weights[at] % total)); // stable: the first of equals first
    for (at, _) in by_remainder.into_iter().zip(0..left_over) {
        parts[at] += 1;
    }
    let signed = |part: i128| i64::try_from(part * i128::from(amount.signum()));
    parts
        .into_iter()
        .map(|part| signed(part).expect("a part is no larger than the whole"))
        .collect()
}

/// A share of an amount in basis points (1250 is 12.5 %), rounded half away from zero. What would not fit 64 bits stops
/// at the end of the range; that takes rates far beyond 100 %.
#[must_use]
pub fn percent_bps(amount: i64, bps: u32) -> i64 {
    const WHOLE: i128 = 10_000;
    let exact = i128::from(amount) * i128::from(bps);
    let rounded = (exact + exact.signum() * (WHOLE / 2)) / WHOLE;
    i64::try_from(rounded).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

/// Takes whole numbers, and says what is meant where something else comes.
struct MinorUnits;

impl de::Visitor<'_> for MinorUnits {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of minor units, such as 1250 for 12.50")
    }

    fn visit_i64<E: de::Error>(self, amount: i64) -> Result<i64, E> {
        Ok(amount)
    }

    fn visit_u64<E: de::Error>(self, amount: u64) -> Result<i64, E> {
        i64::try_from(amount).map_err(|_| E::custom(MoneyError::AmountTooLarge))
    }
}

fn amount_within_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let amount = deserializer.deserialize_i64(MinorUnits)?;
    Money::parse(amount, Currency::USD)
        .map(|money| money.amount)
        .map_err(de::Error::custom)
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let codes = CODES.iter().flat_map(|(_, codes)| codes.split(' '));
        described::one_of("An active ISO 4217 currency.", codes)
    }
}

impl ToSchema for Currency {}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Self::parse(&raw).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(amount: i64) -> Money {
        let currency = Currency::USD;
        Money { amount, currency }
    }

    #[test]
    fn currencies_know_their_decimals() {
        for (code, exponent) in [("USD", 2), ("JPY", 0), ("KWD", 3), ("ISK", 0), ("UGX", 0), ("CLF", 4)] {
            let currency = Currency::parse(code).expect(code);
            assert_eq!((currency.as_str(), currency.exponent()), (code, exponent));
        }
    }

    #[test]
    fn the_table_holds_each_code_once() {
        let mut all: Vec<&str> = CODES.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
        assert!(all.iter().all(|code| Currency::parse(code).is_ok()));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 166);
        assert_eq!(CODES.iter().map(|(_, codes)| codes.len() + 1).sum::<usize>(), 4 * 166);
    }

    #[test]
    fn what_is_no_active_currency_is_refused() {
        for raw in "usd US USDT XXX XAU XTS DEM HRK ZWL € U\tD"
            .split(' ')
            .chain(["", " USD", "U D"])
        {
            assert_eq!(Currency::parse(raw), Err(MoneyError::UnknownCurrency), "{raw}");
        }
    }

    #[test]
    fn json_takes_whole_minor_units_and_nothing_else() {
        let json = r#"{"amount":12999,"currency":"USD"}"#;
        assert_eq!(serde_json::from_str::<Money>(json).ok(), Some(usd(12999)));
        assert_eq!(serde_json::to_string(&usd(12999)).ok().as_deref(), Some(json));
        for bad in [
            "129.99",
            "12999.0",
            "1e3",
            "\"12999\"",
            "null",
            "1000000000000001",
            "9223372036854775808",
        ] {
            assert!(
                serde_json::from_str::<Money>(&json.replace("12999", bad)).is_err(),
                "{bad}"
            );
        }
        for bad in [
            r#"{"amount":1,"currency":"usd"}"#,
            r#"{"amount":1}"#,
            r#"{"amount":1,"currency":"USD","x":2}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_from_outside_end_at_the_limit_and_sums_at_64_bits() {
        for amount in [INPUT_MAX, -INPUT_MAX, 0] {
            assert_eq!(Money::parse(amount, Currency::USD), Ok(usd(amount)));
        }
        for amount in [INPUT_MAX + 1, -INPUT_MAX - 1, i64::MIN, i64::MAX] {
            assert_eq!(Money::parse(amount, Currency::USD), Err(MoneyError::AmountTooLarge));
        }
        assert_eq!(usd(INPUT_MAX).checked_add(usd(1)), Ok(usd(INPUT_MAX + 1)));
        assert_eq!(usd(5).checked_sub(usd(7)), Ok(usd(-2)));
        assert_eq!(usd(i64::MAX).checked_add(usd(1)), Err(MoneyError::Overflow));
        assert_eq!(usd(i64::MIN).checked_sub(usd(1)), Err(MoneyError::Overflow));
    }

    #[test]
    fn different_currencies_are_not_added_up() {
        let yen = Money::parse(1, Currency::parse("JPY").expect("yen")).expect("money");
        for refused in [usd(1).checked_add(yen), usd(1).checked_sub(yen)] {
            let message = refused.expect_err("two currencies").to_string();
            assert_eq!(message, "USD and JPY cannot be added: convert one of them first");
        }
    }

    #[test]
    fn commissions_come_out_as_published() {
        assert_eq!(percent_bps(9999, 1250), 1250);
        assert_eq!(percent_bps(9999, 1250).min(1000), 1000); // capped per order
        assert_eq!(percent_bps(9999 - 3333, 1250) - percent_bps(9999, 1250), -417); // reversal of a refund
        assert_eq!(percent_bps(9999 - 3333 - 6666, 1250), 0); // refunded whole
        assert_eq!([5, -5, 4, -4].map(|amount| percent_bps(amount, 1000)), [1, -1, 0, 0]);
        assert_eq!(
            [i64::MIN, i64::MAX].map(|amount| percent_bps(amount, 10_000)),
            [i64::MIN, i64::MAX]
        );
        assert_eq!(
            [i64::MIN, i64::MAX].map(|amount| percent_bps(amount, u32::MAX)),
            [i64::MIN, i64::MAX]
        );
    }

    #[test]
    fn splits_come_out_as_published() {
        assert_eq!(split_by_weights(1000, &[1, 1, 1]), [334, 333, 333]);
        assert_eq!(split_by_weights(-1000, &[1, 1, 1]), [-334, -333, -333]);
        assert_eq!(split_by_weights(1_200_000, &[1; 5]), [240_000; 5]);
        let position_based = split_by_weights(1_200_000, &[6, 1, 1, 1, 6]);
        assert_eq!(position_based, [480_000, 80_000, 80_000, 80_000, 480_000]);
        // 2^(-days / 7) for 38, 33, 26, 8 and 0 days, in units of 10^-9.
        let time_decay = split_by_weights(
            1_200_000,
            &[23_218_661, 38_094_177, 76_188_353, 452_861_832, 1_000_000_000],
        );
        let dollars: Vec<i64> = time_decay.iter().map(|cents| (cents + 50) / 100).collect();
        assert_eq!(dollars, [175, 287, 575, 3417, 7545]);
    }

    #[test]
    fn splits_know_their_edges() {
        assert_eq!(split_by_weights(1000, &[]), [0_i64; 0]);
        assert_eq!(split_by_weights(5, &[0, 0]), [3, 2]);
        assert_eq!(split_by_weights(5, &[0, 1, 1]), [0, 3, 2]);
        assert_eq!(split_by_weights(1, &[1, 2]), [0, 1]); // the larger remainder, not the first
        assert_eq!(split_by_weights(i64::MIN, &[u64::MAX]), [i64::MIN]);
        assert_eq!(split_by_weights(i64::MAX, &[u64::MAX, 0]), [i64::MAX, 0]);
    }

    proptest! {
        #[test]
        fn parts_always_sum_to_the_whole_and_are_within_one_of_their_share(
            amount: i64, weights in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let parts = split_by_weights(amount, &weights);
            prop_assert_eq!(parts.iter().map(|part| i128::from(*part)).sum::<i128>(), i128::from(amount));
            let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let floor = i128::from(amount).abs() * i128::from(*weight) / total.max(1);
                let above = i128::from(*part).abs() - floor;
                prop_assert!(total == 0 || (0..=1).contains(&above));
                prop_assert!(total == 0 || *weight > 0 || *part == 0);
            }
        }

        #[test]
        fn a_debit_splits_and_rounds_as_its_credit(
            amount in -INPUT_MAX..=INPUT_MAX, bps in 0..=20_000_u32, weights in prop::collection::vec(0..9_u64, 1..9),
        ) {
            let mirrored: Vec<i64> = split_by_weights(-amount, &weights).into_iter().map(|part| -part).collect();
            prop_assert_eq!(split_by_weights(amount, &weights), mirrored);
            prop_assert_eq!(percent_bps(amount, bps), -percent_bps(-amount, bps));
            let off = i128::from(percent_bps(amount, bps)) * 10_000 - i128::from(amount) * i128::from(bps);
            prop_assert!(off.abs() <= 5_000);
        }
    }
}
