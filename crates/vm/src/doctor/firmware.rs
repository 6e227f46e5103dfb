//! A VM's firmware variables: whether Secure Boot is what the configuration says, and what Windows will say.
use super::{Findings, Severity, bundle::own_file, name_of};
use crate::{
    bundle::{Bundle, VARS},
    config::{Firmware, Guest},
    firmware::secure_boot_of,
    variables::SecureBoot,
};
use sigillo_messages::{text, words};

pub(super) fn examine(vm: &Bundle, findings: &mut Findings) {
    let config = vm.config();
    let windows = config.guest == Guest::Windows11;
    let mut state = None;
    if config.firmware == Firmware::Uefi {
        let path = vm.path().join(VARS);
        own_file(&path, 0o077, findings);
        state = secure_boot_of(vm);
        match &state {
            None if path.is_file() => findings.found(
                Severity::Error,
                "SIG_ERR_FIRMWARE_VARIABLES",
                text!("vars-damaged", path = path.display()),
                words!("vars-damaged-means"),
                words!("vars-damaged-do"),
            ),
            None => {}
            Some(state) => compare(vm, state, windows, findings),
        }
    }
    if windows {
        windows_says(vm, state.as_ref(), findings);
    }
}

/// The variables against the configuration.
fn compare(vm: &Bundle, state: &SecureBoot, windows: bool, findings: &mut Findings) {
    let config = vm.config();
    let severity = if windows { Severity::Error } else { Severity::Warning };
    if config.secure_boot && state.turned_off {
        findings.found(
            severity,
            "SIG_ERR_SECURE_BOOT_STATE",
            text!("secure-boot-turned-off"),
            words!("secure-boot-off-means"),
            words!("secure-boot-turned-off-do"),
        );
    } else if config.secure_boot && !state.is_enforced() {
        findings.found(
            severity,
            "SIG_ERR_SECURE_BOOT_STATE",
            text!("secure-boot-no-keys"),
            words!("secure-boot-off-means"),
            words!("secure-boot-no-keys-do"),
        );
    }
    if !config.secure_boot && config.tpm.is_some() {
        findings.found(
            severity,
            "SIG_ERR_SECURE_BOOT_OFF",
            text!("secure-boot-off"),
            words!("secure-boot-off-in-config-means"),
            words!("secure-boot-off-do"),
        );
    }
    if windows && config.secure_boot && state.is_enforced() && !state.trusts_windows {
        findings.found(
            Severity::Error,
            "SIG_ERR_SECURE_BOOT_KEYS",
            text!("windows-untrusted"),
            words!("windows-untrusted-means"),
            words!("windows-untrusted-do"),
        );
    }
}

/// What Windows will find.
fn windows_says(vm: &Bundle, state: Option<&SecureBoot>, findings: &mut Findings) {
    let config = vm.config();
    let Some(tpm) = &config.tpm else {
        if config.firmware == Firmware::Uefi {
            findings.with_command(
                Severity::Error,
                "SIG_ERR_WINDOWS_WITHOUT_TPM",
                text!("windows-without-tpm"),
                words!("windows-without-tpm-means"),
                words!("windows-without-tpm-do"),
                Some(format!("sigillo tpm add {}", name_of(vm))),
            );
        }
        return;
    };
    if config.secure_boot && state.is_some_and(SecureBoot::starts_windows) {
        findings.note(
            "SIG_NOTE_WINDOWS",
            text!("windows-finds", interface = tpm.interface.to_string().to_uppercase()),
        );
    }
}
