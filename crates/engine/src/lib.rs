//! A complete TPM 2.0 (Library specification v185) that does no I/O.
//!
//! Clock, entropy and locality come in with each call; bytes come out. A command is a transaction: [`Tpm::execute`] returns a
//! [`Pending`] that borrows the TPM, says what must be made durable, and gives the reply only for [`Pending::stored`]. Answering before
//! storing does not compile, and dropping a `Pending` undoes the command.
//!
//! ```text
//! let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut host)?;
//! tpm.init(&mut host);
//! let pending = tpm.execute(0, &command, &mut host);
//! if let Some(state) = pending.permanent() { disk.write_durably(state)?; }
//! let reply = pending.stored();
//! ```

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

mod commands;
mod commit;
mod context_blob;
mod da;
mod der;
mod dispatch;
mod entity;
mod execute;
mod few;
mod hierarchy;
pub mod inventory;
mod lifecycle;
mod nv;
mod object;
mod pcr;
mod pending;
mod profile;
mod saved;
mod secret;
mod selftest;
mod session;
mod signing;
mod state;
mod ticket;
mod time;
mod tpm;
mod x509;

pub use dispatch::implemented;
pub use inventory::Inventory;
pub use pending::Pending;
pub use profile::Profile;
pub use tpm::{EntropyUnavailable, Host, RestoreError, Tpm};
