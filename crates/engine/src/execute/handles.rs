//! The handle area. Part 3, 5.4.

use crate::{Tpm, few::Few, session::NoSession};
use sigillo_types::{
    Position, Rc, Reader, Unmarshal,
    command::CommandSpec,
    handles::{HandleType, Hierarchy, hc, rh},
    rc,
};

/// The most handles in a command.
pub(super) const MAX_HANDLES: usize = 3;

/// The handles of a command.
pub(super) type Handles = Few<u32, MAX_HANDLES>;

/// Reads the handles of a command, and gives what comes behind them.
///
/// # Errors
/// At the handle: `INSUFFICIENT` if it is missing, `VALUE` if it is not of its type.
pub(super) fn read<'a>(spec: &CommandSpec, bytes: &'a [u8]) -> Result<(Handles, &'a [u8]), Rc> {
    let mut r = Reader::new(bytes);
    let mut handles = Handles::default();
    for (field, number) in spec.handles.iter().zip(1..) {
        let at = |code: sigillo_types::Fmt1| code.at(Position::Handle(number));
        let handle = u32::unmarshal(&mut r).map_err(at)?;
        (field.check)(handle).map_err(at)?;
        if !handles.push(handle) {
            return Err(rc::FAILURE);
        }
    }
    Ok((handles, r.rest()))
}

/// Checks that what each handle refers to is there.
///
/// # Errors
/// - `REFERENCE_H0` and following: a transient object or a session that is not loaded.
/// - At the handle: `VALUE` for a countdown timer that the profile does not have; `HANDLE` for a session of the other type, a persistent object or an NV index that is not there or whose hierarchy is
///   disabled; `HIERARCHY` for a hierarchy that is disabled.
pub(super) fn check(tpm: &Tpm, handles: &[u32]) -> Result<(), Rc> {
    for (handle, index) in handles.iter().zip(0u8..) {
        check_one(tpm, *handle, index)?;
    }
    Ok(())
}

fn check_one(tpm: &Tpm, handle: u32, index: u8) -> Result<(), Rc> {
    let at = Position::Handle(index + 1);
    match HandleType::of(handle) {
        Some(HandleType::Transient) => tpm.slot(handle).map(drop).ok_or(rc::reference_h(index)),
        Some(HandleType::Persistent) => check_persistent(tpm, handle).ok_or(rc::HANDLE.at(at)),
        Some(HandleType::NvIndex | HandleType::ExternalNv | HandleType::PermanentNv) => {
            tpm.nv_index(handle).map(drop).map_err(|code| code.at(at))
        }
        Some(HandleType::HmacSession | HandleType::PolicySession) => match tpm.session(handle) {
            Ok(_) => Ok(()),
            Err(NoSession::NotLoaded) => Err(rc::reference_h(index)),
            Err(NoSession::OtherType) => Err(rc::HANDLE.at(at)),
        },
        Some(HandleType::Permanent) => {
            let hierarchy = match handle {
                rh::OWNER => Hierarchy::Owner,
                rh::ENDORSEMENT => Hierarchy::Endorsement,
                rh::PLATFORM => Hierarchy::Platform,
                _ if tpm.has_act(handle) == Some(false) => return Err(rc::VALUE.at(at)),
                _ => return Ok(()),
            };
            tpm.require_enabled(hierarchy).map_err(|code| code.at(at))
        }
        // The type of the field has checked the rest.
        Some(HandleType::Pcr) | None => Ok(()),
    }
}

/// A persistent object is there if who manages it, and the hierarchy it belongs to, are enabled.
fn check_persistent(tpm: &Tpm, handle: u32) -> Option<()> {
    let manager = if handle >= hc::PLATFORM_PERSISTENT { Hierarchy::Platform } else { Hierarchy::Owner };
    let object = tpm.state.nv.evict.get(&handle)?;
    (tpm.is_enabled(manager) && tpm.is_enabled(object.hierarchy)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_has_more_handles_than_there_is_room_for() {
        assert_eq!(crate::implemented().map(|spec| spec.handles.len()).max(), Some(MAX_HANDLES));
    }
}
