//! What is measured: each workload prepares objects on a peer and returns the action to time.

use super::peer::Tpm;
use sigillo_client::{SessionOptions, template};
use sigillo_types::{
    EccCurve, HashAlg,
    attributes::TpmaNv,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bMaxNvBuffer, Tpm2bSensitiveData},
    commands::{
        Create, CreatePrimary, EcdhZGen, FlushContext, GetCapability, GetRandom, Hash, Load, NvDefineSpace,
        NvRead, NvWrite, PcrExtend, PcrRead, Quote, RsaDecrypt, RsaEncrypt, Sign, Unseal,
    },
    constants::{Capability, SessionType},
    handles::{
        ContextHandle, Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle, PcrHandle,
        ProvisionHandle,
    },
    structures::{
        EccScheme, PcrSelect, PublicId, RsaDecryptScheme, RsaScheme, SigScheme, Tpm2bEccPoint, Tpm2bNvPublic,
        Tpm2bPublic, Tpm2bSensitiveCreate, TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic,
        TpmsPcrSelection, TpmsSensitiveCreate, TpmtHa, TpmtPublic, TpmtTkHashcheck,
    },
};

type Result<T> = crate::sh::Result<T>;
pub(crate) type Action = Box<dyn FnMut(&mut Tpm) -> Result<()>>;

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) rounds: u32,
    pub(crate) prepare: fn(&mut Tpm) -> Result<Action>,
}

fn told<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn coded(code: sigillo_types::Fmt1) -> String {
    format!("{code:?}")
}

