//! Whether a store is the newest state of its TPM: asked of the TPM's process, which alone opens the store, and decided by the
//! host's policy.
use crate::{
    backup::{find, peek},
    bundle::Bundle,
    error::{Error, Result},
    host::{Event, Host, Question, Starter},
    open::Found,
    policy::WhenRolledBack,
    rundir::RunDir,
    start::Start,
    worker::{self, Spawned, Worker},
};
use sigillo_keychain::{
    RecordName,
    anchor::{Held, Verdict},
    audit::{Act, AuditError, AuditLog},
    calendar,
};
use sigillo_messages::{text, words};
use sigillo_store::{Key, Store};
use std::{path::Path, time::Duration};

/// Starts the TPM's process, if its store is the newest one seen or is accepted all the same; and, where `goes_on` names any,
/// if its store is in one of these states or was last written by one of these openings.
pub(crate) fn spawn_guarded(
    bundle: &Bundle,
    host: &Host<'_>,
    run: &RunDir,
    options: &Start,
    found: &Found,
    goes_on: &[String],
    starter: &mut dyn Starter,
) -> Result<Worker> {
    let vm_uuid = *bundle.config().uuid.as_bytes();
    if host.anchors.current(&vm_uuid)?.is_some_and(|current| current != found.file_uuid) {
        let why = Error::OtherStore { name: bundle.name().to_owned() };
        consent(bundle, host, options, starter, why, Act::TwinFound)?;
    }
    let anchor = host.anchors.open(&vm_uuid, &found.file_uuid)?.into_file();
    let mut accepted: Option<Held> = None;
    let (worker, verdict) = loop {
        let state = accepted.as_ref().map(|held| held.state.as_str());
        match worker::spawn(bundle, run, &options.program, &found.key, &anchor, state, goes_on)? {
            Spawned::Ready(worker, verdict) => break (worker, verdict),
            Spawned::Held(held) => {
                let (why, act) = refusal(bundle, held.verdict);
                // What was agreed to is that state and no other, and nothing makes two live copies right.
                if accepted.is_some() || matches!(held.verdict, Verdict::InUse { .. }) {
                    let detail = format!("VM {:?}: {}", bundle.name(), why.code());
                    // As below: the refusal is what counts.
                    let _ = host.audit.record(act, &store_name(bundle), &detail);
                    return Err(why);
                }
                consent(bundle, host, options, starter, why, act)?;
                run.clear()?;
                accepted = Some(held);
            }
        }
    };
    let noted = note(bundle, host, &found.file_uuid, verdict, starter);
    if let Err(e) = noted {
        worker.end(Duration::ZERO);
        return Err(e);
    }
    Ok(worker)
}

/// Remembers which store runs, and that it was elsewhere.
fn note(
    bundle: &Bundle,
    host: &Host<'_>,
    file_uuid: &[u8; 16],
    verdict: Option<Verdict>,
    starter: &mut dyn Starter,
) -> Result<()> {
    if let Some(Verdict::MovedOn { by }) = verdict {
        note_moved_on(bundle, host.audit, by)?;
        starter.told(&Event::MovedOn { vm: bundle.name().to_owned(), by });
    }
    Ok(host.anchors.set_current(bundle.config().uuid.as_bytes(), file_uuid)?)
}

/// Logs that a store was written where this host did not see it.
pub(crate) fn note_moved_on(
    bundle: &Bundle,
    audit: &AuditLog,
    by: u64,
) -> std::result::Result<(), AuditError> {
    let detail = format!("VM {:?}: {by} commits that this host did not see", bundle.name());
    audit.record(Act::StoreMovedOn, &store_name(bundle), &detail)
}

fn store_name(bundle: &Bundle) -> String {
    bundle.store_path().map(|path| path.display().to_string()).unwrap_or_default()
}

