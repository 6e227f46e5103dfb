//! QEMU's monitor protocol: one JSON object a line (QEMU, docs/interop/qmp-spec).
use crate::error::{Error, Result};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
        SocketType,
    },
};
use serde_json::{Value, json};
use sigillo_messages::text;
use std::{
    io::{BufRead, BufReader, IoSlice, Write},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixStream},
    path::Path,
    time::{Duration, Instant},
};

/// A longer line is not from the QEMU we started. Bytes.
const LINE: usize = 1 << 20;

/// How long a busy QEMU is given until it is asked again whether it takes a connection.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection past its greeting. A guest that has broken out into its QEMU is at the other end: nothing it does may hold
/// up the one who wants to stop it.
#[derive(Debug)]
pub(crate) struct Qmp {
    input: BufReader<UnixStream>,
    limit: Duration,
}

impl Qmp {
    /// Connects; this and every answer has to come within `limit`, whatever else comes in between.
    pub(crate) fn connect(path: &Path, limit: Duration) -> Result<Self> {
        let end = Instant::now() + limit;
        let said = |e: std::io::Error| Error::Qmp(format!("{}: {e}", path.display()));
        let stream = connected(path, end).map_err(said)?;
        stream.set_write_timeout(Some(limit)).map_err(said)?;
        let mut qmp = Self { input: BufReader::new(stream), limit };
        qmp.object(end)?;
        qmp.execute("qmp_capabilities")?;
        Ok(qmp)
    }

    /// Runs a command without arguments and returns what it returns. Events that come in between are passed over.
    pub(crate) fn execute(&mut self, command: &str) -> Result<Value> {
        self.send(&json!({ "execute": command }), None)?;
        self.answer(command)
    }

    /// The same with arguments.
    pub(crate) fn execute_with(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.send(&json!({ "execute": command, "arguments": arguments }), None)?;
        self.answer(command)
    }

    /// Hands QEMU a descriptor, which later commands call by this name.
    pub(crate) fn give_fd(&mut self, name: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let command = "getfd";
        self.send(&json!({ "execute": command, "arguments": { "fdname": name } }), Some(fd))?;
        self.answer(command).map(drop)
    }

    fn send(&mut self, request: &Value, fd: Option<BorrowedFd<'_>>) -> Result<()> {
        let said = |e: std::io::Error| Error::Qmp(e.to_string());
        let line = format!("{request}\n");
        let Some(fd) = fd else { return self.input.get_mut().write_all(line.as_bytes()).map_err(said) };
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(Error::Qmp(text!("qmp-descriptor")));
        }
        // A line as short as this one goes whole or not at all.
        let sent = rustix::net::sendmsg(
            self.input.get_ref(),
            &[IoSlice::new(line.as_bytes())],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        );
        match sent {
            Ok(sent) if sent == line.len() => Ok(()),
            Ok(_) => Err(Error::Qmp(text!("qmp-takes-nothing"))),
            Err(e) => Err(said(e.into())),
        }
    }

    fn answer(&mut self, command: &str) -> Result<Value> {
        let end = Instant::now() + self.limit;
        loop {
            let mut answer = self.object(end)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let text = error
                    .get("desc")
                    .and_then(Value::as_str)
                    .map_or_else(|| text!("qmp-failed"), str::to_owned);
                return Err(Error::Qmp(format!("{command}: {text}")));
            }
        }
    }

    /// The run state, in QEMU's words.
    pub(crate) fn status(&mut self) -> Result<String> {
        let answer = self.execute("query-status")?;
        let status = answer.get("status").and_then(Value::as_str);
        status.map(str::to_owned).ok_or_else(|| Error::Qmp(text!("qmp-no-status")))
    }

    fn object(&mut self, end: Instant) -> Result<Value> {
        let said = |e: std::io::Error| Error::Qmp(e.to_string());
        let mut line = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Qmp(text!("qmp-no-answer")));
            }
            self.input.get_ref().set_read_timeout(Some(left)).map_err(said)?;
            let came = self.input.fill_buf().map_err(said)?;
            if came.is_empty() {
                return Err(Error::Qmp(text!("qmp-closed")));
            }
            let end_of_line = came.iter().position(|octet| *octet == b'\n');
            let used = end_of_line.map_or(came.len(), |at| at + 1);
            line.extend_from_slice(came.get(..used).unwrap_or_default());
            self.input.consume(used);
            if end_of_line.is_some() {
                return serde_json::from_slice(&line)
                    .map_err(|e| Error::Qmp(text!("qmp-not-json", error = e)));
            }
            if line.len() > LINE {
                return Err(Error::Qmp(text!("qmp-endless-line")));
            }
        }
    }
}

/// A connection, if it is taken before `end`: one that waits in a full queue would wait for ever.
fn connected(path: &Path, end: Instant) -> std::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN) if Instant::now() < end => std::thread::sleep(PAUSE),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::unix::net::UnixListener};

    fn answered(with: &'static [u8]) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(with).unwrap();
            let mut sink = Vec::new();
            let _ = stream.read_to_end(&mut sink);
        });
        let status = Qmp::connect(&path, Duration::from_millis(300)).and_then(|mut qmp| qmp.status());
        server.join().unwrap();
        status
    }

    #[test]
    fn events_between_answers_are_passed_over() {
        let status = answered(
            b"{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"paused\"}}\n",
        );
        assert_eq!(status.unwrap(), "paused");
    }

    #[test]
    fn garbage_silence_and_errors_are_errors() {
        for with in [&b"\xff\xfe\n"[..], b"", b"{\"QMP\": {}}\n{\"error\": {\"desc\": \"no\"}}\n"] {
            assert_eq!(answered(with).unwrap_err().code(), "SIG_ERR_VM_MONITOR");
        }
    }

    #[test]
    fn a_monitor_that_talks_without_end_or_drips_is_given_up() {
        for (greeting, words) in [
            (&b"{\"QMP\": {}}\n{\"return\": {}}\n"[..], &b"{\"event\": \"RESUME\"}\n"[..]),
            (b"{\"QMP\": {}", b" "),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("qmp");
            let listener = UnixListener::bind(&path).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(greeting).unwrap();
                let began = Instant::now();
                while stream.write_all(words).is_ok() {
                    assert!(began.elapsed() < Duration::from_secs(20), "the client still listens");
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let limit = Duration::from_millis(100);
            let status = Qmp::connect(&path, limit).and_then(|mut qmp| qmp.status());
            assert_eq!(status.unwrap_err().code(), "SIG_ERR_VM_MONITOR");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_monitor_that_takes_no_connection_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let flags = SocketFlags::CLOEXEC;
        let listener =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _queue = UnixStream::connect(&path).unwrap();
        let error = Qmp::connect(&path, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_VM_MONITOR");
    }
}
