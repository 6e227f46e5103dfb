//! The processes of ours beside QEMU, as the VM's starter sees them, and the TPM's above all. It gets all it needs as inherited descriptors:
//! the bundle's directory, the password in a pipe, the socket it listens on. Nothing secret is in its arguments or environment.
use crate::{
    bundle::Bundle,
    error::{Error, Result},
    files::log_file,
    open::StoreKey,
    process::Process,
    qemu::last_words,
    rundir::RunDir,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, AsRawFd, OwnedFd},
    io::FdFlags,
    pipe::{PipeFlags, pipe_with},
};
use sigillo_keychain::anchor::{Held, Verdict};
use sigillo_messages::{text, words};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::{net::UnixListener, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long it may take to open the store and listen.
const READY: Duration = Duration::from_secs(30);
/// More is not read of what it says. Bytes.
const WORDS: usize = 4096;
/// What it begins with when it is well.
const READY_WORD: &str = "ready";

/// A process of ours beside QEMU: a TPM that listens, or the writer of the serial log.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    process: Process,
    /// Open as long as the starter has it: a TPM's process that QEMU has not reached yet ends with its starter.
    lifeline: Option<OwnedFd>,
}

impl Worker {
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Starts it, and waits until it says `ready` or why not. What it said; the process, if it was `ready`.
    pub(crate) fn raise(
        command: &mut Command,
        inherited: Inherited,
        ready: &OwnedFd,
    ) -> std::result::Result<(Option<Self>, Said), String> {
        command
            .env_clear()
            .env(sigillo_messages::VARIABLE, sigillo_messages::language().tag())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // A group of its own: a Ctrl-C meant for the terminal does not end what a guest needs before the guest.
        let child = command.process_group(0).spawn();
        drop(inherited);
        let mut child = child.map_err(|e| format!("{}: {e}", Path::new(command.get_program()).display()))?;
        let said = wait_ready(ready, &mut child);
        let process = i32::try_from(child.id()).ok().and_then(Process::of);
        match process.filter(|_| said.as_ref().is_ok_and(|said| said.starts_with(READY_WORD))) {
            Some(process) => Ok((Some(Self { child, process, lifeline: None }), said)),
            None => {
                let _ = child.kill();
                child.wait().map_err(|e| e.to_string())?;
                Ok((None, said))
            }
        }
    }

    /// Waits until it has ended by itself, as it does when QEMU closes the connection or has never come; then ends it.
    pub(crate) fn end(mut self, limit: Duration) {
        self.lifeline = None;
        self.process.end(limit);
        // Only to take the zombie away; its verdict is in its log.
        let _ = self.child.wait();
    }
}

/// What a process says of itself, or why it could not be heard.
pub(crate) type Said = std::result::Result<String, String>;

/// How a start went.
#[derive(Debug)]
pub(crate) enum Spawned {
    /// It listens; what its store is to the newest one seen, if that is worth telling.
    Ready(Worker, Option<Verdict>),
    /// It did not open its store for the guest, and has ended.
    Held(Held),
}

