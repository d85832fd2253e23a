//! Deliveries that came before, in bounded memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::signature::Provider;

/// Hosts repeat a delivery within hours; nobody sends more than this in that time.
const REMEMBERED: usize = 4_096;

type Mark = [u8; 32];

/// The last so many deliveries.
#[derive(Debug, Default)]
pub(super) struct Seen {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    known: BTreeSet<Mark>,
    in_order: VecDeque<Mark>,
}

impl Seen {
    /// Whether neither the delivery's id nor its body came before: the id is not signed, so that the body counts, too.
    pub(super) fn is_new(&self, provider: Provider, delivery: Option<&[u8]>, body: &[u8]) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let by_id = delivery.map(|id| marks.is_new(mark(provider, "id", id)));
        let by_body = marks.is_new(mark(provider, "body", body));
        by_id.unwrap_or(true) && by_body
    }
}

impl Marks {
    fn is_new(&mut self, mark: Mark) -> bool {
        if !self.known.insert(mark) {
            return false;
        }
        self.in_order.push_back(mark);
        if self.in_order.len() > REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn mark(provider: Provider, what: &str, bytes: &[u8]) -> Mark {
    let digest = Sha256::new().chain_update(provider.name()).chain_update([0]).chain_update(what).chain_update([0]);
    digest.chain_update(bytes).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_counts_once_by_its_id_and_by_its_body_and_memory_is_bounded() {
        let seen = Seen::default();
        assert!(seen.is_new(Provider::GitHub, Some(b"1"), b"a"));
        assert!(!seen.is_new(Provider::GitHub, Some(b"1"), b"b"), "the same id");
        assert!(!seen.is_new(Provider::GitHub, Some(b"2"), b"a"), "the same body under another id");
        assert!(seen.is_new(Provider::GitLab, Some(b"1"), b"a"), "another host");
        for number in 0..10_000_u32 {
            assert!(seen.is_new(Provider::Azure, None, &number.to_be_bytes()));
        }
        assert!(seen.marks.lock().unwrap().known.len() <= REMEMBERED);
    }
}
