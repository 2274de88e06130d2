//! A set of visitors that can be counted and united, and stays small however many there are.
//!
//! # Constraints
//! Visitors are 64-bit hashes, uniform by construction (SipHash). A set is a function of its members
//! alone: in whatever order and through whatever unions they came, it is the same, byte for byte.
//! Exact up to [`EXACT_MAX`] members; beyond, the standard error is 0.41 % (1.04 / √65,536), so that
//! an error of 2 % would be five times the standard one.
//!
//! # Format, version 1
//! The version `1`, then the form. Form `0`, exact: the members, little-endian `u64`, rising.
//! Form `1`, estimated: 65,536 registers of 6 bits, four in three bytes, lowest bits first.
//!
//! # Operation
//! The first 16 bits of a hash choose its register; the register keeps the largest number of leading
//! zeros, plus one, met in the other 48. Counting uses the improved raw estimator of O. Ertl, "New
//! cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284), which needs no
//! correction by tables.

use std::collections::BTreeSet;

/// Members that are kept one by one.
pub const EXACT_MAX: usize = 4096;

const VERSION: u8 = 1;
const EXACT: u8 = 0;
const ESTIMATED: u8 = 1;
const HEAD_BYTES: usize = 2;
const INDEX_BITS: u32 = 16;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The largest value of a register: 48 zeros, plus one.
const RANK_MAX: u8 = (64 - INDEX_BITS + 1) as u8;
const PACKED_BYTES: usize = REGISTERS / 4 * 3;

/// A set of visitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorSet(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Exact(BTreeSet<u64>),
    Estimated(Box<[u8]>),
}

/// The bytes are not a set of a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a set of visitors of version {VERSION}")]
pub struct VisitorSetError;

impl Default for VisitorSet {
    fn default() -> Self {
        Self(Form::Exact(BTreeSet::new()))
    }
}

fn note(registers: &mut [u8], visitor: u64) {
    let index = usize::try_from(visitor >> (64 - INDEX_BITS)).expect("16 bits");
    let zeros = (visitor << INDEX_BITS).leading_zeros().min(64 - INDEX_BITS);
    let rank = u8::try_from(zeros + 1).expect("at most 49");
    registers[index] = registers[index].max(rank);
}

impl VisitorSet {
    /// Adds a visitor; one that is there already changes nothing.
    pub fn insert(&mut self, visitor: u64) {
        match &mut self.0 {
            Form::Exact(members) => {
                members.insert(visitor);
                if members.len() > EXACT_MAX {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    members.iter().for_each(|member| note(&mut registers, *member));
                    self.0 = Form::Estimated(registers);
                }
            }
            Form::Estimated(registers) => note(registers, visitor),
        }
    }

    /// Adds every visitor of another set.
    pub fn unite(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, Form::Exact(members)) => members.iter().for_each(|member| self.insert(*member)),
            (Form::Estimated(own), Form::Estimated(registers)) => {
                for (own, other) in own.iter_mut().zip(registers) {
                    *own = (*own).max(*other);
                }
            }
            (Form::Exact(members), Form::Estimated(registers)) => {
                let mut registers = registers.clone();
                members.iter().for_each(|member| note(&mut registers, *member));
                self.0 = Form::Estimated(registers);
            }
        }
    }

    /// How many visitors: exact up to [`EXACT_MAX`], estimated beyond.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.0 {
            Form::Exact(members) => members.len() as u64,
            Form::Estimated(registers) => estimate(registers),
        }
    }

    /// Whether there is nobody in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Exact(members) if members.is_empty())
    }

    /// The bytes that [`VisitorSet::from_bytes`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::Exact(members) => {
                let mut bytes = Vec::with_capacity(HEAD_BYTES + members.len() * 8);
                bytes.extend_from_slice(&[VERSION, EXACT]);
                members
                    .iter()
                    .for_each(|member| bytes.extend_from_slice(&member.to_le_bytes()));
                bytes
            }
            Form::Estimated(registers) => {
                let mut bytes = Vec::with_capacity(HEAD_BYTES + PACKED_BYTES);
                bytes.extend_from_slice(&[VERSION, ESTIMATED]);
                for four in registers.chunks_exact(4) {
                    let joined = four.iter().rev().fold(0_u32, |all, rank| all << 6 | u32::from(*rank));
                    bytes.extend_from_slice(&joined.to_le_bytes()[..3]);
                }
                bytes
            }
        }
    }

    /// Reads what [`VisitorSet::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`VisitorSetError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VisitorSetError> {
        match bytes {
            [VERSION, EXACT, members @ ..] => exact(members),
            [VERSION, ESTIMATED, packed @ ..] => estimated(packed),
            _ => None,
        }
        .map(Self)
        .ok_or(VisitorSetError)
    }
}

fn exact(bytes: &[u8]) -> Option<Form> {
    let (members, rest) = bytes.as_chunks::<8>();
    let members: Vec<u64> = members.iter().map(|member| u64::from_le_bytes(*member)).collect();
    let whole = rest.is_empty() && members.len() <= EXACT_MAX && members.is_sorted_by(|a, b| a < b);
    whole.then(|| Form::Exact(members.into_iter().collect()))
}

fn estimated(bytes: &[u8]) -> Option<Form> {
    if bytes.len() != PACKED_BYTES {
        return None;
    }
    let mut registers = Vec::with_capacity(REGISTERS);
    for three in bytes.as_chunks::<3>().0 {
        let joined = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        registers.extend((0..4).map(|place| (joined >> (6 * place)).to_le_bytes()[0] & 0x3f));
    }
    let possible = registers.iter().all(|rank| *rank <= RANK_MAX);
    possible.then(|| Form::Estimated(registers.into_boxed_slice()))
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, positive and far below 2^53"
)]
fn estimate(registers: &[u8]) -> u64 {
    let mut with_rank = [0_u32; RANK_MAX as usize + 1];
    for rank in registers {
        with_rank[usize::from(*rank)] += 1;
    }
    let m = REGISTERS as f64;
    let full = f64::from(with_rank[usize::from(RANK_MAX)]);
    let mut z = m * tau(1.0 - full / m);
    for rank in (1..usize::from(RANK_MAX)).rev() {
        z = 0.5 * (z + f64::from(with_rank[rank]));
    }
    z += m * sigma(f64::from(with_rank[0]) / m);
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

/// `x + Σ x^(2^k) · 2^(k-1)`; the paper's σ.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// `(1 - x - Σ (1 - x^(2^-k))² · 2^-k) / 3`; the paper's τ.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
#[path = "visitors_tests.rs"]
mod tests;
