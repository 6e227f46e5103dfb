//! Hierarchies, but for TPM2_CreatePrimary. Part 3, 24.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    entity::trimmed,
    lifecycle::{DERIVATION_LEVEL, fresh_da, fresh_seed},
    ticket::CONTEXT_HASH,
};
use alloc::vec::Vec;
use sigillo_types::{
    HashAlg, Rc,
    attributes::TpmaNv,
    buffers::{Tpm2bAuth, Tpm2bDigest},
    command::Done,
    commands::{
        ChangeEps, ChangePps, Clear, ClearControl, HierarchyChangeAuth, HierarchyControl, ReadOnlyControl,
        SetPrimaryPolicy,
    },
    handles::{
        BaseHierarchy, ClearHandle, EnablesHandle, Hierarchy, HierarchyAuthHandle, HierarchyPolicyHandle,
    },
    rc,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    HierarchyControl => hierarchy_control,
    SetPrimaryPolicy => set_primary_policy,
    ChangePps => change_pps,
    ChangeEps => change_eps,
    Clear => clear,
    ClearControl => clear_control,
    HierarchyChangeAuth => hierarchy_change_auth,
    ReadOnlyControl => read_only_control,
];

/// TPM2_HierarchyControl. Part 3, 24.2.
///
/// # Response codes
/// - `AUTH_TYPE`: only the platform may disable what is the platform's, and enable anything; an owner or privacy administrator may disable
///   its own hierarchy.
pub(crate) fn hierarchy_control(tpm: &mut Tpm, cmd: HierarchyControl) -> Result<Done, Rc> {
    let platform = cmd.auth_handle == BaseHierarchy::Platform;
    let (own, enabled) = match cmd.enable {
        EnablesHandle::Platform => (None, tpm.state.volatile.ph_enable),
        EnablesHandle::PlatformNv => (None, tpm.state.clear.ph_enable_nv),
        EnablesHandle::Owner => (Some(BaseHierarchy::Owner), tpm.state.clear.sh_enable),
        EnablesHandle::Endorsement => (Some(BaseHierarchy::Endorsement), tpm.state.clear.eh_enable),
    };
    if !platform && (own != Some(cmd.auth_handle) || (cmd.state && !enabled)) {
        return Err(rc::AUTH_TYPE);
    }
    if enabled == cmd.state {
        return Ok(Done {});
    }
    let hierarchy = match cmd.enable {
        EnablesHandle::Platform => {
            tpm.state.volatile_mut().ph_enable = cmd.state;
            Hierarchy::Platform
        }
        EnablesHandle::PlatformNv => {
            tpm.state.clear_mut().ph_enable_nv = cmd.state;
            return Ok(Done {});
        }
        EnablesHandle::Owner => {
            tpm.state.clear_mut().sh_enable = cmd.state;
            Hierarchy::Owner
        }
        EnablesHandle::Endorsement => {
            tpm.state.clear_mut().eh_enable = cmd.state;
            Hierarchy::Endorsement
        }
    };
    if !cmd.state {
        tpm.flush_hierarchy(hierarchy);
    }
    Ok(Done {})
}

/// TPM2_SetPrimaryPolicy. Part 3, 24.3.
///
/// # Response codes
/// - `SIZE` (authPolicy): not the size of a digest of hashAlg; empty for TPM_ALG_NULL.
pub(crate) fn set_primary_policy(tpm: &mut Tpm, cmd: SetPrimaryPolicy) -> Result<Done, Rc> {
    if cmd.auth_policy.len() != cmd.hash_alg.map_or(0, HashAlg::digest_size) {
        return Err(rc::SIZE.at(SetPrimaryPolicy::AUTH_POLICY));
    }
    let (alg, policy) = match cmd.auth_handle {
        HierarchyPolicyHandle::Owner => {
            let owner = &mut tpm.state.persistent_mut().owner;
            (&mut owner.policy_alg, &mut owner.policy)
        }
        HierarchyPolicyHandle::Endorsement => {
            let endorsement = &mut tpm.state.persistent_mut().endorsement;
            (&mut endorsement.policy_alg, &mut endorsement.policy)
        }
        HierarchyPolicyHandle::Lockout => {
            let persistent = tpm.state.persistent_mut();
            (&mut persistent.lockout_policy_alg, &mut persistent.lockout_policy)
        }
        HierarchyPolicyHandle::Platform => {
            let clear = tpm.state.clear_mut();
            (&mut clear.platform_alg, &mut clear.platform_policy)
        }
        HierarchyPolicyHandle::Act(handle) => {
            let act = tpm.state.clear_mut().acts.entry(handle.raw()).or_default();
            (&mut act.policy_alg, &mut act.policy)
        }
    };
    (*alg, *policy) = (cmd.hash_alg, cmd.auth_policy);
    Ok(Done {})
}

/// TPM2_ChangePPS: what the old seed protected is of no use any longer; NV indices stay. Part 3, 24.4.
pub(crate) fn change_pps(tpm: &mut Tpm, _: ChangePps) -> Result<Done, Rc> {
    let (seed, proof) = (fresh_seed(&mut tpm.rng), fresh_seed(&mut tpm.rng));
    let persistent = tpm.state.persistent_mut();
    let platform = &mut persistent.platform;
    (platform.seed, platform.proof, platform.derivation_level) = (seed, proof, DERIVATION_LEVEL);
    (persistent.pcr_policy_alg, persistent.pcr_policy) = (None, Tpm2bDigest::default());
    let clear = tpm.state.clear_mut();
    (clear.platform_alg, clear.platform_policy) = (None, Tpm2bDigest::default());
    remove_objects(tpm, Hierarchy::Platform);
    Ok(Done {})
}

