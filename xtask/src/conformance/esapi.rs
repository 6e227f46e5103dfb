//! tss-esapi: Rust's wrapper around tpm2-tss, with the tests of its crate. One TPM serves them all, one test at a time.
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
    name: "tss-esapi",
    about: "tests of the Rust wrapper around tpm2-tss, from crates.io",
    packages: &[&["libtss2-dev", "libtss2-tcti-swtpm0", "libclang-dev", "pkg-config"]],
    quick: false,
    run,
};

const VERSION: &str = "7.7.0";
const LIMIT: Duration = Duration::from_secs(3600);

fn run(place: &Place, peer: &Peer) -> Result<Outcomes> {
    let sources = sources(&place.dir)?;
    let tests = ["test", "--features", "generate-bindings", "--test", "integration_tests"];
    let cargo = |args: &[&str]| {
        let mut cargo = sh::cargo(args);
        cargo.current_dir(&sources).env("CARGO_TARGET_DIR", place.dir.join("target"));
        cargo
    };
    sh::read(cargo(&tests).arg("--no-run"))?;
    let tpm = peer.start(&place.results)?;
    let mut cargo = cargo(&tests);
    cargo.args(["--no-fail-fast", "--", "--test-threads=1"]).env("TEST_TCTI", tpm.tcti());
    let (status, said) = recorded(&mut cargo, &place.results, LIMIT)?;
    // 101 is that tests failed; everything else, that they did not run to the end.
    match status.map(|status| status.code()) {
        Some(Some(0 | 101)) => Ok(parse(&said)),
        _ => Err(unfinished("cargo test", status, LIMIT)),
    }
}

/// Brings the crate here through cargo and copies it out of cargo's registry, which is not ours to build in.
fn sources(dir: &Path) -> Result<PathBuf> {
    let sources = dir.join(format!("tss-esapi-{VERSION}"));
    let manifest = sources.join("Cargo.toml");
    if manifest.exists() {
        return Ok(sources);
    }
    println!("   bringing tss-esapi {VERSION} from crates.io");
    let scratch = dir.join("scratch");
    sh::mkdir(&scratch.join("src"))?;
    sh::write(&scratch.join("src/lib.rs"), "")?;
    sh::write(
        &scratch.join("Cargo.toml"),
        format!(
            "[package]\nname = \"scratch\"\nedition = \"2021\"\n[dependencies]\ntss-esapi = \"={VERSION}\"\n[workspace]\n"
        ),
    )?;
    let metadata = sh::read(sh::cargo(["metadata", "--format-version", "1"]).current_dir(&scratch))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).map_err(|e| e.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let from = packages
        .iter()
        .find(|package| package["name"] == "tss-esapi")
        .and_then(|package| package["manifest_path"].as_str())
        .and_then(|manifest| Path::new(manifest).parent())
        .ok_or("cargo metadata does not name tss-esapi")?;
    sh::read(cmd("cp", ["-r"]).arg(from).arg(&sources))?;
    let mut text = sh::read_file(&manifest)?;
    // It lies inside our workspace and is no part of it.
    text.extend_from_slice(b"\n[workspace]\n");
    sh::write(&manifest, text)?;
    Ok(sources)
}

/// `test module::test ... ok`; what the libraries log may stand between the dots and the verdict, on lines of its own.
fn parse(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut running = None;
    for line in text.lines() {
        let mut rest = line;
        if let Some((test, more)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            // Failed unless it comes to say otherwise.
            outcomes.add(test, Verdict::Failed);
            running = Some(test);
            rest = more;
        }
        let verdict = match rest.trim() {
            "ok" => Verdict::Passed,
            "FAILED" => Verdict::Failed,
            word if word == "ignored" || word.starts_with("ignored,") => Verdict::Skipped,
            _ => continue,
        };
        if let Some(test) = running.take() {
            outcomes.add(test, verdict);
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_may_come_after_what_was_logged() {
        let text = "test a ... ok\ntest b ... WARNING:esys: no\nERROR: no\nok\ntest c ... ERROR: no\nFAILED\ntest d ... ignored\n";
        let counts = parse(text).counts().to_string();
        assert_eq!(counts, "2 passed, 1 failed, 1 skipped");
    }
}
