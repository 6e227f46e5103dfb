//! What the TPM's mode lets through. Part 3, 5.3.

use super::header::Header;
use crate::Tpm;
use sigillo_types::{Rc, cc, rc};

/// Before _TPM_Init nothing is executed.
pub(super) fn require_power(tpm: &Tpm) -> Result<(), Rc> {
    if tpm.powered { Ok(()) } else { Err(rc::FAILURE) }
}

/// # Errors
/// - `FAILURE`: in failure mode, for all but GetTestResult and GetCapability without sessions.
/// - `INITIALIZE`: before TPM2_Startup, for all but TPM2_Startup.
pub(super) fn check(tpm: &Tpm, header: &Header<'_>) -> Result<(), Rc> {
    let code = header.entry.spec.code;
    if tpm.failure.is_some() {
        let allowed = matches!(code, cc::GET_TEST_RESULT | cc::GET_CAPABILITY) && !header.has_sessions;
        return if allowed { Ok(()) } else { Err(rc::FAILURE) };
    }
    if !tpm.state.volatile.started && code != cc::STARTUP {
        return Err(rc::INITIALIZE);
    }
    Ok(())
}
