//! What only happens at a terminal: questions, passwords without echo, the serial console. `script` of util-linux makes the
//! terminal. The console's test starts a VM: it needs Debian's `qemu-system-x86` and `ovmf`.
mod place;

use place::Place;
use sigillo_store::{Key, Store};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command with a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    /// All that was on the screen.
    seen: String,
    /// How much of it was looked at.
    looked: usize,
}

impl Terminal {
    fn open(place: &Place, args: &[&str]) -> Self {
        let words = [&[env!("CARGO_BIN_EXE_sigillo")], args].concat();
        let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let mut command = place.with_its_own("script");
        // -e: the command's own exit status.
        command.args(["-qfec", &line.join(" "), "/dev/null"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (keys, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, screen, seen: String::new(), looked: 0 }
    }

    /// Waits until `text` stands on the screen, after what was waited for before.
    fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen[self.looked..].find(text) {
                self.looked += at + text.len();
                return;
            }
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|e| panic!("{text:?} did not come ({e}): {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types once the terminal does not echo any more: the prompt is shown a moment before.
    fn types_hidden(&mut self, keys: &str) {
        let end = Instant::now() + PATIENCE;
        while self.echoes() {
            assert!(Instant::now() < end, "the terminal echoes: {:?}", self.seen);
            thread::sleep(Duration::from_millis(5));
        }
        self.types(keys);
    }

    /// Whether what is typed is shown.
    fn echoes(&self) -> bool {
        let script = self.child.id().to_string();
        let is_its_child = |pid: &Path| {
            // PID (NAME) STATE PARENT ...
            let stat = fs::read_to_string(pid.join("stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&*script)
        };
        let mut all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let inside = all.find(|pid| is_its_child(pid)).expect("script runs the command");
        let terminal = fs::read_link(inside.join("fd/0")).unwrap();
        let settings = Command::new("stty").arg("-a").arg("-F").arg(terminal).output().unwrap();
        String::from_utf8_lossy(&settings.stdout).split_whitespace().any(|word| word == "echo")
    }

    /// Waits for the command to end; all that was on the screen.
    fn ends(mut self) -> (ExitStatus, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(more) => self.seen.push_str(&String::from_utf8_lossy(&more)),
                Err(RecvTimeoutError::Disconnected) => break,
                // As after Ctrl-C, where whoever started the tests had SIGINT ignored.
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("it does not end: {:?}", self.seen);
                }
            }
        }
        (self.child.wait().unwrap(), self.seen)
    }
}

#[test]
fn a_keychain_files_password_is_asked_for_twice_and_never_shown() {
    let place = Place::empty();
    let file = place.dir.path().join("carry.kdbx");
    let path = file.to_str().unwrap();
    let mut terminal = Terminal::open(&place, &["keychain", "create", path]);
    terminal.shows("New password for ");
    terminal.types_hidden("seven words nobody guesses\n");
    terminal.shows("The same again: ");
    terminal.types_hidden("seven words somebody mistypes\n");
    let (status, screen) = terminal.ends();
    assert_eq!(status.code(), Some(1), "{screen}");
    assert!(screen.contains("the two passwords differ") && !file.exists(), "{screen}");

    let mut terminal = Terminal::open(&place, &["keychain", "create", path]);
    for prompt in ["New password for ", "The same again: "] {
        terminal.shows(prompt);
        terminal.types_hidden("seven words nobody guesses\n");
    }
    let (status, screen) = terminal.ends();
    assert!(status.success() && !screen.contains("seven words"), "{screen}");

    let mut terminal = Terminal::open(&place, &["keychain", "list", path]);
    terminal.shows("Password of ");
    terminal.types_hidden("another\n");
    let (status, screen) = terminal.ends();
    assert!(!status.success() && screen.contains("SIG_ERR_KEYCHAIN"), "{screen}");
    let mut terminal = Terminal::open(&place, &["keychain", "list", path]);
    terminal.shows("Password of ");
    terminal.types_hidden("seven words nobody guesses\n");
    let (status, screen) = terminal.ends();
    assert!(status.success() && !screen.contains("seven words"), "{screen}");
}

#[test]
fn the_recovery_code_is_asked_for_without_echo() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo", "--accel", "tcg"]);
    let said = place.ok(&["tpm", "add", "demo"]);
    let code = said.lines().map(str::trim).find(|line| line.len() == 39 && line.contains('-')).unwrap();
    place.lose_record();
    let mut terminal = Terminal::open(&place, &["tpm", "key", "restore-record", "demo"]);
    terminal.shows("Recovery code: ");
    terminal.types_hidden(&format!("{code}\n"));
    let (status, screen) = terminal.ends();
    assert!(status.success() && !screen.contains(code), "{screen}");
    let key = Key::Password(place.record().secret);
    Store::open(&place.store(), &key).unwrap();
}

#[test]
fn a_missing_record_is_asked_about_at_a_terminal_and_anything_but_yes_changes_nothing() {
    let place = Place::with_demo();
    place.lose_record();
    let before = fs::read(place.store()).unwrap();
    for answer in ["no\n", "yess\n", "\n", "\u{4}"] {
        let mut terminal = Terminal::open(&place, &["vm", "start", "demo"]);
        terminal.shows("[yes/no] ");
        terminal.types(answer);
        let (status, screen) = terminal.ends();
        assert!(!status.success() && screen.contains("SIG_ERR_TPM_RECORD_MISSING"), "{answer:?}: {screen}");
        assert_eq!(fs::read(place.store()).unwrap(), before, "{answer:?}");
    }
    let ctrl_c = "\u{3}";
    let mut terminal = Terminal::open(&place, &["vm", "start", "demo"]);
    terminal.shows("[yes/no] ");
    terminal.types(ctrl_c);
    let (status, screen) = terminal.ends();
    assert!(!status.success(), "{screen}");
    assert_eq!(fs::read(place.store()).unwrap(), before);
}

#[test]
fn what_destroys_something_asks_before_it_does() {
    let place = Place::with_demo();
    let mut terminal = Terminal::open(&place, &["vm", "delete", "demo"]);
    terminal.shows("[yes/no] ");
    terminal.types("no\n");
    let (status, screen) = terminal.ends();
    assert!(
        !status.success() && screen.contains("SIG_ERR_NOT_CONFIRMED") && place.bundle().exists(),
        "{screen}"
    );
    let mut terminal = Terminal::open(&place, &["vm", "delete", "demo"]);
    terminal.shows("[yes/no] ");
    terminal.types("y\n");
    let (status, screen) = terminal.ends();
    assert!(status.success() && !place.bundle().exists(), "{screen}");
}

#[test]
fn one_terminal_is_at_the_serial_console_and_the_vm_runs_on_when_it_leaves() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo", "--accel", "tcg", "--memory", "256", "--network", "none"]);
    place.refused(&["vm", "console", "demo"], "SIG_ERR_VM_NOT_RUNNING");
    place.ok(&["vm", "start", "demo"]);
    let _off = Off(&place);
    let mut terminal = Terminal::open(&place, &["vm", "console", "demo"]);
    terminal.shows("at the serial console of demo; Ctrl-] leaves it");
    let said = place.refused(&["vm", "console", "demo"], "SIG_ERR_VM_CONSOLE");
    assert!(said.contains("another terminal"), "{said}");
    // The firmware's first words, without a disk to start from; and the log has them as well.
    terminal.shows("BdsDxe: ");
    // QEMU logs what it has sent.
    let logged = || fs::read_to_string(place.bundle().join("run/serial.log")).unwrap().contains("BdsDxe: ");
    let end = Instant::now() + PATIENCE;
    while !logged() {
        assert!(Instant::now() < end, "the log does not have what the console showed");
        thread::sleep(Duration::from_millis(20));
    }
    terminal.types("\u{1d}");
    let (status, screen) = terminal.ends();
    assert!(status.success() && screen.contains("left the console; demo runs on"), "{screen}");
    // Without anything to type and a terminal to leave from there is nobody at it.
    let output = place.run(&["vm", "console", "demo"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("run/serial.log"), "{said}");
    let said = place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_RUNNING");
    assert!(said.contains("runs already"), "{said}");
    assert_eq!(place.json(&["vm", "info", "demo", "--json"])["status"], "running");

    let mut terminal = Terminal::open(&place, &["vm", "console", "demo"]);
    terminal.shows("at the serial console of demo");
    // The firmware does not heed the power button: whoever stops it sees how long that is waited for.
    let mut stop = Terminal::open(&place, &["vm", "stop", "demo", "--timeout", "600"]);
    stop.shows("demo was asked to shut down; it is ended in ");
    place.ok(&["vm", "stop", "demo", "--force"]);
    let (status, screen_of_stop) = stop.ends();
    assert!(status.success(), "{screen_of_stop}");
    let (status, screen) = terminal.ends();
    assert!(status.success() && screen.contains("demo has ended"), "{screen}");
}

#[test]
fn a_record_that_a_store_needs_goes_only_after_a_yes_that_names_the_vm() {
    let place = Place::with_demo();
    let kept = place.record();
    for answer in ["no\n", "\u{4}"] {
        let mut terminal = Terminal::open(&place, &["keychain", "delete", "demo"]);
        terminal.shows("VM \"demo\" needs this record");
        terminal.shows("sigillo keychain create copy.kdbx");
        terminal.shows("[yes/no] ");
        terminal.types(answer);
        let (status, screen) = terminal.ends();
        assert!(!status.success() && screen.contains("SIG_ERR_NOT_CONFIRMED"), "{answer:?}: {screen}");
        assert_eq!(place.record(), kept);
    }
    place.refused(&["keychain", "delete", "demo"], "SIG_ERR_NOT_CONFIRMED");
    let (_, said) = place.ends(&["keychain", "delete", "demo", "--json"]);
    assert!(said.contains("\"code\":\"SIG_ERR_NOT_CONFIRMED\""), "{said}");
    assert_eq!(place.record(), kept);
    // Another key, made while the question stands, is not what the yes is for.
    let mut terminal = Terminal::open(&place, &["keychain", "delete", "demo"]);
    terminal.shows("[yes/no] ");
    place.ok(&["tpm", "key", "rotate", "demo"]);
    let rotated = place.record();
    assert_ne!(rotated, kept);
    terminal.types("yes\n");
    let (status, screen) = terminal.ends();
    assert!(!status.success() && screen.contains("SIG_ERR_KEYCHAIN_CONFLICT"), "{screen}");
    assert_eq!(place.record(), rotated);
    let mut terminal = Terminal::open(&place, &["keychain", "delete", "demo"]);
    terminal.shows("[yes/no] ");
    terminal.types("yes\n");
    let (status, screen) = terminal.ends();
    assert!(status.success() && screen.contains("is deleted"), "{screen}");
}

/// Whatever a test finds, its VM is ended.
struct Off<'a>(&'a Place);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        // Off already, where the test went its whole way.
        let _ = self.0.run(&["vm", "stop", "demo", "--force"]);
    }
}
