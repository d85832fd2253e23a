//! The ways in which a host may prove its key.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};

/// The signature algorithms that a host may prove its key with, best first. Not among them: SHA-1 and DSA.
pub(super) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What is offered to a server to prove its host key with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// For a key in a host certificate; these come first, as OpenSSH does it.
    pub(super) certificates: Vec<Algorithm>,
    /// For a bare key.
    pub(super) keys: Vec<Algorithm>,
}

impl Offer {
    /// Every algorithm for a bare key.
    pub(super) fn of_all_keys() -> Self {
        Self { certificates: Vec::new(), keys: ALGORITHMS.to_vec() }
    }

    /// The algorithms of one type of key.
    pub(super) fn of_kind(kind: &Algorithm) -> Self {
        let keys = ALGORITHMS.into_iter().filter(|algorithm| same_kind(algorithm, kind)).collect();
        Self { certificates: Vec::new(), keys }
    }

    /// Whether every bare key is accepted that could be proved at all.
    pub(super) fn has_all_keys(&self) -> bool {
        self.keys.len() == ALGORITHMS.len()
    }
}

/// Whether both are for keys of one type. An RSA key may be proved with either hash.
pub(super) fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || (is_rsa(one) && is_rsa(other))
}

const fn is_rsa(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_key_is_offered_with_both_good_hashes_and_never_with_sha1() {
        let names: Vec<_> = Offer::of_kind(&Algorithm::Rsa { hash: None }).keys;
        assert_eq!(names.iter().map(Algorithm::as_str).collect::<Vec<_>>(), ["rsa-sha2-512", "rsa-sha2-256"]);
        assert!(!ALGORITHMS.contains(&Algorithm::Rsa { hash: None }));
    }
}
