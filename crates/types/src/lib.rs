//! The data of a TPM 2.0: Part 2's structures and Part 3's command tables, and their bytes. Library specification v185.
//!
//! A structure keeps its Part 2 name (`TPMT_PUBLIC` is [`structures::TpmtPublic`]). Choices are enums under their plain name: unions
//! (`TPMU_PUBLIC_ID` is [`structures::PublicId`]), selections of an algorithm with its details (`TPMT_SYM_DEF` is
//! [`structures::SymDef`]), interface types (`TPMI_RH_HIERARCHY` is [`handles::Hierarchy`]) and constants (`TPM_SU` is
//! [`constants::StartupType`]). A type with a `+` in a table is an `Option`; there `None` is the NULL value.
//!
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
pub mod attributes;
pub mod buffers;
pub mod command;
pub mod commands;
pub mod constants;
pub mod handles;
pub mod implemented;
pub mod limits;
pub mod marshal;
pub mod rc;
pub mod structures;

pub use alg::{EccCurve, HashAlg};
pub use constants::{cc, pt};
pub use handles::rh;
pub use implemented::Implemented;
pub use marshal::{Marshal, MarshalUnion, Nullable, Reader, Unmarshal, UnmarshalUnion};
pub use rc::{Fmt1, Position, Rc};
