//! Figures as people write them.

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut written = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Cents as dollars: `123456` is `$1,234.56`.
pub(super) fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let whole = i64::try_from(whole).expect("a hundredth of 64 bits");
    format!("{sign}${}.{rest:02}", grouped(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_written_as_dollars_without_losing_one() {
        for (cents, written) in [
            (0, "$0.00"),
            (7, "$0.07"),
            (123_456, "$1,234.56"),
            (-100_000_005, "-$1,000,000.05"),
            (i64::MIN, "-$92,233,720,368,547,758.08"),
        ] {
            assert_eq!(dollars(cents), written);
        }
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(-1_000), "-1,000");
    }
}
