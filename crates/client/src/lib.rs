//! A typed TPM 2.0 client: the same declarations the engine executes, seen from the other side.
//!
//! ```text
//! let mut client = Client::new(UnixTransport::connect("tpm.sock")?);
//! let random = client.call(&GetRandom { bytes_requested: 16 })?;
//! ```
//!
//! [`Client::call`] gives an empty password wherever a command needs authorization; [`Client::call_with`] takes passwords and sessions. HMAC and
//! policy sessions, salted or bound, parameter encryption both ways and the check of the response's HMAC are in [`session`].

mod frame;
pub mod session;
pub mod template;
pub mod transport;

pub use session::{Auth, Session, SessionOptions};
pub use transport::{DeviceTransport, TcpTransport, Transport, UnixTransport};

use sigillo_types::{
    Marshal, Rc,
    command::{Command, CommandSpec, Response},
    commands::{NvReadPublic, NvReadPublic2, ReadPublic},
    handles::{HandleType, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle},
    rc,
};
use std::fmt;

/// Why a call gave no response.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: fmt::Debug + fmt::Display> {
    /// The transport failed; whether the command ran is unknown.
    #[error("the TPM cannot be reached: {0}")]
    Transport(E),
    /// The TPM answered an error.
    #[error("the TPM answered {0}")]
    Tpm(Rc),
    /// The answer is not a TPM response.
    #[error("the answer is not a TPM response: {0}")]
    Malformed(&'static str),
    /// A session's HMAC over the response is wrong: it was changed on the way, or the secrets differ.
    #[error("the response does not carry the HMAC of its session")]
    ResponseHmac,
    /// The host gave no entropy for a nonce.
    #[error("no entropy for a nonce")]
    Entropy,
}

impl<E: fmt::Debug + fmt::Display> Error<E> {
    /// The TPM's response code, if it answered one.
    #[must_use]
    pub fn rc(&self) -> Option<Rc> {
        match self {
            Self::Tpm(rc) => Some(*rc),
            Self::Transport(_) | Self::Malformed(_) | Self::ResponseHmac | Self::Entropy => None,
        }
    }
}

/// How often a command answered with `TPM_RC_RETRY` is sent again.
const MAX_RETRIES: u32 = 100;

/// What a call of a command over a transport gives.
pub type CallResult<T, C> = Result<<C as Command>::Response, Error<<T as Transport>::Error>>;

/// A successful response in its parts, decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The handle, if the command answers one.
    pub handle: Option<u32>,
    /// The parameter area.
    pub parameters: Vec<u8>,
}

/// A client of one TPM.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
}

impl<T: Transport> Client<T> {
    /// A client over a connected transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// The transport.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The transport, for another use.
    #[must_use]
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Sends bytes as they are and returns the raw response.
    ///
    /// # Errors
    /// What the transport says.
    pub fn raw(&mut self, command: &[u8]) -> Result<Vec<u8>, T::Error> {
        self.transport.transmit(command)
    }

