use std::hash::Hasher as _;

use proptest::prelude::*;
use siphasher::sip::SipHasher24;

use super::*;

/// The hash of visitor number `n`, made as visitors' hashes are.
fn visitor(seed: u64, n: u64) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed, 7);
    hasher.write_u64(n);
    hasher.finish()
}

fn set(seed: u64, numbers: impl IntoIterator<Item = u64>) -> VisitorSet {
    let mut set = VisitorSet::default();
    numbers.into_iter().for_each(|n| set.insert(visitor(seed, n)));
    set
}

fn united(a: &VisitorSet, b: &VisitorSet) -> VisitorSet {
    let mut all = a.clone();
    all.unite(b);
    all
}

#[test]
fn a_count_is_exact_up_to_the_bound_and_within_two_percent_far_beyond() {
    const MILLION: u64 = 1_000_000;
    let checked = [
        2_000, 4_096, 4_097, 5_000, 10_000, 30_000, 65_536, 100_000, 200_000, 500_000, MILLION,
    ];
    for seed in 0..6 {
        let mut growing = VisitorSet::default();
        for n in 1..=MILLION {
            growing.insert(visitor(seed, n));
            if n > EXACT_MAX as u64 && !checked.contains(&n) {
                continue;
            }
            let count = growing.count();
            if n <= EXACT_MAX as u64 {
                assert_eq!(count, n);
            } else {
                let error = count.abs_diff(n) * 100;
                assert!(error <= 2 * n, "seed {seed}: {n} visitors were counted as {count}");
            }
        }
    }
}

#[test]
fn who_comes_again_is_counted_once() {
    for visitors in [1, 1000, 50_000] {
        let once = set(1, 0..visitors);
        let again = set(1, (0..visitors).rev().chain(0..visitors));
        assert_eq!(once, again);
        assert_eq!(united(&once, &once), once);
    }
}

#[test]
fn the_extremes_of_hashes_have_their_place() {
    let mut registers = vec![0; REGISTERS];
    note(&mut registers, 0);
    note(&mut registers, u64::MAX);
    note(&mut registers, 1 << 48);
    assert_eq!(
        (registers[0], registers[1], registers[REGISTERS - 1]),
        (RANK_MAX, RANK_MAX, 1)
    );
    registers.fill(RANK_MAX);
    assert!(estimate(&registers) > 1 << 48);
    assert_eq!(estimate(&[0; REGISTERS]), 0);
}

#[test]
fn other_versions_forms_and_lengths_are_refused() {
    let small = set(1, 0..3).to_bytes();
    let large = set(1, 0..5000).to_bytes();
    assert_eq!(large.len(), HEAD_BYTES + PACKED_BYTES);
    for whole in [&small, &large] {
        for cut in [0, 1, whole.len() - 1] {
            let read = VisitorSet::from_bytes(&whole[..cut]);
            assert_eq!(read, Err(VisitorSetError), "{cut} of {}", whole.len());
        }
        for (place, byte) in [(0, 2), (0, 0), (1, 2)] {
            let mut wrong = whole.clone();
            wrong[place] = byte;
            assert_eq!(VisitorSet::from_bytes(&wrong), Err(VisitorSetError));
        }
    }
    // Twice the same member, members that fall, and a register that cannot be.
    let twice = [&small[..10], &small[2..10]].concat();
    let falling = [&small[..2], &small[10..18], &small[2..10]].concat();
    let mut impossible = large;
    impossible[2] = 0x3f;
    for wrong in [twice, falling, impossible] {
        assert_eq!(VisitorSet::from_bytes(&wrong), Err(VisitorSetError));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_union_is_the_set_of_both_in_whatever_order(
        seed: u64, a in 0_u64..9000, b in 0_u64..9000, shared in 0_u64..9000,
    ) {
        let (first, second) = (set(seed, 0..a), set(seed, shared..shared + b));
        let all = set(seed, (0..a).chain(shared..shared + b));
        prop_assert_eq!(&united(&first, &second), &all);
        prop_assert_eq!(&united(&second, &first), &all);
        prop_assert_eq!(united(&first, &second).to_bytes(), all.to_bytes());
    }

    #[test]
    fn a_set_reads_back_as_it_was_written(seed: u64, visitors in 0_u64..20_000) {
        let set = set(seed, 0..visitors);
        prop_assert_eq!(VisitorSet::from_bytes(&set.to_bytes()), Ok(set));
    }

    #[test]
    fn any_bytes_are_read_or_refused_but_never_panic(
        version in 0_u8..3, form in 0_u8..3, rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(set) = VisitorSet::from_bytes(&[&[version, form], &rest[..]].concat()) {
            prop_assert_eq!(set.count() * 8, rest.len() as u64);
        }
    }
}
