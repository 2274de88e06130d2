//! API keys that can be made a second time: a repeated creation shows the key again, and it is stored nowhere.

use super::secret::Secrets;

/// Makes the same bytes from the same words, and nobody without the installation's secret can.
pub struct KeySeed([u8; 32]);

impl KeySeed {
    /// Derived from the oldest secret, so that a rotation between a creation and its repeat does no harm.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let oldest = secrets.all().last().unwrap_or_else(|| secrets.signing());
        Self(oldest.derive("linkledger 2026 repeatable api key v1"))
    }

    /// Bytes without end. Words are told apart by their lengths, so that no two lists of words run into each other.
    pub fn bytes(&self, words: &[&str]) -> impl Iterator<Item = u8> + use<> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for word in words {
            hasher.update(&(word.len() as u64).to_le_bytes());
            hasher.update(word.as_bytes());
        }
        let mut output = hasher.finalize_xof();
        std::iter::repeat_with(move || {
            let mut byte = [0];
            output.fill(&mut byte);
            byte[0]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_give_the_same_bytes_and_no_others_do() {
        let seed = KeySeed::new(&Secrets::parse(&"ab".repeat(32)).expect("valid"));
        let other = KeySeed::new(&Secrets::parse(&"cd".repeat(32)).expect("valid"));
        let first = |seed: &KeySeed, words: &[&str]| seed.bytes(words).take(40).collect::<Vec<_>>();
        assert_eq!(first(&seed, &["a", "bc"]), first(&seed, &["a", "bc"]));
        assert_ne!(first(&seed, &["a", "bc"]), first(&seed, &["ab", "c"]));
        assert_ne!(first(&seed, &["a", "bc"]), first(&other, &["a", "bc"]));
    }
}
