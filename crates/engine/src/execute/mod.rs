//! The command execution pipeline, in the order of Part 3, 5.

use alloc::vec::Vec;
use sigillo_types::{Marshal, Rc};

/// The response to a command that failed: a header without sessions. Part 1, 16.3.
pub(crate) fn error_reply(code: Rc) -> Vec<u8> {
    let mut reply = Vec::with_capacity(10);
    0x8001_u16.marshal(&mut reply);
    10_u32.marshal(&mut reply);
    code.raw().marshal(&mut reply);
    reply
}
