//! From a command code to its declaration and its handler.

use crate::{Tpm, commands};
use alloc::vec::Vec;
use sigillo_types::{
    Rc,
    command::{CommandSpec, Response},
};

/// One implemented command.
pub(crate) struct Entry {
    pub(crate) spec: &'static CommandSpec,
    /// Unmarshals the handles and parameters and performs the command.
    pub(crate) run: fn(&mut Tpm, &[u32], &[u8]) -> Result<Answer, Rc>,
}

/// What a handler answers, in canonical form.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) handle: Option<u32>,
    pub(crate) parameters: Vec<u8>,
}

impl Answer {
    pub(crate) fn of<R: Response>(response: &R) -> Self {
        let mut parameters = Vec::new();
        response.marshal_parameters(&mut parameters);
        Self { handle: response.handle(), parameters }
    }
}

/// The list of a clause: `entries![PcrExtend => pcr_extend, ...]`.
macro_rules! entries {
    ($($command:ty => $handler:path),+ $(,)?) => {
        &[$($crate::dispatch::Entry {
            spec: <$command as sigillo_types::command::Command>::SPEC,
            run: |tpm, handles, parameters| {
                let command = <$command as sigillo_types::command::Command>::from_parts(handles, parameters)?;
                $handler(tpm, command).map(|response| $crate::dispatch::Answer::of(&response))
            },
        }),+]
    };
}
pub(crate) use entries;

/// The implemented commands in the order of their clauses.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    commands::CLAUSES.iter().flat_map(|clause| clause.iter())
}

/// The command with a code.
pub(crate) fn find(code: u32) -> Option<&'static Entry> {
    all().find(|entry| entry.spec.code == code)
}

/// The declarations of the implemented commands, for documentation and clients.
pub fn implemented() -> impl Iterator<Item = &'static CommandSpec> {
    all().map(|entry| entry.spec)
}
