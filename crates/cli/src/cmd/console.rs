//! `sigillo vm console`.
use super::{Done, Failure};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use sigillo_messages::text;
use sigillo_vm::{Console, Home};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::{
    io::{self, IsTerminal, Read, Stdin, Write},
    os::unix::net::UnixStream,
    process::ExitCode,
};

/// Ctrl-], as in telnet and `virsh console`.
const DETACH: u8 = 0x1D;
const CHUNK: usize = 4096;
/// So much is kept for a guest that does not read it.
const MAX_PENDING: usize = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    #[arg(conflicts_with = "json")]
    name: String,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let mut console = vm.console()?;
    let failed =
        |e: io::Error| Failure::new("SIG_ERR_IO", text!("console-failed", vm = vm.name(), error = e));
    let at_terminal = io::stdin().is_terminal();
    if at_terminal {
        note!("{}", text!("console-entered", vm = vm.name()));
    }
    // Before the terminal is changed, or a signal in between would leave it so.
    let signals = signals().map_err(failed)?;
    let raw = Raw::enter(at_terminal).map_err(failed)?;
    let end = converse(&mut console, &signals, at_terminal).map_err(failed);
    drop(raw);
    match end? {
        End::Nobody => {
            let log = vm.serial_log()?.display().to_string();
            note!("{}", text!("console-no-input", vm = vm.name(), log));
        }
        End::Left if at_terminal => note!("\n{}", text!("console-left", vm = vm.name())),
        End::Guest if at_terminal => note!("\n{}", text!("console-ended", vm = vm.name())),
        End::Left | End::Guest => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Who ended it.
enum End {
    /// The person, or a signal.
    Left,
    /// QEMU.
    Guest,
    /// There is nobody who could leave: the input had ended before anything was typed.
    Nobody,
}

/// Readable once somebody wants this process to end.
fn signals() -> io::Result<UnixStream> {
    let (signals, wake) = UnixStream::pair()?;
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, wake.try_clone()?)?;
    }
    Ok(signals)
}

/// Every byte both ways. Input that is not a terminal may end: the guest is then listened to on, unless there was none at all. A guest that does not read what is
/// typed is waited for with more of it, and with nothing else.
fn converse(console: &mut Console, signals: &UnixStream, at_terminal: bool) -> io::Result<End> {
    console.set_nonblocking()?;
    let (mut input, mut out) = (io::stdin(), io::stdout().lock());
    let (mut more_input, mut some_input) = (true, false);
    let mut pending: Vec<u8> = Vec::new();
    let mut buffer = [0; CHUNK];
    loop {
        let both = if pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = vec![PollFd::new(signals, PollFlags::IN), PollFd::new(&*console, both)];
        // At a terminal always: Ctrl-] may come. What is typed to a guest that does not read is dropped, as on a serial line.
        if more_input && (pending.is_empty() || at_terminal) {
            fds.push(PollFd::new(&input, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        let mut ready = fds.iter().map(PollFd::revents);
        let mut next = || ready.next().unwrap_or(PollFlags::empty());
        let (signal, serial, typed) = (next(), next(), next());
        if !signal.is_empty() {
            return Ok(End::Left);
        }
        if serial.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            match taken(console.read(&mut buffer), &buffer) {
                Ok([]) => return Ok(End::Guest),
                Ok(bytes) => out.write_all(bytes).and_then(|()| out.flush())?,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        if !typed.is_empty() {
            let bytes = read_input(&mut input, &mut buffer)?;
            let leave = at_terminal.then(|| bytes.iter().position(|byte| *byte == DETACH)).flatten();
            let meant = bytes.get(..leave.unwrap_or(bytes.len())).unwrap_or_default();
            let room = MAX_PENDING.saturating_sub(pending.len()).min(meant.len());
            pending.extend_from_slice(meant.get(..room).unwrap_or_default());
            more_input = !bytes.is_empty();
            if !more_input && !some_input && !at_terminal {
                return Ok(End::Nobody);
            }
            some_input = true;
            if leave.is_some() || at_terminal && !more_input {
                // What was typed before it is the guest's, if it takes it.
                let _ = console.write(&pending);
                return Ok(End::Left);
            }
        }
        if !pending.is_empty() {
            match console.write(&pending) {
                Ok(count) => drop(pending.drain(..count)),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Around the standard library's buffer, in which a byte could lie that `poll` does not know of.
fn read_input<'a>(input: &mut Stdin, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let read = rustix::io::read(&*input, &mut *buffer).map_err(io::Error::from);
    taken(read, buffer)
}

fn taken(read: io::Result<usize>, buffer: &[u8]) -> io::Result<&[u8]> {
    Ok(buffer.get(..read?).unwrap_or_default())
}

/// A terminal that hands over every key as it is pressed; as it was before when this is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn enter(at_terminal: bool) -> io::Result<Self> {
        if !at_terminal {
            return Ok(Self(None));
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that went away needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
