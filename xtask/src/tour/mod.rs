//! `cargo xtask tour`: runs `tour.md`, and writes `docs/tour.md` with what was really answered.
//!
//! In a block of the source, a line is
//!
//! - `a# COMMAND` or `b# COMMAND`: run by root on one of two hosts; it must succeed;
//! - `a! COMMAND`: the same, and it must be refused. It is shown as `a# COMMAND`;
//! - `guest# COMMAND`: typed at the console that `a# sigillo vm console VM` opened; `guest# Ctrl-]` leaves it;
//! - `guest? N`: wait for the guest's prompt, up to N seconds of boot;
//! - `? TEXT`: what was answered last must contain it. It is not shown.
//!
//! The hosts are two mount namespaces with directories of their own for all that sigillo keeps.
mod console;

use crate::{
    apt, demo,
    guest::{self, DataDisk, Guest},
    report::Report,
    sh::{self, Result, cmd},
};
use console::Console;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

const SOURCE: &str = include_str!("tour.md");
const HOSTS: [&str; 2] = ["a", "b"];
/// What is a host's own, by where sigillo looks for it when root runs it.
const OWN: [(&str, &str); 2] = [("lib", "/var/lib/sigillo"), ("run", "/run/sigillo")];
const STICK: &str = "/media/stick";
const PATIENCE: Duration = Duration::from_secs(300);

/// The tour's options.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the guest's images and the two hosts go [default: `tour` in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the transcript goes
    #[arg(long, value_name = "FILE", default_value = "docs/tour.md")]
    out: PathBuf,
}

/// Runs the tour and writes the transcript, if all went as the source says.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let dir = args.dir.clone().unwrap_or_else(|| sh::target().join("tour"));
    let dir = std::path::absolute(&dir).map_err(|e| e.to_string())?;
    apt::ensure(apt::GUEST)?;
    let sigillo = demo::build_sigillo(&[])?;
    println!("building the guest in {}", dir.join("guest").display());
    let guest = guest::build(&dir.join("guest"))?;
    sh::write(&args.out, transcript(&dir, &sigillo, &guest)?)?;
    println!("{} is written", args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs the tour in `dir`. What `docs/tour.md` tells has to be what was done, in other answers.
pub(crate) fn check(dir: &Path, sigillo: &Path, guest: &Guest, report: &mut Report) -> Result<()> {
    let now = report.succeeds("every answer is as it should be", transcript(dir, sigillo, guest));
    let told = sh::read_file(&sh::root().join("docs/tour.md"))?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let commands = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains("# "))
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let same = now.is_some_and(|now| commands(&now) == commands(&told));
    report.check(
        "docs/tour.md tells the commands that were run; `cargo xtask tour` writes it anew",
        same,
        "",
    );
    Ok(())
}

fn transcript(dir: &Path, sigillo: &Path, guest: &Guest) -> Result<String> {
    let mut tour = Tour {
        dir: dir.to_owned(),
        sigillo: sigillo.to_owned(),
        root: sh::read(&mut cmd("id", ["-u"]))?.trim() == "0",
        console: None,
        said: String::new(),
        made: Vec::new(),
    };
    let transcript = tour.make_hosts(guest).and_then(|()| tour.play(SOURCE));
    tour.clean_up();
    transcript
}

struct Tour {
    dir: PathBuf,
    sigillo: PathBuf,
    /// Else the hosts are in a user namespace, where nothing is put beside what this machine has.
    root: bool,
    /// The one that is open.
    console: Option<Console>,
    /// The last answer.
    said: String,
    /// Directories that this machine did not have.
    made: Vec<PathBuf>,
}

impl Tour {
    fn make_hosts(&mut self, guest: &Guest) -> Result<()> {
        // One carries a stick from one host to the other.
        for place in ["a", "b", "stick"].map(|place| self.dir.join(place)) {
            if place.exists() {
                std::fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
            }
            sh::mkdir(&place)?;
        }
        for host in HOSTS {
            let here = self.dir.join(host);
            sh::mkdir(&here.join("work"))?;
            sh::mkdir(&here.join("bin"))?;
            let program = here.join("bin/sigillo");
            std::os::unix::fs::symlink(&self.sigillo, program).map_err(|e| e.to_string())?;
            for (name, place) in OWN {
                sh::read(cmd("install", ["-d", "-m", "0700"]).arg(here.join(name)))?;
                self.make_place(Path::new(place))?;
            }
        }
        let a = self.dir.join("a/work");
        std::fs::copy(&guest.boot, a.join("linux.img")).map_err(|e| e.to_string())?;
        DataDisk::create(&a.join("data.img"))?;
        self.make_place(Path::new(STICK))
    }

    /// Something for the hosts' directories to be mounted on, where this machine has nothing of the kind.
    fn make_place(&mut self, place: &Path) -> Result<()> {
        if place.exists() || !self.root {
            return Ok(());
        }
        self.made.push(place.to_owned());
        sh::mkdir(place)
    }

