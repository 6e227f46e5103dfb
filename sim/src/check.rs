//! What must hold after every step.

use crate::saved::{Item, Look, Path, permanent, volatile};
use sigillo_types::{
    attributes::{NvType, TpmaNv},
    cc, rc,
};
use std::collections::{BTreeMap, HashSet};

/// Paths for a report.
pub(crate) fn list(paths: &[Path]) -> String {
    let paths: Vec<String> = paths.iter().take(8).map(ToString::to_string).collect();
    paths.join(", ")
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(<[u8]>::first_chunk).map(|field| u32::from_be_bytes(*field))
}

/// The response code of a reply that is a whole one.
pub(crate) fn reply(reply: &[u8]) -> Result<u32, String> {
    let (Some(size), Some(code)) = (word(reply, 2), word(reply, 6)) else {
        return Err(format!("a reply of {} octets", reply.len()));
    };
    if usize::try_from(size) != Ok(reply.len()) || (code != 0 && reply.len() != 10) {
        return Err(format!("a reply of {} octets that says {size} and {code:#x}", reply.len()));
    }
    Ok(code)
}

pub(crate) fn command_code(command: &[u8]) -> Option<u32> {
    word(command, 6)
}

/// Whether a twin with another random number generator answers a command in the same way when it succeeds.
pub(crate) fn is_deterministic(command: &[u8]) -> bool {
    let Some(code) = command_code(command) else { return true };
    let random = matches!(
        code,
        cc::GET_RANDOM
            | cc::START_AUTH_SESSION
            | cc::CREATE
            | cc::CREATE_LOADED
            | cc::IMPORT
            | cc::MAKE_CREDENTIAL
            | cc::DUPLICATE
            | cc::REWRAP
            | cc::OBJECT_CHANGE_AUTH
            | cc::ECDH_KEYGEN
            | cc::RSA_ENCRYPT
            | cc::ECC_ENCRYPT
            | cc::SIGN
            | cc::SIGN_DIGEST
            | cc::SIGN_SEQUENCE_COMPLETE
            | cc::QUOTE
            | cc::CERTIFY
            | cc::CERTIFY_CREATION
            | cc::CERTIFY_X509
            | cc::GET_TIME
            | cc::GET_SESSION_AUDIT_DIGEST
            | cc::GET_COMMAND_AUDIT_DIGEST
            | cc::NV_CERTIFY
            | cc::CONTEXT_SAVE
            | cc::STARTUP
            | cc::CLEAR
            | cc::CHANGE_EPS
            | cc::CHANGE_PPS
            | cc::EC_EPHEMERAL
            | cc::COMMIT
    );
    !random && !has_session(command)
}

/// Whether a command carries a session, whose nonces are random, and not only passwords.
fn has_session(command: &[u8]) -> bool {
    let spec = sigillo_types::commands::ALL.iter().find(|spec| Some(spec.code) == command_code(command));
    let Some(spec) = spec.filter(|_| command.starts_with(&[0x80, 0x02])) else { return false };
    let start = 14 + 4 * spec.handles.len();
    let end =
        word(command, start - 4).and_then(|size| usize::try_from(size).ok()).map_or(0, |size| start + size);
    let mut area = command.get(start..end.min(command.len())).unwrap_or_default();
    while let [first, _, _, _, rest @ ..] = area {
        if matches!(first, 2 | 3) {
            return true;
        }
        let sized =
            |bytes: &[u8]| bytes.first_chunk().map_or(0, |size| usize::from(u16::from_be_bytes(*size)));
        let rest = rest.get(2 + sized(rest) + 1..).unwrap_or_default();
        area = rest.get(2 + sized(rest)..).unwrap_or_default();
    }
    false
}

/// Commands that may take failed tries back.
fn forgives(code: Option<u32>) -> bool {
    matches!(code, Some(cc::DICTIONARY_ATTACK_LOCK_RESET | cc::DICTIONARY_ATTACK_PARAMETERS | cc::CLEAR))
}

/// What a command may have done to the state, by its answer. The clock stood still meanwhile.
pub(crate) fn step(before: &Look, after: &Look, command: &[u8], code: u32) -> Result<(), String> {
    let forgiven = code == 0 && forgives(command_code(command));
    let protected = before.volatile.at(volatile::RECOVERY_TIME).number() != 0;
    if after.failed_tries() < before.failed_tries() && !forgiven && protected {
        return Err(format!("failed tries went from {} to {}", before.failed_tries(), after.failed_tries()));
    }
    let cleared = code == 0 && command_code(command) == Some(cc::CLEAR);
    clock_grows(before, after, cleared)?;
    counts_grow(before, after, cleared)?;
    if code == rc::FAILURE.raw() && !before.is_failed() {
        return Err("the TPM went into failure mode".into());
    }
    if code == 0 { Ok(()) } else { unchanged(before, after) }
}

