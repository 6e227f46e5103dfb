//! Sequences. Part 3, 17.

use crate::{
    Tpm,
    commands::symmetric::start_mac,
    dispatch::{Entry, entries},
    session::sized,
    signing::{fixed_scheme, with_context},
    state::{
        Object, Sequence, Slot,
        object::{SequenceKind, SignedMessage},
    },
    ticket,
};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::hash::{Digest, Hasher};
use sigillo_types::{
    Fmt1, Position, Rc,
    attributes::TpmaObject,
    buffers::Tpm2bAuth,
    command::Done,
    commands::{
        EventSequenceComplete, EventSequenceCompleteResponse, HashSequenceStart, HashSequenceStartResponse,
        MacStart, MacStartResponse, SequenceComplete, SequenceCompleteResponse, SequenceUpdate,
        SignSequenceStart, SignSequenceStartResponse, VerifySequenceStart, VerifySequenceStartResponse,
    },
    handles::ObjectHandle,
    rc,
    structures::{SigScheme, TpmlDigestValues, TpmtHa, TpmtTkHashcheck},
};

pub(crate) const COMMANDS: &[Entry] = entries![
    MacStart => mac_start,
    HashSequenceStart => hash_sequence_start,
    SignSequenceStart => sign_sequence_start,
    VerifySequenceStart => verify_sequence_start,
    SequenceUpdate => sequence_update,
    SequenceComplete => sequence_complete,
    EventSequenceComplete => event_sequence_complete,
];

impl Tpm {
    fn start_sequence(&mut self, auth: Tpm2bAuth, kind: SequenceKind) -> Result<u32, Rc> {
        self.add_slot(Slot::Sequence(Arc::new(Sequence { auth, kind }))).map(|handle| handle.raw())
    }

    /// The sequence at a handle, about to change; another owner of its state (what the command would go back to) keeps its own.
    fn sequence_mut(&mut self, handle: ObjectHandle) -> Result<&mut SequenceKind, Fmt1> {
        self.sequence(handle.raw())?;
        let ObjectHandle::Transient(handle) = handle else { return Err(rc::MODE) };
        match self.state.volatile_mut().slots.get_mut(handle.index()) {
            Some(Some(Slot::Sequence(sequence))) => Ok(&mut Arc::make_mut(sequence).kind),
            _ => Err(rc::MODE),
        }
    }

    pub(super) fn end_sequence(&mut self, handle: ObjectHandle) -> Result<(), Fmt1> {
        match handle {
            ObjectHandle::Transient(handle) => self.flush_slot(handle),
            ObjectHandle::Persistent(_) => Err(rc::MODE),
        }
    }
}

impl SequenceKind {
    /// # Errors
    /// None for a sequence that was started; a CMAC would say that its key is not one.
    pub(super) fn update(&mut self, data: &[u8]) -> Result<(), Rc> {
        match self {
            Self::Hash { hasher, safe } => {
                // The first piece alone decides, whatever its length. Part 3, 17.7 and 17.8.
                safe.get_or_insert_with(|| ticket::is_safe_to_sign(data));
                hasher.update(data);
            }
            Self::Hmac(mac) => mac.update(data),
            Self::Cmac(mac) => mac.update(data).map_err(|_| rc::FAILURE)?,
            Self::Event(hashers) => hashers.iter_mut().for_each(|hasher| hasher.update(data)),
            Self::Sign { message, safe, .. } => {
                safe.get_or_insert_with(|| ticket::is_safe_to_sign(data));
                message.update(data);
            }
            Self::Verify { message, ticket, .. } => {
                ticket.update(data);
                message.update(data);
            }
        }
        Ok(())
    }

    /// Ends a MAC.
    ///
    /// # Errors
    /// `FAILURE` if it is none.
    pub(super) fn finish_mac(self) -> Result<Digest, Rc> {
        match self {
            Self::Hmac(mac) => Ok(mac.finish()),
            Self::Cmac(mac) => mac.finish().map_err(|_| rc::FAILURE),
            Self::Hash { .. } | Self::Event(_) | Self::Sign { .. } | Self::Verify { .. } => Err(rc::FAILURE),
        }
    }
}

