//! A guest's shell, typed at as a person would.
use crate::sh::{Result, wait_for};
use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// What the guest's shell prints when it waits; see `guest/init.sh`.
const PROMPT: &str = "guest# ";

/// A program in the foreground of a terminal.
pub(super) struct Console {
    child: Child,
    output: Receiver<Vec<u8>>,
    /// What came and was not looked at yet.
    text: String,
}

impl Console {
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|e| e.to_string())?;
        let mut stdout = child.stdout.take().ok_or("no output")?;
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, output, text: String::new() })
    }

    /// The first line.
    pub(super) fn banner(&mut self, limit: Duration) -> Result<String> {
        self.until("\n", limit).map(|line| line.trim_end().to_owned())
    }

    /// Waits until the shell waits. A prompt that came before anybody looked is asked for with an empty line.
    pub(super) fn prompt(&mut self, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            self.type_in("\n")?;
            match self.until(PROMPT, Duration::from_secs(3)) {
                Err(_) if Instant::now() < end => {}
                other => {
                    // The answers to the empty lines before.
                    thread::sleep(Duration::from_millis(500));
                    while self.until(PROMPT, Duration::from_millis(300)).is_ok() {}
                    self.text.clear();
                    return other;
                }
            }
        }
    }

    /// Types a line; what is said until the next prompt, without the line itself.
    pub(super) fn run(&mut self, line: &str, limit: Duration) -> Result<String> {
        self.type_in(&format!("{line}\n"))?;
        let said = self.until(PROMPT, limit)?;
        let (_, said) = said.split_once('\n').unwrap_or_default();
        Ok(said.to_owned())
    }

    /// Ctrl-], and what `vm console` says then.
    pub(super) fn leave(mut self) -> Result<String> {
        self.text.clear();
        self.type_in("\u{1d}")?;
        let status = wait_for(&mut self.child, Duration::from_secs(20))?;
        if status.is_none_or(|status| !status.success()) {
            return Err(format!("vm console was left with {status:?}"));
        }
        while let Ok(bytes) = self.output.recv() {
            self.text.push_str(&plain(&String::from_utf8_lossy(&bytes)));
        }
        Ok(self.text.trim_start().to_owned())
    }

    fn type_in(&mut self, text: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().ok_or("no input")?;
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).map_err(|e| format!("the console: {e}"))
    }

    /// All up to `mark`, which is taken out as well.
    fn until(&mut self, mark: &str, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            if let Some((before, after)) = self.text.split_once(mark) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.text = after;
                return Ok(before);
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.text.push_str(&plain(&String::from_utf8_lossy(&bytes))),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("{mark:?} did not come:\n{}", self.text));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the console ended:\n{}", self.text));
                }
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Gone already, where the guest ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without carriage returns and what a terminal takes as orders.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {}
            // ESC [ parameters letter.
            '\u{1b}' => {
                let _ = chars.by_ref().skip(1).find(|c| c.is_ascii_alphabetic());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_takes_as_orders_is_left_out() {
        assert_eq!(plain("a\r\nb\u{1b}[6nc\u{1b}[1;31md"), "a\nbcd");
    }

    #[test]
    fn a_shell_is_talked_to() {
        let script = r#"printf 'hello\nguest# '; while read -r line; do [ -n "$line" ] && echo "$line" && echo "you said $line"; printf 'guest# '; done"#;
        let mut shell = Console::spawn(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(shell.banner(Duration::from_secs(20)).unwrap(), "hello");
        shell.prompt(Duration::from_secs(20)).unwrap();
        assert_eq!(shell.run("this", Duration::from_secs(20)).unwrap(), "you said this\n");
        assert_eq!(shell.run("that", Duration::from_secs(20)).unwrap(), "you said that\n");
    }
}
