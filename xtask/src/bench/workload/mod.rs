//! What is measured: each workload prepares objects on a peer and returns the action to time. One file a kind of command.

mod attestation;
mod data;
mod keys;
mod session;
mod small;

use super::peer::Tpm;
pub(crate) use small::nv_write;

use sigillo_client::template;
use sigillo_types::{
    EccCurve, HashAlg,
    attributes::TpmaNv,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bSensitiveData},
    commands::{Create, CreatePrimary, FlushContext, Load, NvDefineSpace},
    handles::{
        ContextHandle, Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle, PcrHandle,
        ProvisionHandle,
    },
    structures::{
        EccScheme, PcrSelect, RsaScheme, Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection,
        TpmsNvPublic, TpmsPcrSelection, TpmsSensitiveCreate, TpmtPublic,
    },
};

type Result<T> = crate::sh::Result<T>;
pub(crate) type Action = Box<dyn FnMut(&mut Tpm) -> Result<()>>;

/// The most that a command may take, as a ratio to swtpm.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Measured for what it says, without a target.
    None,
    AtMost(f64),
    /// With AVX-512 IFMA, with AVX2, and without either.
    ByVectors([f64; 3]),
}

impl Target {
    /// The ratio on this machine.
    pub(crate) fn here(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::AtMost(ratio) => Some(ratio),
            Self::ByVectors([ifma, avx2, portable]) => Some(match sigillo_crypto::vectors() {
                Some("AVX-512 IFMA") => ifma,
                Some(_) => avx2,
                None => portable,
            }),
        }
    }
}

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) rounds: u32,
    pub(crate) target: Target,
    pub(crate) prepare: fn(&mut Tpm) -> Result<Action>,
}

fn workload(
    name: &'static str,
    rounds: u32,
    target: Target,
    prepare: fn(&mut Tpm) -> Result<Action>,
) -> Workload {
    Workload { name, rounds, target, prepare }
}

/// Every row of the table, in its order.
pub(crate) fn all() -> Vec<Workload> {
    [small::all(), session::all(), keys::all(), attestation::all(), data::all()]
        .into_iter()
        .flatten()
        .collect()
}

fn told<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn coded(code: sigillo_types::Fmt1) -> String {
    format!("{code:?}")
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

/// A P-256 key that signs with ECDSA; `restricted` makes it an attestation key.
fn ecdsa(restricted: bool) -> TpmtPublic {
    let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 };
    template::ecc_signing(EccCurve::NistP256, Some(scheme), restricted)
}

/// An RSA-2048 key that signs with RSASSA.
fn rsassa(restricted: bool) -> TpmtPublic {
    template::rsa_signing(Some(RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 }), restricted)
}

/// A child of a fresh storage primary, not loaded.
fn child(tpm: &mut Tpm, public: TpmtPublic, data: &[u8]) -> Result<Load> {
    let parent_handle = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
    let made = tpm.call(&creation(parent_handle, public, data)?).map_err(told)?;
    Ok(Load { parent_handle, in_private: made.out_private, in_public: made.out_public })
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
