//! Whole apps through the API, with the real program.

mod ask;
mod hostile;
mod locks;
mod races;
mod round_trip;
mod rules;
mod trouble;
mod waiting;
