//! Rules for what comes in from either side: what is not app content, what cannot be kept, and what must not get out.

pub mod collisions;
pub mod ignore;
pub mod lfs;
pub mod secrets;
pub mod size;
