//! The TPM 2.0 of the host, which seals the system keychain's key: a copy of the whole disk then opens on no other machine.
//!
//! The key is a sealed data object under the P-256 storage key of the owner hierarchy, which the TPM derives anew each time: nothing is
//! kept in the TPM. It travels in a session salted to that storage key, so that who listens between processor and TPM
//! learns nothing, and the Name of the storage key is kept with the object, so that a TPM put in place of the host's is noticed. It is not bound to
//! PCR: an update of the firmware must not take the VMs' passwords away.

use sigillo_client::{
    Auth, Client, DeviceTransport, Session, SessionOptions, Transport, UnixTransport, session::ecc_salt,
    template,
};
use sigillo_keychain::{ProviderKind, Sealer};
use sigillo_messages::{Words, text, words};
use sigillo_store::{Secret, seal::sha256};
use sigillo_types::{
    HashAlg, Marshal, Unmarshal,
    alg::{AesKeyBits, SymMode},
    attributes::{TpmaObject, TpmaSession},
    buffers::{Tpm2bData, Tpm2bDigest, Tpm2bPrivate, Tpm2bSensitiveData},
    commands::{Create, CreatePrimary, FlushContext, GetCapability, Load, Unseal},
    constants::{Capability, SessionType},
    handles::{ContextHandle, Hierarchy, ObjectHandle},
    structures::{
        CapabilityData, SymDef, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection, TpmsSensitiveCreate,
        TpmtPublic,
    },
};
use std::fmt::Display;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEVICE: &str = "/dev/tpmrm0";
const VARIABLE: &str = "SIGILLO_HOST_TPM";
/// First bytes of a sealed key.
const MAGIC: [u8; 16] = *b"sigillo-htpm\r\n\x1a\n";
const FORMAT: u16 = 1;
const PATIENCE: Duration = Duration::from_secs(60);
/// TPM_PT_MANUFACTURER.
const MANUFACTURER: u32 = 0x105;

/// The host's TPM.
pub(crate) struct HostTpm {
    path: PathBuf,
}

impl HostTpm {
    /// `$SIGILLO_HOST_TPM`, a device or the Unix socket of a TPM's data channel; else `/dev/tpmrm0`.
    pub(crate) fn of_this_host() -> Self {
        let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { path: path.unwrap_or_else(|| PathBuf::from(DEVICE)) }
    }

    fn connect(&self) -> Result<Client<Wire>, String> {
        Wire::open(&self.path)
            .map(Client::new)
            .map_err(|error| text!("host-tpm-none", path = self.path.display(), error))
    }
}

/// A device, or a socket.
enum Wire {
    Device(DeviceTransport),
    Socket(UnixTransport),
}

impl Wire {
    fn open(path: &Path) -> io::Result<Self> {
        if !std::fs::metadata(path)?.file_type().is_socket() {
            return DeviceTransport::open(path).map(Self::Device);
        }
        let socket = UnixTransport::connect(path)?;
        socket.set_timeout(PATIENCE)?;
        Ok(Self::Socket(socket))
    }
}

impl Transport for Wire {
    type Error = io::Error;

    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Device(device) => device.transmit(command),
            Self::Socket(socket) => socket.transmit(command),
        }
    }
}

/// The storage key and a session salted to it: both are thrown away in the end.
struct Parent<'a> {
    tpm: &'a mut Client<Wire>,
    handle: ObjectHandle,
    name: Vec<u8>,
    session: Session,
}

impl<'a> Parent<'a> {
    fn make(tpm: &'a mut Client<Wire>) -> Result<Self, String> {
        let made = tpm
            .call(&CreatePrimary {
                primary_handle: Hierarchy::Owner,
                in_sensitive: Tpm2bSensitiveCreate::default(),
                in_public: Tpm2bPublic { public_area: template::ecc_storage() },
                outside_info: Tpm2bData::default(),
                creation_pcr: TpmlPcrSelection::default(),
            })
            .map_err(|error| text!("host-tpm-no-key", error))?;
        let name = made.name.to_vec();
        let handle = ObjectHandle::new(made.object_handle).map_err(|_| text!("host-tpm-no-handle"))?;
        match Self::session(tpm, handle, &made.out_public.public_area) {
            Ok(session) => Ok(Self { tpm, handle, name, session }),
            Err(why) => {
                flush(tpm, handle.raw());
                Err(why)
            }
        }
    }

    fn session(tpm: &mut Client<Wire>, handle: ObjectHandle, public: &TpmtPublic) -> Result<Session, String> {
        let (salt, encrypted) = ecc_salt(tpm.transport(), public).ok_or(text!("host-tpm-no-salt"))?;
        let symmetric = SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) };
        tpm.start_session(SessionOptions {
            symmetric: Some(symmetric),
            salt: Some((handle, &salt, encrypted)),
            ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)
        })
        .map_err(|error| text!("host-tpm-no-session", error))
    }
}

impl Drop for Parent<'_> {
    fn drop(&mut self) {
        flush(self.tpm, self.session.handle);
        flush(self.tpm, self.handle.raw());
    }
}

/// Best effort: the resource manager does it when the device is closed.
fn flush(tpm: &mut Client<Wire>, handle: u32) {
    if let Ok(flush_handle) = ContextHandle::new(handle) {
        let _ = tpm.call(&FlushContext { flush_handle });
    }
}

fn no(what: Words) -> impl Fn(&dyn Display) -> String {
    move |error| format!("{what}: {error}")
}

