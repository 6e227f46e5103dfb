//! Command audit. Part 3, 21.

use crate::{HashAlg, command::Done, derive::Command, handles::ProvisionHandle, structures::TpmlCc};

/// TPM2_SetCommandCodeAuditStatus: says which commands are audited, or with which hash. Part 3, 21.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0140, name = "TPM2_SetCommandCodeAuditStatus", clause = "21.2", nv, response = Done)]
pub struct SetCommandCodeAuditStatus {
    /// Who manages the audit.
    #[handle(auth = user)]
    pub auth: ProvisionHandle,
    /// The hash of the audit; `None` leaves it.
    pub audit_alg: Option<HashAlg>,
    /// Commands to audit from now on.
    pub set_list: TpmlCc,
    /// Commands not to audit any more.
    pub clear_list: TpmlCc,
}
