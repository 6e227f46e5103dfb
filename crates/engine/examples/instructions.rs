//! Some commands, each run once in a function that a profiler can count: what `cargo xtask bench --instructions` runs under callgrind.
//!
//! Nothing here is left to chance: entropy and nonces are the same in every run, and each command runs before it is counted, so that tables
//! are made and self-tests done. Prints the names in the order in which they are counted.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for xtask")]

use sigillo_client::{Auth, Client, Session, SessionOptions, Transport, template};
use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_types::{
    EccCurve, HashAlg,
    alg::{AesKeyBits, SymMode},
    attributes::{TpmaNv, TpmaSession},
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bMaxNvBuffer, Tpm2bSensitiveData},
    command::Command,
    commands::{
        ContextLoad, ContextSave, Create, CreatePrimary, FlushContext, GetCapability, GetRandom, Hash, Load,
        NvDefineSpace, NvRead, NvWrite, PcrExtend, PcrRead, Sign, Startup, Unseal, VerifySignature,
    },
    constants::{Capability, SessionType, StartupType},
    handles::{
        ContextHandle, Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle, PcrHandle,
        ProvisionHandle,
    },
    structures::{
        EccScheme, PcrSelect, RsaScheme, SymDef, Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate,
        TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic, TpmsPcrSelection, TpmsSensitiveCreate, TpmtHa,
        TpmtPublic, TpmtTkHashcheck,
    },
};
use std::{convert::Infallible, hint::black_box};

/// A host whose entropy is a count.
#[derive(Default)]
struct Machine(u8);

impl Host for Machine {
    fn monotonic_ms(&mut self) -> u64 {
        0
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
        Ok(())
    }
}

struct Counted {
    tpm: Tpm,
    machine: Machine,
    /// The next command is counted.
    next: bool,
}

/// What callgrind counts: from the command's octets to its answer's.
#[inline(never)]
fn counted_command(tpm: &mut Tpm, machine: &mut Machine, command: &[u8]) -> Vec<u8> {
    black_box(tpm.execute(0, black_box(command), machine).stored())
}

impl Transport for Counted {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        if core::mem::take(&mut self.next) {
            return Ok(counted_command(&mut self.tpm, &mut self.machine, command));
        }
        Ok(self.tpm.execute(0, command, &mut self.machine).stored())
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), getrandom::Error> {
        out.fill(0x5A);
        Ok(())
    }
}

type Client1 = Client<Counted>;

/// Runs a command, then counts it once.
fn count<C: Command>(name: &str, tpm: &mut Client1, command: &C) -> C::Response {
    assert!(tpm.call(command).is_ok(), "{name}");
    println!("{name}");
    tpm.transport().next = true;
    let answer = tpm.call(command);
    answer.unwrap_or_else(|error| unreachable_answer(name, &error))
}

fn unreachable_answer<T>(name: &str, error: &dyn std::fmt::Display) -> T {
    panic!("{name}: {error}")
}

/// The same in a session, whose Names are asked for before.
fn count_in<C: Command>(
    name: &str,
    tpm: &mut Client1,
    command: &C,
    session: &mut Session,
    attributes: TpmaSession,
) {
    let names: Vec<Vec<u8>> = command.handles().iter().map(|handle| tpm.name_of(*handle).unwrap()).collect();
    let attributes = attributes | TpmaSession::CONTINUE_SESSION;
    println!("{name}");
    for next in [false, true] {
        tpm.transport().next = next;
        let done = tpm.call_named(command, &names, &mut [Auth::session_with(session, b"", attributes)]);
        assert!(done.is_ok(), "{name}");
    }
}

fn flush(tpm: &mut Client1, handle: u32) {
    tpm.call(&FlushContext { flush_handle: ContextHandle::new(handle).unwrap() }).unwrap();
}

fn creation(public_area: TpmtPublic, data: &[u8]) -> (Tpm2bSensitiveCreate, Tpm2bPublic) {
    let data = Tpm2bSensitiveData::new(data).unwrap();
    let sensitive = TpmsSensitiveCreate { user_auth: Tpm2bAuth::default(), data };
    (Tpm2bSensitiveCreate { sensitive }, Tpm2bPublic { public_area })
}

fn primary(public: TpmtPublic) -> CreatePrimary {
    let (in_sensitive, in_public) = creation(public, &[]);
    CreatePrimary {
        primary_handle: Hierarchy::Owner,
        in_sensitive,
        in_public,
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    }
}

fn made(tpm: &mut Client1, public: TpmtPublic) -> ObjectHandle {
    ObjectHandle::new(tpm.call(&primary(public)).unwrap().object_handle).unwrap()
}

fn child(parent_handle: ObjectHandle, public: TpmtPublic, data: &[u8]) -> Create {
    let (in_sensitive, in_public) = creation(public, data);
    Create {
        parent_handle,
        in_sensitive,
        in_public,
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    }
}

/// Counts the making of an object twice and leaves none.
fn count_primary(name: &str, tpm: &mut Client1, public: TpmtPublic) {
    let handle = made(tpm, public.clone());
    flush(tpm, handle.raw());
    println!("{name}");
    tpm.transport().next = true;
    let handle = made(tpm, public);
    flush(tpm, handle.raw());
}

