//! The installation's secrets: one or several, the first signs, all verify.
//!
//! Every use has a key of its own, derived with BLAKE3's key derivation from the secret and a
//! context that names the use, so that no use can be turned against another.

use std::fmt;

/// One installation secret: at least 32 random bytes.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

/// The text is not a usable secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected at least 32 random bytes in hexadecimal (64 digits), for instance from `openssl rand -hex 32`; several are separated by commas"
)]
pub struct SecretError;

impl Secret {
    /// Reads hexadecimal of at least 32 bytes.
    ///
    /// # Errors
    /// [`SecretError`] when it is shorter or not hexadecimal.
    pub fn parse(hex: &str) -> Result<Self, SecretError> {
        let hex = hex.trim();
        if hex.len() < 64 || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
            return Err(SecretError);
        }
        let bytes: Result<Vec<u8>, _> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16))
            .collect();
        let signless = !hex.contains(['+', '-']);
        match bytes {
            Ok(bytes) if signless => Ok(Self(bytes.into())),
            _ => Err(SecretError),
        }
    }

    /// A key of 32 bytes for one use. `context` must be a constant of the program.
    #[must_use]
    pub fn derive(&self, context: &'static str) -> [u8; 32] {
        blake3::derive_key(context, &self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The secrets in force. Never empty.
#[derive(Debug, Clone)]
pub struct Secrets {
    first: Secret,
    older: Vec<Secret>,
}

impl Secrets {
    /// Reads a comma-separated list.
    ///
    /// # Errors
    /// [`SecretError`] when any part is not a secret.
    pub fn parse(list: &str) -> Result<Self, SecretError> {
        let mut all = list.split(',').map(Secret::parse);
        let first = all.next().ok_or(SecretError)??;
        let older = all.collect::<Result<_, _>>()?;
        Ok(Self { first, older })
    }

    /// The one that signs.
    #[must_use]
    pub fn signing(&self) -> &Secret {
        &self.first
    }

    /// All that verify, the signing one first.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.first).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_odd_and_foreign_secrets_are_refused() {
        assert!(Secrets::parse(&"ab".repeat(32)).is_ok());
        assert!(Secrets::parse(&format!("{},{}", "ab".repeat(32), "cd".repeat(40))).is_ok());
        for wrong in ["", "ab", &"ab".repeat(31), &"zz".repeat(32), &"+1".repeat(32)] {
            assert!(Secrets::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Secrets::parse(&format!("{},", "ab".repeat(32))).is_err());
    }

    #[test]
    fn a_secret_never_prints_itself() {
        let secrets = Secrets::parse(&"ab".repeat(32)).expect("valid");
        assert!(!format!("{secrets:?}").contains("abab"));
    }
}
