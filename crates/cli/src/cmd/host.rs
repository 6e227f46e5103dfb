//! What this host keeps for its VMs, for the commands that need it.
use super::{Failure, audit, keychain};
use sigillo_keychain::{
    Keychain,
    anchor::{AnchorError, Anchors},
    audit::AuditLog,
};
use sigillo_vm::{Home, Host, HostPolicy};

/// The keychain, the audit log, the anchors and the policy of this host.
pub(crate) struct Kept {
    pub(crate) keychain: Box<dyn Keychain>,
    audit: AuditLog,
    anchors: Anchors,
    policy: HostPolicy,
}

impl From<AnchorError> for Failure {
    fn from(error: AnchorError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl Kept {
    pub(crate) fn find() -> Result<Self, Failure> {
        let policy = HostPolicy::of_this_host()?;
        Ok(Self {
            keychain: keychain::at(policy.keychain())?,
            audit: audit::log()?,
            anchors: Anchors::of_this_host()?,
            policy,
        })
    }

    /// Clears away what interrupted commands left, and says so.
    pub(crate) fn sweep(&self, home: &Home) {
        for swept in home.sweep(&self.host()) {
            note!("sigillo: {swept}");
        }
    }

    pub(crate) fn host(&self) -> Host<'_> {
        Host {
            keychain: self.keychain.as_ref(),
            audit: &self.audit,
            anchors: &self.anchors,
            policy: &self.policy,
        }
    }
}
