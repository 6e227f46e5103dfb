//! A TPM process in a thread, and the clients that talk to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sigillo_server::log::{Level, Log};
use sigillo_server::machine::Options;
use sigillo_server::net::Listener;
use sigillo_server::persist::{MemoryPersist, Persist};
use sigillo_server::serve::{EndSignals, Endpoint, Endpoints, ServeError, Server, Setup, Start};
use sigillo_server::{Behaviour, Exit, info};

/// No answer takes longer on the busiest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// A TPM process in a thread of the test.
pub struct Process {
    dir: tempfile::TempDir,
    pub memory: MemoryPersist,
    thread: Option<JoinHandle<Result<Exit, ServeError>>>,
    pub simulator: Option<u16>,
}

/// What a test wants of it.
pub struct Wanted {
    pub options: Options,
    pub behaviour: Behaviour,
    pub start: Start,
    pub persist: Option<Box<dyn Persist>>,
    pub memory: MemoryPersist,
    pub simulator: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            options: Options::default(),
            behaviour: Behaviour::default(),
            start: Start::Wait,
            persist: None,
            memory: MemoryPersist::default(),
            simulator: false,
        }
    }
}

impl Process {
    pub fn start() -> Process {
        Process::with(Wanted::default())
    }

    pub fn with(wanted: Wanted) -> Process {
        let dir = tempfile::tempdir().unwrap();
        let listen = |name: &str| Endpoint::Listener(Listener::unix(&dir.path().join(name), 0o600).unwrap());
        let mut endpoints =
            Endpoints { control: Some(listen("ctrl")), data: Some(listen("data")), ..Endpoints::default() };
        let mut simulator = None;
        if wanted.simulator {
            let any = || Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
            let (commands, platform) = (any(), any());
            simulator = commands.port();
            std::fs::write(dir.path().join("platform"), platform.port().unwrap().to_string()).unwrap();
            endpoints.simulator = Some((commands, platform));
        }
        let setup = Setup {
            options: wanted.options,
            behaviour: wanted.behaviour,
            attributes: info::ATTRIBUTES_OF_THIS_TPM,
            start: wanted.start,
            cleanup: Vec::new(),
            signals: EndSignals::catch().unwrap(),
            log: Log::to_file(Level::Debug, std::fs::File::create(dir.path().join("log")).unwrap()),
        };
        let memory = wanted.memory;
        let persist = wanted.persist.unwrap_or_else(|| Box::new(memory.clone()));
        let server = Server::new(persist, endpoints, setup).unwrap();
        let thread = Some(std::thread::spawn(move || server.run()));
        Process { dir, memory, thread, simulator }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A client of the control channel.
    pub fn control(&self) -> Control {
        let stream = UnixStream::connect(self.path("ctrl")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Control(stream)
    }

    /// A client of the data channel's own socket.
    pub fn data(&self) -> Data {
        let stream = UnixStream::connect(self.path("data")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Data(stream)
    }

    /// The platform port of the simulator.
    pub fn platform(&self) -> TcpStream {
        let port: u16 = std::fs::read_to_string(self.path("platform")).unwrap().parse().unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Exit {
        let thread = self.thread.take().unwrap();
        let start = Instant::now();
        while !thread.is_finished() {
            assert!(start.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        thread.join().unwrap().unwrap()
    }
}

/// The control channel, as QEMU uses it.
pub struct Control(pub UnixStream);

impl Control {
    /// Sends a request and reads `len` bytes of reply.
    pub fn ask(&mut self, request: &str, len: usize) -> Vec<u8> {
        self.send(&hex(request));
        self.reply(len)
    }

    /// Asks and compares, byte for byte.
    #[track_caller]
    pub fn expect(&mut self, request: &str, reply: &str) {
        let reply = hex(reply);
        assert_eq!(self.ask(request, reply.len()), reply, "{request}");
        self.expect_silence();
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn reply(&mut self, len: usize) -> Vec<u8> {
        let mut reply = vec![0; len];
        self.0.read_exact(&mut reply).unwrap();
        reply
    }

    /// Nothing more has been sent.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        self.0.set_nonblocking(true).unwrap();
        let error = self.0.read(&mut [0]).map_err(|error| error.kind());
        self.0.set_nonblocking(false).unwrap();
        assert_eq!(error, Err(std::io::ErrorKind::WouldBlock));
    }

    /// SET_DATAFD with one end of a new pair; the other end and the reply.
    pub fn set_data_fd(&mut self) -> (Data, Vec<u8>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let reply = self.send_fd(&hex("00000010"), theirs);
        (Data(ours), reply)
    }

    pub fn send_fd(&mut self, request: &[u8], fd: impl Into<OwnedFd>) -> Vec<u8> {
        // It is closed here once it is sent.
        let fd: OwnedFd = fd.into();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        let fds = [fd.as_fd()];
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&fds)));
        let flags = rustix::net::SendFlags::empty();
        rustix::net::sendmsg(&self.0, &[IoSlice::new(request)], &mut control, flags).unwrap();
        self.reply(4)
    }

    /// GET_STATEBLOB as QEMU asks: flags, blob.
    pub fn blob(&mut self, kind: u32) -> (u32, Vec<u8>) {
        let mut request = hex("0000000c 00000001");
        request.extend(kind.to_be_bytes());
        request.extend([0; 4]);
        self.send(&request);
        let head = self.reply(16);
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 0);
        assert_eq!(word(8), word(12), "QEMU wants the whole blob at once");
        let blob = self.reply(usize::try_from(word(12)).unwrap());
        (word(4), blob)
    }

    /// SET_STATEBLOB as QEMU does: the header, then the data.
    pub fn set_blob(&mut self, kind: u32, flags: u32, blob: &[u8]) -> Vec<u8> {
        self.send(&hex("0000000d"));
        self.send(&[flags, kind, u32::try_from(blob.len()).unwrap()].map(u32::to_be_bytes).concat());
        self.send(blob);
        self.reply(4)
    }

    /// STOP, SET_BUFFERSIZE, INIT: what QEMU does at a reset.
    pub fn reset(&mut self) {
        self.expect("0000000e", "00000000");
        self.expect("00000011 00000f80", "00000000 00000f80 00000b50 00001000");
        self.expect("00000002 00000000", "00000000");
    }
}

/// The data channel.
pub struct Data(pub UnixStream);

pub const STARTUP_CLEAR: &str = "8001 0000000c 00000144 0000";
pub const STARTUP_STATE: &str = "8001 0000000c 00000144 0001";
pub const GET_RANDOM_4: &str = "8001 0000000c 0000017b 0004";
pub const SUCCESS: &str = "8001 0000000a 00000000";
/// PCR_Extend of PCR 16 in the SHA-256 bank with one byte repeated.
pub const EXTEND_16: &str = "8002 00000041 00000182 00000010 00000009 40000009 0000 00 0000 00000001 000b \
    abababababababababababababababababababababababababababababababab";
/// PCR_Read of PCR 16 in the SHA-256 bank.
pub const READ_16: &str = "8001 00000014 0000017e 00000001 000b 03 000001";
/// ClearControl(lockout, disable = YES): a change that lasts.
pub const CLEAR_CONTROL: &str = "8002 0000001c 00000127 4000000a 00000009 40000009 0000 00 0000 01";
/// GetCapability(TPM_PT_PERMANENT): shows what ClearControl changed.
pub const PERMANENT_FLAGS: &str = "8001 00000016 0000017a 00000006 00000200 00000001";

impl Data {
    /// Sends a command and reads its response.
    pub fn run(&mut self, command: &str) -> Vec<u8> {
        self.send(&hex(command));
        self.response()
    }

    #[track_caller]
    pub fn expect(&mut self, command: &str, response: &str) {
        let got = self.run(command);
        assert_eq!(got, hex(response), "{command}: {got:02x?}");
    }

    /// The response code of a command.
    pub fn code(&mut self, command: &str) -> u32 {
        let response = self.run(command);
        u32::from_be_bytes(response[6..10].try_into().unwrap())
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn response(&mut self) -> Vec<u8> {
        let mut head = [0; 10];
        self.0.read_exact(&mut head).unwrap();
        let size = usize::try_from(u32::from_be_bytes(head[2..6].try_into().unwrap())).unwrap();
        assert!((10..=4096).contains(&size), "{head:02x?}");
        let mut response = vec![0; size];
        response[..10].copy_from_slice(&head);
        self.0.read_exact(&mut response[10..]).unwrap();
        response
    }
}

/// The same pseudo-random numbers each time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}