/// TPM2_ChangeEPS: as if the TPM came with another endorsement hierarchy. Part 3, 24.5.
pub(crate) fn change_eps(tpm: &mut Tpm, _: ChangeEps) -> Result<Done, Rc> {
    let (seed, proof) = (fresh_seed(&mut tpm.rng), fresh_seed(&mut tpm.rng));
    let endorsement = &mut tpm.state.persistent_mut().endorsement;
    (endorsement.seed, endorsement.proof, endorsement.derivation_level) = (seed, proof, DERIVATION_LEVEL);
    endorsement.auth = Tpm2bAuth::default();
    (endorsement.policy_alg, endorsement.policy) = (None, Tpm2bDigest::default());
    tpm.state.clear_mut().eh_enable = true;
    remove_objects(tpm, Hierarchy::Endorsement);
    Ok(Done {})
}

/// Removes the transient and the persistent objects of a hierarchy.
fn remove_objects(tpm: &mut Tpm, hierarchy: Hierarchy) {
    tpm.flush_hierarchy(hierarchy);
    if tpm.state.nv.evict.values().any(|object| object.hierarchy == hierarchy) {
        tpm.state.nv_mut().evict.retain(|_, object| object.hierarchy != hierarchy);
    }
}

/// TPM2_Clear: the owner leaves. Part 3, 24.6.
///
/// # Response codes
/// - `DISABLED`: TPM2_ClearControl has disabled it.
pub(crate) fn clear(tpm: &mut Tpm, _: Clear) -> Result<Done, Rc> {
    if tpm.state.persistent.disable_clear {
        return Err(rc::DISABLED);
    }
    let [seed, sh_proof, eh_proof] = [(); 3].map(|()| fresh_seed(&mut tpm.rng));
    let persistent = tpm.state.persistent_mut();
    (persistent.owner.seed, persistent.owner.derivation_level) = (seed, DERIVATION_LEVEL);
    (persistent.owner.proof, persistent.endorsement.proof) = (sh_proof, eh_proof);
    for hierarchy in [&mut persistent.owner, &mut persistent.endorsement] {
        hierarchy.auth = Tpm2bAuth::default();
        (hierarchy.policy_alg, hierarchy.policy) = (None, Tpm2bDigest::default());
    }
    persistent.lockout_auth = Tpm2bAuth::default();
    (persistent.lockout_policy_alg, persistent.lockout_policy) = (None, Tpm2bDigest::default());
    persistent.reset_count = 0;
    persistent.audit_counter = 0;
    let state_clear = tpm.state.clear_mut();
    (state_clear.sh_enable, state_clear.eh_enable) = (true, true);
    state_clear.pcr_auth = Tpm2bAuth::default();

    remove_objects(tpm, Hierarchy::Owner);
    remove_objects(tpm, Hierarchy::Endorsement);
    let indices = tpm.state.nv.indices.iter().filter(|(_, index)| !index.has(TpmaNv::PLATFORMCREATE));
    let owned: Vec<u32> = indices.map(|(handle, _)| *handle).collect();
    owned.into_iter().for_each(|handle| tpm.delete_nv(handle));

    *tpm.state.da_mut() = fresh_da();
    tpm.set_clock(0);
    tpm.save_clock();
    let reset = tpm.state.reset_mut();
    (reset.restart_count, reset.clear_count) = (0, 0);
    // A policy that checked even an empty selection of PCR ends here.
    reset.pcr_update_counter = reset.pcr_update_counter.wrapping_add(1);
    Ok(Done {})
}

/// TPM2_ClearControl. Part 3, 24.7.
///
/// # Response codes
/// - `AUTH_FAIL`: lockoutAuth may disable TPM2_Clear but not enable it.
pub(crate) fn clear_control(tpm: &mut Tpm, cmd: ClearControl) -> Result<Done, Rc> {
    if cmd.auth == ClearHandle::Lockout && !cmd.disable {
        return Err(rc::AUTH_FAIL.into());
    }
    tpm.state.persistent_mut().disable_clear = cmd.disable;
    Ok(Done {})
}

/// TPM2_HierarchyChangeAuth. Part 3, 24.8.
///
/// # Response codes
/// - `SIZE` (newAuth): longer than a digest of the hash that protects contexts.
pub(crate) fn hierarchy_change_auth(tpm: &mut Tpm, cmd: HierarchyChangeAuth) -> Result<Done, Rc> {
    let auth = trimmed(&cmd.new_auth);
    if auth.len() > CONTEXT_HASH.digest_size() {
        return Err(rc::SIZE.at(HierarchyChangeAuth::NEW_AUTH));
    }
    let auth = Tpm2bAuth::new(auth)?;
    match cmd.auth_handle {
        HierarchyAuthHandle::Owner => tpm.state.persistent_mut().owner.auth = auth,
        HierarchyAuthHandle::Endorsement => tpm.state.persistent_mut().endorsement.auth = auth,
        HierarchyAuthHandle::Lockout => tpm.state.persistent_mut().lockout_auth = auth,
        HierarchyAuthHandle::Platform => tpm.state.clear_mut().platform_auth = auth,
    }
    Ok(Done {})
}

/// TPM2_ReadOnlyControl: the mode lasts until it is left or TPM Reset or Restart. Part 3, 24.9.
pub(crate) fn read_only_control(tpm: &mut Tpm, cmd: ReadOnlyControl) -> Result<Done, Rc> {
    tpm.state.clear_mut().read_only = cmd.state;
    Ok(Done {})
}
