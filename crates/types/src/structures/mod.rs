//! Part 2's structures and unions, one file for each of its families.

mod attest;
mod capability;
mod context;
mod digest;
mod list;
mod nv;
mod pcr;
mod public;
mod scheme;
mod sensitive;
mod signature;
mod ticket;

pub use attest::*;
pub use capability::*;
pub use context::*;
pub use digest::*;
pub use list::*;
pub use nv::*;
pub use pcr::*;
pub use public::*;
pub use scheme::*;
pub use sensitive::*;
pub use signature::*;
pub use ticket::*;
