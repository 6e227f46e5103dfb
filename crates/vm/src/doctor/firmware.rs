//! A VM's firmware variables: whether Secure Boot is what the configuration says, and what Windows will say.
use super::{Findings, Severity, bundle::own_file, name_of};
use crate::{
    bundle::{Bundle, VARS},
    config::{Firmware, Guest},
    files::read_plain,
    variables::{self, SecureBoot},
};

/// A variable store is no longer. Bytes.
const LONGEST: u64 = 4 << 20;

pub(super) fn examine(vm: &Bundle, findings: &mut Findings) {
    let config = vm.config();
    let windows = config.guest == Guest::Windows11;
    let mut state = None;
    if config.firmware == Firmware::Uefi {
        let path = vm.path().join(VARS);
        own_file(&path, 0o077, findings);
        state = read_plain(&path, LONGEST).ok().and_then(|bytes| variables::secure_boot(&bytes));
        match &state {
            None if path.is_file() => findings.found(
                Severity::Error,
                "SIG_ERR_FIRMWARE_VARIABLES",
                format!("{} is no variable store of this firmware, or damaged", path.display()),
                "the firmware may not start, or starts without the guest's boot entries and without Secure Boot",
                "put the file back from a copy of the bundle",
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
            "vm.toml says that Secure Boot is on, and it was turned off in the firmware's setup".to_owned(),
            "the guest starts what nobody signed; PCR 7 differs, so what is sealed to it does not open",
            "turn it on again in the firmware's setup: Device Manager, Secure Boot Configuration",
        );
    } else if config.secure_boot && !state.is_enforced() {
        findings.found(
            severity,
            "SIG_ERR_SECURE_BOOT_STATE",
            "vm.toml says that Secure Boot is on, and the firmware's variables have no complete set of keys"
                .to_owned(),
            "the guest starts what nobody signed; PCR 7 differs, so what is sealed to it does not open",
            "put firmware-vars.fd back from a copy of the bundle, or enrol keys in the firmware's setup",
        );
    }
    if !config.secure_boot && config.tpm.is_some() {
        findings.found(
            severity,
            "SIG_ERR_SECURE_BOOT_OFF",
            "the VM has a TPM, and Secure Boot is off in vm.toml".to_owned(),
            "the guest starts what nobody signed; what was sealed while it was on does not open; Windows 11 asks for it",
            "set secure_boot = true in vm.toml while the VM is off",
        );
    }
    if windows && config.secure_boot && state.is_enforced() && !state.trusts_windows {
        findings.found(
            Severity::Error,
            "SIG_ERR_SECURE_BOOT_KEYS",
            "the Secure Boot keys of this VM do not trust Microsoft's signature on Windows".to_owned(),
            "Windows does not start: the firmware says Access Denied",
            "enrol Microsoft's keys: they come with `sigillo tpm add --secure-boot-keys microsoft`",
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
                "the guest is Windows 11 and the VM has no TPM".to_owned(),
                "Windows 11 does not install, nor upgrade to it; tpm.msc says that no compatible TPM can be found",
                "add the chip; that turns Secure Boot on",
                Some(format!("sigillo tpm add {}", name_of(vm))),
            );
        }
        return;
    };
    if config.secure_boot && state.is_some_and(|state| state.is_enforced() && state.trusts_windows) {
        findings.note(
            "SIG_NOTE_WINDOWS",
            format!(
                "Windows will find a TPM, specification version 2.0, on {}, and Secure Boot on",
                tpm.interface.to_string().to_uppercase()
            ),
        );
    }
}
