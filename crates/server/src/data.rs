//! The words of the data channel: raw TPM commands, cut out of a stream by their own size field.
//!
//! swtpm takes whatever one read brings as one command. Here a command may arrive in pieces and several may arrive
//! at once; [`parse`] is a pure function of the bytes collected so far.
//!
//! The TCG's prefix (u32 8, u8 locality, u32 size) is understood, as capability bit 15 announces.

use zeroize::Zeroizing;

use crate::bytes::{Reader, len_from_u32};

/// Bytes of a command or response header: tag, size, code.
pub const HEADER: usize = 10;
/// Bytes of the prefix before a command.
pub const PREFIX: usize = 9;
/// The prefix's first word; no command starts so.
const SEND_COMMAND: u32 = 8;
/// Bytes that may be thrown away behind a command with an impossible size before the connection is given up.
pub const MAX_DRAIN: u64 = 1024 * 1024;

/// `TPM_RC_SUCCESS` as a whole response.
pub const SUCCESS: [u8; HEADER] = response(0);
/// `TPM_RC_COMMAND_SIZE` as a whole response.
pub const COMMAND_SIZE: [u8; HEADER] = response(0x142);
/// `TPM_RC_FAILURE` as a whole response: what a TPM that is not powered on answers.
pub const FAILURE: [u8; HEADER] = response(0x101);
/// `TPM_RC_LOCALITY` as a whole response.
pub const LOCALITY: [u8; HEADER] = response(0x907);

/// A response header without more: Part 1, 16.3.
const fn response(code: u16) -> [u8; HEADER] {
    let [high, low] = code.to_be_bytes();
    [0x80, 0x01, 0, 0, 0, 10, 0, 0, high, low]
}

/// What the bytes collected so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole command in the first `used` bytes.
    Command {
        /// The locality its prefix names.
        prefix: Option<u8>,
        /// The command as the TPM takes it.
        command: &'a [u8],
        /// Bytes it took with its prefix.
        used: usize,
    },
    /// Not enough yet.
    More,
    /// Its size is impossible: answer `COMMAND_SIZE`. Where the next command starts cannot be known, so everything
    /// that comes before the stream pauses belongs to it.
    BadSize {
        /// It had a prefix, so the answer gets its frame.
        prefixed: bool,
    },
}

/// Reads one command of at most `limit` bytes from the front of `bytes`.
pub fn parse(bytes: &[u8], limit: u32) -> Parsed<'_> {
    let mut reader = Reader::new(bytes);
    let Some(first) = reader.u32() else { return Parsed::More };
    if first == SEND_COMMAND {
        return prefixed(bytes, limit);
    }
    let Some(size) = Reader::new(bytes.get(2..).unwrap_or_default()).u32() else { return Parsed::More };
    if size > limit || len_from_u32(size) < HEADER {
        return Parsed::BadSize { prefixed: false };
    }
    match Reader::new(bytes).take(len_from_u32(size)) {
        Some(command) => Parsed::Command { prefix: None, command, used: command.len() },
        None => Parsed::More,
    }
}

fn prefixed(bytes: &[u8], limit: u32) -> Parsed<'_> {
    let mut reader = Reader::new(bytes);
    let (Some(_), Some(locality), Some(size)) = (reader.u32(), reader.u8(), reader.u32()) else {
        return Parsed::More;
    };
    if size > limit || len_from_u32(size) < HEADER {
        return Parsed::BadSize { prefixed: true };
    }
    match reader.take(len_from_u32(size)) {
        Some(command) => {
            Parsed::Command { prefix: Some(locality), command, used: PREFIX.saturating_add(command.len()) }
        }
        None => Parsed::More,
    }
}

/// The frame around the response to a command that came with the prefix: u32 size, response, u32 0.
pub fn framed(response: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(response.len().saturating_add(8)));
    out.extend_from_slice(&crate::bytes::len_to_u32(response.len()).to_be_bytes());
    out.extend_from_slice(response);
    out.extend_from_slice(&[0; 4]);
    out
}

/// swtpm's vendor command 0x20001000: sets the locality from the data channel. `None` if this is another command.
pub fn set_locality(command: &[u8]) -> Option<u8> {
    match command {
        [0x80, 0x01, 0, 0, 0, 11, 0x20, 0x00, 0x10, 0x00, locality] => Some(*locality),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET_RANDOM: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 4];

    #[test]
    fn a_command_is_as_long_as_it_says() {
        let mut two = GET_RANDOM.to_vec();
        two.extend_from_slice(&GET_RANDOM);
        assert_eq!(parse(&two, 4096), Parsed::Command { prefix: None, command: &GET_RANDOM, used: 12 });
        for len in 0..12 {
            assert_eq!(parse(&GET_RANDOM[..len], 4096), Parsed::More);
        }
    }

    #[test]
    fn impossible_sizes_are_told_as_soon_as_they_are_read() {
        for size in (0..10).chain([4097, 0x8000_0000, u32::MAX]) {
            let mut command = vec![0x80, 0x01];
            command.extend_from_slice(&size.to_be_bytes());
            assert_eq!(parse(&command, 4096), Parsed::BadSize { prefixed: false }, "{size}");
            let mut prefixed = vec![0, 0, 0, 8, 0];
            prefixed.extend_from_slice(&size.to_be_bytes());
            assert_eq!(parse(&prefixed, 4096), Parsed::BadSize { prefixed: true }, "{size}");
        }
        assert_eq!(parse(&[0x80, 0x01, 0, 0, 0x10, 0], 4096), Parsed::More);
    }

    #[test]
    fn the_prefix_names_a_locality_and_a_size() {
        let mut bytes = vec![0, 0, 0, 8, 3, 0, 0, 0, 12];
        bytes.extend_from_slice(&GET_RANDOM);
        assert_eq!(parse(&bytes, 4096), Parsed::Command { prefix: Some(3), command: &GET_RANDOM, used: 21 });
        for len in 0..21 {
            assert_eq!(parse(&bytes[..len], 4096), Parsed::More);
        }
    }

    #[test]
    fn a_framed_response_has_the_bytes_seen_from_swtpm() {
        let response = [0x80, 0x01, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 4, 0x2f, 0xa3, 0xf4, 0x55];
        let mut expected = vec![0, 0, 0, 0x10];
        expected.extend_from_slice(&response);
        expected.extend_from_slice(&[0; 4]);
        assert_eq!(*framed(&response), expected);
    }
}
