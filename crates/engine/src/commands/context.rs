//! Contexts and persistent objects. Part 3, 28.

use crate::{
    Tpm,
    context_blob::Tag,
    dispatch::{Entry, entries},
    object::key::Link,
    state::{Object, Session, SessionSlot, Slot},
};
use alloc::sync::Arc;
use sigillo_types::{
    Rc,
    command::Done,
    commands::{
        ContextLoad, ContextLoadResponse, ContextSave, ContextSaveResponse, EvictControl, FlushContext,
    },
    handles::{ContextHandle, Hierarchy, ObjectHandle, PersistentHandle, ProvisionHandle, SavedHandle, hc},
    rc,
    structures::TpmsContext,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    ContextSave => context_save,
    ContextLoad => context_load,
    FlushContext => flush_context,
    EvictControl => evict_control,
];

/// TPM2_ContextSave. Part 3, 28.2. An object stays loaded, a session does not.
///
/// # Response codes
/// - `HANDLE` (handle 1): nothing is loaded there.
/// - `TOO_MANY_CONTEXTS`: the sequence numbers are used up.
pub(crate) fn context_save(tpm: &mut Tpm, cmd: ContextSave) -> Result<ContextSaveResponse, Rc> {
    let handle = ContextSave::SAVE_HANDLE;
    let context = match cmd.save_handle {
        ContextHandle::Transient(transient) => {
            let slot = tpm.slot(transient.raw()).ok_or(rc::HANDLE.at(handle))?.clone();
            save_slot(tpm, &slot)?
        }
        ContextHandle::Hmac(session) => save_session(tpm, session.raw(), SavedHandle::Hmac(session))?,
        ContextHandle::Policy(session) => save_session(tpm, session.raw(), SavedHandle::Policy(session))?,
    };
    Ok(ContextSaveResponse { context })
}

fn save_slot(tpm: &mut Tpm, slot: &Slot) -> Result<TpmsContext, Rc> {
    let (saved_handle, hierarchy) = match slot {
        Slot::Object(object) if object.st_clear => (SavedHandle::StClearObject, object.hierarchy),
        Slot::Object(object) => (SavedHandle::Object, object.hierarchy),
        Slot::Sequence(_) => (SavedHandle::Sequence, Hierarchy::Null),
    };
    let sequence = tpm.state.reset.object_context_id;
    let next = sequence.checked_add(1).ok_or(rc::TOO_MANY_CONTEXTS)?;
    let context = tpm.protect_context(Tag { sequence, saved_handle, hierarchy }, slot)?;
    tpm.state.reset_mut().object_context_id = next;
    Ok(context)
}

fn save_session(tpm: &mut Tpm, handle: u32, saved_handle: SavedHandle) -> Result<TpmsContext, Rc> {
    let session = tpm.session(handle).map_err(|_| rc::HANDLE.at(ContextSave::SAVE_HANDLE))?;
    let session = Arc::clone(session);
    let sequence = tpm.state.reset.context_counter;
    let next = sequence.checked_add(1).ok_or(rc::TOO_MANY_CONTEXTS)?;
    let tag = Tag { sequence, saved_handle, hierarchy: Hierarchy::Null };
    let context = tpm.protect_context(tag, &*session)?;
    tpm.state.reset_mut().context_counter = next;
    tpm.state.volatile_mut().sessions.insert(handle & hc::HANDLE_MASK, SessionSlot::Saved(sequence));
    Ok(context)
}

/// TPM2_ContextLoad. Part 3, 28.3.
///
/// # Response codes
/// - `VALUE` (context): a sequence number that was not given out yet.
/// - `INTEGRITY` (context): not a context of this TPM, or one from before a TPM Reset, a TPM Restart (stClear) or a change of the seed.
/// - `FAILURE`, `BAD_CONTEXT`: as [`Tpm::unprotect_context`].
/// - `HIERARCHY` (context): the hierarchy is disabled.
/// - `HANDLE` (context): the session is not saved, or this is not its latest context.
/// - `OBJECT_MEMORY`, `SESSION_MEMORY`: no slot is free.
/// - `CONTEXT_GAP`: an older session must be loaded first.
pub(crate) fn context_load(tpm: &mut Tpm, cmd: ContextLoad) -> Result<ContextLoadResponse, Rc> {
    let context = &cmd.context;
    let loaded_handle = match context.saved_handle {
        SavedHandle::Object | SavedHandle::StClearObject | SavedHandle::Sequence => load_slot(tpm, context)?,
        SavedHandle::Hmac(handle) => load_session(tpm, context, handle.raw())?,
        SavedHandle::Policy(handle) => load_session(tpm, context, handle.raw())?,
    };
    Ok(ContextLoadResponse { loaded_handle })
}

fn load_slot(tpm: &mut Tpm, context: &TpmsContext) -> Result<u32, Rc> {
    if context.sequence >= tpm.state.reset.object_context_id {
        return Err(rc::VALUE.at(ContextLoad::CONTEXT));
    }
    let slot = tpm.unprotect_context(context).map_err(|error| error.at(ContextLoad::CONTEXT))?;
    tpm.require_enabled(context.hierarchy).map_err(|code| code.at(ContextLoad::CONTEXT))?;
    let slot = match (slot, context.saved_handle) {
        (Slot::Object(object), SavedHandle::Object | SavedHandle::StClearObject) => {
            // What is in a context was loaded here when it was saved.
            Slot::Object(Arc::new(Arc::unwrap_or_clone(object).prepared(Link::Attested)))
        }
        (slot @ Slot::Sequence(_), SavedHandle::Sequence) => slot,
        _ => return Err(rc::BAD_CONTEXT),
    };
    tpm.add_slot(slot).map(|handle| handle.raw())
}

