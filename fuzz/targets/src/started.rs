//! The TPM that inputs begin with: started, with something of every kind in it that a command can name.

use crate::commands::{FuzzHost, run};
use sigillo_client::{Auth, Client, SessionOptions, Transport, template};
use sigillo_engine::{Profile, Tpm};
use sigillo_types::{
    EccCurve, Fmt1, HashAlg,
    alg::{AesKeyBits, SymMode},
    attributes::{NvType, TpmaNv, TpmaObject},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bSensitiveData},
    commands::{
        CreatePrimary, EvictControl, FlushContext, HashSequenceStart, NvDefineSpace, NvExtend, NvIncrement,
        NvSetBits, NvWrite, Startup,
    },
    constants::{SessionType, StartupType},
    handles::{
        ContextHandle, Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle,
        PersistentHandle, ProvisionHandle,
    },
    structures::{
        PublicId, PublicParms, SymDefObject, Tpm2bNvPublic, Tpm2bSensitiveCreate, TpmsNvPublic,
        TpmsSensitiveCreate, TpmsSymcipherParms, TpmtPublic,
    },
};
use std::{convert::Infallible, error::Error, sync::LazyLock};

struct Local(Tpm, FuzzHost);

impl Transport for Local {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        Ok(run(&mut self.0, &mut self.1, 0, command))
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), getrandom::Error> {
        out.fill(7);
        Ok(())
    }
}

/// The permanent and the volatile state of a started TPM with persistent objects, for commands. Made once; each input begins with a copy.
pub(crate) fn started() -> &'static (Vec<u8>, Vec<u8>) {
    static STARTED: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| start_or_panic(&objects()));
    &STARTED
}

/// The same without objects: a persistent key is proved to belong to its public part at each restoration, and an input that is not about
/// keys is faster without.
pub(crate) fn bare() -> &'static (Vec<u8>, Vec<u8>) {
    static BARE: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| start_or_panic(&[]));
    &BARE
}

/// Without it nothing is fuzzed at all.
fn start_or_panic(objects: &[Object]) -> (Vec<u8>, Vec<u8>) {
    match start(objects) {
        Ok(states) => states,
        Err(error) => panic!("the TPM of the targets does not start: {error}"),
    }
}

/// A template, with the data to seal.
type Object = (TpmtPublic, &'static [u8]);

fn start(objects: &[Object]) -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
    let mut host = FuzzHost::default();
    let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut host)?;
    tpm.init(&mut host);
    let mut client = Client::new(Local(tpm, host));
    client.call(&Startup { startup_type: StartupType::Clear })?;
    for (handle, object) in (0x8100_0000..).zip(objects) {
        persist(&mut client, handle, object)?;
    }
    for (number, nt) in (0x0150_0000..).zip([
        NvType::Ordinary,
        NvType::Counter,
        NvType::Bits,
        NvType::Extend,
        NvType::PinPass,
        NvType::PinFail,
    ]) {
        define(&mut client, number, nt)?;
    }
    for kind in [SessionType::Hmac, SessionType::Policy, SessionType::Trial] {
        client.start_session(SessionOptions::new(kind, HashAlg::Sha256))?;
    }
    if objects.is_empty() {
        // What is only volatile state: a loaded object and a sequence.
        create(&mut client, &(template::hmac_key(HashAlg::Sha256), b""))?;
        client.call(&HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: None })?;
    }
    let Local(tpm, _) = client.into_transport();
    Ok((tpm.permanent_state().to_vec(), tpm.volatile_state().to_vec()))
}

/// A code of the TPM is not yet an error of Rust.
fn valid<T>(value: Result<T, Fmt1>) -> Result<T, String> {
    value.map_err(|code| format!("{code:?}"))
}

/// One for each kind of use.
fn objects() -> Vec<Object> {
    let [rsa, ecc] =
        [template::rsa_signing(None, false), template::ecc_signing(EccCurve::NistP256, None, false)].map(
            |mut key| {
                key.object_attributes |= TpmaObject::DECRYPT;
                key
            },
        );
    let cipher = TpmtPublic {
        object_attributes: rsa.object_attributes,
        parameters: PublicParms::SymCipher(TpmsSymcipherParms {
            sym: SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) },
        }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
        ..template::hmac_key(HashAlg::Sha256)
    };
    vec![
        (template::ecc_storage(), b""),
        (template::hmac_key(HashAlg::Sha256), b""),
        (ecc, b""),
        (rsa, b""),
        (cipher, b""),
        (template::sealed(Tpm2bDigest::default()), b"sealed data"),
    ]
}

