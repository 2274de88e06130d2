//! Customers by a keyed hash of their address: one person is one customer, and nobody's address is kept.

use super::secret::Secrets;
use super::text::Email;

/// The key under which addresses are hashed on arrival.
pub struct EmailKey([u8; 32]);

impl EmailKey {
    /// Derived from the oldest secret, so that a rotation does not make every customer new.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let oldest = secrets.all().last().unwrap_or_else(|| secrets.signing());
        Self(oldest.derive("linkledger 2026 customer email v1"))
    }

    /// Hash of an address, case and plus-tags folded.
    #[must_use]
    pub fn hash(&self, email: &Email) -> String {
        let folded = email.as_str().to_lowercase();
        let folded = match folded.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
            None => folded,
        };
        blake3::keyed_hash(&self.0, folded.as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_plus_tags_do_not_make_another_person() {
        let key = EmailKey::new(&Secrets::parse(&"ab".repeat(32)).expect("valid"));
        let hash = |text| key.hash(&Email::parse(text).expect("valid"));
        assert_eq!(hash("Mia+shop@Example.com"), hash("mia@example.com"));
        assert_ne!(hash("mia@example.com"), hash("mia@example.org"));
    }
}
