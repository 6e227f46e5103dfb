//! Commands and what they say, side by side, in English and Italian: every `sessions/*.session`.
//!
//! ```text
//! # A comment.
//! needs /dev/loop0                      (the whole file is left out where this is not there)
//! $ sigillo vm start demo               (a line for a shell, in a directory of its own)
//! exit 3                                (its status, unless 0)
//! en| sigillo: SIG_ERR_VM_NOT_FOUND: there is no VM "demo" in DIR/vms. ...
//! it| sigillo: SIG_ERR_VM_NOT_FOUND: in DIR/vms non c'è alcuna VM "demo". ...
//!   | what both say alike
//! ```
//!
//! The file is run once in each language. What differs from run to run stands as a word: DIR, UUID, KEY, DATE, CODE.
//! `SESSIONS=write cargo test -p sigillo --test sessions` writes the files anew from what is said now; read the difference.
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the shell of every line knows: `running VM COMMAND...` is a command while the VM seems to run, `hostless` takes
/// the name of the host out of what it reads.
const PRELUDE: &str = r#"running() {
    run="$SIGILLO_HOME/$1.sigillo/run"; shift; mkdir -p -m 700 "$run"
    printf '{"qemu":{"pid":%s,"started":%s},"worker":null,"accel":"tcg","accel_reason":"configuration"}' \
        $$ "$(cut -d' ' -f22 /proc/$$/stat)" > "$run/state.json"
    "$@"; status=$?; rm -r "$run"; return $status
}
hostless() {
    sed -E "s/(^| )$(cat /proc/sys/kernel/hostname)( |\$|\))/\1HOST\2/g"
}
"#;

/// A line for the shell, and what is expected of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    /// Comments and empty lines before it.
    before: Vec<String>,
    line: String,
    status: i32,
    english: Vec<String>,
    italian: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Session {
    needs: Option<PathBuf>,
    steps: Vec<Step>,
    after: Vec<String>,
}

impl Session {
    fn parse(text: &str) -> Self {
        let mut session = Self::default();
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("needs ") {
                session.needs = Some(PathBuf::from(path));
            } else if let Some(command) = line.strip_prefix("$ ") {
                let before = std::mem::take(&mut session.after);
                session.steps.push(Step { before, line: command.to_owned(), ..Step::default() });
            } else if line.is_empty() || line.starts_with('#') {
                session.after.push(line.to_owned());
            } else {
                let step = session.steps.last_mut().unwrap_or_else(|| panic!("no command before {line:?}"));
                match (line.strip_prefix("exit "), line.split_at_checked(3)) {
                    (Some(status), _) => step.status = status.parse().unwrap(),
                    (None, Some(("en|", said))) => {
                        step.english.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
                    }
                    (None, Some(("it|", said))) => {
                        step.italian.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
                    }
                    (None, Some(("  |", said))) => {
                        step.english.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
                        step.italian.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
                    }
                    other => panic!("{line:?}: {other:?}"),
                }
            }
        }
        session
    }

    fn text(&self) -> String {
        let mut text =
            self.needs.iter().fold(String::new(), |text, path| text + &format!("needs {}\n", path.display()));
        for step in &self.steps {
            for line in &step.before {
                let _ = writeln!(text, "{line}");
            }
            let _ = writeln!(text, "$ {}", step.line);
            if step.status != 0 {
                let _ = writeln!(text, "exit {}", step.status);
            }
            let lines = |text: &mut String, mark: &str, lines: &[String]| {
                for line in lines {
                    let _ = writeln!(text, "{}", format!("{mark}| {line}").trim_end());
                }
            };
            if step.english == step.italian {
                lines(&mut text, "  ", &step.english);
            } else {
                lines(&mut text, "en", &step.english);
                lines(&mut text, "it", &step.italian);
            }
        }
        self.after.iter().fold(text, |text, line| text + line + "\n")
    }
}

