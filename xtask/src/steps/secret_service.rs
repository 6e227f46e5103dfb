//! Records in the Secret Service of a desktop session: the back-end against GNOME Keyring, and the command line on a host whose
//! `host.toml` asks for it.
use super::{Context, fresh_dir};
use crate::{
    apt,
    report::Report,
    sh::{self, Result, cmd},
};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(120);

/// The collection that the keyring was unlocked with, and the default one.
const LOCK: [&str; 6] = [
    "--session",
    "--print-reply",
    "--dest=org.freedesktop.secrets",
    "/org/freedesktop/secrets",
    "org.freedesktop.Secret.Service.Lock",
    "array:objpath:/org/freedesktop/secrets/collection/login",
];

/// A session bus with an unlocked keyring of its own.
struct Session {
    bus: Child,
    keyring: Child,
    address: String,
    dir: PathBuf,
    sigillo: PathBuf,
}

impl Session {
    fn begin(dir: &Path, sigillo: PathBuf) -> Result<Self> {
        let failed = |what: &str, e: std::io::Error| format!("{what}: {e}");
        let bus = ["--session", "--nofork", "--nopidfile", "--print-address"];
        let mut bus = cmd("dbus-daemon", bus)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed("dbus-daemon", e))?;
        let mut address = String::new();
        if let Some(out) = bus.stdout.take() {
            BufReader::new(out).read_line(&mut address).map_err(|e| failed("dbus-daemon", e))?;
        }
        let address = address.trim().to_owned();
        let mut command = cmd("gnome-keyring-daemon", ["--foreground", "--unlock", "--components=secrets"]);
        at_home(&mut command, dir, &address);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut keyring = match started {
            Ok(keyring) => keyring,
            Err(e) => {
                // It has nothing to do without the other.
                bus.kill().map_err(|e| failed("dbus-daemon", e))?;
                return Err(failed("gnome-keyring-daemon", e));
            }
        };
        if let Some(mut password) = keyring.stdin.take() {
            password.write_all(b"the keyring's password").map_err(|e| failed("gnome-keyring-daemon", e))?;
        }
        let session = Self { bus, keyring, address, dir: dir.to_owned(), sigillo };
        session.wait()?;
        Ok(session)
    }

    /// Until the keyring has a default collection.
    fn wait(&self) -> Result<()> {
        for _ in 0..200 {
            let stored = self.run(
                cmd("sh", ["-c", "printf probe | secret-tool store --label=probe probe probe"])
                    .stdin(Stdio::null()),
            );
            if stored.is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("gnome-keyring-daemon does not keep anything".to_owned())
    }

    fn run(&self, command: &mut Command) -> Result<String> {
        let output = sh::output_within(at_home(command, &self.dir, &self.address), LIMIT)?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("{}: {}", output.status, output.stderr.trim()))
        }
    }

    fn sigillo(&self, args: &[&str]) -> Result<String> {
        self.run(&mut cmd(&self.sigillo, args))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in [&mut self.keyring, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Everything of this user in one directory.
fn at_home<'a>(command: &'a mut Command, dir: &Path, address: &str) -> &'a mut Command {
    command
        .current_dir(dir)
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env("XDG_RUNTIME_DIR", dir.join("runtime"))
        .env("XDG_DATA_HOME", dir.join("data"))
        .env("SIGILLO_HOME", dir.join("vms"))
        .env("SIGILLO_KEYCHAIN_DIR", dir.join("keychain"))
        .env("SIGILLO_CONFIG", dir.join("host.toml"))
        .env_remove("CREDENTIALS_DIRECTORY")
}

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    apt::ensure(apt::SECRET_SERVICE)?;
    let dir = fresh_dir("secret-service")?;
    sh::mkdir(&dir.join("runtime"))?;
    sh::pass(cmd("chmod", ["700"]).arg(dir.join("runtime")))?;
    let sigillo = context.sigillo()?;

    let session = Session::begin(&dir, sigillo)?;
    let mut rules = sh::cargo(["test", "--quiet", "--workspace", "--test", "conformance"]);
    rules.args(sh::ALL_FEATURES).args(["--", "--ignored", "the_secret_service_conforms"]);
    let conforms = session.run(&mut rules);
    report.succeeds("the Secret Service keeps every rule of a keychain", conforms.map(drop));

    sh::write(&dir.join("host.toml"), "keychain = \"secret-service\"\n")?;
    sh::write(&dir.join("password"), "of the file\n")?;
    session.sigillo(&["vm", "create", "demo"])?;
    session.sigillo(&["tpm", "add", "demo", "--no-recovery-code"])?;
    let record = listed(&session)?;
    let name = record["name"].as_str().unwrap_or_default().to_owned();
    let sealed = dir.join("keychain/system.keychain");
    report.check(
        "a new TPM's record is in the Secret Service",
        record["vms"][0] == "demo" && !sealed.exists(),
        "",
    );
    let seen = session.run(&mut cmd("secret-tool", ["lookup", "record", &name]))?;
    let key_id = record["key_id"].as_str().unwrap_or_default();
    report.check("where secret-tool finds it", seen.contains(key_id) && !key_id.is_empty(), "");
    let keys = session
        .sigillo(&["tpm", "key", "rotate", "demo"])
        .and_then(|_| session.sigillo(&["tpm", "key", "list", "demo"]))?;
    let rotated = listed(&session)?;
    let opens = keys.contains("the record on this host") && rotated["key_id"] != record["key_id"];
    report.check("a new password takes its place there", opens, keys);
    session.sigillo(&["keychain", "create", "carry.kdbx", "--password-file", "password"])?;
    for to in ["carry.kdbx", "system"] {
        let copy = [
            "keychain",
            "copy",
            "demo",
            "--from",
            "secret-service",
            "--to",
            to,
            "--password-file",
            "password",
        ];
        session.sigillo(&copy)?;
    }
    report.check("and is copied to a file and to the system keychain", sealed.exists(), "");

    // Not by `secret-tool lock`, which Debian 12's version dies of.
    session.run(&mut cmd("dbus-send", LOCK))?;
    let locked = session.sigillo(&["tpm", "key", "list", "demo"]);
    let told = locked.as_ref().is_err_and(|why| why.contains("SIG_ERR_KEYCHAIN_SECRET_SERVICE"));
    report.check("one that stays locked is no missing record", told, format!("{locked:?}"));
    Ok(())
}

/// The VM's record; there are some that the rules' test left.
fn listed(session: &Session) -> Result<serde_json::Value> {
    let text = session.sigillo(&["keychain", "list", "--json"])?;
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let own = all.into_iter().find(|record| record["vms"][0] == "demo");
    own.ok_or_else(|| format!("none of the VM: {text}"))
}
