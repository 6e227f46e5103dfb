//! Keychains beside other people's programs. Custom keychain files and KeePassXC: what one makes the other opens, and what one
//! adds the other keeps. The system keychain's key and systemd-creds.
use super::{Context, fresh_dir};
use crate::{
    apt,
    report::Report,
    sh::{self, Result, cmd},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const PASSWORD: &str = "a long password, ünd mehr";
const LIMIT: Duration = Duration::from_secs(60);
const UUID: &str = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

/// The two programs in one directory.
struct Both<'a> {
    sigillo: PathBuf,
    dir: &'a Path,
}

impl Both<'_> {
    fn sigillo(&self, host: &str, args: &[&str]) -> Result<String> {
        let mut command = cmd(&self.sigillo, [["keychain"].as_slice(), args].concat());
        command
            .current_dir(self.dir)
            .env("SIGILLO_KEYCHAIN_DIR", self.dir.join(host))
            .env("SIGILLO_HOME", self.dir.join("vms"))
            .env_remove("CREDENTIALS_DIRECTORY");
        ended_well(&mut command)
    }

    /// With the password as often as it is asked for; the cache and the settings stay in the directory.
    fn keepassxc(&self, args: &[&str]) -> Result<String> {
        let line = format!("printf '%s\\n%s\\n' \"$0\" \"$0\" | keepassxc-cli {}", args.join(" "));
        let mut command = cmd("sh", ["-c", &line, PASSWORD]);
        command
            .current_dir(self.dir)
            .env("HOME", self.dir)
            .env("QT_QPA_PLATFORM", "offscreen")
            .env("LC_ALL", "C.UTF-8");
        ended_well(&mut command)
    }

    /// The record as the other host's system keychain then has it, in JSON with its password.
    fn carried(&self, host: &str, file: &str) -> Result<serde_json::Value> {
        self.sigillo(host, &["copy", UUID, "--from", file, "--to", "system", "--password-file", "password"])?;
        self.shown(host)
    }

    fn shown(&self, host: &str) -> Result<serde_json::Value> {
        let text = self.sigillo(host, &["show", UUID, "--json", "--password"])?;
        serde_json::from_str(&text).map_err(|e| format!("keychain show: {e}"))
    }
}

fn ended_well(command: &mut Command) -> Result<String> {
    let output = sh::output_within(command, LIMIT)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{}: {}", output.status, output.stderr.trim()))
    }
}

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(
            "the passwords on both sides are compared, and sigillo shows them to root alone".to_owned()
        );
    }
    apt::ensure(apt::KEEPASSXC)?;
    let dir = fresh_dir("keychain")?;
    let both = Both { sigillo: context.sigillo()?, dir: &dir };
    std::fs::write(dir.join("password"), format!("{PASSWORD}\n")).map_err(|e| e.to_string())?;
    std::fs::write(dir.join("wrong"), "another\n").map_err(|e| e.to_string())?;
    first_record(&both)?;
    let record = both.shown("first")?;
    made_here(&both, &record, report)?;
    made_there(&both, &record, report)?;
    systemd_creds(&both, report)
}

fn systemd_creds(both: &Both<'_>, report: &mut Report) -> Result<()> {
    let told: serde_json::Value = serde_json::from_str(&both.sigillo("second", &["provider", "--json"])?)
        .map_err(|e| format!("keychain provider: {e}"))?;
    let ours = told["providers"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["provider"] == "systemd-creds"));
    let ours = ours.ok_or("sigillo does not know systemd-creds")?;
    if ours["state"] != "works" {
        println!("  systemd-creds is left out: {}", ours["about"]);
        return Ok(());
    }
    let before = both.shown("second")?;
    let said = both.sigillo("second", &["provider", "set", "systemd-creds"])?;
    report.check(
        "the system keychain's key is sealed by systemd-creds",
        said.contains("it had a key file"),
        said,
    );
    report.check("and opens", both.shown("second")? == before, "");
    let key = both.dir.join("second/systemd-creds.key");
    let sealed = sh::read_file(&key)?;
    let mut flipped = sealed.clone();
    if let Some(letter) = flipped.get_mut(sealed.len() / 2) {
        *letter = if *letter == b'A' { b'B' } else { b'A' };
    }
    // The file is read-only, and root writes it all the same.
    std::fs::write(&key, &flipped).map_err(|e| e.to_string())?;
    let refused = both.shown("second");
    let told = refused.as_ref().is_err_and(|why| why.contains("SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE"));
    report.check("and not when it was changed", told, format!("{refused:?}"));
    std::fs::write(&key, &sealed).map_err(|e| e.to_string())?;
    both.sigillo("second", &["provider", "set", "key-file"])?;
    report.check("and goes back to a key file", both.shown("second")? == before && !key.exists(), "");
    Ok(())
}