    /// Runs a command with an empty password for each authorization it needs.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call<C: Command>(&mut self, command: &C) -> CallResult<T, C> {
        let mut auths: Vec<Auth<'_>> = (0..C::SPEC.authorizations()).map(|_| Auth::password(b"")).collect();
        self.call_with(command, &mut auths)
    }

    /// Runs a command with the given authorizations and sessions, in the order of the authorization area.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_with<C: Command>(&mut self, command: &C, auths: &mut [Auth<'_>]) -> CallResult<T, C> {
        let names = self.names_for(&command.handles(), auths)?;
        self.call_named(command, &names, auths)
    }

    /// As [`Client::call_with`], with the Names of the command's handles, which are then not asked for: a session's HMAC is about them.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_named<C: Command>(
        &mut self,
        command: &C,
        names: &[Vec<u8>],
        auths: &mut [Auth<'_>],
    ) -> CallResult<T, C> {
        let mut parameters = Vec::new();
        command.marshal_parameters(&mut parameters);
        let parts = self.parts_named(C::SPEC, (&command.handles(), names), parameters, auths)?;
        C::Response::from_parts(parts.handle, &parts.parameters)
            .map_err(|_| Error::Malformed("the parameters do not unmarshal"))
    }

    /// The same for a command given as the areas of its table.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_parts(
        &mut self,
        spec: &CommandSpec,
        handles: &[u32],
        parameters: Vec<u8>,
        auths: &mut [Auth<'_>],
    ) -> Result<Parts, Error<T::Error>> {
        let names = self.names_for(handles, auths)?;
        self.parts_named(spec, (handles, &names), parameters, auths)
    }

    /// The Names of handles, if a session asks for them.
    fn names_for(&mut self, handles: &[u32], auths: &[Auth<'_>]) -> Result<Vec<Vec<u8>>, Error<T::Error>> {
        if auths.iter().any(|auth| matches!(auth, Auth::Session { .. })) {
            handles.iter().map(|handle| self.name_of(*handle)).collect()
        } else {
            Ok(Vec::new())
        }
    }

    fn parts_named(
        &mut self,
        spec: &CommandSpec,
        (handles, names): (&[u32], &[Vec<u8>]),
        mut parameters: Vec<u8>,
        auths: &mut [Auth<'_>],
    ) -> Result<Parts, Error<T::Error>> {
        let area = session::authorize(&mut self.transport, spec, names, &mut parameters, auths)
            .map_err(|_| Error::Entropy)?;
        let request =
            frame::command(spec.code, handles, area.as_ref().map(|area| area.as_slice()), &parameters);
        let mut response = self.exchange(&request, spec.response_handle)?;
        if area.is_some() {
            session::check_response(spec, &mut response, auths).map_err(|_| Error::ResponseHmac)?;
        }
        Ok(Parts { handle: response.handle, parameters: response.parameters })
    }

    /// Sends a command, again as long as the TPM says that it could not start it.
    fn exchange(&mut self, request: &[u8], has_handle: bool) -> Result<frame::Response, Error<T::Error>> {
        let mut tries = 0;
        loop {
            let reply = self.transport.transmit(request).map_err(Error::Transport)?;
            match frame::response(&reply, has_handle) {
                Ok(response) => return Ok(response),
                Err(frame::Fault::Rc(rc::RETRY)) if tries < MAX_RETRIES => tries += 1,
                Err(frame::Fault::Rc(rc)) => return Err(Error::Tpm(rc)),
                Err(frame::Fault::Malformed(what)) => return Err(Error::Malformed(what)),
            }
        }
    }

    /// The Name of an entity: the handle itself for PCR, sessions and permanent entities, else what the TPM says. A sequence has an
    /// empty Name. Part 1, 14.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn name_of(&mut self, handle: u32) -> Result<Vec<u8>, Error<T::Error>> {
        match HandleType::of(handle) {
            Some(HandleType::Transient | HandleType::Persistent) => {
                let Ok(object) = ObjectHandle::new(handle) else { return Ok(Vec::new()) };
                match self.call(&ReadPublic { object_handle: object }) {
                    Ok(public) => Ok(public.name.to_vec()),
                    Err(Error::Tpm(_)) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            Some(HandleType::NvIndex) => {
                let Ok(index) = NvLegacyIndexHandle::new(handle) else { return Ok(Vec::new()) };
                match self.call(&NvReadPublic { nv_index: index }) {
                    Ok(public) => Ok(public.nv_name.to_vec()),
                    Err(Error::Tpm(_)) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            Some(HandleType::ExternalNv | HandleType::PermanentNv) => {
                let Ok(index) = NvIndexHandle::new(handle) else { return Ok(Vec::new()) };
                match self.call(&NvReadPublic2 { nv_index: index }) {
                    Ok(public) => Ok(public.nv_name.to_vec()),
                    Err(Error::Tpm(_)) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            _ => Ok(handle.to_bytes()),
        }
    }
}
