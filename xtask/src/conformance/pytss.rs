//! tpm2-pytss: Python's bindings to tpm2-tss, with the tests of its source archive. They start a TPM a test, call every
//! ESAPI and FAPI function, and compare with Python's own cryptography.
use super::{
    Place, Suite,
    outcome::{Outcomes, Verdict},
    peer::Peer,
    record::{recorded, unfinished},
};
use crate::sh::{self, Result, cmd};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) const SUITE: Suite = Suite {
    name: "tpm2-pytss",
    about: "tests of the Python bindings to tpm2-tss, from PyPI",
    packages: &[&[
        "libtss2-dev",
        "libtss2-tcti-swtpm0",
        "python3-dev",
        "python3-venv",
        "pkg-config",
        "gcc",
        "libffi-dev",
    ]],
    quick: true,
    run,
};

const VERSION: &str = "3.0.0";
const LIMIT: Duration = Duration::from_secs(1800);

fn run(place: &Place, peer: &Peer) -> Result<Outcomes> {
    let sources = install(&place.dir)?;
    let mut pytest = cmd(place.dir.join("venv/bin/python"), ["-m", "pytest", "-v", "--tb=short"]);
    pytest.args(["-p", "no:cacheprovider", "test"]).current_dir(sources).env("PATH", peer.path());
    let (status, said) = recorded(&mut pytest, &place.results, LIMIT)?;
    // 1 is that tests failed; everything else, that they did not run to the end.
    match status.map(|status| status.code()) {
        Some(Some(0 | 1)) => Ok(parse(&said)),
        _ => Err(unfinished("pytest", status, LIMIT)),
    }
}

/// An environment of its own with the package built against Debian's libraries, and the sources for their tests.
fn install(dir: &Path) -> Result<PathBuf> {
    let name = format!("tpm2_pytss-{VERSION}");
    let sources = dir.join(&name);
    let done = dir.join(format!("installed-{VERSION}"));
    if done.exists() {
        return Ok(sources);
    }
    println!("   installing tpm2-pytss {VERSION} from PyPI");
    let python = dir.join("venv/bin/python");
    // Debian's Python, whatever another one on PATH is: the bindings are compiled against its headers.
    sh::read(cmd("/usr/bin/python3", ["-m", "venv"]).arg(dir.join("venv")))?;
    let pip = |args: &[&str]| sh::read(cmd(&python, ["-m", "pip", "-q"]).args(args).current_dir(dir));
    let wanted = format!("tpm2-pytss=={VERSION}");
    pip(&["download", "--no-deps", "--no-binary", "tpm2-pytss", &wanted, "-d", "."])?;
    sh::read(cmd("tar", ["xf"]).arg(format!("{name}.tar.gz")).current_dir(dir))?;
    pip(&["install", &format!("./{name}"), "pytest"])?;
    sh::write(&done, "")?;
    Ok(sources)
}

/// `test/test_x.py::Class::test PASSED [ 10%]`
fn parse(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(test), Some(word)) = (words.next(), words.next()) else { continue };
        let Some((_, test)) = test.split_once(".py::") else { continue };
        let verdict = match word {
            "PASSED" => Verdict::Passed,
            "FAILED" | "ERROR" => Verdict::Failed,
            "SKIPPED" => Verdict::Skipped,
            _ => continue,
        };
        outcomes.add(test, verdict);
    }
    outcomes
}
