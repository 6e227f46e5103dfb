//! From a command code to its declaration and its handler.

use crate::{Profile, Tpm, commands};
use alloc::vec::Vec;
use sigillo_types::{
    Marshal, Rc, cc,
    command::{Command, CommandSpec, Response},
    commands::{Hmac, HmacStart},
};

/// A handler behind the raw handles and parameters, and whether the answer has a session area.
pub(crate) type Run = fn(&mut Tpm, &[u32], &[u8], bool) -> Result<Answer, Rc>;

/// Octets of a reply's header: tag, size, response code.
pub(crate) const HEADER: usize = 10;
/// Octets set aside for a reply: more than most have, so that it does not move as it grows.
const USUAL: usize = 512;

/// One implemented command.
pub(crate) struct Entry {
    pub(crate) spec: &'static CommandSpec,
    /// Unmarshals the handles and parameters and performs the command.
    pub(crate) run: Run,
}

/// What a handler answers, in canonical form, where it will stand in the reply.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Zeros for the header; the handle; zeros for parameterSize if there are sessions; the parameters.
    pub(crate) reply: Vec<u8>,
    /// Where the parameters begin.
    pub(crate) start: usize,
}

impl Answer {
    pub(crate) fn of<R: Response>(response: &R, has_sessions: bool) -> Self {
        let mut reply = Vec::with_capacity(USUAL);
        reply.extend_from_slice(&[0; HEADER]);
        if let Some(handle) = response.handle() {
            handle.marshal(&mut reply);
        }
        if has_sessions {
            reply.extend_from_slice(&[0; 4]);
        }
        let start = reply.len();
        response.marshal_parameters(&mut reply);
        Self { reply, start }
    }
}

/// The list of a clause: `entries![PcrExtend => pcr_extend, ...]`.
macro_rules! entries {
    ($($command:ty => $handler:path),+ $(,)?) => {
        &[$($crate::dispatch::Entry {
            spec: <$command as sigillo_types::command::Command>::SPEC,
            run: |tpm, handles, parameters, has_sessions| {
                let parameters = tpm.reader(parameters);
                let command = <$command as sigillo_types::command::Command>::from_parts(handles, parameters)?;
                $handler(tpm, command).map(|response| $crate::dispatch::Answer::of(&response, has_sessions))
            },
        }),+]
    };
}
pub(crate) use entries;

/// The implemented commands in the order of their clauses; a profile may lack the last of them.
fn all() -> impl Iterator<Item = &'static Entry> {
    commands::CLAUSES.iter().flat_map(|clause| clause.iter())
}

/// The implemented commands by their distance from the first code: every command looks here.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a wrong index")]
static BY_CODE: [Option<&Entry>; (cc::LAST - cc::FIRST + 1) as usize] = {
    let mut table = [None; (cc::LAST - cc::FIRST + 1) as usize];
    let mut clause = 0;
    while clause < commands::CLAUSES.len() {
        let entries = commands::CLAUSES[clause];
        let mut entry = 0;
        while entry < entries.len() {
            table[(entries[entry].spec.code - cc::FIRST) as usize] = Some(&entries[entry]);
            entry += 1;
        }
        clause += 1;
    }
    table
};

/// The command with a code, in the profiles that have it.
fn find(code: u32) -> Option<&'static Entry> {
    let index = usize::try_from(code.checked_sub(cc::FIRST)?).ok()?;
    BY_CODE.get(index).copied().flatten()
}

impl Profile {
    /// The commands of the profile in the order of their clauses.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &'static Entry> {
        all().filter(|entry| entry.spec.code <= self.last_command)
    }

    /// The command with a code.
    pub(crate) fn command(&self, code: u32) -> Option<&'static Entry> {
        find(code).filter(|_| code <= self.last_command)
    }
}

/// Older declarations of a code that another command has taken over: that one does all they say. Part 3, 15.6.
const TAKEN_OVER: &[&CommandSpec] = &[Hmac::SPEC, HmacStart::SPEC];

/// The declarations of the implemented commands, for documentation and clients. Two of them can have one code.
pub fn implemented() -> impl Iterator<Item = &'static CommandSpec> {
    all().map(|entry| entry.spec).chain(TAKEN_OVER.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_took_a_code_over_has_the_same_table() {
        for old in TAKEN_OVER {
            let new = find(old.code).unwrap().spec;
            assert!(old.name != new.name && old.attributes() == new.attributes(), "{}", old.name);
            assert_eq!(old.handles.len(), new.handles.len());
            assert_eq!(old.authorizations(), new.authorizations());
            let sizes =
                |spec: &CommandSpec| spec.parameters.iter().map(|field| field.sized).collect::<Vec<_>>();
            assert_eq!(sizes(old), sizes(new));
        }
    }

    #[test]
    fn every_implemented_command_is_found_by_its_code() {
        for entry in all() {
            assert!(
                find(entry.spec.code).is_some_and(|found| found.spec.name == entry.spec.name),
                "{}",
                entry.spec.name
            );
        }
        assert_eq!(find(0).map(|entry| entry.spec.code), None);
        assert_eq!(find(u32::MAX).map(|entry| entry.spec.code), None);
    }
}