/// Starts the TPM of a bundle and waits until it listens. `anchor` is the file of the store's anchor; `accepted` names a state
/// that may run whatever the anchor says; `goes_on` what the store may be to a suspended guest.
pub(crate) fn spawn(
    bundle: &Bundle,
    run: &RunDir,
    program: &Path,
    key: &StoreKey,
    anchor: &File,
    accepted: Option<&str>,
    goes_on: &[String],
) -> Result<Spawned> {
    let coded = |code: &str, why: String| Error::Worker {
        name: bundle.name().to_owned(),
        code: code.to_owned(),
        why,
    };
    let failed = |why: String| coded("SIG_ERR_TPM_START", why);
    let system = |e: rustix::io::Errno| failed(e.to_string());
    let Some(tpm) = &bundle.config().tpm else { return Err(failed(text!("vm-has-none"))) };
    let store_dir: OwnedFd =
        File::open(bundle.path()).map_err(|e| Error::io(words!("do-open"), bundle.path(), e))?.into();
    let socket = run.tpm_socket();
    let listener: OwnedFd =
        UnixListener::bind(&socket).map_err(|e| Error::io(words!("do-listen-on"), &socket, e))?.into();
    let log_path = run.tpm_log();
    let log = log_file(&log_path)?;
    let errors = log.try_clone().map_err(|e| Error::io(words!("do-open"), &log_path, e))?;
    let (ready, ready_child) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
    let mut inherited = Inherited::default();
    let mut command = Command::new(program);
    command.arg("worker");
    command.arg("--store-dir-fd").arg(inherited.give(store_dir).map_err(system)?);
    command.arg("--store-name").arg(&tpm.store);
    if let StoreKey::Password(password) = key {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
        // A pipe holds 64 KiB, a password under a hundred bytes: this does not wait for a reader.
        File::from(write).write_all(password).map_err(|e| failed(e.to_string()))?;
        command.arg("--key-fd").arg(inherited.give(read).map_err(system)?);
    }
    command.arg("--ctrl-fd").arg(inherited.give(listener).map_err(system)?);
    command.arg("--vm-uuid").arg(bundle.config().uuid.to_string());
    command.arg("--log-fd").arg(inherited.give(log.into()).map_err(system)?);
    command.arg("--ready-fd").arg(inherited.give(ready_child).map_err(system)?);
    let anchor: OwnedFd = anchor.try_clone().map_err(|e| failed(e.to_string()))?.into();
    command.arg("--anchor-fd").arg(inherited.give(anchor).map_err(system)?);
    if let Some(state) = accepted {
        command.arg("--accept").arg(state);
    }
    for state in goes_on {
        command.arg("--goes-on").arg(state);
    }
    let (starter, lifeline) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
    command.arg("--starter-fd").arg(inherited.give(starter).map_err(system)?);
    command.arg("--terminate").stderr(errors);
    let (worker, said) = Worker::raise(&mut command, inherited, &ready).map_err(failed)?;
    let line = said.as_deref().unwrap_or_default().trim_end();
    let of_store = |word: &str| line.strip_prefix(word).map(str::trim_start);
    if let (Some(mut worker), Some(verdict)) = (worker, of_store(READY_WORD)) {
        worker.lifeline = Some(lifeline);
        return Ok(Spawned::Ready(worker, serde_json::from_str(verdict).ok()));
    }
    if let Some(held) = of_store("held").and_then(|held| serde_json::from_str(held).ok()) {
        return Ok(Spawned::Held(held));
    }
    Err(match said {
        Ok(words) if !words.trim().is_empty() => match words.trim().split_once(": ") {
            Some((code, why)) if code.starts_with("SIG_ERR") && !code.contains(' ') => {
                coded(code, why.to_owned())
            }
            _ => failed(words.trim().to_owned()),
        },
        Ok(_) => failed(last_words(&fs::read(&log_path).unwrap_or_default())),
        Err(why) => failed(why),
    })
}

/// Descriptors that the next child keeps. Ours are close-on-exec until they are given and closed right after the child
/// was started; this program starts one child at a time.
#[derive(Default)]
pub(crate) struct Inherited(Vec<OwnedFd>);

impl Inherited {
    /// Returns the number, which is the same in the child.
    pub(crate) fn give(&mut self, fd: OwnedFd) -> rustix::io::Result<String> {
        rustix::io::fcntl_setfd(&fd, FdFlags::empty())?;
        let number = fd.as_raw_fd().to_string();
        self.0.push(fd);
        Ok(number)
    }
}

