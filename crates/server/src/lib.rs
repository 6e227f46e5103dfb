//! One TPM behind sockets: swtpm's control and data channel, and the TPM simulator's TCP protocol.
//!
//! [`machine::Machine`] is the TPM with its storage and its run state; [`serve::Server`] puts it behind sockets, one
//! blocking thread each; [`sandbox::Sandbox`] takes away what the process no longer needs before the first byte of a
//! guest arrives. [`control::parse`] and [`data::parse`] are the only readers of what comes off the sockets.
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

pub mod blob;
mod bytes;
pub mod control;
mod control_channel;
pub mod data;
mod data_channel;
pub mod fds;
pub mod host;
pub mod info;
pub mod key;
pub mod log;
pub mod machine;
mod mssim;
pub mod net;
pub mod persist;
#[doc(hidden)]
pub mod rig;
pub mod sandbox;
pub mod serve;
mod shared;

pub use shared::{Behaviour, Exit};
