//! The serial log of a guest that prints for ever, with a real QEMU: it is bounded, no line is lost on the way, and its process ends when
//! QEMU does, whichever of them is killed. Needs Debian's `qemu-system-x86`.
mod place;

use place::Place;
use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(300);
/// As `docs/vm.md` says.
const FILE: u64 = 2 << 20;

/// A boot sector that prints the numbers from 0 on, in lines of eight letters: `A` is 0 and `P` is 15.
const FLOOD: [u8; 30] = [
    0xba, 0xf8, 0x03, //       mov dx, 0x3f8: the first serial port
    0x66, 0x31, 0xc9, //       xor ecx, ecx
    0xbb, 0x08, 0x00, // line: mov bx, 8
    0x66, 0xc1, 0xc1, 0x04, // digit: rol ecx, 4
    0x88, 0xc8, //             mov al, cl
    0x24, 0x0f, //             and al, 15
    0x04, 0x41, //             add al, 'A'
    0xee, //                   out dx, al
    0x4b, //                   dec bx
    0x75, 0xf2, //             jnz digit
    0xb0, 0x0a, //             mov al, '\n'
    0xee, //                   out dx, al
    0x66, 0x41, //             inc ecx
    0xeb, 0xe8, //             jmp line
];

/// A VM whose guest prints for ever. Whatever a test finds, it is ended.
struct Flood(Place);

impl Flood {
    fn started() -> Self {
        let place = Place::empty();
        let mut sector = FLOOD.to_vec();
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        // SeaBIOS starts no smaller disk.
        sector.resize(1 << 20, 0);
        let disk = place.dir.path().join("flood.img");
        fs::write(&disk, sector).unwrap();
        let machine =
            ["--firmware", "bios", "--accel", "tcg", "--memory", "64", "--cpus", "1", "--network", "none"];
        place.ok(&[&["vm", "create", "demo", "--disk", disk.to_str().unwrap()], &machine[..]].concat());
        let flood = Self(place);
        flood.0.ok(&["vm", "start", "demo"]);
        flood
    }

    fn log(&self, number: u32) -> PathBuf {
        let name = if number == 0 { "serial.log".to_owned() } else { format!("serial.log.{number}") };
        self.0.bundle().join("run").join(name)
    }

    /// All that is kept, from the oldest on.
    fn kept(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for part in (0..=3).rev().filter_map(|number| fs::read(self.log(number)).ok()) {
            assert!(u64::try_from(part.len()).unwrap() <= FILE, "{}", part.len());
            all.extend(part);
        }
        assert!(!self.log(4).exists());
        all
    }

    fn says_something(&self) {
        self.waits_for("the log stays empty", || self.kept().len() > 10_000);
    }

    fn process(&self, what: &str) -> u64 {
        self.0.json(&["vm", "info", "demo", "--json"])[what].as_u64().unwrap()
    }

    fn waits_for(&self, what: &str, mut is: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is() {
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // Off already, where the test went its whole way.
        let _ = self.0.run(&["vm", "stop", "demo", "--force"]);
    }
}

/// One that nobody has waited for yet has ended as well.
fn is_alive(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

fn kill(pid: u64) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

/// The number that a line stands for.
fn number(line: &[u8]) -> u32 {
    assert_eq!(line.len(), 8, "{:?}", String::from_utf8_lossy(line));
    line.iter().fold(0, |number, letter| number * 16 + u32::from(letter - b'A'))
}

#[test]
fn a_guest_that_prints_for_ever_fills_no_more_than_four_files_and_loses_no_line_of_the_last_ones() {
    let flood = Flood::started();
    flood.waits_for("the log does not begin a next file", || flood.log(2).exists());
    let logger = flood.process("serial_log_pid");
    assert!(is_alive(logger));
    flood.0.ok(&["vm", "stop", "demo", "--force"]);
    assert!(!is_alive(logger), "it ends with its QEMU");
    let text = flood.kept();
    // QEMU was told to quit in the middle of a line.
    let end = text.iter().rposition(|byte| *byte == b'\n').unwrap();
    let lines: Vec<u32> = text[..end].split(|byte| *byte == b'\n').map(number).collect();
    assert!(lines.len() > 400_000, "{}", lines.len());
    assert!(lines.windows(2).all(|two| two[1] == two[0] + 1), "a line is missing");
    // The next run begins with an empty one, and with none that is older.
    flood.0.ok(&["vm", "start", "demo"]);
    flood.says_something();
    assert!(flood.kept().starts_with(b"AAAAAAAA\n") && !flood.log(2).exists());
}

#[test]
fn the_guest_runs_on_when_the_process_of_its_log_is_killed_and_that_one_ends_when_qemu_is() {
    let flood = Flood::started();
    let (logger, qemu) = (flood.process("serial_log_pid"), flood.process("qemu_pid"));
    flood.says_something();
    kill(logger);
    flood.waits_for("it lives", || !is_alive(logger));
    let logged = flood.kept().len();
    assert_eq!(flood.0.json(&["vm", "info", "demo", "--json"])["status"], "running");
    // Its input stays open: without any it would leave. The guest still prints: whoever comes to the console sees numbers that the log does not have.
    let mut console = flood.0.with_its_own(env!("CARGO_BIN_EXE_sigillo"));
    console.args(["vm", "console", "demo"]).stdin(std::process::Stdio::piped());
    let mut console = console.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut output = std::io::BufReader::new(console.stdout.take().unwrap());
    let mut line = Vec::new();
    let last = u32::try_from(logged / 9).unwrap();
    let mut seen = 0;
    while seen <= last + 1000 {
        line.clear();
        assert_ne!(
            std::io::BufRead::read_until(&mut output, b'\n', &mut line).unwrap(),
            0,
            "the console ended"
        );
        // The first one may have begun before somebody looked.
        if line.len() == 9 {
            seen = number(&line[..8]);
        }
    }
    assert_eq!(flood.kept().len(), logged);
    kill(console.id().into());
    console.wait().unwrap();
    kill(qemu);
    flood.waits_for("it lives", || !is_alive(qemu));
    flood.0.ok(&["vm", "start", "demo"]);
    let (logger, qemu) = (flood.process("serial_log_pid"), flood.process("qemu_pid"));
    kill(qemu);
    flood.waits_for("the log's process stays behind", || !is_alive(logger));
}

#[test]
fn a_suspended_guest_leaves_no_process_and_goes_on_into_a_new_log() {
    let flood = Flood::started();
    flood.says_something();
    let logger = flood.process("serial_log_pid");
    flood.0.ok(&["vm", "suspend", "demo"]);
    assert!(!is_alive(logger));
    let before = flood.kept();
    let end = before.iter().rposition(|byte| *byte == b'\n').unwrap();
    let last = number(before[..end].rsplit(|byte| *byte == b'\n').next().unwrap());
    flood.0.ok(&["vm", "resume", "demo"]);
    flood.says_something();
    // It begins with the rest of the line that the guest was saved in.
    let after = flood.kept();
    assert_eq!(number(after.split(|byte| *byte == b'\n').nth(1).unwrap()), last + 2);
}
