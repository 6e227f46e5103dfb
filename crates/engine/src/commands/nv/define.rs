//! What an index is: definition, deletion and its authValue. Part 3, 31.3 to 31.5, 31.15 and 31.17.

use super::index_at;
use crate::{
    Tpm,
    entity::trimmed,
    state::{NvIndex, NvPublic},
};
use alloc::{sync::Arc, vec};
use sigillo_types::{
    Fmt1, Rc,
    attributes::{NvType, TpmaNv},
    buffers::Tpm2bAuth,
    command::Done,
    commands::{NvChangeAuth, NvDefineSpace, NvDefineSpace2, NvUndefineSpace, NvUndefineSpaceSpecial},
    handles::ProvisionHandle,
    limits, rc,
};

/// Somebody may read.
const READERS: TpmaNv =
    TpmaNv::PPREAD.union(TpmaNv::OWNERREAD).union(TpmaNv::AUTHREAD).union(TpmaNv::POLICYREAD);
/// Somebody but who knows the authValue may write.
const MANAGERS: TpmaNv = TpmaNv::PPWRITE.union(TpmaNv::OWNERWRITE).union(TpmaNv::POLICYWRITE);
/// Who knows a PIN must not be able to change its limit; and a lock for good would leave a PIN that nobody can reset. Every TPM refuses the
/// locks too, although Part 3 names AUTHWRITE only.
const NOT_FOR_PINS: TpmaNv = TpmaNv::AUTHWRITE.union(TpmaNv::GLOBALLOCK).union(TpmaNv::WRITEDEFINE);
/// What only the TPM sets.
const STATE: TpmaNv = TpmaNv::WRITTEN.union(TpmaNv::READLOCKED).union(TpmaNv::WRITELOCKED);

/// TPM2_NV_DefineSpace. Part 3, 31.3.
///
/// # Response codes
/// - `SIZE` (auth): longer than a digest of nameAlg.
/// - `HIERARCHY` (handle 1): the platform's indices are disabled.
/// - `SIZE` (publicInfo): the policy is not a digest of nameAlg; or dataSize is not that of the type, or more than fits in an index, or with
///   WRITEALL more than one command can write.
/// - `ATTRIBUTES` (publicInfo): no such type; WRITTEN, READLOCKED or WRITELOCKED; nobody may read or nobody may write; or what the type or
///   another attribute excludes.
/// - `ATTRIBUTES` (handle 1): PLATFORMCREATE does not say who authorized.
/// - `NV_DEFINED`: the index is there already.
/// - `NV_SPACE`: no room.
pub(crate) fn nv_define_space(tpm: &mut Tpm, cmd: NvDefineSpace) -> Result<Done, Rc> {
    define(tpm, cmd.auth_handle, &cmd.auth, cmd.public_info.nv_public.into())
}

/// TPM2_NV_DefineSpace2. Part 3, 31.17. An external index is like another but for its attributes' size, and that Part 2 lets only the
/// owner and the platform give access to it.
///
/// # Response codes
/// - `HANDLE` (publicInfo): a permanent index.
/// - `ATTRIBUTES` (publicInfo): an external index with expanded attributes.
/// - as TPM2_NV_DefineSpace.
pub(crate) fn nv_define_space2(tpm: &mut Tpm, cmd: NvDefineSpace2) -> Result<Done, Rc> {
    let public = NvPublic::try_from(cmd.public_info.nv_public);
    let public = public.map_err(|code| code.at(NvDefineSpace2::PUBLIC_INFO))?;
    define(tpm, cmd.auth_handle, &cmd.auth, public)
}