/// Clock grows while the TPM runs. TPM2_Clear alone begins it anew.
fn clock_grows(before: &Look, after: &Look, cleared: bool) -> Result<(), String> {
    if before.is_started() && after.clock() < before.clock() && !cleared {
        return Err(format!("Clock went from {} to {}", before.clock(), after.clock()));
    }
    Ok(())
}

/// What is counted in NV grows; TPM2_Clear begins all of it anew but the resets ever.
fn counts_grow(before: &Look, after: &Look, cleared: bool) -> Result<(), String> {
    let begin_anew = [permanent::RESET_COUNT, permanent::AUDIT_COUNTER, permanent::CLOCK];
    for path in begin_anew.into_iter().filter(|_| !cleared).chain([permanent::TOTAL_RESET_COUNT]) {
        let [was, is] = [before, after].map(|look| look.permanent.at(path).number());
        if is < was {
            return Err(format!("{} of the permanent state went from {was} to {is}", Path(path.to_vec())));
        }
    }
    Ok(())
}

/// A command that failed leaves all as it was, but for what is documented to outlive its undoing: what dictionary-attack protection counts,
/// the self-tests that were run, and an abandoned _TPM_Hash_Start.
fn unchanged(before: &Look, after: &Look) -> Result<(), String> {
    let outlives = [volatile::REVISION, volatile::DA, volatile::HASH_SEQUENCE, volatile::TESTED];
    let pins = pin_indices(before);
    let counts_stored = |path: &Path| pins.iter().any(|(stored, _)| path.is_under(stored));
    let counts = |path: &Path| pins.iter().any(|(_, orderly)| path.is_under(orderly));
    let mut differences = before.volatile.differences(&after.volatile);
    let mut stored = before.permanent.differences(&after.permanent);
    let counted = differences.iter().any(counts) || stored.iter().any(counts_stored);
    differences.retain(|path| !outlives.into_iter().any(|prefix| path.is_under(prefix)) && !counts(path));
    let written_along = [permanent::REVISION, permanent::DA, permanent::ORDERLY_NV];
    // A count of a PIN Fail index nullifies a shutdown as every change does.
    let nullified = [permanent::SHUTDOWN, permanent::STATE];
    stored.retain(|path| {
        let expected = counts_stored(path)
            || written_along.into_iter().any(|prefix| path.is_under(prefix))
            || (counted && nullified.into_iter().any(|prefix| path.is_under(prefix)));
        !expected
    });
    if differences.is_empty() && stored.is_empty() {
        return Ok(());
    }
    Err(format!(
        "a failed command changed the state: volatile {}; permanent {}",
        list(&differences),
        list(&stored)
    ))
}

/// Where the counts of PIN Fail indices lie: in the permanent state and, of orderly ones, in the volatile state.
fn pin_indices(look: &Look) -> Vec<(Vec<u64>, Vec<u64>)> {
    let indices = look.indices();
    let places = (0_u64..).zip(&indices);
    let pins = places.filter(|(_, index)| index.public.attributes.nt() == Some(NvType::PinFail));
    pins.map(|(place, index)| {
        let handle = index.public.nv_index.raw().into();
        ([permanent::INDICES, &[place]].concat(), [volatile::ORDERLY_NV, &[handle]].concat())
    })
    .collect()
}

/// What never goes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floors {
    /// The highest value an NV counter was known to have, also after it was deleted.
    counters: BTreeMap<u32, u64>,
    max_counter: u64,
    /// The highest value of Clock that an answer showed since TPM2_Clear.
    clock: u64,
}

/// Commands whose answers show Clock. After a shutdown the others leave it a value that nobody saw, and that a crash takes back.
const SHOWS_CLOCK: [u32; 8] = [
    cc::READ_CLOCK,
    cc::GET_TIME,
    cc::QUOTE,
    cc::CERTIFY,
    cc::CERTIFY_CREATION,
    cc::NV_CERTIFY,
    cc::GET_SESSION_AUDIT_DIGEST,
    cc::GET_COMMAND_AUDIT_DIGEST,
];

impl Floors {
    /// An answer was given: where Clock says that it is safe, no answer before could show a higher one. Part 1, 33.3.3.
    pub(crate) fn answered(&mut self, after: &Look, command: &[u8], code: u32) -> Result<(), String> {
        if !after.is_started() {
            return Ok(());
        }
        let clock = after.clock();
        if code == 0 && command_code(command) == Some(cc::CLEAR) {
            self.clock = clock;
        }
        if after.volatile.at(volatile::CLOCK_SAFE).is_true() && clock < self.clock {
            return Err(format!("Clock is {clock} and says it is safe, and {} was there before", self.clock));
        }
        if code == 0 && command_code(command).is_some_and(|code| SHOWS_CLOCK.contains(&code)) {
            self.clock = self.clock.max(clock);
        }
        Ok(())
    }

    /// A TPM2_Clear that was never answered may have taken effect.
    pub(crate) fn clock_may_begin_anew(&mut self) {
        self.clock = 0;
    }

