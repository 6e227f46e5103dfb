//! What a command's declaration says about it: one descriptor that everything else reads. Part 3, 4 and Part 2, 8.9.

use crate::{
    Fmt1, Rc,
    marshal::{Bytes, Reader},
    rc,
};
use alloc::vec::Vec;

/// Which authorization a handle needs. Part 1, 17.2 (authorization roles).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthRole {
    /// USER: authValue or policy, as the object's attributes allow.
    User,
    /// ADMIN: as `adminWithPolicy` says.
    Admin,
    /// DUP: a policy only.
    Dup,
}

/// One handle of a command.
#[derive(Debug)]
pub struct HandleSpec {
    /// The field's name.
    pub name: &'static str,
    /// The authorization needed, if any (the `@` of the table).
    pub auth: Option<AuthRole>,
    /// Whether a raw handle is of the field's type.
    pub check: fn(u32) -> Result<(), Fmt1>,
}

/// One parameter of a command or response.
#[derive(Debug)]
pub struct FieldSpec {
    /// The field's name.
    pub name: &'static str,
    /// Whether it is a TPM2B, so that it can be encrypted if it comes first.
    pub sized: bool,
}

/// One Part 3 table as data.
#[derive(Debug)]
pub struct CommandSpec {
    /// TPM_CC.
    pub code: u32,
    /// As in `TPM2_PCR_Extend`.
    pub name: &'static str,
    /// The clause of Part 3 that describes it.
    pub clause: &'static str,
    /// `{NV}`: may write to NV.
    pub nv: bool,
    /// `{E}`: may flush any number of contexts.
    pub extensive: bool,
    /// `{F}`: flushes the context named by a handle.
    pub flushed: bool,
    /// The tag must be TPM_ST_NO_SESSIONS.
    pub no_sessions: bool,
    /// The handle area.
    pub handles: &'static [HandleSpec],
    /// The parameter area.
    pub parameters: &'static [FieldSpec],
    /// Whether the response has a handle.
    pub response_handle: bool,
    /// The response's parameter area.
    pub response_parameters: &'static [FieldSpec],
}

impl CommandSpec {
    /// How many handles need an authorization session.
    #[must_use]
    pub fn authorizations(&self) -> usize {
        self.handles.iter().filter(|handle| handle.auth.is_some()).count()
    }

    /// Whether a session may decrypt the first parameter.
    #[must_use]
    pub fn can_decrypt(&self) -> bool {
        self.parameters.first().is_some_and(|field| field.sized)
    }

    /// Whether a session may encrypt the first response parameter.
    #[must_use]
    pub fn can_encrypt(&self) -> bool {
        self.response_parameters.first().is_some_and(|field| field.sized)
    }

    /// TPMA_CC. Part 2, 8.9.
    #[must_use]
    pub fn attributes(&self) -> u32 {
        let handles = u32::try_from(self.handles.len()).unwrap_or(0) & 0x7;
        (self.code & 0xFFFF)
            | (u32::from(self.nv) << 22)
            | (u32::from(self.extensive) << 23)
            | (u32::from(self.flushed) << 24)
            | (handles << 25)
            | (u32::from(self.response_handle) << 28)
            | (self.code & (1 << 29))
    }
}

/// A command: the typed form of one Part 3 table.
pub trait Command: Sized {
    /// What it answers.
    type Response: Response;

    /// Its table.
    const SPEC: &'static CommandSpec;

    /// Reads the handle and (already decrypted) parameter areas; the reader of the latter says what is implemented.
    ///
    /// # Errors
    /// The type's response code at its handle or parameter; `SIZE` if bytes are left over. Part 3, 5.7.
    fn from_parts(handles: &[u32], parameters: Reader<'_>) -> Result<Self, Rc>;

    /// The handle area.
    fn handles(&self) -> Handles;

    /// Appends the parameter area.
    fn marshal_parameters(&self, out: &mut Bytes);
}

/// A response's typed form.
pub trait Response: Sized {
    /// Whether there is a handle.
    const HANDLE: bool;
    /// The parameter area.
    const PARAMETERS: &'static [FieldSpec];

    /// The handle, if there is one.
    fn handle(&self) -> Option<u32>;

    /// Appends the parameter area.
    fn marshal_parameters(&self, out: &mut Bytes);

    /// Reads a (decrypted) response, for a client.
    ///
    /// # Errors
    /// What the unmarshalling of the types says.
    fn from_parts(handle: Option<u32>, parameters: &[u8]) -> Result<Self, Fmt1>;
}

/// The response of a command that answers nothing but success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, crate::derive::Response)]
pub struct Done {}

/// The raw handles of a command, at most three.
pub type Handles = Vec<u32>;

/// The handle at `index` of a handle area.
///
/// # Errors
/// `INSUFFICIENT` if the area is shorter.
pub fn handle_at(handles: &[u32], index: usize) -> Result<u32, Fmt1> {
    handles.get(index).copied().ok_or(rc::INSUFFICIENT)
}

/// The handle in the marshalled form of one.
#[must_use]
pub fn first_handle(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

/// The handles in the marshalled form of some handles.
#[must_use]
pub fn split_handles(bytes: &[u8]) -> Handles {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect()
}