/// Defines an index. The parameters of both commands stand at the same positions.
fn define(
    tpm: &mut Tpm,
    auth_handle: ProvisionHandle,
    auth: &Tpm2bAuth,
    public: NvPublic,
) -> Result<Done, Rc> {
    let platform = auth_handle == ProvisionHandle::Platform;
    let size = usize::from(public.data_size);
    let digest = public.name_alg.digest_size();
    // No index is larger: it belongs to the reading of the structure. Part 2, 13.6 and 13.10.
    if size > tpm.profile.nv_index_max {
        return Err(rc::SIZE.at(NvDefineSpace::PUBLIC_INFO));
    }
    if !public.auth_policy.is_empty() && public.auth_policy.len() != digest {
        return Err(rc::SIZE.at(NvDefineSpace::PUBLIC_INFO));
    }
    let auth = trimmed(auth);
    if auth.len() > digest {
        return Err(rc::SIZE.at(NvDefineSpace::AUTH));
    }
    if platform && !tpm.state.clear.ph_enable_nv {
        return Err(rc::HIERARCHY.at(NvDefineSpace::AUTH_HANDLE));
    }
    let wrong = |code: Fmt1| code.at(NvDefineSpace::PUBLIC_INFO);
    check_public(&public).map_err(wrong)?;
    if public.attributes.contains(TpmaNv::PLATFORMCREATE) != platform {
        return Err(rc::ATTRIBUTES.at(NvDefineSpace::AUTH_HANDLE));
    }
    check_uses(&public, platform).map_err(wrong)?;
    let handle = public.nv_index.raw();
    // An index that nobody can use now is there nevertheless.
    if tpm.state.nv.indices.contains_key(&handle) {
        return Err(rc::NV_DEFINED);
    }
    let orderly = public.attributes.contains(TpmaNv::ORDERLY);
    if !tpm.nv_index_fits(size) || (orderly && !tpm.nv_orderly_fits(size)) {
        return Err(rc::NV_SPACE);
    }
    let index = NvIndex { public, auth: Tpm2bAuth::new(auth)?, data: vec![0; size] };
    tpm.state.nv_mut().indices.insert(handle, Arc::new(index));
    Ok(Done {})
}

/// The attributes and the size of a new index.
fn check_public(public: &NvPublic) -> Result<(), Fmt1> {
    let attributes = public.attributes;
    let size = usize::from(public.data_size);
    let nt = attributes.nt().ok_or(rc::ATTRIBUTES)?;
    let right_size = match nt {
        NvType::Ordinary => true,
        NvType::Extend => size == public.name_alg.digest_size(),
        NvType::Counter | NvType::Bits | NvType::PinFail | NvType::PinPass => size == 8,
    };
    if !right_size {
        return Err(rc::SIZE);
    }
    let right_type = match nt {
        NvType::Ordinary | NvType::Bits | NvType::Extend => true,
        NvType::Counter => !attributes.contains(TpmaNv::CLEAR_STCLEAR),
        NvType::PinFail | NvType::PinPass => {
            let no_da = nt == NvType::PinPass || attributes.contains(TpmaNv::NO_DA);
            no_da && attributes.intersects(MANAGERS) && !attributes.intersects(NOT_FOR_PINS)
        }
    };
    let possible = !attributes.intersects(STATE)
        && attributes.intersects(READERS)
        && attributes.intersects(MANAGERS | TpmaNv::AUTHWRITE)
        // A lock that lasts and contents that do not cannot both be meant.
        && !attributes.contains(TpmaNv::CLEAR_STCLEAR | TpmaNv::WRITEDEFINE);
    if right_type && possible { Ok(()) } else { Err(rc::ATTRIBUTES) }
}

/// Whether the index can be deleted and written as its attributes say.
fn check_uses(public: &NvPublic, platform: bool) -> Result<(), Fmt1> {
    if public.attributes.contains(TpmaNv::POLICY_DELETE) && !platform {
        return Err(rc::ATTRIBUTES);
    }
    let write_all = public.attributes.contains(TpmaNv::WRITEALL);
    if write_all && usize::from(public.data_size) > limits::MAX_NV_BUFFER_SIZE {
        return Err(rc::SIZE);
    }
    Ok(())
}

/// TPM2_NV_UndefineSpace. Part 3, 31.4.
///
/// # Response codes
/// - `ATTRIBUTES` (handle 2): only TPM2_NV_UndefineSpaceSpecial deletes it.
/// - `NV_AUTHORIZATION`: it is the platform's.
pub(crate) fn nv_undefine_space(tpm: &mut Tpm, cmd: NvUndefineSpace) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index.into(), NvUndefineSpace::NV_INDEX)?;
    if index.has(TpmaNv::POLICY_DELETE) {
        return Err(rc::ATTRIBUTES.at(NvUndefineSpace::NV_INDEX));
    }
    if cmd.auth_handle == ProvisionHandle::Owner && index.has(TpmaNv::PLATFORMCREATE) {
        return Err(rc::NV_AUTHORIZATION);
    }
    tpm.delete_nv(cmd.nv_index.raw());
    Ok(Done {})
}

