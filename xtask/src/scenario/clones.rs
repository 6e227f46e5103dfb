//! Two clones, which run beside each other: one with a copy of the TPM, one without any. (A clone with a TPM of its own is in
//! the tour.)
use super::{BOOT, Boot, QUICK, SECOND, Setup, boot, check_quote, life, random_text};
use crate::{
    report::{Report, Summary},
    sh::{self, Result},
};

/// What a guest finds that has lost its TPM and nothing else.
const WITHOUT: &[&str] = &["secure_boot", "setup_mode_off", "no_tpm", "no_event_log"];

/// Runs both, and deletes them. `secret` and `nv` are what the first boot of the VM left in its TPM.
pub(super) fn run(
    setup: &Setup,
    report: &mut Report,
    summary: &mut Summary,
    first: &Boot,
    [secret, nv]: [&[u8]; 2],
) -> Result<()> {
    let twin = |tpm: &str| Setup {
        sigillo: setup.sigillo.clone(),
        dir: setup.dir.clone(),
        name: format!("{}-{tpm}", setup.name),
        interface: setup.interface.clone(),
    };
    let (copied, bare) = (twin("copy"), twin("none"));
    let clear = || [&copied, &bare].into_iter().filter(|clone| clone.exists()).try_for_each(Setup::delete);
    clear()?;
    let done = both(setup, &copied, &bare, report, summary, first, [secret, nv]);
    clear()?;
    done
}

fn both(
    setup: &Setup,
    copied: &Setup,
    bare: &Setup,
    report: &mut Report,
    summary: &mut Summary,
    first: &Boot,
    [secret, nv]: [&[u8]; 2],
) -> Result<()> {
    let clone = |other: &Setup, tpm: &str| {
        let args = ["vm", "clone", &setup.name, &other.name, "--tpm", tpm];
        sh::output_within(&mut setup.sigillo(&args), QUICK)
    };
    let made = clone(copied, "copy")?;
    let mut same = report.check(
        "vm clone --tpm copy warns of two VMs of one identity",
        made.status.success()
            && made.stdout.contains("WARNING")
            && made.stdout.contains("two VMs of one identity"),
        made.stderr.trim(),
    );
    let made = clone(bare, "none")?;
    let mut none = report.check(
        "vm clone --tpm none says what the guest will ask for, and how it gets a TPM",
        made.status.success() && made.stdout.contains("BitLocker") && made.stdout.contains("sigillo tpm add"),
        made.stderr.trim(),
    );
    let records = sh::read(&mut setup.sigillo(&["keychain", "list", "--json"]))?;
    let held = |clone: &Setup| -> Result<bool> {
        let uuid = clone.info()?["uuid"].as_str().ok_or("vm info names no UUID")?.to_owned();
        Ok(records.contains(&uuid))
    };
    let right = held(setup)? && held(copied)? && !held(bare)?;
    none &= report.check("the copy has a record of its own, and the clone without a TPM none", right, "");

    bare.data_disk(&[("mode", b"without")])?;
    bare.start()?;
    let nonce = random_text("nonce")?;
    let second = boot(copied, report, "second", SECOND, &nonce, &[]);
    let ended = bare.console_shows("G: done").and_then(|()| bare.wait_off(BOOT));
    let second = second?;
    same &= second.ok;
    same &= report.check("the copy unseals the same secret", second.disk.get("unsealed")? == secret, "");
    same &= report.check("its NV index has the same content", second.disk.get("nv.got")? == nv, "");
    let key = second.disk.get("ak.pem")? == first.disk.get("ak.pem")?;
    same &= report.check("its attestation key is the same", key, "");
    same &= check_quote(copied, report, &second.disk, &nonce)?;
    summary.row(
        "clone with a copy of the TPM",
        same,
        "warned of two of one identity; the secret unseals in it",
    );

    none &= report.succeeds("the clone without a TPM boots and powers off", ended).is_some();
    none &= life::said(bare, report, "in the clone without a TPM", WITHOUT)?;
    summary.row("clone without a TPM", none, "no TPM, no record; Secure Boot as before");
    Ok(())
}