/// A primary object of the owner; its handle.
fn create(client: &mut Client<Local>, (public, data): &Object) -> Result<u32, Box<dyn Error>> {
    let data = valid(Tpm2bSensitiveData::new(data))?;
    let create = CreatePrimary {
        primary_handle: Hierarchy::Owner,
        in_sensitive: Tpm2bSensitiveCreate {
            sensitive: TpmsSensitiveCreate { user_auth: Tpm2bAuth::default(), data },
        },
        in_public: public.clone().into(),
        outside_info: Default::default(),
        creation_pcr: Default::default(),
    };
    Ok(client.call_with(&create, &mut [Auth::password(b"")])?.object_handle)
}

fn persist(client: &mut Client<Local>, handle: u32, object: &Object) -> Result<(), Box<dyn Error>> {
    let made = create(client, object)?;
    let evict = EvictControl {
        auth: ProvisionHandle::Owner,
        object_handle: valid(ObjectHandle::new(made))?,
        persistent_handle: valid(PersistentHandle::new(handle))?,
    };
    client.call_with(&evict, &mut [Auth::password(b"")])?;
    client.call(&FlushContext { flush_handle: valid(ContextHandle::new(made))? })?;
    Ok(())
}

/// Defines an index and writes it.
fn define(client: &mut Client<Local>, number: u32, nt: NvType) -> Result<(), Box<dyn Error>> {
    let pin = matches!(nt, NvType::PinPass | NvType::PinFail);
    let mut attributes = TpmaNv::AUTHREAD
        | TpmaNv::OWNERREAD
        | TpmaNv::OWNERWRITE
        | TpmaNv::NO_DA
        | TpmaNv::WRITE_STCLEAR
        | TpmaNv::READ_STCLEAR;
    if !pin {
        attributes |= TpmaNv::AUTHWRITE;
    }
    let index = valid(NvLegacyIndexHandle::new(number))?;
    let nv_public = TpmsNvPublic {
        nv_index: index,
        name_alg: HashAlg::Sha256,
        attributes: attributes.with_nt(nt),
        auth_policy: Tpm2bDigest::default(),
        data_size: match nt {
            NvType::Ordinary => 64,
            NvType::Extend => 32,
            NvType::Counter | NvType::Bits | NvType::PinFail | NvType::PinPass => 8,
        },
    };
    let public_info = Tpm2bNvPublic { nv_public };
    let define =
        NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info };
    client.call_with(&define, &mut [Auth::password(b"")])?;
    let (auth_handle, nv_index) = (NvAuthHandle::Owner, NvIndexHandle::from(index));
    let auths = &mut [Auth::password(b"")];
    match nt {
        NvType::Counter => drop(client.call_with(&NvIncrement { auth_handle, nv_index }, auths)?),
        NvType::Bits => drop(client.call_with(&NvSetBits { auth_handle, nv_index, bits: 5 }, auths)?),
        NvType::Extend => {
            let data = valid(Tpm2bMaxNvBuffer::new(b"extended"))?;
            client.call_with(&NvExtend { auth_handle, nv_index, data }, auths)?;
        }
        NvType::Ordinary | NvType::PinPass | NvType::PinFail => {
            let data = valid(Tpm2bMaxNvBuffer::new(&[0, 0, 0, 0, 0, 0, 0, 9]))?;
            client.call_with(&NvWrite { auth_handle, nv_index, data, offset: 0 }, auths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_started_tpm_is_always_the_same_and_can_be_resumed() {
        for objects in [objects(), Vec::new()] {
            let states = start(&objects).unwrap();
            assert_eq!(states, start(&objects).unwrap());
            assert!(Tpm::resume(&states.0, &states.1, &mut FuzzHost::default()).is_ok());
        }
    }
}
