//! A source of which only so much may be read until more is allowed: what a reader takes in one go is bounded, whatever the
//! archive says about its length.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// How much may still be read.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    pub(super) fn of(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    pub(super) fn set(&self, bytes: u64) {
        self.0.set(bytes);
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// The source.
pub(super) struct Metered<R> {
    pub(super) inner: R,
    /// The source came to its end.
    pub(super) ended: bool,
    allowance: Allowance,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R, allowance: &Allowance) -> Self {
        Self { inner, ended: false, allowance: allowance.clone() }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.0.get();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a name or a note in it is longer than any that is read"));
        }
        let room = buffer.get_mut(..most).unwrap_or_default();
        let read = self.inner.read(room)?;
        self.ended |= read == 0 && most > 0;
        self.allowance.set(left.saturating_sub(read as u64));
        Ok(read)
    }
}