/// TPM2_MAC_Start, and TPM2_HMAC_Start, which has the same code. Part 3, 17.2 and 17.3.
///
/// # Response codes
/// - as [`start_mac`].
/// - `OBJECT_MEMORY`: no slot is free.
pub(crate) fn mac_start(tpm: &mut Tpm, cmd: MacStart) -> Result<MacStartResponse, Rc> {
    let mac = start_mac(tpm, (cmd.handle, MacStart::HANDLE), (cmd.in_scheme, MacStart::IN_SCHEME))?;
    let sequence_handle = tpm.start_sequence(cmd.auth, mac)?;
    Ok(MacStartResponse { sequence_handle })
}

/// TPM2_HashSequenceStart. Part 3, 17.4. Without a hash it is an event sequence over all banks.
///
/// # Response codes
/// - `OBJECT_MEMORY`: no slot is free.
pub(crate) fn hash_sequence_start(
    tpm: &mut Tpm,
    cmd: HashSequenceStart,
) -> Result<HashSequenceStartResponse, Rc> {
    let kind = match cmd.hash_alg {
        Some(alg) => SequenceKind::Hash { hasher: Hasher::new(alg), safe: None },
        None => SequenceKind::Event(tpm.profile.banks.iter().map(|bank| Hasher::new(*bank)).collect()),
    };
    Ok(HashSequenceStartResponse { sequence_handle: tpm.start_sequence(cmd.auth, kind)? })
}

/// The key of a signature sequence, which no authorization is needed for yet, and its scheme.
///
/// # Errors
/// `KEY` (handle) for what is no signing key, `SCHEME` (handle) for one without a scheme.
fn sequence_key(tpm: &Tpm, handle: ObjectHandle, at: Position) -> Result<(Arc<Object>, SigScheme), Rc> {
    let key = Arc::clone(tpm.object(handle.raw()).map_err(|_| rc::KEY.at(at))?);
    let scheme = fixed_scheme(&key).map_err(|code| code.at(at))?;
    Ok((key, scheme))
}

/// TPM2_SignSequenceStart. Part 3, 17.5.
///
/// # Response codes
/// - `KEY` (handle 1): not a signing key.
/// - `SCHEME` (handle 1): the key has no scheme of its own, or is one for encryption.
/// - `ATTRIBUTES` (handle 1): a restricted HMAC key. It signs digests that come with a ticket, and here is none.
/// - `HANDLE` (handle 1): an HMAC key whose sensitive area is not loaded.
/// - `SIZE` (context): not the count of a key of ECDAA; of a scheme that takes none, not empty.
/// - `RANGE`, `VALUE` (context): no commitment of that count, or it was used.
/// - `OBJECT_MEMORY`: no slot is free.
pub(crate) fn sign_sequence_start(
    tpm: &mut Tpm,
    cmd: SignSequenceStart,
) -> Result<SignSequenceStartResponse, Rc> {
    let at = SignSequenceStart::KEY_HANDLE;
    let (key, scheme) = sequence_key(tpm, cmd.key_handle, at)?;
    if matches!(scheme, SigScheme::Hmac { .. }) && key.attributes().contains(TpmaObject::RESTRICTED) {
        return Err(rc::ATTRIBUTES.at(at));
    }
    let in_context = |code: Fmt1| code.at(SignSequenceStart::CONTEXT);
    let scheme = with_context(scheme, &cmd.context, true).map_err(in_context)?;
    tpm.require_commitment(&key, scheme).map_err(in_context)?;
    let count = if let SigScheme::Ecdaa { count, .. } = scheme { Some(count) } else { None };
    let message = SignedMessage::begin(&key, scheme, &cmd.context, None).map_err(|code| code.at(at))?;
    let sequence_handle = tpm.start_sequence(cmd.auth, SequenceKind::Sign { message, safe: None, count })?;
    Ok(SignSequenceStartResponse { sequence_handle })
}