fn small(tpm: &mut Client1) {
    count("GetRandom 32", tpm, &GetRandom { bytes_requested: 32 });
    let capability = Capability::TpmProperties;
    count(
        "GetCapability properties",
        tpm,
        &GetCapability { capability, property: 0x100, property_count: 64 },
    );
    let pcrs = (0..8).map(|number| PcrHandle::new(number).unwrap());
    let selection = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select: PcrSelect::of(pcrs) };
    let read = PcrRead { pcr_selection_in: TpmlPcrSelection::new(vec![selection]).unwrap() };
    count("PCR_Read SHA-256 0-7", tpm, &read);
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    let extend = PcrExtend { pcr_handle: PcrHandle::new(16).ok(), digests };
    count("PCR_Extend SHA-256", tpm, &extend);
    let data = Tpm2bMaxBuffer::new(&[5; 1024]).unwrap();
    count("Hash SHA-256 1 KiB", tpm, &Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null });

    let nv_index = NvLegacyIndexHandle::new(0x0150_0000).unwrap();
    let nv_public = TpmsNvPublic {
        nv_index,
        name_alg: HashAlg::Sha256,
        attributes: TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE,
        auth_policy: Tpm2bDigest::default(),
        data_size: 64,
    };
    let public_info = Tpm2bNvPublic { nv_public };
    tpm.call(&NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info })
        .unwrap();
    let nv_index: NvIndexHandle = nv_index.into();
    let auth_handle = NvAuthHandle::Owner;
    let data = Tpm2bMaxNvBuffer::new(&[9; 64]).unwrap();
    count("NV_Write 64, same data", tpm, &NvWrite { auth_handle, nv_index, data, offset: 0 });
    let nv_read = NvRead { auth_handle, nv_index, size: 64, offset: 0 };
    count("NV_Read 64", tpm, &nv_read);

    let symmetric = Some(SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) });
    let options = SessionOptions { symmetric, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
    let mut session = tpm.start_session(options).unwrap();
    count_in("session: PCR_Extend", tpm, &extend, &mut session, TpmaSession::empty());
    count_in("session: NV_Read 64, encrypted", tpm, &nv_read, &mut session, TpmaSession::ENCRYPT);
    flush(tpm, session.handle);
}

fn keys(tpm: &mut Client1) {
    count_primary("CreatePrimary RSA-2048", tpm, template::rsa_storage());
    count_primary("CreatePrimary P-256", tpm, template::ecc_storage());
    let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 };
    let signing = template::ecc_signing(EccCurve::NistP256, Some(scheme), false);
    let parent_handle = made(tpm, template::ecc_storage());
    let created = count("Create P-256", tpm, &child(parent_handle, signing.clone(), &[]));
    let load = Load { parent_handle, in_private: created.out_private, in_public: created.out_public };
    let key = tpm.call(&load).unwrap();
    flush(tpm, key.object_handle);
    println!("Load P-256");
    tpm.transport().next = true;
    let key = tpm.call(&load).unwrap().object_handle;
    let save_handle = ContextHandle::new(key).unwrap();
    let context = count("ContextSave P-256", tpm, &ContextSave { save_handle }).context;
    flush(tpm, key);
    println!("ContextLoad P-256");
    tpm.transport().next = true;
    let key = tpm.call(&ContextLoad { context }).unwrap().loaded_handle;
    let key_handle = ObjectHandle::new(key).unwrap();
    use_key("ECDSA P-256", tpm, key_handle);
    flush(tpm, key);

    let sealed = child(parent_handle, template::sealed(Tpm2bDigest::default()), &[3; 32]);
    let created = tpm.call(&sealed).unwrap();
    let load = Load { parent_handle, in_private: created.out_private, in_public: created.out_public };
    let item_handle = ObjectHandle::new(tpm.call(&load).unwrap().object_handle).unwrap();
    count("Unseal", tpm, &Unseal { item_handle });
    flush(tpm, item_handle.raw());

    let scheme = RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 };
    let key_handle = made(tpm, template::rsa_signing(Some(scheme), false));
    use_key("RSASSA-2048", tpm, key_handle);
}

fn use_key(name: &str, tpm: &mut Client1, key_handle: ObjectHandle) {
    let digest = Tpm2bDigest::from([4; 32]);
    let sign =
        Sign { key_handle, digest: digest.clone(), in_scheme: None, validation: TpmtTkHashcheck::null() };
    let signature = count(&format!("Sign {name}"), tpm, &sign).signature;
    count(&format!("Verify {name}"), tpm, &VerifySignature { key_handle, digest, signature });
}

fn main() {
    let mut machine = Machine::default();
    let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut machine).unwrap();
    tpm.init(&mut machine);
    let mut client = Client::new(Counted { tpm, machine, next: false });
    client.call(&Startup { startup_type: StartupType::Clear }).unwrap();
    small(&mut client);
    keys(&mut client);
}