/// TPM2_NV_UndefineSpaceSpecial. Part 3, 31.5.
///
/// # Response codes
/// - `ATTRIBUTES` (handle 1): TPM2_NV_UndefineSpace deletes it.
pub(crate) fn nv_undefine_space_special(tpm: &mut Tpm, cmd: NvUndefineSpaceSpecial) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index.into(), NvUndefineSpaceSpecial::NV_INDEX)?;
    if !index.has(TpmaNv::POLICY_DELETE | TpmaNv::PLATFORMCREATE) {
        return Err(rc::ATTRIBUTES.at(NvUndefineSpaceSpecial::NV_INDEX));
    }
    tpm.delete_nv(cmd.nv_index.raw());
    Ok(Done {})
}

/// TPM2_NV_ChangeAuth. Part 3, 31.15.
///
/// # Response codes
/// - `SIZE` (newAuth): longer than a digest of nameAlg.
pub(crate) fn nv_change_auth(tpm: &mut Tpm, cmd: NvChangeAuth) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvChangeAuth::NV_INDEX)?;
    let auth = trimmed(&cmd.new_auth);
    if auth.len() > index.public.name_alg.digest_size() {
        return Err(rc::SIZE.at(NvChangeAuth::NEW_AUTH));
    }
    let changed = NvIndex { auth: Tpm2bAuth::new(auth)?, ..NvIndex::clone(&index) };
    tpm.state.nv_mut().indices.insert(cmd.nv_index.raw(), Arc::new(changed));
    Ok(Done {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigillo_types::{HashAlg, buffers::Tpm2bDigest, handles::NvDefinedIndexHandle};

    const BOTH: TpmaNv = TpmaNv::OWNERREAD.union(TpmaNv::OWNERWRITE);

    fn check(nt: NvType, attributes: TpmaNv, data_size: u16) -> Result<(), Fmt1> {
        let public = NvPublic {
            nv_index: NvDefinedIndexHandle::new(0x0100_0001).unwrap(),
            name_alg: HashAlg::Sha256,
            attributes: attributes.with_nt(nt),
            auth_policy: Tpm2bDigest::default(),
            data_size,
        };
        check_public(&public).and_then(|()| check_uses(&public, false))
    }

    #[test]
    fn a_size_belongs_to_its_type() {
        for nt in [NvType::Counter, NvType::Bits, NvType::PinPass] {
            assert_eq!(check(nt, BOTH, 8), Ok(()));
            assert_eq!(check(nt, BOTH, 9), Err(rc::SIZE));
        }
        assert_eq!(check(NvType::Extend, BOTH, 32), Ok(()));
        assert_eq!(check(NvType::Extend, BOTH, 20), Err(rc::SIZE));
        assert_eq!(check(NvType::Ordinary, BOTH, 2048), Ok(()));
        assert_eq!(check(NvType::Ordinary, BOTH | TpmaNv::WRITEALL, 1025), Err(rc::SIZE));
    }

    #[test]
    fn somebody_can_read_and_somebody_can_write() {
        assert_eq!(check(NvType::Ordinary, TpmaNv::OWNERREAD, 1), Err(rc::ATTRIBUTES));
        assert_eq!(check(NvType::Ordinary, TpmaNv::AUTHWRITE, 1), Err(rc::ATTRIBUTES));
        assert_eq!(check(NvType::Ordinary, TpmaNv::AUTHWRITE | TpmaNv::AUTHREAD, 1), Ok(()));
    }

    #[test]
    fn pin_indices_are_written_by_a_manager_and_protect_themselves() {
        assert_eq!(check(NvType::PinFail, BOTH, 8), Err(rc::ATTRIBUTES));
        assert_eq!(check(NvType::PinFail, BOTH | TpmaNv::NO_DA, 8), Ok(()));
        for not_for_pins in [TpmaNv::AUTHWRITE, TpmaNv::GLOBALLOCK, TpmaNv::WRITEDEFINE] {
            assert_eq!(check(NvType::PinPass, BOTH | not_for_pins, 8), Err(rc::ATTRIBUTES));
            assert_eq!(check(NvType::PinFail, BOTH | TpmaNv::NO_DA | not_for_pins, 8), Err(rc::ATTRIBUTES));
        }
    }

    #[test]
    fn what_only_the_tpm_sets_cannot_be_defined() {
        for state in [TpmaNv::WRITTEN, TpmaNv::READLOCKED, TpmaNv::WRITELOCKED] {
            assert_eq!(check(NvType::Ordinary, BOTH | state, 1), Err(rc::ATTRIBUTES));
        }
        assert_eq!(check(NvType::Counter, BOTH | TpmaNv::CLEAR_STCLEAR, 8), Err(rc::ATTRIBUTES));
        assert_eq!(check(NvType::Ordinary, BOTH | TpmaNv::POLICY_DELETE, 1), Err(rc::ATTRIBUTES));
    }
}