/// TPM2_VerifySequenceStart. Part 3, 17.6.
///
/// # Response codes
/// - `KEY` (handle 1): not a signing key.
/// - `SCHEME` (handle 1): the key has no scheme of its own, or is one for encryption.
/// - `HANDLE` (handle 1): an HMAC key whose sensitive area is not loaded.
/// - `SIZE` (hint): not the point of an EdDSA signature; of any other scheme, not empty.
/// - `SIZE` (context): as TPM2_SignSequenceStart.
/// - `OBJECT_MEMORY`: no slot is free.
pub(crate) fn verify_sequence_start(
    tpm: &mut Tpm,
    cmd: VerifySequenceStart,
) -> Result<VerifySequenceStartResponse, Rc> {
    let at = VerifySequenceStart::KEY_HANDLE;
    let (key, scheme) = sequence_key(tpm, cmd.key_handle, at)?;
    let r = match scheme {
        SigScheme::Eddsa => Some(cmd.hint.as_slice().try_into()),
        _ if cmd.hint.is_empty() => None,
        _ => return Err(rc::SIZE.at(VerifySequenceStart::HINT)),
    };
    let r = r.transpose().map_err(|_| rc::SIZE.at(VerifySequenceStart::HINT))?;
    let scheme =
        with_context(scheme, &cmd.context, true).map_err(|code| code.at(VerifySequenceStart::CONTEXT))?;
    let message = SignedMessage::begin(&key, scheme, &cmd.context, r).map_err(|code| code.at(at))?;
    let ticket = ticket::begin_message_verified(tpm, key.hierarchy);
    let kind = SequenceKind::Verify { message, ticket, hint: cmd.hint };
    Ok(VerifySequenceStartResponse { sequence_handle: tpm.start_sequence(cmd.auth, kind)? })
}

/// TPM2_SequenceUpdate. Part 3, 17.7. One that will sign by EdDSA keeps of it that it came: what ends the sequence then refuses it.
///
/// # Response codes
/// - `MODE` (handle 1): not a sequence.
pub(crate) fn sequence_update(tpm: &mut Tpm, cmd: SequenceUpdate) -> Result<Done, Rc> {
    let sequence =
        tpm.sequence_mut(cmd.sequence_handle).map_err(|code| code.at(SequenceUpdate::SEQUENCE_HANDLE))?;
    sequence.update(&cmd.buffer)?;
    Ok(Done {})
}

/// TPM2_SequenceComplete. Part 3, 17.8.
///
/// # Response codes
/// - `MODE` (handle 1): not a sequence, or one that another command ends.
pub(crate) fn sequence_complete(
    tpm: &mut Tpm,
    cmd: SequenceComplete,
) -> Result<SequenceCompleteResponse, Rc> {
    let mode = rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE);
    let sequence = tpm.sequence(cmd.sequence_handle.raw());
    let mut kind = sequence.map_err(|code| code.at(SequenceComplete::SEQUENCE_HANDLE))?.kind.clone();
    kind.update(&cmd.buffer)?;
    let (result, validation) = match kind {
        SequenceKind::Hash { hasher, safe } => {
            let result = sized(&hasher.finish());
            let ticket = ticket::hash_check(tpm, cmd.hierarchy, &result, safe == Some(true));
            (result, ticket)
        }
        mac @ (SequenceKind::Hmac(_) | SequenceKind::Cmac(_)) => {
            (sized(&mac.finish_mac()?), TpmtTkHashcheck::null())
        }
        // What signs is ended by whoever may use the key.
        SequenceKind::Event(_) | SequenceKind::Sign { .. } | SequenceKind::Verify { .. } => return Err(mode),
    };
    tpm.end_sequence(cmd.sequence_handle).map_err(|_| mode)?;
    Ok(SequenceCompleteResponse { result, validation })
}

/// TPM2_EventSequenceComplete. Part 3, 17.9.
///
/// # Response codes
/// - `MODE` (handle 2): not an event sequence.
/// - `LOCALITY`: the PCR may not be extended from this locality.
pub(crate) fn event_sequence_complete(
    tpm: &mut Tpm,
    cmd: EventSequenceComplete,
) -> Result<EventSequenceCompleteResponse, Rc> {
    let mode = rc::MODE.at(EventSequenceComplete::SEQUENCE_HANDLE);
    let sequence = tpm.sequence(cmd.sequence_handle.raw()).map_err(|_| mode)?;
    let SequenceKind::Event(mut hashers) = sequence.kind.clone() else { return Err(mode) };
    if cmd.pcr_handle.is_some_and(|pcr| !tpm.may_extend(pcr)) {
        return Err(rc::LOCALITY);
    }
    hashers.iter_mut().for_each(|hasher| hasher.update(&cmd.buffer));
    let digests: Vec<TpmtHa> = hashers
        .into_iter()
        .map(|hasher| TpmtHa::new(hasher.alg(), &hasher.finish()))
        .collect::<Result<_, Fmt1>>()?;
    let results = TpmlDigestValues::new(digests)?;
    if let Some(pcr) = cmd.pcr_handle {
        tpm.extend_pcr(pcr, &results);
    }
    tpm.end_sequence(cmd.sequence_handle).map_err(|_| mode)?;
    Ok(EventSequenceCompleteResponse { results })
}
