//! One TPM behind sockets: swtpm's control and data channel, and the TPM simulator's TCP protocol.
//!
//! [`control::parse`] and [`data::parse`] are the only readers of what comes off the sockets.
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
pub mod data;
pub mod key;
pub mod log;
pub mod persist;