/// A record made by `tpm add`, as every record is: the VM itself needs the firmware, and is not started.
fn first_record(both: &Both<'_>) -> Result<()> {
    let run = |args: &[&str]| -> Result<String> {
        let mut command = cmd(&both.sigillo, args);
        command
            .env("SIGILLO_KEYCHAIN_DIR", both.dir.join("first"))
            .env("SIGILLO_HOME", both.dir.join("vms"))
            .env_remove("CREDENTIALS_DIRECTORY");
        ended_well(&mut command)
    };
    run(&["vm", "create", "demo"])?;
    let config = both.dir.join("vms/demo.sigillo/vm.toml");
    let text = String::from_utf8_lossy(&sh::read_file(&config)?).into_owned();
    let lines: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("uuid") { format!("uuid = \"{UUID}\"") } else { line.to_owned() })
        .collect();
    std::fs::write(&config, lines.join("\n")).map_err(|e| e.to_string())?;
    run(&["tpm", "add", "demo"]).map(drop)
}

fn made_here(both: &Both<'_>, record: &serde_json::Value, report: &mut Report) -> Result<()> {
    let with = ["--password-file", "password"];
    both.sigillo("first", &[["create", "ours.kdbx"].as_slice(), &with].concat())?;
    let copy = ["copy", UUID, "--from", "system", "--to", "ours.kdbx"];
    both.sigillo("first", &[copy.as_slice(), &with].concat())?;
    let title = format!("Sigillo.vTPM.{UUID}");
    let field = |name: &str| both.keepassxc(&["show", "-q", "-s", "-a", name, "ours.kdbx", &title]);
    let same = |field: &str, name: &str| record[name].as_str() == Some(field.trim_end());
    let password = field("Password")?;
    report.check("KeePassXC shows the password of a record made here", same(&password, "password"), "");
    report.check("and its key id", same(&field("vtpm.key_id")?, "key_id"), "");
    report.check("and the VM's name", same(&field("Notes")?, "comment"), "");
    let listed = both.keepassxc(&["ls", "-q", "ours.kdbx"])?;
    report.check("under a title without braces", listed.trim() == title, listed);
    let refused = cmd("sh", ["-c", "echo another | keepassxc-cli ls -q ours.kdbx"])
        .current_dir(both.dir)
        .env("HOME", both.dir)
        .env("QT_QPA_PLATFORM", "offscreen")
        .output()
        .map_err(|e| e.to_string())?;
    report.check("and refuses another password", !refused.status.success(), "");

    // From here on the file is KeePassXC's writing.
    both.keepassxc(&["add", "-q", "-u", "somebody", "-p", "ours.kdbx", "'a bank'"])?;
    both.keepassxc(&["edit", "-q", "--notes", "'of the {demo} VM'", "ours.kdbx", &title])?;
    let unlocked = both.sigillo("second", &[["unlock", "ours.kdbx"].as_slice(), &with].concat())?;
    let whole = unlocked.contains("records: 1; other entries: 1") && unlocked.contains("Argon2id, 64 MiB");
    report.check("a file that KeePassXC changed opens here", whole, unlocked);
    let carried = both.carried("second", "ours.kdbx")?;
    let kept = ["name", "password", "key_id", "created", "host"].iter().all(|f| carried[f] == record[f]);
    report.check("with the record as it was", kept, "");
    report.check("and the notes as they are now", carried["comment"] == "of the {demo} VM", "");
    Ok(())
}

fn made_there(both: &Both<'_>, record: &serde_json::Value, report: &mut Report) -> Result<()> {
    let with = ["--password-file", "password"];
    both.keepassxc(&["db-create", "-q", "-p", "theirs.kdbx"])?;
    let unlocked = both.sigillo("first", &[["unlock", "theirs.kdbx"].as_slice(), &with].concat())?;
    report.check("a file that KeePassXC made opens here", unlocked.contains("records: 0"), unlocked);
    let copy = ["copy", UUID, "--from", "system", "--to", "theirs.kdbx"];
    let wrong = both.sigillo("first", &[copy.as_slice(), &["--password-file", "wrong"]].concat());
    let told = wrong.as_ref().is_err_and(|why| why.contains("SIG_ERR_KEYCHAIN_WRONG_PASSWORD"));
    report.check("not with another password", told, format!("{wrong:?}"));
    both.sigillo("first", &[copy.as_slice(), &with].concat())?;
    let title = format!("Sigillo.vTPM.{UUID}");
    let password = both.keepassxc(&["show", "-q", "-s", "-a", "Password", "theirs.kdbx", &title])?;
    let same = record["password"].as_str() == Some(password.trim_end());
    report.check("and takes a record that KeePassXC then shows", same, "");

    // All of it written by KeePassXC, in the format it gives new files.
    both.keepassxc(&["export", "-q", "-f", "xml", "theirs.kdbx", ">", "theirs.xml"])?;
    both.keepassxc(&["import", "-q", "-p", "theirs.xml", "imported.kdbx"])?;
    let carried = both.carried("third", "imported.kdbx")?;
    let kept = ["name", "password", "key_id", "created", "host"].iter().all(|f| carried[f] == record[f]);
    report.check("a record in a file all of KeePassXC's making is copied from it", kept, "");
    Ok(())
}
