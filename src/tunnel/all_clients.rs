//! The clients of all tunnels: together they may have no more than leaves open files for everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::{Failure, FailureClass};

/// How many there are, and may be.
pub struct AllClients {
    most: AtomicUsize,
    now: AtomicUsize,
}

impl Default for AllClients {
    /// As many as come.
    fn default() -> Self {
        Self { most: AtomicUsize::new(usize::MAX), now: AtomicUsize::new(0) }
    }
}

impl AllClients {
    /// From now on there may be so many. Those that are there stay.
    pub fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// One more, until what is answered is dropped.
    ///
    /// # Errors
    /// Limit.
    pub(super) fn take(self: &Arc<Self>) -> Result<OneOfAll, Failure> {
        let one = OneOfAll(Arc::clone(self));
        let most = self.most.load(Ordering::Relaxed);
        if self.now.fetch_add(1, Ordering::Relaxed) < most { Ok(one) } else { Err(too_many(most)) }
    }
}

/// A client that counts.
pub(super) struct OneOfAll(Arc<AllClients>);

impl Drop for OneOfAll {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_many(most: usize) -> Failure {
    let message =
        format!("all tunnels together have their {most} clients: more would leave no open files for the rest");
    Failure::new(
        FailureClass::Limit,
        message,
        "close some of them, or raise the limit of open files (`ulimit -n`, LimitNOFILE)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_until_another_one_goes() {
        let all = Arc::new(AllClients::default());
        let first = all.take().unwrap();
        all.allow(2);
        let second = all.take().unwrap();
        let failure = all.take().err().unwrap();
        assert!(failure.class == FailureClass::Limit && failure.message.contains("their 2 clients"), "{failure}");
        drop(first);
        let third = all.take().unwrap();
        assert!(all.take().is_err());
        drop((second, third));
    }
}
