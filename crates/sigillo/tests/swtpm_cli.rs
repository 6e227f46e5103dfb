//! `sigillo swtpm` and `sigillo worker` as programs.

mod tpm;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use sigillo_store::{CreateOptions, Key, KeyId, Secret, Store};
use tpm::*;

const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn capabilities_are_json_and_name_only_what_is_there() {
    for args in [&["socket", "--print-capabilities"][..], &["socket", "--tpm2", "--print-capabilities"]] {
        let output = swtpm(args);
        assert!(output.status.success());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["type"], "swtpm");
        let features: Vec<_> = json["features"].as_array().unwrap().iter().collect();
        assert!(features.iter().any(|feature| *feature == "tpm-2.0"));
        assert!(features.iter().any(|feature| *feature == "cmdarg-pwd-fd"));
        // With cmdarg-print-info libvirt 11.3 asks for swtpm's active profile, and starts no domain without one.
        let missing = ["tpm-1.2", "cmdarg-migration", "cmdarg-print-info"];
        assert!(features.iter().all(|feature| missing.iter().all(|missing| feature != missing)));
    }
}

#[test]
fn what_is_not_there_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let state = format!("dir={}", dir.path().display());
    let base = ["socket", "--tpmstate", &state, "--port", "1"];
    for (more, why) in [
        (&[][..], "--tpm2"),
        (&["--tpm2", "--runas", "nobody"], "--runas"),
        (&["--tpm2", "--profile", "name=default-v1"], "there are pc-client, ptp-1.07, libtpms, everything"),
        (&["--tpm2", "--profile", "libtpms,fast"], "--profile"),
        (&["--tpm2", "--flags", "startup-deactivated"], "TPM 1.2"),
        (&["--tpm2", "--flags", "startup-clear,startup-state"], "one startup"),
        (&["--tpm2", "--flags", "sing"], "sing"),
        (&["--tpm2", "--log", "level=1"], "--log"),
        (&["--tpm2", "--seccomp", "action=maybe"], "--seccomp"),
        (&["--tpm2", "--key", "file=/nonexistent"], "--key"),
        (&["--tpm2", "--key", "pwdfd=999"], "999"),
        (&["--tpm2", "--ctrl", "type=carrier-pigeon"], "--ctrl"),
        (&["--tpm2", "--locality", "reject-locality-9"], "--locality"),
        (&["--tpm2", "--no-such-option"], "--no-such-option"),
    ] {
        let output = swtpm(&[&base[..], more].concat());
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        assert!(text(&output.stderr).contains(why), "{more:?}: {}", text(&output.stderr));
    }
    assert!(text(&swtpm(&["chardev", "--tpm2"]).stderr).contains("chardev"));
    assert!(text(&swtpm(&["socket", "--tpm2"]).stderr).contains("--tpmstate"));
    assert!(text(&swtpm(&["socket", "--tpm2", "--tpmstate", &state]).stderr).contains("listen"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

/// Whether a process may lift the limit on locked memory: it is none already, or this one may change limits.
fn may_lock() -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
    let capabilities = status(std::process::id(), "CapEff");
    const SYS_RESOURCE: u32 = 24;
    limit.maximum.is_none() || u64::from_str_radix(&capabilities, 16).unwrap() >> SYS_RESOURCE & 1 == 1
}

/// What a TPM process is while it serves. What that keeps it from is tried in the sandbox's own tests.
fn confined(pid: u32, log: &str) {
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task: u32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        assert_eq!(status(task, "NoNewPrivs"), "1");
        assert_eq!(status(task, "Seccomp"), "2");
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&status(task, set), 16), Ok(0), "{set}");
        }
        threads += 1;
    }
    assert!(threads > 0);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"));
    // All of its memory, or none and a word about it: a part would make later allocations fail.
    let locked: u64 = status(pid, "VmLck").split(' ').next().unwrap().parse().unwrap();
    assert_eq!(locked > 0, may_lock(), "{log}");
    assert_eq!(log.contains("memory is not locked"), !may_lock(), "{log}");
    // Nothing else went wrong.
    for line in log.lines().filter(|line| line.contains("sandbox")) {
        assert!(line.contains("memory is not locked") || line.contains("PartiallyEnforced"), "{log}");
    }
}

