//! What breaks, here and there, and must cost only time.

mod branch;
mod clock;
mod damaged;
mod locks;
mod offline;
mod protected;
mod refusals;
mod rewritten;

/// A file of the sample app.
const SCREEN: &str = "PO App/screens/Screen 1/meta.json";
