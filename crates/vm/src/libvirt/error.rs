//! What can go wrong between sigillo and libvirt.
use sigillo_messages::{Words, text};
use std::path::PathBuf;

/// A failure of a VM that runs under libvirt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibvirtError {
    /// libvirt does not answer.
    #[error("{}", text!("libvirt-unreachable", ?name, uri, why, guest))]
    Unreachable {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// virsh's words.
        why: String,
        /// What the guest does all the same.
        guest: String,
    },
    /// libvirt refused something.
    #[error("{}", text!("libvirt-refused", ?name, action, why, then))]
    Refused {
        /// The VM.
        name: String,
        /// What was wanted, with its object.
        action: Words,
        /// libvirt's words.
        why: String,
        /// What it means and what to do.
        then: String,
    },
    /// Something that libvirt cannot do.
    #[error("{}", text!("libvirt-cannot", ?name, what, way_out))]
    Cannot {
        /// The VM.
        name: String,
        /// What it has or wants.
        what: Words,
        /// What can be done.
        way_out: Words,
    },
    /// libvirt offers no emulated TPM.
    #[error("{}", text!("libvirt-no-tpm", ?name, uri, found = found.join(", ")))]
    NoTpm {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// The backends that are offered.
        found: Vec<String>,
    },
    /// QEMU runs as another user, and only root can let it in.
    #[error("{}", text!("libvirt-not-root", ?name, uri, uid))]
    NotRoot {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// QEMU's user.
        uid: u32,
    },
    /// A domain in the way.
    #[error("{}", text!("libvirt-foreign", ?name, domain, uri, why))]
    Foreign {
        /// The VM.
        name: String,
        /// The domain's UUID.
        domain: String,
        /// The connection.
        uri: String,
        /// Whose it is.
        why: String,
    },
    /// A path that XML cannot hold.
    #[error("{}", text!("libvirt-path", ?path))]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// An answer of libvirt's that makes no sense here.
    #[error("{}", text!("libvirt-answer", ?name, why, uri, command))]
    Answer {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// virsh's command.
        command: String,
        /// What is wrong with it.
        why: String,
    },
}

impl LibvirtError {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "SIG_ERR_LIBVIRT_CONNECT",
            Self::Refused { .. } => "SIG_ERR_LIBVIRT_REFUSED",
            Self::Cannot { .. } => "SIG_ERR_LIBVIRT_CANNOT",
            Self::NoTpm { .. } => "SIG_ERR_LIBVIRT_TPM",
            Self::NotRoot { .. } => "SIG_ERR_LIBVIRT_USER",
            Self::Foreign { .. } => "SIG_ERR_LIBVIRT_DOMAIN",
            Self::Path { .. } => "SIG_ERR_LIBVIRT_PATH",
            Self::Answer { .. } => "SIG_ERR_LIBVIRT_ANSWER",
        }
    }
}
