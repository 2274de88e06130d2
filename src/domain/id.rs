//! Identifiers: random integers inside, prefixed text outside.
//!
//! An id is drawn at random, not counted, for two reasons: counted ids tell a competitor how many
//! links a brand has, and a store restored from a backup would hand a counted id out twice, so that
//! an old click id would credit somebody else's link.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};

use super::described;

/// Crockford's base 32 in lower case: no `i l o u`, so an id survives being read aloud.
pub(crate) const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A digit of [`BASE32`], as a regular expression.
pub(super) const DIGIT: &str = "[0-9a-hjkmnp-tv-z]";

/// What an id names: its prefix and its width.
pub trait IdKind {
    /// The text before the first underscore, without the underscore.
    const PREFIX: &'static str;
    /// What the type is called.
    const NAME: &'static str;
    /// Width in bits, a multiple of 5 unless the top digit is checked; at most 60.
    const BITS: u32 = 60;
}

/// An identifier of one kind of thing: `<prefix>_<base 32>`.
pub struct Id<K> {
    number: i64,
    kind: PhantomData<fn() -> K>,
}

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like `{prefix}_…`, as the API returns it")]
pub struct IdError {
    prefix: &'static str,
}

impl<K: IdKind> Id<K> {
    const DIGITS: usize = K::BITS.div_ceil(5) as usize;

    /// Draws a new id. Uniqueness is the store's to enforce; a clash is a one-in-billions retry.
    #[must_use]
    pub fn random() -> Self {
        let bits = uuid::Uuid::new_v4().as_u64_pair();
        let mixed = bits.0 ^ bits.1.rotate_left(17);
        Self::from_masked(mixed & ((1 << K::BITS) - 1))
    }

    /// The id with this number, as the store holds it; `None` when the number is out of range.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        let unsigned = u64::try_from(number).ok()?;
        (unsigned < 1 << K::BITS).then(|| Self::from_masked(unsigned))
    }

    fn from_masked(masked: u64) -> Self {
        let number = i64::try_from(masked).expect("masked to at most 60 bits");
        Self {
            number,
            kind: PhantomData,
        }
    }

    /// The number that the store holds.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.number
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError { prefix: K::PREFIX };
        let digits = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or_else(error)?;
        if digits.len() != Self::DIGITS {
            return Err(error());
        }
        let mut number: u64 = 0;
        for byte in digits.bytes() {
            let digit = BASE32.iter().position(|&b| b == byte).ok_or_else(error)?;
            number = (number << 5) | digit as u64;
        }
        if number >= 1 << K::BITS {
            return Err(error());
        }
        Ok(Self::from_masked(number))
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_", K::PREFIX)?;
        for place in (0..Self::DIGITS).rev() {
            let digit = (self.number >> (5 * place)) & 31;
            let index = usize::try_from(digit).expect("masked to five bits");
            fmt::Write::write_char(f, char::from(BASE32[index]))?;
        }
        Ok(())
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Written out because a derive would ask the same of `K`, which is only a name.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: IdKind> utoipa::PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        // The first digit holds what the bits leave over; the others are whole.
        let first = match K::BITS % 5 {
            0 => DIGIT.to_owned(),
            bits => format!("[0-{}]", (1 << bits) - 1),
        };
        let pattern = format!("^{}_{first}{DIGIT}{{{}}}$", K::PREFIX, Self::DIGITS - 1);
        described::matching(&format!("An id as the API returned it: `{}_…`.", K::PREFIX), pattern)
    }
}

impl<K: IdKind> utoipa::ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(K::NAME)
    }
}

macro_rules! id_kinds {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident($prefix:literal $(, $bits:literal)?);)*) => {$(
        #[doc = concat!("Names the `", $prefix, "_` ids.")]
        #[derive(Debug)]
        pub enum $kind {}
        impl IdKind for $kind {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = stringify!($alias);
            $(const BITS: u32 = $bits;)?
        }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

id_kinds! {
    /// A brand: the tenant that everything else belongs to.
    BrandId = BrandKind("brd");
    /// An API key.
    KeyId = KeyKind("key");
    /// An influencer.
    InfluencerId = InfluencerKind("inf");
    /// A campaign.
    CampaignId = CampaignKind("cmp");
    /// A post.
    PostId = PostKind("pst");
    /// A promo code.
    PromoCodeId = PromoCodeKind("prm");
    /// A link. 48 bits, so that a click id can carry it.
    LinkId = LinkKind("lnk", 48);
    /// An influencer's own terms in one campaign.
    DealId = DealKind("dea");
    /// Followers of an account at one instant.
    FollowerCountId = FollowerCountKind("fol");
    /// A post's figures at one instant.
    PostMetricsId = PostMetricsKind("met");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        for _ in 0..1000 {
            let id = LinkId::random();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(LinkId::from_number(id.number()), Some(id));
        }
    }

    #[test]
    fn every_other_spelling_of_an_id_is_refused() {
        let id = LinkId::from_number(42).expect("in range");
        assert_eq!(id.to_string(), "lnk_000000001a");
        for wrong in [
            "lnk_000000001A",
            "lnk_1a",
            "lnk_0000000001a",
            "cmp_000000001a",
            "lnk000000001a",
            "lnk_zzzzzzzzzz",
            "lnk_00000000il",
            "",
            "lnk_",
        ] {
            assert!(wrong.parse::<LinkId>().is_err(), "{wrong}");
        }
        assert_eq!(LinkId::from_number(1 << 48), None);
        assert_eq!(LinkId::from_number(-1), None);
    }
}