#[test]
fn a_running_process_has_given_up_what_it_does_not_need() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let tpm = Tpm::start(dir.path(), &["--log", &format!("level=1,file={}", log.display())]);
    let mut control = tpm.control();
    control.expect("00000001", "00000000 0001ffff");
    confined(tpm.child.id(), &text(&std::fs::read(&log).unwrap()));
    // And the filter lets the TPM do all it does.
    let mut data = control.power_on();
    assert_eq!(data.code(&hex(GET_RANDOM_4)), 0);
    control.expect("0000000a", "00000000");
    control.expect("0000000e", "00000000");
    control.expect("00000002 00000001", "00000000");
    control.expect("00000003", "00000000");
}

#[test]
fn a_log_names_commands_and_never_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let option = format!("file={},level=20,prefix=vm7", log.display());
    let tpm = Tpm::start(dir.path(), &["--log", &option]);
    let mut control = tpm.control();
    let mut data = control.power_on();
    // Hash of a text that must not be seen.
    let mut command = hex("8001 0000001c 0000017d 000a");
    command.extend(b"confidence");
    command.extend(hex("000b 40000007"));
    assert_eq!(data.code(&command), 0);
    control.expect("00000003", "00000000");
    let log_text = std::fs::read_to_string(&log).unwrap();
    assert!(log_text.contains("vm7 the TPM's state is NOT encrypted on the disk"));
    assert!(log_text.contains("command 0x0000017d at locality 0: 0x0"));
    assert!(!log_text.contains("confidence"));
}

