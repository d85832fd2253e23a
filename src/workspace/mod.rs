//! The apps folder on disk: from folders to trees, and from trees to folders.
//!
//! Looking is a sweep of stamps (`scan`) against what is remembered (`cache`); only what is new is read, and only when
//! it is quiet (`quiet`). Installing (`install`) stages, journals and swaps. Everything is reached through open folders
//! (`dir`), one component at a time and without following links.

mod cache;
mod changes;
mod content;
mod dir;
mod folder;
mod ignored;
mod install;
mod journal;
mod large;
mod leftovers;
mod looks;
mod mount;
mod network;
mod quiet;
mod record;
mod renames;
mod scan;
mod shape;
mod stage;
mod stamp;
mod store;
mod swap;

pub use folder::{AppsFolder, Settings};
pub use network::network_file_system;
