//! The sandbox, from inside: a process that entered it tries what a TPM process that was taken over would try, and tells how that ended.
//!
//! Each try is this very test program once more, asked for one act. With the filter of system calls the first forbidden one ends it; without,
//! so that one wall does not hide the other, Landlock and the missing capabilities have to refuse what they are for.
#![allow(clippy::print_stdout, reason = "the child tells its parent")]

use sigillo_server::{
    log::{Level, Log},
    sandbox::{Sandbox, Seccomp},
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::AsFd,
        linux::net::SocketAddrExt,
        unix::{
            net::{SocketAddr, UnixListener, UnixStream},
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

const ACT: &str = "SIGILLO_TEST_ACT";
const BOX: &str = "SIGILLO_TEST_BOX";
const FILTER: &str = "SIGILLO_TEST_FILTER";

/// EPERM and EACCES.
const REFUSED: [i32; 2] = [1, 13];
const SIGSYS: i32 = 31;

/// A directory for the store, one beside it with a secret, and what others serve.
struct Scene {
    dir: tempfile::TempDir,
    tcp: TcpListener,
    _unix: UnixListener,
    abstract_name: String,
    _abstract: UnixListener,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for new in ["store", "beside", "sockets"] {
            fs::create_dir(dir.path().join(new)).unwrap();
        }
        fs::write(dir.path().join("beside/secret"), "another VM's").unwrap();
        fs::write(dir.path().join("store/own"), "its own").unwrap();
        fs::write(dir.path().join("sockets/pid"), "1").unwrap();
        std::os::unix::fs::symlink("../beside/secret", dir.path().join("store/link")).unwrap();
        let abstract_name = dir.path().file_name().unwrap().to_str().unwrap().to_owned();
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            _unix: UnixListener::bind(dir.path().join("beside/socket")).unwrap(),
            _abstract: UnixListener::bind_addr(&address).unwrap(),
            abstract_name,
            dir,
        }
    }

    fn start(&self, act: &str, filter: bool) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_act_in_the_sandbox", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ACT, act)
            .env(
                BOX,
                format!(
                    "{} {} {}",
                    self.dir.path().display(),
                    self.tcp.local_addr().unwrap(),
                    self.abstract_name
                ),
            )
            .env(FILTER, if filter { "kill" } else { "none" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// How much of Landlock this kernel has, by what the sandbox says of it.
    fn landlock(&self) -> Landlock {
        let output = self.start("start a thread", false).wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        match said.lines().find(|line| line.contains("Landlock")) {
            None => Landlock::Whole,
            Some(line) if line.contains("PartiallyEnforced") => Landlock::Files,
            Some(line) => {
                println!("without Landlock: {line}");
                Landlock::None
            }
        }
    }

    /// How one act ended.
    fn ends(&self, act: &str, filter: bool) -> Ended {
        Ended::of(act, &self.start(act, filter).wait_with_output().unwrap())
    }
}

/// Kernels before 6.12 know less than is asked of them, some containers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landlock {
    Whole,
    Files,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    Error(i32),
    Killed(i32),
}

impl Ended {
    fn of(act: &str, output: &Output) -> Self {
        if let Some(signal) = output.status.signal() {
            return Self::Killed(signal);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let result = said.lines().find_map(|line| line.split_once("ended: ")).map(|(_, result)| result);
        match result {
            Some("done") => Self::Done,
            Some(errno) => Self::Error(errno.parse().unwrap()),
            None => panic!("{act} told nothing: {said}{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn is_refused(self) -> bool {
        matches!(self, Self::Error(errno) if REFUSED.contains(&errno))
    }
}

/// As the store does it; the library's own call is another one.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat(rustix::fs::CWD, from, rustix::fs::CWD, to)?)
}

/// What the child does once it has entered the sandbox.
fn act(name: &str, dir: &Path, tcp: &str, abstract_name: &str) -> io::Result<()> {
    let (store, beside) = (dir.join("store"), dir.join("beside"));
    match name {
        // What it is for.
        "use its store" => {
            fs::write(store.join("next"), "new")?;
            File::open(store.join("next"))?.sync_all()?;
            rename(&store.join("next"), &store.join("own"))?;
            fs::read(store.join("own"))?;
            fs::remove_file(store.join("own"))
        }
        "remove its pid file" => fs::remove_file(dir.join("sockets/pid")),
        "start a thread" => std::thread::spawn(|| ()).join().map_err(|_| io::ErrorKind::Other.into()),
        // Files.
        "read beside its store" => fs::read(beside.join("secret")).map(drop),
        "read by a way around" => fs::read(store.join("../beside/secret")).map(drop),
        "read by a link in its store" => fs::read(store.join("link")).map(drop),
        "read the host's passwords" => fs::read("/etc/passwd").map(drop),
        "read its memory by the file system" => fs::read("/proc/self/mem").map(drop),
        "list the root" => fs::read_dir("/").map(drop),
        "write beside its store" => fs::write(beside.join("secret"), "mine"),
        "make a file beside its store" => File::create(beside.join("new")).map(drop),
        "make a file where its pid file is" => File::create(dir.join("sockets/new")).map(drop),
        "read its pid file" => fs::read(dir.join("sockets/pid")).map(drop),
        "remove beside its store" => fs::remove_file(beside.join("secret")),
        "move a file out of its store" => rename(&store.join("own"), &beside.join("own")),
        "link a file into its store" => fs::hard_link(beside.join("secret"), store.join("secret")),
        "make a directory in its store" => fs::create_dir(store.join("sub")),
        "make a link in its store" => std::os::unix::fs::symlink("/etc", store.join("etc")),
        // The network, and other processes' sockets.
        "connect by TCP" => TcpStream::connect(tcp).map(drop),
        "listen by TCP" => TcpListener::bind("127.0.0.1:0").map(drop),
        "open a UDP socket" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "connect to another's socket" => UnixStream::connect(beside.join("socket")).map(drop),
        "connect to an abstract socket" => {
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(abstract_name)?).map(drop)
        }
        "make a socket in its store" => UnixListener::bind(store.join("socket")).map(drop),
        // Programs and processes.
        "become another program" => Err(Command::new("/bin/true").exec()),
        "become itself" => Err(Command::new("/proc/self/exe").exec()),
        "signal its parent" => {
            let parent = rustix::process::getppid().ok_or(io::ErrorKind::NotFound)?;
            Ok(rustix::process::test_kill_process(parent)?)
        }
        "look at the time of another process" => {
            let parent = rustix::process::getppid().ok_or(io::ErrorKind::NotFound)?;
            Ok(rustix::process::pidfd_open(parent, rustix::process::PidfdFlags::empty()).map(drop)?)
        }
        // Powers.
        "take its capabilities back" => {
            let all = rustix::thread::CapabilitySet::all();
            let sets = rustix::thread::CapabilitySets { effective: all, permitted: all, inheritable: all };
            Ok(rustix::thread::set_capabilities(None, sets)?)
        }
        "allow core files again" => {
            let some = rustix::process::Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
            Ok(rustix::process::setrlimit(rustix::process::Resource::Core, some)?)
        }
        "change its root" => Ok(rustix::process::chroot(&store)?),
        // It answers what only it can be asked, and waits.
        "stay" => {
            let dumpable = rustix::process::dumpable_behavior()?;
            println!("dumpable: {dumpable:?}");
            io::stdin().read_to_end(&mut Vec::new()).map(drop)
        }
        other => panic!("no act {other:?}"),
    }
}

#[test]
#[ignore = "what the other tests start, in a process of its own"]
fn one_act_in_the_sandbox() {
    let name = std::env::var(ACT).unwrap();
    let place = std::env::var(BOX).unwrap();
    let mut words = place.split(' ');
    let dir = PathBuf::from(words.next().unwrap());
    let store = File::open(dir.join("store")).unwrap();
    let cleanup = dir.join("sockets");
    let seccomp = if std::env::var(FILTER).unwrap() == "kill" { Seccomp::Kill } else { Seccomp::None };
    let sandbox = Sandbox { store_dir: store.as_fd(), cleanup_dirs: vec![&cleanup], seccomp };
    sandbox.enter(&Log::to_stderr(Level::Info)).unwrap();
    let result = match act(&name, &dir, words.next().unwrap(), words.next().unwrap()) {
        Ok(()) => "done".to_owned(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), |errno| errno.to_string()),
    };
    println!("ended: {result}");
    io::stdout().flush().unwrap();
    // The harness would go on, with calls that are not on the list.
    std::process::exit(0);
}

/// What the kernel keeps a process from, by the files it may reach.
const FILES: &[&str] = &[
    "read beside its store",
    "read by a way around",
    "read by a link in its store",
    "read the host's passwords",
    "read its memory by the file system",
    "list the root",
    "write beside its store",
    "make a file beside its store",
    "make a file where its pid file is",
    "read its pid file",
    "remove beside its store",
];

/// What it is kept from by Landlock or for want of a capability, and what is not on the list of system calls.
const ELSE: &[&str] = &[
    "make a directory in its store",
    "make a link in its store",
    "connect by TCP",
    "connect to an abstract socket",
    "make a socket in its store",
    "become another program",
    "become itself",
    "signal its parent",
    "take its capabilities back",
    "allow core files again",
    "change its root",
];

/// Those of them that want a capability.
const POWERS: &[&str] = &["take its capabilities back", "allow core files again", "change its root"];

/// What only the list of system calls keeps it from.
const CALLS: &[&str] = &[
    "listen by TCP",
    "open a UDP socket",
    "connect to another's socket",
    "look at the time of another process",
];

#[test]
fn what_a_tpm_needs_is_left_to_it() {
    for filter in [true, false] {
        let scene = Scene::new();
        for act in ["use its store", "remove its pid file", "start a thread"] {
            assert_eq!(scene.ends(act, filter), Ended::Done, "{act}, filter {filter}");
        }
    }
}

#[test]
fn no_file_but_its_store_can_be_reached() {
    let scene = Scene::new();
    if scene.landlock() == Landlock::None {
        return;
    }
    for act in FILES {
        // Opening a file is on the list, the file is not.
        for filter in [true, false] {
            let ended = scene.ends(act, filter);
            let killed = filter && ended == Ended::Killed(SIGSYS);
            assert!(ended.is_refused() || killed, "{act}, filter {filter}: {ended:?}");
        }
    }
    // What would have two places at once Landlock refuses as if they were two file systems (EXDEV).
    for act in ["move a file out of its store", "link a file into its store"] {
        for filter in [true, false] {
            let ended = scene.ends(act, filter);
            assert!(
                ended.is_refused() || matches!(ended, Ended::Error(18) | Ended::Killed(SIGSYS)),
                "{act}: {ended:?}"
            );
        }
    }
    assert_eq!(fs::read_to_string(scene.dir.path().join("beside/secret")).unwrap(), "another VM's");
    assert_eq!(fs::read_dir(scene.dir.path().join("beside")).unwrap().count(), 2, "secret and socket");
    assert_eq!(fs::read_to_string(scene.dir.path().join("store/own")).unwrap(), "its own");
}

#[test]
fn no_socket_no_program_and_no_power_can_be_had_and_the_first_try_is_the_last() {
    let scene = Scene::new();
    for act in ELSE.iter().chain(CALLS) {
        assert_eq!(scene.ends(act, true), Ended::Killed(SIGSYS), "{act}");
    }
}

#[test]
fn without_the_filter_landlock_and_the_missing_capabilities_hold() {
    let scene = Scene::new();
    let landlock = scene.landlock();
    // What a kernel of Debian 12 keeps a process from as well.
    let old = |act: &str| !act.starts_with("connect") && act != "signal its parent";
    let held = |act: &&&str| match landlock {
        Landlock::Whole => true,
        Landlock::Files => old(act),
        Landlock::None => POWERS.contains(act),
    };
    for act in ELSE.iter().filter(held) {
        let ended = scene.ends(act, false);
        assert!(ended.is_refused(), "{act}: {ended:?}");
    }
    assert!(
        landlock == Landlock::None
            || !scene.dir.path().join("store/sub").exists()
                && !scene.dir.path().join("store/socket").exists()
    );
}

#[test]
fn the_process_has_no_capability_no_core_file_and_no_way_to_more_and_each_thread_is_so() {
    let scene = Scene::new();
    let mut child = scene.start("stay", true);
    let mut said = Vec::new();
    let mut out = child.stdout.take().unwrap();
    while !String::from_utf8_lossy(&said).contains("dumpable: ") || said.last() != Some(&b'\n') {
        let mut octet = [0];
        assert_eq!(out.read(&mut octet).unwrap(), 1, "it ended early");
        said.push(octet[0]);
    }
    assert!(String::from_utf8_lossy(&said).contains("dumpable: NotDumpable"));
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    for task in fs::read_dir(proc.join("task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        // The harness has a thread that was there before the sandbox; a TPM process enters it with one thread.
        if field("Seccomp") == "0" {
            continue;
        }
        assert_eq!((field("Seccomp"), field("NoNewPrivs")), ("2".to_owned(), "1".to_owned()));
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&field(set), 16), Ok(0), "{set}");
        }
    }
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core: Vec<&str> = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(core[4..6], ["0", "0"]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
