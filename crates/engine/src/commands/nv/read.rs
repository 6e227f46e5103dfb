//! Reading an index and attesting to what it holds. Part 3, 31.6, 31.13, 31.16 and 31.18.

use super::index_at;
use crate::{Tpm, nv, session::sized};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Rc,
    buffers::Tpm2bMaxNvBuffer,
    commands::{
        NvCertify, NvCertifyResponse, NvRead, NvReadPublic, NvReadPublic2, NvReadPublic2Response,
        NvReadPublicResponse, NvReadResponse,
    },
    handles::NvIndexHandle,
    limits, rc,
    structures::{
        Attested, NvPublic2, SigScheme, Tpm2bNvPublic, Tpm2bNvPublic2, TpmsNvCertifyInfo,
        TpmsNvDigestCertifyInfo,
    },
};

/// TPM2_NV_ReadPublic. Part 3, 31.6.
pub(crate) fn nv_read_public(tpm: &mut Tpm, cmd: NvReadPublic) -> Result<NvReadPublicResponse, Rc> {
    let index = index_at(tpm, NvIndexHandle::Legacy(cmd.nv_index), NvReadPublic::NV_INDEX)?;
    match index.public.clone().into() {
        NvPublic2::NvIndex(nv_public) | NvPublic2::Permanent(nv_public) => {
            Ok(NvReadPublicResponse { nv_public: Tpm2bNvPublic { nv_public }, nv_name: nv::name(&index) })
        }
        NvPublic2::External(_) => Err(rc::HANDLE.at(NvReadPublic::NV_INDEX)),
    }
}

/// TPM2_NV_ReadPublic2. Part 3, 31.18.
pub(crate) fn nv_read_public2(tpm: &mut Tpm, cmd: NvReadPublic2) -> Result<NvReadPublic2Response, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvReadPublic2::NV_INDEX)?;
    Ok(NvReadPublic2Response {
        nv_public: Tpm2bNvPublic2 { nv_public: index.public.clone().into() },
        nv_name: nv::name(&index),
    })
}

/// TPM2_NV_Read. Part 3, 31.13.
///
/// # Response codes
/// - `NV_LOCKED`, `NV_AUTHORIZATION`, `NV_UNINITIALIZED`: the index is locked, the authorization may not read it, or nothing was written.
/// - `VALUE` (size): more than one answer holds.
/// - `VALUE` (offset): behind the end of the index.
/// - `NV_RANGE`: the octets reach over its end.
pub(crate) fn nv_read(tpm: &mut Tpm, cmd: NvRead) -> Result<NvReadResponse, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvRead::NV_INDEX)?;
    tpm.check_nv_read(cmd.auth_handle, &index)?;
    let (size, offset) = (usize::from(cmd.size), usize::from(cmd.offset));
    if size > limits::MAX_NV_BUFFER_SIZE {
        return Err(rc::VALUE.at(NvRead::SIZE));
    }
    if offset > index.size() {
        return Err(rc::VALUE.at(NvRead::OFFSET));
    }
    let data = tpm.nv_data(&index).get(offset..offset + size).ok_or(rc::NV_RANGE)?;
    Ok(NvReadResponse { data: Tpm2bMaxNvBuffer::new(data)? })
}

/// TPM2_NV_Certify: with size and offset zero, attests to the digest of all that the index holds. Part 3, 31.16.
///
/// # Response codes
/// - `TYPE`, `KEY` (handle 1), `SCHEME` (inScheme): as TPM2_Certify; `SCHEME` also if a digest is asked for without a key and a scheme.
/// - `NV_LOCKED`, `NV_AUTHORIZATION`, `NV_UNINITIALIZED`: as TPM2_NV_Read.
/// - `VALUE` (size): more than one answer holds.
/// - `NV_RANGE`: the octets reach over the end of the index.
pub(crate) fn nv_certify(tpm: &mut Tpm, cmd: NvCertify) -> Result<NvCertifyResponse, Rc> {
    let signer = tpm.signer(cmd.sign_handle, NvCertify::SIGN_HANDLE, cmd.in_scheme, NvCertify::IN_SCHEME)?;
    let index = index_at(tpm, cmd.nv_index, NvCertify::NV_INDEX)?;
    tpm.check_nv_read(cmd.auth_handle, &index)?;
    let (size, offset) = (usize::from(cmd.size), usize::from(cmd.offset));
    let data = tpm.nv_data(&index).get(offset..offset + size).ok_or(rc::NV_RANGE)?;
    let attested = if (size, offset) == (0, 0) {
        let hash_alg = signer.scheme.and_then(SigScheme::hash_alg);
        let hash_alg = hash_alg.ok_or(rc::SCHEME.at(NvCertify::IN_SCHEME))?;
        Attested::NvDigest(TpmsNvDigestCertifyInfo {
            index_name: nv::name(&index),
            nv_digest: sized(&hash(hash_alg, &[tpm.nv_data(&index)])),
        })
    } else {
        Attested::Nv(TpmsNvCertifyInfo {
            index_name: nv::name(&index),
            offset: cmd.offset,
            nv_contents: Tpm2bMaxNvBuffer::new(data).map_err(|_| rc::VALUE.at(NvCertify::SIZE))?,
        })
    };
    let (certify_info, signature) = tpm.sign_attest(&signer, cmd.qualifying_data, attested)?;
    Ok(NvCertifyResponse { certify_info, signature })
}
