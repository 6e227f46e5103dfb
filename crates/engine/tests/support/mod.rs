//! Objects for the tests: made, loaded and thrown away in one line each.
#![allow(dead_code, reason = "each test file uses its part")]

use crate::common::TestTpm;
use sigillo_types::{
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bSensitiveData},
    commands::{
        Create, CreatePrimary, CreatePrimaryResponse, CreateResponse, FlushContext, Load, LoadExternal,
    },
    handles::{ContextHandle, Hierarchy, ObjectHandle},
    structures::{
        Tpm2bPublic, Tpm2bSensitive, Tpm2bSensitiveCreate, TpmlPcrSelection, TpmsSensitiveCreate, TpmtPublic,
        TpmtSensitive,
    },
};

pub(crate) fn handle(raw: u32) -> ObjectHandle {
    ObjectHandle::new(raw).expect("the handle of an object")
}

pub(crate) fn sensitive(auth: &[u8], data: &[u8]) -> Tpm2bSensitiveCreate {
    let sensitive = TpmsSensitiveCreate {
        user_auth: Tpm2bAuth::new(auth).expect("a short authValue"),
        data: Tpm2bSensitiveData::new(data).expect("short data"),
    };
    Tpm2bSensitiveCreate { sensitive }
}

pub(crate) fn create_primary(primary_handle: Hierarchy, public_area: TpmtPublic) -> CreatePrimary {
    CreatePrimary {
        primary_handle,
        in_sensitive: Tpm2bSensitiveCreate::default(),
        in_public: Tpm2bPublic { public_area },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    }
}

#[track_caller]
pub(crate) fn primary_response(
    tpm: &mut TestTpm,
    hierarchy: Hierarchy,
    public: TpmtPublic,
) -> CreatePrimaryResponse {
    tpm.call(&create_primary(hierarchy, public)).expect("a primary object is made")
}

#[track_caller]
pub(crate) fn primary(tpm: &mut TestTpm, hierarchy: Hierarchy, public: TpmtPublic) -> ObjectHandle {
    handle(primary_response(tpm, hierarchy, public).object_handle)
}

pub(crate) fn create_command(
    parent_handle: ObjectHandle,
    public_area: TpmtPublic,
    auth: &[u8],
    data: &[u8],
) -> Create {
    Create {
        parent_handle,
        in_sensitive: sensitive(auth, data),
        in_public: Tpm2bPublic { public_area },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    }
}

#[track_caller]
pub(crate) fn create(
    tpm: &mut TestTpm,
    parent: ObjectHandle,
    public: TpmtPublic,
    auth: &[u8],
    data: &[u8],
) -> CreateResponse {
    tpm.call(&create_command(parent, public, auth, data)).expect("an object is made")
}

pub(crate) fn load_command(parent_handle: ObjectHandle, made: &CreateResponse) -> Load {
    Load { parent_handle, in_private: made.out_private.clone(), in_public: made.out_public.clone() }
}

#[track_caller]
pub(crate) fn load(tpm: &mut TestTpm, parent: ObjectHandle, made: &CreateResponse) -> ObjectHandle {
    handle(tpm.call(&load_command(parent, made)).expect("it loads").object_handle)
}

#[track_caller]
pub(crate) fn child(tpm: &mut TestTpm, parent: ObjectHandle, public: TpmtPublic) -> ObjectHandle {
    let made = create(tpm, parent, public, b"", b"");
    load(tpm, parent, &made)
}

pub(crate) fn external(
    public_area: TpmtPublic,
    private: Option<TpmtSensitive>,
    hierarchy: Hierarchy,
) -> LoadExternal {
    LoadExternal { in_private: private.map(Tpm2bSensitive::from), in_public: public_area.into(), hierarchy }
}

#[track_caller]
pub(crate) fn flush(tpm: &mut TestTpm, handle: ObjectHandle) {
    let flush_handle = ContextHandle::new(handle.raw()).expect("a transient handle");
    tpm.call(&FlushContext { flush_handle }).expect("a loaded object can be flushed");
}
