//! tpm2-tools' own integration tests, from a checkout that the user gives: shell scripts that start a TPM each and drive it
//! through Debian's tpm2-tools, most of them through tpm2-abrmd, a quarter of them with FAPI.
use super::{
    Place, Suite,
    outcome::{Outcomes, Verdict},
    peer::Peer,
    record::recorded,
    script,
};
use crate::sh::{self, Result, cmd};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub(super) const SUITE: Suite = Suite {
    name: "tpm2-tools",
    about: "integration tests of tpm2-tools 5.4; needs --tpm2-tools DIR, an upstream checkout at that tag",
    packages: &[
        script::BROKER,
        &["libtss2-fapi1", "expect", "iproute2", "openssl", "python3-yaml", "xxd", "libcurl4"],
    ],
    quick: false,
    run,
};

/// For one script; the longest takes minutes on a busy machine.
const LIMIT: Duration = Duration::from_secs(1800);
/// They sleep most of the time.
const AT_ONCE: usize = 3;
/// How a script says that it is skipped, in automake's convention.
const SKIPPED: i32 = 77;

fn run(place: &Place, peer: &Peer) -> Result<Outcomes> {
    let checkout =
        place.checkout.as_deref().ok_or("give --tpm2-tools DIR, an upstream checkout at tag 5.4")?;
    let integration = std::path::absolute(checkout).map_err(|e| e.to_string())?.join("test/integration");
    let mut scripts = scripts(&integration.join("tests"))?;
    scripts.extend(scripts_of_fapi(&integration)?);
    // A test that older ones could not pass asks which one is here.
    let version =
        sh::read(&mut cmd("dpkg-query", ["-W", "-f", "${source:Upstream-Version}", "libtss2-fapi1"]))?;
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Ok(Outcomes::default()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = one(script, &integration, &place.results, peer, &version);
                    let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    let mut all = outcomes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    match (verdict, all.as_mut()) {
                        (Ok(verdict), Ok(all)) => all.add(name, verdict),
                        (Err(why), Ok(_)) => *all = Err(format!("{name}: {why}")),
                        (_, Err(_)) => {}
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn scripts(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    all.sort();
    Ok(all)
}

/// All but the file that is a template for new ones.
fn scripts_of_fapi(integration: &Path) -> Result<Vec<PathBuf>> {
    let mut all = scripts(&integration.join("fapi"))?;
    all.retain(|path| !path.ends_with("fapi-testing-template.sh"));
    Ok(all)
}

fn one(script: &Path, integration: &Path, results: &Path, peer: &Peer, version: &str) -> Result<Verdict> {
    let results = results.join(script.file_stem().unwrap_or_default());
    sh::mkdir(&results)?;
    let checkout = integration.ancestors().nth(2).unwrap_or(integration);
    let mut path = integration.as_os_str().to_owned();
    path.push(":");
    path.push(peer.path());
    let mut bash: Command = cmd("dbus-run-session", ["--", "bash"]);
    bash.arg(script)
        .current_dir(&results)
        .env("PATH", path)
        .env("PYTHON", "/usr/bin/python3")
        .env("TPM2_SIM", "swtpm")
        .env("TPM2_ABRMD", "tpm2-abrmd")
        // Tests that reset the TPM are for one that is theirs alone, and each starts its own.
        .env("TPM2TOOLS_TEST_PERSISTENT", "true")
        .env("TSS_VERSION", version)
        .env("TPM2_TOOLS_TEST_FIXTURES", integration.join("fixtures"))
        .env("srcdir", checkout)
        .env("abs_srcdir", checkout)
        .env("abs_builddir", &results);
    // One that hangs has failed, and the others go on.
    let (status, _) = recorded(&mut bash, &results, LIMIT)?;
    Ok(match status.and_then(|status| status.code()) {
        Some(0) => Verdict::Passed,
        Some(SKIPPED) => Verdict::Skipped,
        _ => Verdict::Failed,
    })
}