    /// Counters are where they were, or higher.
    pub(crate) fn raise(&mut self, before: &Look, after: &Look) -> Result<(), String> {
        // Orderly counters get their value at TPM2_Startup, whatever lies in NV meanwhile.
        if !after.is_started() {
            return Ok(());
        }
        let now = after.counters();
        self.hold(&now)?;
        for handle in before.counters().keys().filter(|handle| !now.contains_key(handle)) {
            // It is deleted, and maximum counter remembers it.
            let highest = self.counters.get(handle).copied().unwrap_or(0);
            let max = after.permanent.at(permanent::MAX_COUNTER).number();
            let orderly = before.indices().iter().any(|index| {
                index.public.nv_index.raw() == *handle && index.public.attributes.contains(TpmaNv::ORDERLY)
            });
            if max < highest && !orderly {
                return Err(format!(
                    "counter {handle:#x} was deleted at {highest}, and the highest deleted one is {max}"
                ));
            }
        }
        self.counters.extend(now);
        let max = after.permanent.at(permanent::MAX_COUNTER).number();
        if max < self.max_counter {
            return Err(format!("the highest deleted counter went from {} to {max}", self.max_counter));
        }
        self.max_counter = max;
        Ok(())
    }

    fn hold(&self, now: &BTreeMap<u32, u64>) -> Result<(), String> {
        for (handle, value) in now {
            if let Some(floor) = self.counters.get(handle).filter(|floor| value < *floor) {
                return Err(format!("counter {handle:#x} went from {floor} to {value}"));
            }
        }
        Ok(())
    }
}

/// What a crash may not turn back: the state in storage is the acknowledged one or a later one.
pub(crate) fn after_crash(before: &Look, after: &Look, floors: &Floors) -> Result<(), String> {
    let tries = |look: &Look| look.permanent.at(permanent::DA).at(&[0]).number();
    // A later state was never acknowledged; it may hold a TPM2_Clear.
    let later = before.permanent.at(permanent::REVISION) != after.permanent.at(permanent::REVISION);
    counts_grow(before, after, later)?;
    if tries(after) < tries(before) && !later {
        return Err(format!("a crash took failed tries from {} to {}", tries(before), tries(after)));
    }
    if after.failed_tries() < tries(after) {
        return Err("power on took failed tries back".into());
    }
    let orderly: HashSet<u32> = after
        .indices()
        .iter()
        .filter(|index| index.public.attributes.contains(TpmaNv::ORDERLY))
        .map(|index| index.public.nv_index.raw())
        .collect();
    // Orderly counters get their value at TPM2_Startup.
    let now = after.counters().into_iter().filter(|(handle, _)| !orderly.contains(handle)).collect();
    floors.hold(&now)
}

/// `stored` is what storage holds, `now` what the TPM would write for a Shutdown(CLEAR): they are the same, but for orderly data and the
/// shutdown itself.
pub(crate) fn is_stored(stored: &Item, now: &Item, ahead: bool) -> Result<(), String> {
    let mut differences = stored.differences(now);
    let orderly: Vec<Vec<u64>> = (0_u64..)
        .zip(stored.at(permanent::INDICES).list())
        .filter(|(_, index)| {
            use sigillo_types::{Unmarshal, structures::TpmsNvPublic};
            TpmsNvPublic::from_bytes(index.at(&[0]).bytes())
                .is_ok_and(|public| public.attributes.contains(TpmaNv::ORDERLY))
        })
        .map(|(place, _)| [permanent::INDICES, &[place, 2]].concat())
        .collect();
    differences.retain(|path| {
        let own = [permanent::REVISION, permanent::SHUTDOWN, permanent::ORDERLY, permanent::STATE];
        let expected = own.iter().any(|prefix| path.is_under(prefix))
            || orderly.iter().any(|index| path.is_under(index))
            || (ahead && path.is_under(permanent::DA));
        !expected
    });
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!("acknowledged and not stored: {}", list(&differences)))
    }
}

/// Octets that tell one secret from anything else.
const TELLING: usize = 12;

/// No response shows a secret, but for the commands that are there to give one out, and what the command itself has said: a guest may
/// send as qualifyingData what it has made a secret before.
pub(crate) fn no_secret(after: &Look, before: &Look, command: &[u8], reply: &[u8]) -> Result<(), String> {
    let code = command_code(command);
    if reply.len() < 10 + TELLING || matches!(code, Some(cc::UNSEAL | cc::DUPLICATE)) {
        return Ok(());
    }
    let given: HashSet<&[u8]> = command.windows(TELLING).collect();
    let shown: HashSet<&[u8]> = reply.windows(TELLING).filter(|window| !given.contains(window)).collect();
    for secret in before.secrets().into_iter().chain(after.secrets()) {
        // Zeros and the like are not telling.
        let plain = |window: &[u8]| window.iter().all(|octet| *octet == window[0]);
        let seen = secret.windows(TELLING).step_by(4).any(|window| !plain(window) && shown.contains(window));
        if seen {
            return Err(format!("a secret of {} octets is in the reply", secret.len()));
        }
    }
    Ok(())
}
