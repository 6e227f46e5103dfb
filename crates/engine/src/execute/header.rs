//! The command header. Part 3, 5.2.

use crate::{Profile, dispatch::Entry};
use sigillo_types::{Rc, Reader, Unmarshal, constants::st, rc};

/// What the header says, and what comes behind it.
pub(super) struct Header<'a> {
    pub(super) entry: &'static Entry,
    /// The tag is TPM_ST_SESSIONS: an authorization area is present.
    pub(super) has_sessions: bool,
    pub(super) rest: &'a [u8],
}

/// Reads the header of a command of a profile, which may have at most `max` octets.
///
/// # Errors
/// - `BAD_TAG`: the tag is neither TPM_ST_SESSIONS nor TPM_ST_NO_SESSIONS.
/// - `COMMAND_SIZE`: commandSize is not the number of octets received, or too large.
/// - `COMMAND_CODE`: the command is not implemented.
pub(super) fn read<'a>(profile: &Profile, command: &'a [u8], max: u32) -> Result<Header<'a>, Rc> {
    let mut r = Reader::new(command);
    let has_sessions = match u16::unmarshal(&mut r) {
        Ok(st::SESSIONS) => true,
        Ok(st::NO_SESSIONS) => false,
        Ok(_) | Err(_) => return Err(rc::BAD_TAG),
    };
    let size = u32::unmarshal(&mut r).map_err(|_| rc::COMMAND_SIZE)?;
    if size > max || usize::try_from(size) != Ok(command.len()) {
        return Err(rc::COMMAND_SIZE);
    }
    let code = u32::unmarshal(&mut r).map_err(|_| rc::COMMAND_CODE)?;
    let entry = profile.command(code).ok_or(rc::COMMAND_CODE)?;
    Ok(Header { entry, has_sessions, rest: r.rest() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(command: &[u8]) -> Option<Rc> {
        read(&Profile::pc_client(), command, 4096).err()
    }

    #[test]
    fn the_tag_is_looked_at_first_and_the_command_code_last() {
        assert_eq!(code(&[]), Some(rc::BAD_TAG));
        assert_eq!(code(&[0x80]), Some(rc::BAD_TAG));
        assert_eq!(code(&[0x00, 0xC1, 0, 0, 0, 10, 0, 0, 0, 0]), Some(rc::BAD_TAG));
        assert_eq!(code(&[0x80, 0x01]), Some(rc::COMMAND_SIZE));
        assert_eq!(code(&[0x80, 0x01, 0, 0, 0, 11, 0xFF, 0, 0, 0]), Some(rc::COMMAND_SIZE));
        assert_eq!(code(&[0x80, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1, 0x7B]), Some(rc::COMMAND_SIZE));
        assert_eq!(code(&[0x80, 0x01, 0, 0, 0, 8, 0, 0]), Some(rc::COMMAND_CODE));
        assert_eq!(code(&[0x80, 0x01, 0, 0, 0, 10, 0xFF, 0, 0, 0]), Some(rc::COMMAND_CODE));
    }

    #[test]
    fn a_command_that_the_profile_lacks_is_not_implemented() {
        let command = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0xA6];
        assert!(read(&Profile::pc_client(), &command, 4096).is_ok());
        assert_eq!(read(&Profile::libtpms(), &command, 4096).err(), Some(rc::COMMAND_CODE));
    }

    #[test]
    fn a_command_larger_than_the_buffer_is_refused() {
        let command = [0x80, 0x01, 0, 0, 0, 10, 0xFF, 0, 0, 0];
        assert_eq!(read(&Profile::pc_client(), &command, 9).err(), Some(rc::COMMAND_SIZE));
    }
}
