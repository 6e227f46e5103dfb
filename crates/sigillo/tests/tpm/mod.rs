//! Starts this program as a TPM process and talks to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sigillo_store::{CreateOptions, Store};

/// Nothing takes longer on the busiest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const STARTUP_CLEAR: &str = "8001 0000000c 00000144 0000";
pub const STARTUP_STATE: &str = "8001 0000000c 00000144 0001";
pub const GET_RANDOM_4: &str = "8001 0000000c 0000017b 0004";

pub fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigillo"));
    command.stdin(Stdio::null()).env_remove("TPM_PATH").env_remove("TPM_PORT");
    command
}

/// Runs to the end.
pub fn swtpm(args: &[&str]) -> Output {
    program().arg("swtpm").args(args).output().unwrap()
}

/// A descriptor the child keeps, and its number as an argument.
pub fn give(fd: &OwnedFd) -> String {
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    fd.as_raw_fd().to_string()
}

/// A pipe that holds these bytes and ends.
pub fn pipe_with(bytes: &[u8]) -> OwnedFd {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    std::fs::File::from(write).write_all(bytes).unwrap();
    read
}

/// A TPM process with a control socket, killed when dropped.
pub struct Tpm {
    pub child: Child,
    pub socket: PathBuf,
}

impl Tpm {
    /// `swtpm socket --tpm2` with a state directory and a control socket in `dir`, and more arguments.
    pub fn start(dir: &Path, more: &[&str]) -> Tpm {
        let socket = dir.join("ctrl");
        let child = program()
            .args(["swtpm", "socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", dir.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", socket.display()))
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut tpm = Tpm { child, socket };
        tpm.wait_listening();
        tpm
    }

    fn wait_listening(&mut self) {
        let start = Instant::now();
        loop {
            if UnixStream::connect(&self.socket).is_ok() {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut why = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("the TPM process ended with {status}: {why}");
            }
            assert!(start.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn control(&self) -> Control {
        Control::connect(&self.socket)
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn wait(child: &mut Child) -> std::process::ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "the process does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A store with a TPM in it, as `tpm add` makes it.
pub fn furnished(path: &Path, options: &CreateOptions) {
    let state = sigillo_server::machine::manufactured(sigillo_server::machine::Profile::pc_client()).unwrap();
    Store::create(path, options).unwrap().commit(&state).unwrap();
}

/// What `vm start` gives a worker.
pub struct Worker {
    pub child: Child,
    pub said: String,
    pub control: Option<UnixStream>,
}

pub fn worker(dir: &Path, uuid: &str, password: Option<&[u8]>) -> Worker {
    let mut worker = worker_alone(dir, uuid, password, &[]);
    worker.control = UnixStream::connect(dir.join("sock")).ok();
    worker
}

/// Without a client.
pub fn worker_alone(dir: &Path, uuid: &str, password: Option<&[u8]>, more: &[&str]) -> Worker {
    let socket = dir.join("sock");
    let _ = std::fs::remove_file(&socket);
    let listener: OwnedFd = UnixListener::bind(&socket).unwrap().into();
    let store_dir: OwnedFd = std::fs::File::open(dir).unwrap().into();
    let log: OwnedFd = std::fs::File::create(dir.join("log")).unwrap().into();
    let (ready, ready_child) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = program();
    command.args(["worker", "--store-name", "tpm.store", "--vm-uuid", uuid, "--terminate"]);
    command.args(["--store-dir-fd", &give(&store_dir), "--ctrl-fd", &give(&listener)]);
    command.args(["--log-fd", &give(&log), "--ready-fd", &give(&ready_child)]);
    let key = password.map(pipe_with);
    if let Some(key) = &key {
        command.args(["--key-fd", &give(key)]);
    }
    let child = command.args(more).env_clear().current_dir("/").stderr(Stdio::null()).spawn().unwrap();
    drop((ready_child, listener));
    let mut said = vec![0; 4096];
    let len = std::fs::File::from(ready).read(&mut said).unwrap();
    said.truncate(len);
    Worker { child, said: String::from_utf8_lossy(&said).into_owned(), control: None }
}

/// A control client.
pub struct Control(pub UnixStream);

impl Control {
    pub fn connect(path: &Path) -> Control {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Control(stream)
    }

    #[track_caller]
    pub fn expect(&mut self, request: &str, reply: &str) {
        let reply = hex(reply);
        self.0.write_all(&hex(request)).unwrap();
        let mut got = vec![0; reply.len()];
        self.0.read_exact(&mut got).unwrap();
        assert_eq!(got, reply, "{request}");
    }

    /// SET_DATAFD.
    pub fn data(&mut self) -> Data {
        use std::os::fd::AsFd;
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&fds)));
        let request = hex("00000010");
        let flags = rustix::net::SendFlags::empty();
        rustix::net::sendmsg(&self.0, &[std::io::IoSlice::new(&request)], &mut control, flags).unwrap();
        let mut reply = [1; 4];
        self.0.read_exact(&mut reply).unwrap();
        assert_eq!(reply, [0; 4]);
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        Data(ours)
    }

    /// GET_STATEBLOB with DECRYPTED, as QEMU asks: the flags of the blob, and the blob.
    pub fn blob(&mut self, kind: u32) -> (u32, Vec<u8>) {
        self.0.write_all(&[12, 1, kind, 0].map(u32::to_be_bytes).concat()).unwrap();
        let mut head = [0; 16];
        self.0.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 0);
        let mut blob = vec![0; usize::try_from(word(12)).unwrap()];
        self.0.read_exact(&mut blob).unwrap();
        (word(4), blob)
    }

    /// SET_STATEBLOB; the result.
    pub fn set_blob(&mut self, kind: u32, flags: u32, blob: &[u8]) -> u32 {
        let len = u32::try_from(blob.len()).unwrap();
        self.0.write_all(&[13, flags, kind, len].map(u32::to_be_bytes).concat()).unwrap();
        self.0.write_all(blob).unwrap();
        let mut result = [0; 4];
        self.0.read_exact(&mut result).unwrap();
        u32::from_be_bytes(result)
    }

    /// STOP, INIT and TPM2_Startup(CLEAR).
    pub fn power_on(&mut self) -> Data {
        self.expect("00000002 00000000", "00000000");
        let mut data = self.data();
        assert_eq!(data.code(&hex(STARTUP_CLEAR)), 0);
        data
    }
}

/// A data client.
pub struct Data(pub UnixStream);

impl Data {
    /// The whole response; an error if the process is gone.
    pub fn try_run(&mut self, command: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        let mut response = vec![0; 10];
        self.0.read_exact(&mut response)?;
        let size = usize::try_from(u32::from_be_bytes(response[2..6].try_into().unwrap())).unwrap();
        response.resize(size, 0);
        self.0.read_exact(&mut response[10..])?;
        Ok(response)
    }

    pub fn run(&mut self, command: &[u8]) -> Vec<u8> {
        self.try_run(command).unwrap()
    }

    /// The response code.
    pub fn code(&mut self, command: &[u8]) -> u32 {
        code(&self.run(command))
    }
}

pub fn code(response: &[u8]) -> u32 {
    u32::from_be_bytes(response[6..10].try_into().unwrap())
}

/// Whether a file holds this text somewhere.
pub fn holds(path: &Path, text: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text)
}

/// A field of /proc/PID/status.
pub fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// The program found in PATH; a test that needs it fails without.
pub fn need(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|dir| dir.join(OsStr::new(program)))
        .find(|file| file.exists())
        .unwrap_or_else(|| {
            panic!("{program} is not installed; `cargo xtask test` installs what the tests need")
        })
}
