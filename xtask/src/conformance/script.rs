//! Programs of Debian's on top of a TPM, driven by scripts of ours in `scripts/`. A script prints one line a check.
use super::{
    Place, Suite,
    outcome::{Outcomes, Verdict},
    peer::{Peer, Running},
    record::{recorded, unfinished},
};
use crate::sh::{self, Result, cmd};
use std::time::Duration;

const PRELUDE: &str = include_str!("scripts/prelude.sh");
const LIMIT: Duration = Duration::from_secs(1800);

/// What the resource manager needs, and the programs that ask whether it is there.
pub(super) const BROKER: &[&str] =
    &["tpm2-abrmd", "libtss2-tcti-tabrmd0", "libtss2-tcti-swtpm0", "tpm2-tools", "dbus-daemon"];

pub(super) const OPENSSL: Suite = Suite {
    name: "tpm2-openssl",
    about: "OpenSSL with keys in the TPM: signing, deriving, TLS, digests, ciphers",
    packages: &[BROKER, &["tpm2-openssl", "openssl"]],
    quick: true,
    run: |place, peer| run(place, peer, include_str!("scripts/openssl.sh")),
};

pub(super) const PKCS11: Suite = Suite {
    name: "tpm2-pkcs11",
    about: "OpenSC over the PKCS#11 module, through the resource manager",
    packages: &[BROKER, &["libtpm2-pkcs11-1", "libtpm2-pkcs11-tools", "opensc", "openssl"]],
    quick: true,
    run: |place, peer| run(place, peer, include_str!("scripts/pkcs11.sh")),
};

pub(super) const CLEVIS: Suite = Suite {
    name: "clevis-tpm2",
    about: "clevis secrets bound to the TPM and its PCRs",
    packages: &[BROKER, &["clevis-tpm2", "openssl"]],
    quick: true,
    run: |place, peer| run(place, peer, include_str!("scripts/clevis.sh")),
};

pub(super) const TSS2: Suite = Suite {
    name: "tss2",
    about: "IBM's TSS programs over the simulator's protocol (swtpm: over its own)",
    packages: &[&["tss2", "openssl", "dbus-daemon"]],
    quick: true,
    run: |place, peer| {
        let tpm = peer.start_for_tss2(&place.results)?;
        run_on(place, &tpm, include_str!("scripts/tss2.sh"))
    },
};

fn run(place: &Place, peer: &Peer, script: &str) -> Result<Outcomes> {
    run_on(place, &peer.start(&place.results)?, script)
}

fn run_on(place: &Place, tpm: &Running, script: &str) -> Result<Outcomes> {
    let dir = place.results.join("work");
    sh::mkdir(&dir)?;
    let path = place.results.join("script.sh");
    sh::write(&path, format!("{PRELUDE}\n{script}"))?;
    let mut bash = cmd("dbus-run-session", ["--", "bash"]);
    bash.arg(&path).current_dir(&dir).env("TLS_PORT", tpm.third_port()?.to_string());
    tpm.tell(&mut bash);
    match recorded(&mut bash, &place.results, LIMIT)? {
        (Some(_), said) => Ok(parse(&said)),
        (None, _) => Err(unfinished("the script", None, LIMIT)),
    }
}

/// `T: name ok` or `T: name FAIL`.
pub(super) fn parse(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("T:") {
            continue;
        }
        if let (Some(name), Some(word)) = (words.next(), words.next()) {
            outcomes.add(name, if word == "ok" { Verdict::Passed } else { Verdict::Failed });
        }
    }
    outcomes
}
