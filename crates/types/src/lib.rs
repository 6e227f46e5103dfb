//! The data of a TPM 2.0: Part 2's structures and Part 3's command tables, and their bytes. Library specification v185.
//!
//! A structure keeps its Part 2 name (`TPMT_PUBLIC` is [`structures::TpmtPublic`]); a type with a `+` in a table is an `Option`.
//! Reading bytes gives either a value that satisfies its type or the response code the specification names for what is wrong.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

extern crate alloc;
// The derives name this crate by its published name.
extern crate self as sigillo_types;

/// The derives that make a declaration into code.
pub mod derive {
    pub use sigillo_types_derive::{Command, Marshal, Response, Unmarshal};
}

pub mod alg;
pub mod command;
pub mod marshal;
pub mod rc;

pub use alg::{EccCurve, HashAlg};
pub use marshal::{Marshal, Nullable, Reader, Unmarshal};
pub use rc::{Fmt1, Position, Rc};