fn load_session(tpm: &mut Tpm, context: &TpmsContext, handle: u32) -> Result<u32, Rc> {
    if context.sequence >= tpm.state.reset.context_counter {
        return Err(rc::VALUE.at(ContextLoad::CONTEXT));
    }
    let session: Session = tpm.unprotect_context(context).map_err(|error| error.at(ContextLoad::CONTEXT))?;
    if session.handle != handle {
        return Err(rc::BAD_CONTEXT);
    }
    let index = handle & hc::HANDLE_MASK;
    match tpm.state.volatile.sessions.get(&index) {
        Some(SessionSlot::Saved(version)) if *version == context.sequence => {}
        Some(SessionSlot::Saved(_) | SessionSlot::Loaded(_)) | None => {
            return Err(rc::HANDLE.at(ContextLoad::CONTEXT));
        }
    }
    if tpm.loaded_sessions() >= tpm.profile.loaded_sessions {
        return Err(rc::SESSION_MEMORY);
    }
    if tpm.is_context_gap() && tpm.oldest_saved_session() != Some(context.sequence) {
        return Err(rc::CONTEXT_GAP);
    }
    tpm.state.volatile_mut().sessions.insert(index, SessionSlot::Loaded(Arc::new(session)));
    Ok(handle)
}

impl Tpm {
    /// The version number of the session that was saved first. Part 1, 27.5.
    fn oldest_saved_session(&self) -> Option<u64> {
        let saved = self.state.volatile.sessions.values().filter_map(|slot| match slot {
            SessionSlot::Saved(version) => Some(*version),
            SessionSlot::Loaded(_) => None,
        });
        saved.min()
    }
}

/// TPM2_FlushContext. Part 3, 28.4. Of a session handle the type does not count, and the session may be saved.
///
/// # Response codes
/// - `HANDLE` (flushHandle): nothing is loaded there, or no such session is active.
pub(crate) fn flush_context(tpm: &mut Tpm, cmd: FlushContext) -> Result<Done, Rc> {
    let found = match cmd.flush_handle {
        ContextHandle::Transient(handle) => tpm.flush_slot(handle).is_ok(),
        ContextHandle::Hmac(handle) => tpm.flush_session(handle.raw()),
        ContextHandle::Policy(handle) => tpm.flush_session(handle.raw()),
    };
    if found { Ok(Done {}) } else { Err(rc::HANDLE.at(FlushContext::FLUSH_HANDLE)) }
}

/// TPM2_EvictControl. Part 3, 28.5.
///
/// # Response codes
/// - `TYPE` (handle 2): a sequence.
/// - `ATTRIBUTES` (handle 2): in the NULL hierarchy, or stClear is SET in it or an ancestor.
/// - `HIERARCHY` (handle 2): not of the hierarchy that `auth` manages.
/// - `RANGE` (persistentHandle or handle 2): not in the range that `auth` manages.
/// - `HANDLE` (handle 2): another persistent object than persistentHandle.
/// - `NV_DEFINED`: the persistent handle is in use.
/// - `NV_SPACE`: no room.
pub(crate) fn evict_control(tpm: &mut Tpm, cmd: EvictControl) -> Result<Done, Rc> {
    let object = tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(EvictControl::OBJECT_HANDLE))?;
    let object = Arc::clone(object);
    match cmd.object_handle {
        ObjectHandle::Transient(_) => persist(tpm, &object, cmd.auth, cmd.persistent_handle)?,
        ObjectHandle::Persistent(handle) => {
            if cmd.auth == ProvisionHandle::Owner && handle.is_platform() {
                return Err(rc::RANGE.at(EvictControl::OBJECT_HANDLE));
            }
            if handle != cmd.persistent_handle {
                return Err(rc::HANDLE.at(EvictControl::OBJECT_HANDLE));
            }
            tpm.state.nv_mut().evict.remove(&handle.raw());
        }
    }
    Ok(Done {})
}

fn persist(
    tpm: &mut Tpm,
    object: &Arc<Object>,
    auth: ProvisionHandle,
    handle: PersistentHandle,
) -> Result<(), Rc> {
    if object.hierarchy == Hierarchy::Null || object.st_clear {
        return Err(rc::ATTRIBUTES.at(EvictControl::OBJECT_HANDLE));
    }
    let platform = auth == ProvisionHandle::Platform;
    if (object.hierarchy == Hierarchy::Platform) != platform {
        return Err(rc::HIERARCHY.at(EvictControl::OBJECT_HANDLE));
    }
    if handle.is_platform() != platform {
        return Err(rc::RANGE.at(EvictControl::PERSISTENT_HANDLE));
    }
    if tpm.state.nv.evict.contains_key(&handle.raw()) {
        return Err(rc::NV_DEFINED);
    }
    if !tpm.nv_object_fits(object) {
        return Err(rc::NV_SPACE);
    }
    tpm.state.nv_mut().evict.insert(handle.raw(), Arc::clone(object));
    Ok(())
}
