//! How the command line talks: JSON as docs/cli.md says, colours, completions, the manual. Needs Debian's `ovmf`, `zsh`, `fish` and `groff-base`.
mod exit;
mod place;

use place::Place;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

/// The keys a command has in docs/cli.md, those that may be missing with a question mark; and whether it prints an array.
fn documented() -> BTreeMap<String, (BTreeSet<String>, bool)> {
    let page = exit::page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut all: BTreeMap<String, (BTreeSet<String>, bool)> = BTreeMap::new();
    for (command, rest) in rows {
        let (mut depth, mut keys) = (0, BTreeSet::new());
        let mut same_as = None;
        for word in rest.trim_end_matches(" |").split(' ') {
            depth += word.matches('(').count();
            if depth == 0 && word.starts_with('`') {
                keys.insert(word.trim_matches('`').to_owned());
            }
            depth -= word.matches(')').count();
        }
        let array = keys.remove("[]");
        if let Some((_, other)) = rest.split_once("as `").filter(|(before, _)| !before.contains('(')) {
            same_as = other.split('`').next();
        }
        if let Some(other) = same_as {
            keys = all[other].0.clone();
        }
        all.insert(command.to_owned(), (keys, array));
    }
    all
}

/// Fails unless stdout is one value of the documented shape.
fn check(command: &str, output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.lines().count(), 1, "{command}: {text}{said}");
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{command}: {line}"));
        assert!(line["note"].is_string() || line["error"]["code"].is_string(), "{command}: {line}");
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    let all = documented();
    let (keys, array) = &all[command];
    assert_eq!(value.is_array(), *array, "{command}: {value}");
    let objects = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    assert!(!objects.is_empty(), "{command}: an empty array shows no key");
    for object in objects {
        let printed: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = keys.iter().map(|key| key.trim_end_matches('?')).collect();
        let required: BTreeSet<&str> =
            keys.iter().map(String::as_str).filter(|key| !key.ends_with('?')).collect();
        assert!(printed.is_subset(&known), "{command}: {printed:?} and documented {known:?}");
        assert!(required.is_subset(&printed), "{command}: {printed:?} and documented {required:?}");
    }
    value
}

#[test]
fn every_command_that_starts_no_vm_prints_the_json_that_is_documented() {
    let place = Place::empty();
    let path = |name: &str| place.dir.path().join(name).display().to_string();
    fs::write(path("disk.img"), [0; 4096]).unwrap();
    fs::write(path("cd.iso"), "no system").unwrap();
    fs::write(path("word"), "correct horse battery staple\n").unwrap();
    let mut seen = BTreeSet::new();
    let mut run = |command: &str, words: &str| {
        let words: Vec<String> = words.split_whitespace().map(|word| word.replace('@', &path(""))).collect();
        let args: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        seen.insert(command.to_owned());
        check(command, &place.run(&args))
    };
    run("vm create", "vm create demo --accel tcg --disk @disk.img");
    run("vm create", "vm create win --guest windows-11 --disk-size 64");
    run("vm check", "vm check demo --windows-11");
    run("vm hardware list", "vm hardware list demo");
    run("vm hardware add", "vm hardware add cdrom demo @cd.iso");
    run("vm hardware remove", "vm hardware remove demo cdrom0");
    run("tpm add", "tpm add demo");
    run("tpm remove", "vm hardware remove demo tpm --yes");
    run("tpm add", "vm hardware add tpm demo");
    run("tpm remove", "tpm remove demo --yes");
    run("tpm restore-backup --list", "tpm restore-backup");
    let backups = run("tpm restore-backup --list", "tpm restore-backup demo --list");
    // Both open with one record: a chip that comes back into a VM gets the password that is there.
    let names = backups.as_array().unwrap().iter().map(|one| one["backup"].as_str().unwrap());
    let longest = names.max_by_key(|name| name.len()).unwrap();
    run("tpm restore-backup", &format!("tpm restore-backup demo {longest}"));
    run("tpm inspect", "tpm inspect demo");
    run("tpm diff", "tpm diff demo win");
    run("tpm key list", "tpm key list demo");
    let code = run("tpm key add recovery-code", "tpm key add recovery-code demo");
    fs::write(path("code"), code["recovery_code"].as_str().unwrap()).unwrap();
    let key = run("tpm key add passphrase", "tpm key add passphrase demo --from-file @word");
    run("tpm key remove", &format!("tpm key remove demo {}", key["key_id"].as_str().unwrap()));
    run("tpm key rotate", "tpm key rotate demo");
    run("vm info", "vm info demo");
    run("vm list", "vm list -a");
    run("vm snapshot create", "vm snapshot create demo one --description words");
    run("vm snapshot list", "vm snapshot list demo");
    run("tpm inspect", "tpm inspect demo --snapshot one");
    run("vm snapshot revert", "vm snapshot revert demo one --yes");
    run("vm snapshot delete", "vm snapshot delete demo one --yes");
    run("vm clone", "vm clone demo twin");
    run("vm rename", "vm rename twin other");
    fs::create_dir(path("elsewhere")).unwrap();
    run("vm move", "vm move other @elsewhere");
    run("vm export", "vm export demo @demo.export");
    run("tpm salvage", "tpm salvage @vms/demo.sigillo/tpm.store --to @new.store");
    run("keychain list", "keychain list");
    run("keychain show", "keychain show demo");
    run("keychain create", "keychain create @carry.kdbx --password-file @word");
    run("keychain copy", "keychain copy demo --from system --to @carry.kdbx --password-file @word");
    run("keychain unlock FILE", "keychain unlock @carry.kdbx --password-file @word");
    run("keychain provider", "keychain provider");
    run("keychain provider set", "keychain provider set key-file");
    run("keychain lock", "keychain lock");
    run("keychain unlock", "keychain unlock");
    run("keychain delete", "keychain delete demo --yes");
    run("tpm key restore-record", "tpm key restore-record demo --from-file @code");
    run("tpm key reencrypt", "tpm key reencrypt demo --no-passphrase");
    run("vm delete", "vm delete demo --with-snapshots --yes");
    run("vm undelete", "vm undelete demo");
    run("vm delete", "vm delete demo --yes");
    run("vm import", "vm import @demo.export");
    run("audit show", "audit show");
    run("audit verify", "audit verify");
    run("availability", "availability");
    run("doctor", "doctor");
    run("man DIR", "man @man1");

    // Those that start one are in the life of the services' VM.
    let start =
        ["vm start", "vm stop", "vm suspend", "vm resume", "vm resume --discard", "vm pause", "vm unpause"];
    let rest: Vec<String> = documented()
        .into_keys()
        .filter(|command| !seen.contains(command) && !command.starts_with("SIG_"))
        .collect();
    assert_eq!(rest.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(start));
}