impl Sealer for HostTpm {
    fn kind(&self) -> ProviderKind {
        ProviderKind::HostTpm
    }

    fn probe(&self) -> Result<String, String> {
        let ask = GetCapability {
            capability: Capability::TpmProperties,
            property: MANUFACTURER,
            property_count: 1,
        };
        let answer = self
            .connect()?
            .call(&ask)
            .map_err(|error| text!("host-tpm-silent", path = self.path.display(), error))?;
        let CapabilityData::TpmProperties(properties) = answer.capability_data else {
            return Err(text!("host-tpm-strange", path = self.path.display()));
        };
        let maker = properties.iter().next().map_or(0, |property| property.value);
        let maker: String =
            maker.to_be_bytes().map(char::from).into_iter().filter(char::is_ascii_graphic).collect();
        Ok(text!("host-tpm-would-seal", path = self.path.display(), maker))
    }

    fn seal(&self, key: &Secret) -> Result<Vec<u8>, String> {
        let mut tpm = self.connect()?;
        let mut parent = Parent::make(&mut tpm)?;
        let data = Tpm2bSensitiveData::new(key.expose()).map_err(|_| text!("host-tpm-key-too-long"))?;
        let mut public = template::sealed(Tpm2bDigest::default());
        // A wrong try is impossible without a password, and a TPM in lockout must not keep the VMs from starting.
        public.object_attributes |= TpmaObject::NO_DA;
        let create = Create {
            parent_handle: parent.handle,
            in_sensitive: Tpm2bSensitiveCreate {
                sensitive: TpmsSensitiveCreate { user_auth: Default::default(), data },
            },
            in_public: Tpm2bPublic { public_area: public },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        };
        let attributes = TpmaSession::CONTINUE_SESSION | TpmaSession::DECRYPT;
        let mut auths = [Auth::session_with(&mut parent.session, b"", attributes)];
        let made =
            parent.tpm.call_with(&create, &mut auths).map_err(|e| no(words!("host-tpm-not-sealed"))(&e))?;
        Ok(to_bytes(&parent.name, &made.out_public.to_bytes(), &made.out_private.to_bytes()))
    }

    fn open(&self, sealed: &[u8]) -> Result<Secret, String> {
        let sealed = Sealed::parse(sealed).ok_or(text!("host-tpm-damaged"))?;
        let mut tpm = self.connect()?;
        let mut parent = Parent::make(&mut tpm)?;
        if parent.name != sealed.parent_name {
            return Err(text!("host-tpm-other"));
        }
        let load =
            Load { parent_handle: parent.handle, in_private: sealed.private, in_public: sealed.public };
        let mut auths = [Auth::session(&mut parent.session, b"")];
        let loaded =
            parent.tpm.call_with(&load, &mut auths).map_err(|e| no(words!("host-tpm-not-loaded"))(&e))?;
        let item = ObjectHandle::new(loaded.object_handle).map_err(|_| text!("host-tpm-loaded-no-handle"))?;
        let attributes = TpmaSession::CONTINUE_SESSION | TpmaSession::ENCRYPT;
        let mut auths = [Auth::session_with(&mut parent.session, b"", attributes)];
        let unsealed = parent.tpm.call_with(&Unseal { item_handle: item }, &mut auths);
        flush(parent.tpm, item.raw());
        unsealed
            .map(|data| Secret::from_slice(&data.out_data))
            .map_err(|e| no(words!("host-tpm-not-unsealed"))(&e))
    }
}

/// A sealed key as it lies in a file.
struct Sealed {
    parent_name: Vec<u8>,
    public: Tpm2bPublic,
    private: Tpm2bPrivate,
}

fn to_bytes(parent_name: &[u8], public: &[u8], private: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    for part in [parent_name, public, private] {
        // A TPM's own structures have 16-bit lengths themselves.
        out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(part);
    }
    let checksum = sha256(&[&out]);
    out.extend_from_slice(&checksum);
    out
}

impl Sealed {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, checksum) = bytes.split_last_chunk::<32>()?;
        let mut rest = covered.strip_prefix(&MAGIC)?.strip_prefix(&FORMAT.to_le_bytes())?;
        if sha256(&[covered]) != *checksum {
            return None;
        }
        let mut part = || {
            let (len, tail) = rest.split_first_chunk::<2>()?;
            let (part, tail) = tail.split_at_checked(u16::from_le_bytes(*len).into())?;
            rest = tail;
            Some(part)
        };
        let (parent_name, public, private) = (part()?, part()?, part()?);
        let sealed = Self {
            parent_name: parent_name.to_vec(),
            public: Tpm2bPublic::from_bytes(public).ok()?,
            private: Tpm2bPrivate::from_bytes(private).ok()?,
        };
        rest.is_empty().then_some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_cut_file_is_no_sealed_key() {
        let public = Tpm2bPublic { public_area: template::sealed(Tpm2bDigest::default()) }.to_bytes();
        let private = Tpm2bPrivate::new(&[1; 40]).unwrap().to_bytes();
        let bytes = to_bytes(&[7; 34], &public, &private);
        let parsed = Sealed::parse(&bytes).unwrap();
        assert_eq!((parsed.parent_name, parsed.public.to_bytes()), (vec![7; 34], public));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(Sealed::parse(&flipped).is_none(), "byte {at}");
            assert!(Sealed::parse(&bytes[..at]).is_none(), "cut to {at}");
        }
    }
}