#[test]
fn a_passphrase_from_a_pipe_seals_the_state_and_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let words = pipe_with(b"correct horse battery staple");
    let option = format!("pwdfd={},mode=aes-256-cbc", give(&words));
    let mut tpm = Tpm::start(dir.path(), &["--key", &option, "--log", "fd=2"]);
    let mut control = tpm.control();
    control.expect("0000000f", "00000000 00000001");
    drop(control.power_on());
    control.expect("00000003", "00000000");
    assert!(tpm.wait().success());
    let store = dir.path().join("tpm2-00.sigillo");
    assert!(!Store::peek(&store).unwrap().is_unencrypted());
    let before = std::fs::read(&store).unwrap();

    let state = format!("dir={}", dir.path().display());
    let base = ["socket", "--tpm2", "--tpmstate", &state, "--port", "0"];
    let wrong = pipe_with(b"wrong");
    let option = format!("pwdfd={}", give(&wrong));
    let output = swtpm(&[&base[..], &["--key", &option]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not open this TPM store"), "{}", text(&output.stderr));
    let output = swtpm(&base);
    assert!(text(&output.stderr).contains("encrypted"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(&store).unwrap(), before);

    let states = swtpm(&["socket", "--print-states", "--tpmstate", &state]);
    let json: serde_json::Value = serde_json::from_slice(&states.stdout).unwrap();
    assert_eq!(json["states"][0]["name"], "permall");
    assert_eq!(json["states"][0]["encrypted"], true);
}

#[test]
fn a_state_in_use_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let tpm = Tpm::start(dir.path(), &[]);
    // It listens before it opens its state; that it answers says that it has.
    tpm.control().expect("00000001", "00000000 0001ffff");
    let state = format!("dir={}", dir.path().display());
    let output = swtpm(&["socket", "--tpm2", "--tpmstate", &state, "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&tpm.child.id().to_string()), "{}", text(&output.stderr));
}

#[test]
fn a_daemon_is_ready_when_its_starter_returns_and_cleans_up_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, pid) = (dir.path().join("ctrl"), dir.path().join("pid"));
    let output = swtpm(&[
        "socket",
        "--tpm2",
        "--tpmstate",
        &format!("backend-uri=dir://{}", dir.path().display()),
        "--ctrl",
        &format!("type=unixio,path={},mode=0660", socket.display()),
        "--pid",
        &format!("file={}", pid.display()),
        "--daemon",
        "--terminate",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let number: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    // Field 6 of stat is the session: its own.
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
    assert_eq!(stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3), Some(&*number.to_string()));
    let mut control = Control::connect(&socket);
    drop(control.power_on());
    drop(control);
    let start = Instant::now();
    while pid.exists() || socket.exists() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_daemon_that_cannot_start_says_so_in_the_foreground() {
    let output =
        swtpm(&["socket", "--tpm2", "--tpmstate", "dir=/nonexistent/tpm", "--port", "0", "--daemon"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nonexistent/tpm"), "{}", text(&output.stderr));
}

#[test]
fn a_signal_ends_the_tpm_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut tpm = Tpm::start(dir.path(), &[]);
    drop(tpm.control().power_on());
    let pid = rustix::process::Pid::from_child(&tpm.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(tpm.wait().success());
    let tpm = Tpm::start(dir.path(), &[]);
    let mut control = tpm.control();
    control.expect("00000002 00000000", "00000000");
    // Only an orderly end leaves something to go on from.
    assert_eq!(control.data().code(&hex(STARTUP_STATE)), 0);
}

#[test]
fn connected_descriptors_serve_as_channels() {
    let dir = tempfile::tempdir().unwrap();
    let (data, data_child) = UnixStream::pair().unwrap();
    let (control, control_child) = UnixStream::pair().unwrap();
    let (data_child, control_child): (OwnedFd, OwnedFd) = (data_child.into(), control_child.into());
    // As swtpm_setup starts a TPM to provision it.
    let mut child = program()
        .args(["swtpm", "socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", dir.path().display())])
        .args(["--server", &format!("type=tcp,fd={}", give(&data_child))])
        .args(["--ctrl", &format!("type=unixio,clientfd={}", give(&control_child))])
        .spawn()
        .unwrap();
    drop((data_child, control_child));
    let mut data = Data(data);
    assert_eq!(data.code(&hex(GET_RANDOM_4)), 0);
    let mut control = Control(control);
    control.expect("00000003", "00000000");
    assert!(wait(&mut child).success());
}

/// The answer to TPM2_Startup at this port, if somebody gives one.
fn started(port: u16) -> Option<[u8; 10]> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(&hex(STARTUP_CLEAR)).ok()?;
    let mut response = [0; 10];
    stream.read_exact(&mut response).ok()?;
    Some(response)
}

#[test]
fn a_link_named_swtpm_is_started_as_test_suites_start_swtpm() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("swtpm");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sigillo"), &link).unwrap();
    // Suites look for free ports in this way, and for others when someone else was faster.
    let (mut child, response) = (0..20)
        .find_map(|_| {
            let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let mut child = std::process::Command::new(&link)
                .args(["socket", "--tpm2", "--seccomp", "action=none", "--flags", "not-need-init"])
                .args(["--server", &format!("port={port}")])
                .args(["--ctrl", &format!("type=tcp,port={}", port - 1)])
                .args(["--tpmstate", &format!("dir={}", dir.path().display())])
                .spawn()
                .unwrap();
            let start = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if let Some(response) = started(port) {
                    return Some((child, response));
                }
                assert!(start.elapsed() < PATIENCE);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            None
        })
        .expect("it listens on one of twenty pairs of ports");
    assert_eq!(status(child.id(), "Name"), "swtpm");
    assert_eq!(code(&response), 0);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    assert!(wait(&mut child).success());
}

#[test]
fn a_worker_serves_the_tpm_in_its_store_and_ends_with_its_client() {
    let dir = tempfile::tempdir().unwrap();
    let uuid = uuid::Uuid::parse_str(UUID).unwrap();
    let password = Secret::random_text().unwrap();
    let options =
        CreateOptions::new(*uuid.as_bytes(), Key::Password(password.clone()), KeyId::random().unwrap());
    furnished(&dir.path().join("tpm.store"), &options);

    for _ in 0..2 {
        let mut worker = worker(dir.path(), UUID, Some(password.expose()));
        assert_eq!(worker.said, "ready\n");
        let mut control = Control(worker.control.take().unwrap());
        let mut data = control.power_on();
        assert_eq!(data.code(&hex(GET_RANDOM_4)), 0);
        // The password is nowhere to be seen.
        let pid = worker.child.id();
        for file in ["cmdline", "environ"] {
            assert!(!holds(format!("/proc/{pid}/{file}").as_ref(), password.expose()));
        }
        drop((control, data));
        assert!(wait(&mut worker.child).success());
        assert!(!holds(&dir.path().join("log"), password.expose()));
    }
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(!log.contains("NOT encrypted"));
}

#[test]
fn a_worker_gives_no_open_state_away_and_takes_none() {
    let dir = tempfile::tempdir().unwrap();
    let uuid = uuid::Uuid::parse_str(UUID).unwrap();
    let password = Secret::random_text().unwrap();
    let options =
        CreateOptions::new(*uuid.as_bytes(), Key::Password(password.clone()), KeyId::random().unwrap());
    furnished(&dir.path().join("tpm.store"), &options);
    let open = tempfile::tempdir().unwrap();
    let other = Tpm::start(open.path(), &[]);
    let mut other = other.control();
    drop(other.power_on());
    let (_, open_blob) = other.blob(1);

    let mut first = worker(dir.path(), UUID, Some(password.expose()));
    let mut control = Control(first.control.take().unwrap());
    let data = control.power_on();
    let (flags, blob) = control.blob(1);
    assert_eq!(flags, 2, "encrypted");
    assert!(blob.len() > 256);
    let state = b"SIGILLO\0";
    assert!(open_blob.windows(8).any(|window| window == state));
    assert!(!blob.windows(8).any(|window| window == state));
    let (volatile_flags, volatile) = control.blob(2);
    drop((data, control));
    assert!(wait(&mut first.child).success());

    // The same store in another process, after its password was changed: a snapshot from before still opens.
    let second_password = Secret::random_text().unwrap();
    let mut store = Store::open(&dir.path().join("tpm.store"), &Key::Password(password)).unwrap();
    let first_key = store.opened_with().unwrap();
    store.add_key(&Key::Password(second_password.clone()), KeyId::random().unwrap()).unwrap();
    store.remove_key(first_key).unwrap();
    drop(store);
    let mut second = worker(dir.path(), UUID, Some(second_password.expose()));
    let mut control = Control(second.control.take().unwrap());
    assert_eq!(control.set_blob(1, 0, &open_blob), 0x21);
    assert_eq!(control.set_blob(1, flags, &blob), 0);
    assert_eq!(control.set_blob(2, volatile_flags, &volatile), 0);
    control.expect("00000002 00000001", "00000000");
    assert_eq!(control.data().code(&hex(GET_RANDOM_4)), 0);
}

#[test]
fn a_worker_has_given_up_as_much() {
    let dir = tempfile::tempdir().unwrap();
    let uuid = uuid::Uuid::parse_str(UUID).unwrap();
    let options = CreateOptions::new(*uuid.as_bytes(), Key::None, KeyId::random().unwrap());
    furnished(&dir.path().join("tpm.store"), &options);
    let mut worker = worker(dir.path(), UUID, None);
    assert_eq!(worker.said, "ready\n");
    let log = text(&std::fs::read(dir.path().join("log")).unwrap());
    confined(worker.child.id(), &log);
    drop(worker.control.take());
    assert!(wait(&mut worker.child).success());
}

#[test]
fn a_tpm_process_can_be_looked_into_by_nobody_but_root() {
    // What is not dumpable is root's in /proc, whoever it runs as. As root there is no telling; then it runs as nobody.
    let dir = tempfile::tempdir().unwrap();
    let nobody = 65534;
    let root = rustix::process::geteuid().is_root();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    if root {
        std::os::unix::fs::chown(&state, Some(nobody), Some(nobody)).unwrap();
        std::os::unix::fs::chown(dir.path(), Some(nobody), Some(nobody)).unwrap();
    }
    let (socket, program) = (state.join("ctrl"), dir.path().join("sigillo"));
    std::fs::copy(env!("CARGO_BIN_EXE_sigillo"), &program).unwrap();
    let mut command = std::process::Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]);
    }
    let mut child = command
        .arg(&program)
        .args(["swtpm", "socket", "--tpm2", "--tpmstate"])
        .arg(format!("dir={}", state.display()))
        .arg("--ctrl")
        .arg(format!("type=unixio,path={}", socket.display()))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(start.elapsed() < PATIENCE && child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(owner, 0);
}