#[test]
fn with_json_a_failure_is_an_object_on_stderr_and_nothing_is_on_stdout() {
    let place = Place::with_demo();
    for (args, code) in [
        (&["vm", "start", "nobody", "--json"][..], "SIG_ERR_VM_NOT_FOUND"),
        (&["--json", "vm", "stop", "demo"], "SIG_ERR_VM_NOT_RUNNING"),
        (&["vm", "--json", "create", "demo"], "SIG_ERR_VM_EXISTS"),
        (&["tpm", "diff", "demo", "nobody", "--json"], "SIG_ERR_VM_NOT_FOUND"),
        (&["vm", "delete", "demo", "--json"], "SIG_ERR_NOT_CONFIRMED"),
        (&["vm", "start", "--json", "--nothing"], "SIG_ERR_USAGE"),
        (&["--json"], "SIG_ERR_USAGE"),
        (&["vm", "start", "demo", "--serial", "--json"], "SIG_ERR_USAGE"),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), exit::status(code), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], code, "{args:?}");
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_vm_that_cannot_be_read_leaves_the_list_whole_and_comes_as_an_error_before_the_last() {
    let place = Place::with_demo();
    place.ok(&["vm", "create", "broken"]);
    fs::write(place.dir.path().join("vms/broken.sigillo/vm.toml"), "nonsense").unwrap();
    let output = place.run(&["vm", "list", "-a", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(check("vm list", &output).as_array().unwrap().len(), 1);
    let codes: Vec<Value> = String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["error"]["code"].clone())
        .collect();
    assert_eq!(codes, ["SIG_ERR_VM_CONFIG", "SIG_ERR_VM_LIST"]);
}

/// A command with a style in its answer, one with an error, and a misused one.
const COLOURED: [&[&str]; 3] = [&["doctor"], &["vm", "info", "nobody"], &["vm", "nothing"]];

fn escapes(place: &Place, args: &[&str], environment: &[(&str, &str)]) -> bool {
    said(place, args, environment).contains(&0x1b)
}

/// What a command says, on stdout and then on stderr.
fn said(place: &Place, args: &[&str], environment: &[(&str, &str)]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigillo"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    let output = command
        .args(args)
        .env("SIGILLO_HOME", place.dir.path().join("vms"))
        .env("SIGILLO_KEYCHAIN_DIR", place.kept())
        .env("SIGILLO_CONFIG", place.dir.path().join("host.toml"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    [output.stdout, output.stderr].concat()
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo"]);
    // A finding of each host: this bundle is open to others.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(place.bundle().join("vm.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    for args in COLOURED {
        let with = |more: &[&'static str]| [args, more].concat();
        assert!(!escapes(&place, args, &[]), "{args:?} into a pipe");
        assert!(escapes(&place, &with(&["--color", "always"]), &[]), "{args:?} always");
        assert!(
            escapes(&place, &with(&["--color=always"]), &[("NO_COLOR", "1")]),
            "{args:?} goes before NO_COLOR"
        );
        assert!(escapes(&place, args, &[("CLICOLOR_FORCE", "1")]), "{args:?} forced");
        assert!(!escapes(&place, args, &[("NO_COLOR", "1")]), "{args:?} NO_COLOR");
        assert!(!escapes(&place, &with(&["--color", "never"]), &[("CLICOLOR_FORCE", "1")]), "{args:?} never");
    }
    // Whatever is asked for, no colour gets into JSON.
    assert!(!escapes(&place, &["doctor", "--json", "--color", "always"], &[]));
    assert!(!escapes(&place, &["vm", "info", "nobody", "--json", "--color", "always"], &[]));
}

#[test]
fn what_others_have_named_does_not_move_the_cursor() {
    let place = Place::empty();
    let file = place.dir.path().join("a\x1b[2J\rb");
    let said = said(&place, &["--color", "always", "vm", "import", file.to_str().unwrap()], &[]);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("a?[2J?b"), "{said:?}");
}

#[test]
fn a_reader_who_had_enough_is_no_failure_and_a_full_disk_is() {
    let place = Place::with_demo();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    drop(read);
    for (out, status) in [(Stdio::from(full), 1), (Stdio::from(write), 0)] {
        let output = Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(["vm", "list", "-a"])
            .env("SIGILLO_HOME", place.dir.path().join("vms"))
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert_eq!(said.contains("SIG_ERR_IO"), status != 0, "{said}");
    }
}

#[test]
fn ctrl_c_ends_a_command_as_the_shell_expects() {
    use std::os::unix::process::ExitStatusExt;
    let place = Place::with_demo();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sigillo"))
        .args(["tpm", "key", "add", "passphrase", "demo", "--passphrase-file", "-"])
        .env("SIGILLO_HOME", place.dir.path().join("vms"))
        .env("SIGILLO_KEYCHAIN_DIR", place.kept())
        .env("SIGILLO_CONFIG", place.dir.path().join("host.toml"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for the rest of the line.
    child.stdin.as_mut().unwrap().write_all(b"half a passphrase").unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // The shell's 130 is 128 and this number.
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert_eq!(place.json(&["tpm", "key", "list", "demo", "--json"])["keys"].as_array().unwrap().len(), 2);
}

/// Runs a program that must be there over some text.
fn through(program: &[&str], text: &str) -> (bool, String) {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}; `cargo xtask test` installs what the tests need", program[0]));
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn each_shell_reads_its_completions_and_offers_the_verbs() {
    let place = Place::empty();
    let script = |shell| place.ok(&["completions", shell]);
    for shell in ["bash", "zsh", "fish"] {
        assert_eq!(through(&[shell, "-n", "/dev/stdin"], &script(shell)), (true, String::new()), "{shell}");
    }
    let ask = r#"
COMP_WORDS=(sigillo vm snap); COMP_CWORD=2
_sigillo sigillo snap vm
echo "${COMPREPLY[@]}"
"#;
    let (ok, offered) = through(&["bash", "--norc"], &format!("{}{ask}", script("bash")));
    assert!(ok && offered.trim() == "snapshot", "{offered}");
    let ask = format!("{}\ncomplete -C 'sigillo vm '\n", script("fish"));
    let (ok, offered) = through(&["fish", "--no-config"], &ask);
    for verb in ["create", "start", "stop", "snapshot", "list"] {
        assert!(ok && offered.lines().any(|line| line.split('\t').next() == Some(verb)), "{verb}: {offered}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command_and_is_set_without_a_warning() {
    let place = Place::empty();
    let dir = place.dir.path().join("man1");
    place.ok(&["man", dir.to_str().unwrap()]);
    let mut pages = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let set = through(&["groff", "-man", "-ww", "-Tutf8", "-z"], &text);
        assert_eq!(set, (true, String::new()), "{}", path.display());
        pages += 1;
    }
    assert!(pages > 60, "{pages}");
    let first = fs::read_to_string(dir.join("sigillo.1")).unwrap();
    assert_eq!(first, place.ok(&["man"]));
    assert!(first.contains("EXIT STATUS") && first.contains("Ended by Ctrl"), "{first}");
    assert!(dir.join("sigillo-vm-start.1").exists() && !dir.join("sigillo-worker.1").exists());
}