/// What the child says on its ready descriptor, until it ends the line or itself.
fn wait_ready(pipe: &OwnedFd, child: &mut Child) -> Said {
    let slice = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let end = Instant::now() + READY;
    let mut said = Vec::new();
    loop {
        // Looked at before the pipe: what it said before it ended is then in the pipe.
        let ended = child.try_wait().map_err(|e| e.to_string())?.is_some();
        let mut waiting = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        match poll(&mut waiting, Some(&slice)) {
            Ok(0) if ended => return Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(0) if Instant::now() > end => {
                return Err(text!("said-nothing-for", seconds = READY.as_secs()));
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(e) => return Err(e.to_string()),
        }
        let mut part = [0; 512];
        let got = rustix::io::read(pipe, &mut part).map_err(|e| e.to_string())?;
        said.extend_from_slice(part.get(..got).unwrap_or_default());
        if got == 0 || said.ends_with(b"\n") || said.len() > WORDS {
            return Ok(String::from_utf8_lossy(&said).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Create, Firmware, Guest, Home, Interface, config::Accelerator, config::Tpm};
    use std::os::unix::fs::PermissionsExt;
    use zeroize::Zeroizing;

    /// A program that takes the place of `sigillo`, and a bundle with a TPM for it.
    fn spawned(script: &str) -> (tempfile::TempDir, Result<Spawned>) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        let parse = "while [ $# -gt 0 ]; do case $1 in --*-fd) eval \"$(echo ${1#--} | tr - _)=$2\";; esac; shift; done";
        let text = format!(
            "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$@\" >$here/args\nenv >$here/env\n{parse}\n{script}\n"
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let create = Create {
            name: "w".to_owned(),
            guest: Guest::Linux,
            firmware: Firmware::Bios,
            memory_mib: 64,
            cpus: 1,
            accel: Accelerator::Tcg,
            disks: Vec::new(),
            new_disk_gib: None,
        };
        let mut vm = Home::find(Some(&dir.path().join("vms"))).create(&create).unwrap();
        let mut config = vm.config().clone();
        config.firmware = Firmware::Uefi;
        config.tpm = Some(Tpm {
            interface: Interface::Crb,
            store: "tpm.store".to_owned(),
            encrypted: true,
            profile: None,
            when_record_missing: None,
            when_rolled_back: None,
        });
        vm.set_config(config).unwrap();
        let run = vm.run_dir(true).unwrap();
        let key = StoreKey::Password(Zeroizing::new(b"the-password".to_vec()));
        let anchor = tempfile::tempfile().unwrap();
        let worker = spawn(&vm, &run, &program, &key, &anchor, Some("7:ab"), &["9:cd".to_owned()]);
        (dir, worker)
    }

    #[test]
    fn the_password_arrives_by_pipe_and_is_in_no_argument_or_environment() {
        let (dir, worker) = spawned(
            "cat </proc/self/fd/$key_fd >$here/key\necho ready >/proc/self/fd/$ready_fd\nexec sleep 60",
        );
        let Spawned::Ready(worker, None) = worker.unwrap() else { panic!("not ready") };
        assert_eq!(fs::read(dir.path().join("key")).unwrap(), b"the-password");
        let said = fs::read_to_string(dir.path().join("args")).unwrap()
            + &fs::read_to_string(dir.path().join("env")).unwrap();
        assert!(said.contains("--store-name tpm.store") && said.contains("--terminate"), "{said}");
        assert!(said.contains("--anchor-fd ") && said.contains("--accept 7:ab"), "{said}");
        assert!(said.contains("--goes-on 9:cd"), "{said}");
        assert!(!said.contains("the-password"), "{said}");
        let process = worker.process();
        worker.end(Duration::ZERO);
        assert!(!process.is_alive());
    }

    #[test]
    fn a_worker_tells_what_its_store_is_to_the_newest_one_seen() {
        let held = "held {\\\"verdict\\\":{\\\"is\\\":\\\"rolled-back\\\",\\\"by\\\":3,\\\"seen_unix_s\\\":7},\\\"state\\\":\\\"4:ab\\\"}";
        let (_dir, worker) = spawned(&format!("echo \"{held}\" >/proc/self/fd/$ready_fd; exit 1"));
        let Spawned::Held(held) = worker.unwrap() else { panic!("not held") };
        assert_eq!(held.verdict, Verdict::RolledBack { by: 3, seen_unix_s: 7 });
        assert_eq!(held.state, "4:ab");
        let moved = "ready {\\\"is\\\":\\\"moved-on\\\",\\\"by\\\":9}";
        let (_dir, worker) = spawned(&format!("echo \"{moved}\" >/proc/self/fd/$ready_fd; exec sleep 60"));
        let Spawned::Ready(worker, verdict) = worker.unwrap() else { panic!("not ready") };
        assert_eq!(verdict, Some(Verdict::MovedOn { by: 9 }));
        worker.end(Duration::ZERO);
    }

    #[test]
    fn a_worker_that_names_a_code_is_reported_under_it() {
        let (_dir, worker) =
            spawned("echo 'SIG_ERR_STORE_DAMAGED: neither copy: verifies' >/proc/self/fd/$ready_fd; exit 1");
        let error = worker.unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_STORE_DAMAGED");
        assert!(error.to_string().contains("neither copy: verifies"), "{error}");
    }

    #[test]
    fn a_worker_that_does_not_come_up_is_reported_in_its_own_words() {
        for script in [
            "echo 'the store is damaged' >/proc/self/fd/$ready_fd; exit 1",
            "echo 'the store is damaged' >&2; exit 1",
        ] {
            let (_dir, worker) = spawned(script);
            let error = worker.unwrap_err();
            assert_eq!(error.code(), "SIG_ERR_TPM_START");
            assert!(error.to_string().contains("the store is damaged"), "{error}");
        }
    }
}