#[test]
fn a_worker_whose_starter_is_gone_before_a_client_came_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, lifeline) = worker_with_lifeline(dir.path());
    assert_eq!(worker.said, "ready\n");
    assert!(worker.child.try_wait().unwrap().is_none());
    drop(lifeline);
    assert!(wait(&mut worker.child).success());
}

#[test]
fn a_worker_that_has_had_its_client_outlives_its_starter() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, lifeline) = worker_with_lifeline(dir.path());
    let mut control = Control::connect(&dir.path().join("sock"));
    control.expect("00000001", "00000000 0001ffff");
    drop(lifeline);
    control.expect("00000001", "00000000 0001ffff");
    assert!(worker.child.try_wait().unwrap().is_none());
    drop(control);
    assert!(wait(&mut worker.child).success());
}

/// A worker over a store of its own, and the end of the pipe that its starter has.
fn worker_with_lifeline(dir: &Path) -> (Worker, OwnedFd) {
    let uuid = uuid::Uuid::parse_str(UUID).unwrap();
    let options = CreateOptions::new(*uuid.as_bytes(), Key::None, KeyId::random().unwrap());
    furnished(&dir.join("tpm.store"), &options);
    let (starter, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let worker = worker_alone(dir, UUID, None, &["--starter-fd", &give(&starter)]);
    (worker, lifeline)
}

#[test]
fn a_second_process_does_not_take_the_socket_of_the_first() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tpm = Tpm::start(dir.path(), &[]);
    let mut control = tpm.control();
    control.expect("00000001", "00000000 0001ffff");
    let output = swtpm(&[
        "socket",
        "--tpm2",
        "--tpmstate",
        &format!("dir={}", other.path().display()),
        "--ctrl",
        &format!("type=unixio,path={}", tpm.socket.display()),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("somebody listens"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0, "nothing was made");
    drop(control.power_on());
    assert!(tpm.socket.exists());
}

#[test]
fn a_worker_says_why_it_does_not_serve() {
    let dir = tempfile::tempdir().unwrap();
    let uuid = uuid::Uuid::parse_str(UUID).unwrap();
    let path = dir.path().join("tpm.store");
    let refused = |uuid: &str, password: Option<&[u8]>, why: &str| {
        let mut worker = worker(dir.path(), uuid, password);
        assert!(worker.said.contains(why), "{}", worker.said);
        assert_eq!(worker.said.matches('\n').count(), 1);
        assert_eq!(wait(&mut worker.child).code(), Some(1));
    };
    refused(UUID, Some(b"secret"), "no TPM store");
    let key = Key::Password(Secret::from_slice(b"secret"));
    furnished(&path, &CreateOptions::new(*uuid.as_bytes(), key, KeyId::random().unwrap()));
    let before = std::fs::read(&path).unwrap();
    refused(UUID, Some(b"another"), "password");
    refused(UUID, None, "no password was given");
    refused("00000000-0000-0000-0000-000000000001", Some(b"secret"), "another VM");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&path).unwrap();
    let options = CreateOptions::new(*uuid.as_bytes(), Key::None, KeyId::random().unwrap());
    drop(Store::create(&path, &options).unwrap());
    // Whoever put back a copy from before the TPM was made would get another one.
    refused(UUID, None, "holds no TPM");
    std::fs::remove_file(&path).unwrap();
    furnished(&path, &options);
    refused(UUID, Some(b"secret"), "not encrypted");
    let mut open = worker(dir.path(), UUID, None);
    assert_eq!(open.said, "ready\n");
    drop(open.control.take());
    wait(&mut open.child);
    assert!(std::fs::read_to_string(dir.path().join("log")).unwrap().contains("NOT encrypted"));
}

#[test]
fn garbage_in_place_of_a_store_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("tpm2-00.sigillo");
    let state = format!("dir={}", dir.path().display());
    let mut seed = 7_u64;
    for len in [0, 1, 10, 4096, 100_000] {
        let garbage: Vec<u8> = (0..len)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed.to_be_bytes()[0]
            })
            .collect();
        std::fs::File::create(&store).unwrap().write_all(&garbage).unwrap();
        let output = swtpm(&["socket", "--tpm2", "--tpmstate", &state, "--port", "0"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(!output.stderr.is_empty());
        assert_eq!(std::fs::read(&store).unwrap(), garbage);
    }
}
