//! The master keys at hand.

use super::master::MasterKey;

/// The master keys at hand: the first encrypts, the others only decrypt.
#[derive(Debug)]
pub struct MasterRing {
    first: MasterKey,
    others: Vec<MasterKey>,
}

impl MasterRing {
    /// A ring of `keys`, the first first; `None` if there are none. A key given twice counts once.
    #[must_use]
    pub fn new(keys: Vec<MasterKey>) -> Option<Self> {
        let mut keys = keys.into_iter();
        let mut ring = Self { first: keys.next()?, others: Vec::new() };
        for key in keys {
            if ring.find(key.id()).is_none() {
                ring.others.push(key);
            }
        }
        Some(ring)
    }

    /// The one that encrypts.
    #[must_use]
    pub const fn first(&self) -> &MasterKey {
        &self.first
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&MasterKey> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id() == id)
    }

    /// All ids, the first key's first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        std::iter::once(&self.first).chain(&self.others).map(|key| key.id().to_owned()).collect()
    }
}

impl From<MasterKey> for MasterRing {
    fn from(first: MasterKey) -> Self {
        Self { first, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::envelope::{KEY_LEN, key_bytes};

    #[test]
    fn debug_output_shows_the_id_alone() {
        let key = MasterKey::new(key_bytes(&[171; KEY_LEN]).unwrap());
        let shown = format!("{:?}", MasterRing::new(vec![key]).unwrap());
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    #[test]
    fn the_first_key_of_a_ring_encrypts_and_a_repeated_one_counts_once() {
        let key = |n| MasterKey::new(key_bytes(&[n; KEY_LEN]).unwrap());
        let ring = MasterRing::new(vec![key(1), key(2), key(1)]).unwrap();
        assert_eq!(ring.ids(), [key(1).id(), key(2).id()]);
        assert_eq!(ring.first().id(), key(1).id());
        assert!(MasterRing::new(Vec::new()).is_none());
    }
}