    /// `command`, run by a shell on `host`.
    fn on(&self, host: &str, command: &str) -> Command {
        let here = self.dir.join(host);
        let mut script = String::from("set -e\n");
        let own = OWN.map(|(name, place)| (here.join(name), place));
        for (from, to) in own.into_iter().chain([(self.dir.join("stick"), STICK)]) {
            let above = Path::new(to).parent().unwrap_or(Path::new("/")).display();
            if !self.root {
                let _ = writeln!(script, "mount -t tmpfs tmpfs {above}; mkdir {to}");
            }
            let _ = writeln!(script, "mount --bind '{}' {to}", from.display());
        }
        // What the program inherits is what the transcript shows and nothing else.
        let _ = writeln!(script, "cd '{}'\nexec sh -c \"$1\"", here.join("work").display());
        let mut shell = cmd("unshare", ["--mount"]);
        if !self.root {
            shell.arg("--map-root-user");
        }
        shell.args(["sh", "-c", &script, "sh", command]);
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .env_clear()
            .env("PATH", format!("{}:{path}", here.join("bin").display()))
            .env("LC_ALL", "C.UTF-8");
        shell.env("HOME", here.join("work")).env("TERM", "dumb");
        shell
    }

    fn play(&mut self, source: &str) -> Result<String> {
        let mut out = String::new();
        let mut inside = false;
        for (number, line) in source.lines().enumerate() {
            let fence = line.starts_with("```");
            inside ^= fence;
            if fence || !inside {
                let _ = writeln!(out, "{line}");
                continue;
            }
            println!("{line}");
            self.line(line, &mut out).map_err(|why| format!("tour.md:{}: {line}\n{why}", number + 1))?;
        }
        Ok(out)
    }

    fn line(&mut self, line: &str, out: &mut String) -> Result<()> {
        let (mark, rest) = line.split_once(' ').ok_or("a line without a mark")?;
        if mark == "?" {
            let holds = self.said.contains(rest);
            return if holds { Ok(()) } else { Err(format!("what was answered is:\n{}", self.said)) };
        }
        if mark == "guest?" {
            let limit = rest.parse().map_err(|_| "how many seconds?")?;
            let console = self.console()?;
            console.prompt(Duration::from_secs(limit))?;
            // A serial line does not know how wide the terminal is, and the shell would break what is typed.
            return console.run("stty cols 1000", PATIENCE).map(|_| ());
        }
        if mark == "guest#" {
            if rest == "Ctrl-]" {
                self.said = self.console.take().ok_or("no console is open")?.leave()?;
                let _ = write!(out, "guest# {rest}\n{}", self.said);
                return Ok(());
            }
            self.said = self.console()?.run(rest, PATIENCE)?;
            let _ = write!(out, "guest# {rest}\n{}", self.said);
            return Ok(());
        }
        let host =
            HOSTS.into_iter().find(|host| mark.strip_prefix(host).is_some()).ok_or("a mark of no host")?;
        let _ = writeln!(out, "{host}# {rest}");
        if let Some(name) = rest.strip_prefix("sigillo vm console ") {
            return self.at_console(host, name, out);
        }
        // As on a terminal: both streams, in order.
        let output = sh::output_within(&mut self.on(host, &format!("exec 2>&1; {rest}")), PATIENCE)?;
        self.said =
            output.stdout.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n");
        out.push_str(&self.said);
        match (output.status.success(), mark.ends_with('!')) {
            (true, false) | (false, true) => Ok(()),
            _ => Err(format!("it ended with {}:\n{}{}", output.status, self.said, output.stderr)),
        }
    }

    fn at_console(&mut self, host: &str, name: &str, out: &mut String) -> Result<()> {
        // A terminal of its own: util-linux's `script` makes one and hands on what is typed.
        let typed = format!("exec script -qfec 'sigillo vm console {name}' /dev/null");
        let mut console = Console::spawn(&mut self.on(host, &typed))?;
        let banner = console.banner(Duration::from_secs(20))?;
        let _ = writeln!(out, "{banner}");
        self.console = Some(console);
        Ok(())
    }

    fn console(&mut self) -> Result<&mut Console> {
        self.console.as_mut().ok_or_else(|| "no console is open".to_owned())
    }

    /// Whatever happened, no process stays, and no directory that was not there.
    fn clean_up(&mut self) {
        self.console = None;
        for host in HOSTS {
            for name in ["demo", "twin", "old"] {
                let command = format!("sigillo vm stop {name} --force --yes");
                // One that is off or was never made says so.
                let _ = sh::output_within(&mut self.on(host, &command), Duration::from_secs(60));
            }
        }
        for place in &self.made {
            // Only if it is empty.
            let _ = std::fs::remove_dir(place);
        }
    }
}