/// Runs a session's lines in one language, in a directory of their own. What was said of each, and its status.
fn run(session: &Session, language: &str) -> Vec<(i32, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sigillo")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut names = Names::default();
    let mut said = Vec::new();
    for step in &session.steps {
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{PRELUDE}exec 2>&1\n{}", step.line))
            .current_dir(&here)
            .env("PATH", &path)
            .env("SIGILLO_HOME", here.join("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", here.join("keychain"))
            .env("SIGILLO_CONFIG", here.join("host.toml"))
            .env("XDG_RUNTIME_DIR", &here)
            .env_remove("SIGILLO_LANG")
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env("LANG", language)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap().replace(&here.display().to_string(), "DIR");
        let lines = text.lines().map(|line| names.stable(line).trim_end().to_owned()).collect();
        said.push((output.status.code().unwrap(), lines));
    }
    said
}

/// What stands for that which is another one in every run.
#[derive(Default)]
struct Names {
    uuids: Vec<String>,
    keys: Vec<String>,
    snapshots: Vec<String>,
}

impl Names {
    fn stable(&mut self, line: &str) -> String {
        let mut text = String::new();
        let mut word = String::new();
        for c in masked(line).chars().chain(std::iter::once('\n')) {
            if c.is_ascii_alphanumeric() || c == '-' || (c == ':' && word.contains('T')) {
                word.push(c);
            } else {
                text.push_str(&self.word(&word));
                word.clear();
                text.push(c);
            }
        }
        // The columns of a table move with what stands in them.
        let mut columns = String::new();
        for c in text.trim_end_matches('\n').chars() {
            if c != ' ' || !columns.ends_with("  ") {
                columns.push(c);
            }
        }
        columns
    }

    /// The word, or what stands for it or for its end.
    fn word(&mut self, word: &str) -> String {
        self.known(word)
            .or_else(|| {
                let (head, tail) = word.split_once('-')?;
                Some(format!("{head}-{}", self.known(tail)?))
            })
            .unwrap_or_else(|| word.to_owned())
    }

    fn known(&mut self, word: &str) -> Option<String> {
        let is = |pattern: &str| {
            word.len() == pattern.len()
                && word.chars().zip(pattern.chars()).all(|(c, like)| match like {
                    'x' => c.is_ascii_hexdigit(),
                    '9' => c.is_ascii_digit(),
                    'C' => c.is_ascii_uppercase() || c.is_ascii_digit(),
                    like => c == like,
                })
        };
        let numbered = |list: &mut Vec<String>, name: &str| {
            let at = list.iter().position(|known| known == word).unwrap_or_else(|| {
                list.push(word.to_owned());
                list.len() - 1
            });
            format!("{name}{}", at + 1)
        };
        Some(if is("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
            numbered(&mut self.uuids, "UUID")
        } else if is(&"x".repeat(32)) {
            numbered(&mut self.keys, "KEY")
        } else if is("9999-99-99T99:99:99Z") {
            "DATE".to_owned()
        } else if is(&format!("9999-99-99T999999Z-{}", "x".repeat(32))) {
            format!("DATE-{}", self.known(word.get(19..)?)?)
        } else if is("xxxxxxxx") {
            numbered(&mut self.snapshots, "ID")
        } else if is("CCCC-CCCC-CCCC-CCCC-CCCC-CCCC-CCCC-CCCC") {
            "CODE".to_owned()
        } else {
            return None;
        })
    }
}

/// Without the addresses of network cards, which follow from the VM's UUID.
fn masked(line: &str) -> String {
    const MAKER: &str = "52:54:00:";
    let mut parts = line.split(MAKER);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "MAC" + part.get("00:00:00".len()..).unwrap_or_default())
}

#[test]
fn every_session_says_in_both_languages_what_its_file_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    let writes = std::env::var("SESSIONS").is_ok_and(|word| word == "write");
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let expected = Session::parse(&text);
        if let Some(needs) = expected.needs.as_ref().filter(|path| !path.exists()) {
            let missing = format!("{} is left out: there is no {} here\n", file.display(), needs.display());
            // Not by a macro: what a test that passes prints is not shown.
            std::io::stderr().write_all(missing.as_bytes()).unwrap();
            continue;
        }
        let mut found = Session::parse(&text);
        let (english, italian) = std::thread::scope(|scope| {
            let italian = scope.spawn(|| run(&expected, "it_IT.UTF-8"));
            (run(&expected, "C.UTF-8"), italian.join().unwrap())
        });
        for (step, (status, said)) in found.steps.iter_mut().zip(english) {
            (step.status, step.english) = (status, said);
        }
        for (step, (status, said)) in found.steps.iter_mut().zip(italian) {
            assert_eq!(step.status, status, "{}: {:?} in Italian", file.display(), step.line);
            step.italian = said;
        }
        if writes {
            fs::write(&file, found.text()).unwrap();
        }
        for (found, expected) in found.steps.iter().zip(&expected.steps) {
            if found != expected && !writes {
                let _ = writeln!(
                    wrong,
                    "{}: $ {}\nexpected {expected:#?}\nfound {found:#?}",
                    file.display(),
                    found.line
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_session_reads_back_as_it_is_written() {
    let text = "needs /dev/null\n# Of nothing.\n\n$ true\nexit 3\nen| one\nit| uno\n$ cat\n  | alike\n  |\n# The end.\n";
    assert_eq!(Session::parse(text).text(), text);
}