pub(crate) fn all() -> Vec<Workload> {
    let workload = |name, rounds, prepare| Workload { name, rounds, prepare };
    vec![
        workload("GetRandom 32", 3000, |_| Ok(Box::new(|tpm| run(tpm, &GetRandom { bytes_requested: 32 })))),
        workload("PCR_Extend SHA-256", 3000, |_| {
            let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).map_err(coded)?;
            let pcr_handle = Some(PcrHandle::new(16).map_err(coded)?);
            let command = PcrExtend { pcr_handle, digests };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("PCR_Read SHA-256 0-7", 3000, |_| {
            let command = PcrRead { pcr_selection_in: pcrs()? };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("GetCapability properties", 2000, |_| {
            let capability = Capability::TpmProperties;
            let command = GetCapability { capability, property: 0x100, property_count: 64 };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Hash SHA-256 1 KiB", 2000, |_| {
            let data = Tpm2bMaxBuffer::new(&[5; 1024]).map_err(coded)?;
            let command = Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("StartAuthSession + Flush", 1000, |_| {
            Ok(Box::new(|tpm| {
                let session = tpm
                    .start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256))
                    .map_err(told)?;
                flush(tpm, session.handle)
            }))
        }),
        workload("NV_Write 64", 300, nv_write),
        workload("NV_Write 64, same data", 2000, |tpm| {
            let (auth_handle, nv_index) = define(tpm)?;
            let data = Tpm2bMaxNvBuffer::new(&[3; 64]).map_err(coded)?;
            let command = NvWrite { auth_handle, nv_index, data, offset: 0 };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("NV_Read 64", 2000, |tpm| {
            let (auth_handle, nv_index) = define(tpm)?;
            let data = Tpm2bMaxNvBuffer::new(&[9; 64]).map_err(coded)?;
            run(tpm, &NvWrite { auth_handle, nv_index, data, offset: 0 })?;
            let command = NvRead { auth_handle, nv_index, size: 64, offset: 0 };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("CreatePrimary P-256", 100, |_| {
            Ok(Box::new(|tpm| {
                let handle = primary(tpm, Hierarchy::Owner, template::ecc_storage())?;
                flush(tpm, handle)
            }))
        }),
        workload("CreatePrimary RSA-2048", 30, |_| {
            let mut seed = 0_u8;
            Ok(Box::new(move |tpm| {
                // Another template every round: the time of a search varies with the key.
                seed = seed.wrapping_add(1);
                let mut public = template::rsa_storage();
                public.unique = PublicId::Rsa([seed; 256].into());
                let handle = primary(tpm, Hierarchy::Owner, public)?;
                flush(tpm, handle)
            }))
        }),
        workload("Create RSA-2048", 30, |tpm| {
            let parent = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            let command = creation(parent, template::rsa_signing(None, false), &[])?;
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Create P-256", 200, |tpm| {
            let parent = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            let command = creation(parent, template::ecc_signing(EccCurve::NistP256, None, false), &[])?;
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Load + Flush P-256", 200, |tpm| {
            let parent = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            let command = creation(parent, template::ecc_signing(EccCurve::NistP256, None, false), &[])?;
            let made = tpm.call(&command).map_err(told)?;
            let command =
                Load { parent_handle: parent, in_private: made.out_private, in_public: made.out_public };
            Ok(Box::new(move |tpm| {
                let loaded = tpm.call(&command).map_err(told)?;
                flush(tpm, loaded.object_handle)
            }))
        }),
        workload("Sign RSASSA-2048", 100, |tpm| {
            let scheme = RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 };
            sign(tpm, template::rsa_signing(Some(scheme), false))
        }),
        workload("Sign ECDSA P-256", 300, |tpm| {
            let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 };
            sign(tpm, template::ecc_signing(EccCurve::NistP256, Some(scheme), false))
        }),
        workload("RSA_Decrypt OAEP-2048", 100, |tpm| {
            let key_handle = object(primary(tpm, Hierarchy::Owner, template::rsa_decryption(None))?)?;
            let in_scheme = Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha256 });
            let message = [3; 32].into();
            let label = Tpm2bData::default();
            let sealed = tpm
                .call(&RsaEncrypt { key_handle, message, in_scheme, label: label.clone() })
                .map_err(told)?;
            let command = RsaDecrypt { key_handle, cipher_text: sealed.out_data, in_scheme, label };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("ECDH_ZGen P-256", 300, |tpm| {
            let handle = primary(tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256))?;
            let key_handle = object(handle)?;
            let generated = tpm.call(&sigillo_types::commands::EcdhKeyGen { key_handle }).map_err(told)?;
            let in_point = Tpm2bEccPoint { point: generated.pub_point.point };
            let command = EcdhZGen { key_handle, in_point };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Quote ECDSA P-256", 200, |tpm| {
            let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 };
            let public = template::ecc_signing(EccCurve::NistP256, Some(scheme), true);
            let sign_handle = Some(object(primary(tpm, Hierarchy::Endorsement, public)?)?);
            let qualifying_data = Tpm2bData::new(&[1; 16]).map_err(coded)?;
            let command = Quote { sign_handle, qualifying_data, in_scheme: None, pcr_select: pcrs()? };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Unseal", 1000, |tpm| {
            let parent = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            let made = tpm
                .call(&creation(
                    parent,
                    template::sealed(Tpm2bDigest::default()),
                    b"a disk key of 32 octets, sealed!",
                )?)
                .map_err(told)?;
            let loaded = tpm
                .call(&Load {
                    parent_handle: parent,
                    in_private: made.out_private,
                    in_public: made.out_public,
                })
                .map_err(told)?;
            let command = Unseal { item_handle: object(loaded.object_handle)? };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
    ]
}

/// Writes other data every round: what does not change anything need not be stored.
pub(crate) fn nv_write(tpm: &mut Tpm) -> Result<Action> {
    let (auth_handle, nv_index) = define(tpm)?;
    let mut round = 0_u64;
    Ok(Box::new(move |tpm| {
        round += 1;
        let data = Tpm2bMaxNvBuffer::new(&round.to_be_bytes().repeat(8)).map_err(coded)?;
        run(tpm, &NvWrite { auth_handle, nv_index, data, offset: 0 })
    }))
}

fn run<C: sigillo_types::command::Command>(tpm: &mut Tpm, command: &C) -> Result<()> {
    tpm.call(command).map(drop).map_err(told)
}

fn object(handle: u32) -> Result<ObjectHandle> {
    ObjectHandle::new(handle).map_err(coded)
}

fn flush(tpm: &mut Tpm, handle: u32) -> Result<()> {
    run(tpm, &FlushContext { flush_handle: ContextHandle::new(handle).map_err(coded)? })
}

fn pcrs() -> Result<TpmlPcrSelection> {
    let handles = (0..8).map(PcrHandle::new).collect::<std::result::Result<Vec<_>, _>>().map_err(coded)?;
    let selection = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select: PcrSelect::of(handles) };
    TpmlPcrSelection::new(vec![selection]).map_err(coded)
}

fn primary(tpm: &mut Tpm, primary_handle: Hierarchy, public: TpmtPublic) -> Result<u32> {
    let command = CreatePrimary {
        primary_handle,
        in_sensitive: Tpm2bSensitiveCreate::default(),
        in_public: Tpm2bPublic { public_area: public },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    };
    tpm.call(&command).map(|made| made.object_handle).map_err(told)
}

fn creation(parent_handle: ObjectHandle, public: TpmtPublic, data: &[u8]) -> Result<Create> {
    let data = Tpm2bSensitiveData::new(data).map_err(coded)?;
    Ok(Create {
        parent_handle,
        in_sensitive: Tpm2bSensitiveCreate {
            sensitive: TpmsSensitiveCreate { user_auth: Tpm2bAuth::default(), data },
        },
        in_public: Tpm2bPublic { public_area: public },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    })
}

fn sign(tpm: &mut Tpm, public: TpmtPublic) -> Result<Action> {
    let key_handle = object(primary(tpm, Hierarchy::Owner, public)?)?;
    let command = Sign {
        key_handle,
        digest: [4; 32].into(),
        in_scheme: None::<SigScheme>,
        validation: TpmtTkHashcheck::null(),
    };
    Ok(Box::new(move |tpm| run(tpm, &command)))
}

/// An ordinary index of 64 octets, defined once.
fn define(tpm: &mut Tpm) -> Result<(NvAuthHandle, NvIndexHandle)> {
    const INDEX: u32 = 0x0150_0000;
    let nv_index = NvLegacyIndexHandle::new(INDEX).map_err(coded)?;
    let attributes =
        TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE | TpmaNv::NO_DA;
    let public = TpmsNvPublic {
        nv_index,
        name_alg: HashAlg::Sha256,
        attributes,
        auth_policy: Tpm2bDigest::default(),
        data_size: 64,
    };
    let defined = tpm.call(&NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic { nv_public: public },
    });
    match defined {
        Ok(_) => {}
        Err(error) if error.rc() == Some(sigillo_types::rc::NV_DEFINED) => {}
        Err(error) => return Err(told(error)),
    }
    Ok((NvAuthHandle::new(INDEX).map_err(coded)?, nv_index.into()))
}