/// Asks the policy, and perhaps the person; either answer leaves a line.
fn consent(
    bundle: &Bundle,
    host: &Host<'_>,
    options: &Start,
    starter: &mut dyn Starter,
    why: Error,
    refused_as: Act,
) -> Result<()> {
    let agreed = match host.policy.when_rolled_back(options.when_rolled_back, bundle.config()) {
        WhenRolledBack::Accept => true,
        WhenRolledBack::Ask => {
            starter.can_answer() && starter.ask(&Question::OlderState { why: why.to_string() })
        }
        WhenRolledBack::Refuse => false,
    };
    let detail = format!("VM {:?}: {}", bundle.name(), why.code());
    if agreed {
        host.audit.record(Act::RollbackAccepted, &store_name(bundle), &detail)?;
        return Ok(());
    }
    // The refusal is what counts; a log that cannot be written is told by the next act that needs it.
    let _ = host.audit.record(refused_as, &store_name(bundle), &detail);
    Err(why)
}

/// What is said of a store that does not start without consent, and how the audit log calls it.
pub(crate) fn refusal(bundle: &Bundle, verdict: Verdict) -> (Error, Act) {
    let name = bundle.name().to_owned();
    match verdict {
        Verdict::RolledBack { by, seen_unix_s } => {
            (Error::RolledBack { name, by, seen: date(seen_unix_s) }, Act::RollbackRefused)
        }
        Verdict::Twin { generation, seen_unix_s } => {
            (Error::Twin { name, generation, seen: date(seen_unix_s) }, Act::TwinFound)
        }
        Verdict::InUse { pid } => (Error::InUse { name, pid }, Act::TwinFound),
        Verdict::First
        | Verdict::Same
        | Verdict::Newer { .. }
        | Verdict::MovedOn { .. }
        | Verdict::Unreadable => (Error::AnchorUnreadable { name }, Act::RollbackRefused),
    }
}

fn date(unix_s: u64) -> String {
    calendar(unix_s).unwrap_or_else(|| text!("seconds-after-1970", seconds = unix_s))
}

/// Tells the host that a VM is about to be taken back, on purpose, to the state of its TPM in the file `state`: a copy of its
/// store, from a snapshot. Call it before the copy is put in place; a crash in between leaves a newer store, which starts.
///
/// # Errors
/// [`Error::Running`], or the copy is not this VM's or does not open with its record.
pub fn announce_revert(vm: &Bundle, host: &Host<'_>, state: &Path, why: &str) -> Result<()> {
    let _lock = vm.lock()?;
    vm.require_off(words!("doing-announce"))?;
    let failed = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let name = RecordName::for_vm(vm.config().uuid.as_bytes());
    let gone = || Error::StoreGone {
        name: vm.name().to_owned(),
        store: state.to_owned(),
        hint: text!("nothing-changed"),
    };
    let info = peek(vm, state)?.ok_or_else(gone)?;
    if !info.is_for_vm(vm.config().uuid.as_bytes()) {
        return Err(failed("SIG_ERR_TPM_STORE", text!("belongs-to-other-vm", path = state.display())));
    }
    let missing = || Error::KeychainRecordMissing { name: vm.name().to_owned(), record: name.to_string() };
    let key = if info.is_unencrypted() {
        Key::None
    } else {
        Key::Password(find(vm, host.keychain, &name)?.ok_or_else(missing)?.secret)
    };
    let store = Store::open(state, &key).map_err(|e| failed(e.code(), e.to_string()))?;
    announce(vm, host, &store, state, why)
}

/// As [`announce_revert`], with the copy open.
pub(crate) fn announce(vm: &Bundle, host: &Host<'_>, store: &Store, state: &Path, why: &str) -> Result<()> {
    let detail = format!("VM {:?}, to commit {}: {why}", vm.name(), store.anchor().generation);
    host.audit.record(Act::SnapshotReverted, &state.display().to_string(), &detail)?;
    host.anchors.accept(vm.config().uuid.as_bytes(), store)?;
    Ok(host.anchors.set_current(vm.config().uuid.as_bytes(), &store.info().file_uuid)?)
}
