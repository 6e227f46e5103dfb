//! QEMU's monitor protocol: one JSON object a line (QEMU, docs/interop/qmp-spec).
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A longer line is not from the QEMU we started. Bytes.
const LINE: u64 = 1 << 20;

/// A connection past its greeting.
#[derive(Debug)]
pub(crate) struct Qmp {
    input: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects; every answer has to come within `limit`.
    pub(crate) fn connect(path: &Path, limit: Duration) -> Result<Self> {
        let said = |e: std::io::Error| Error::Qmp(format!("{}: {e}", path.display()));
        let stream = UnixStream::connect(path).map_err(said)?;
        stream.set_read_timeout(Some(limit)).map_err(said)?;
        stream.set_write_timeout(Some(limit)).map_err(said)?;
        let mut qmp = Self { input: BufReader::new(stream) };
        qmp.object()?;
        qmp.execute("qmp_capabilities")?;
        Ok(qmp)
    }

    /// Runs a command without arguments and returns what it returns. Events that come in between are passed over.
    pub(crate) fn execute(&mut self, command: &str) -> Result<Value> {
        let line = format!("{}\n", json!({ "execute": command }));
        self.input.get_mut().write_all(line.as_bytes()).map_err(|e| Error::Qmp(e.to_string()))?;
        loop {
            let mut answer = self.object()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let text = error.get("desc").and_then(Value::as_str).unwrap_or("it failed");
                return Err(Error::Qmp(format!("{command}: {text}")));
            }
        }
    }

    /// The run state, in QEMU's words.
    pub(crate) fn status(&mut self) -> Result<String> {
        let answer = self.execute("query-status")?;
        let status = answer.get("status").and_then(Value::as_str);
        status.map(str::to_owned).ok_or_else(|| Error::Qmp("query-status names no status".to_owned()))
    }

    fn object(&mut self) -> Result<Value> {
        let mut line = Vec::new();
        let got = Read::by_ref(&mut self.input).take(LINE).read_until(b'\n', &mut line);
        match got {
            Ok(0) => Err(Error::Qmp("the connection was closed".to_owned())),
            Ok(_) => serde_json::from_slice(&line).map_err(|e| Error::Qmp(format!("not JSON: {e}"))),
            Err(e) => Err(Error::Qmp(e.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

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
}
