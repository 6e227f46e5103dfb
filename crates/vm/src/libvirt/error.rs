//! What can go wrong between sigillo and libvirt.
use std::path::PathBuf;

/// A failure of a VM that runs under libvirt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibvirtError {
    /// libvirt does not answer.
    #[error(
        "VM {name:?} runs under libvirt, and {uri} does not answer: {why}. What the VM does is not known, and nothing was changed. \
         Start libvirt's daemon (`systemctl start libvirtd`), or see `virsh -c {uri} uri`"
    )]
    Unreachable {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// virsh's words.
        why: String,
    },
    /// libvirt refused something.
    #[error("VM {name:?}: libvirt did not {action}: {why}. {then}")]
    Refused {
        /// The VM.
        name: String,
        /// What was wanted, with its object.
        action: &'static str,
        /// libvirt's words.
        why: String,
        /// What it means and what to do.
        then: String,
    },
    /// Something that libvirt cannot do.
    #[error(
        "VM {name:?} cannot run under libvirt: {what}. Nothing was changed. {way_out}, or have QEMU run it directly: hypervisor = \
         \"qemu\" in vm.toml"
    )]
    Cannot {
        /// The VM.
        name: String,
        /// What it has or wants.
        what: &'static str,
        /// What can be done.
        way_out: &'static str,
    },
    /// libvirt offers no emulated TPM.
    #[error(
        "VM {name:?} was not started: libvirt at {uri} offers no TPM that is a process (its domcapabilities name {found:?}). libvirt \
         offers it where it finds the programs swtpm, swtpm_setup and swtpm_ioctl, even if it runs none of them: install Debian's \
         package swtpm-tools, or have QEMU run the VM directly: hypervisor = \"qemu\" in vm.toml"
    )]
    NoTpm {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// The backends that are offered.
        found: Vec<String>,
    },
    /// QEMU runs as another user, and only root can let it in.
    #[error(
        "VM {name:?} was not started: under {uri} QEMU runs as user {uid}, and only root can let that user at the VM's files and its \
         TPM, and nobody else. Nothing was changed. Run sigillo as root, or use libvirt_uri = \"qemu:///session\" in vm.toml, where \
         QEMU runs as you"
    )]
    NotRoot {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
        /// QEMU's user.
        uid: u32,
    },
    /// A domain in the way.
    #[error(
        "VM {name:?}: the domain {domain} of libvirt is not this VM's: {why}. It was not touched. Rename or undefine it (`virsh -c {uri} \
         undefine {domain}`), if nobody needs it, and try again"
    )]
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
    #[error(
        "{path:?} cannot be named in libvirt's XML, which holds text without control characters. Nothing was changed; give it another name"
    )]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// An answer of libvirt's that makes no sense here.
    #[error(
        "VM {name:?}: what libvirt says is not understood ({why}). Nothing was changed; see `virsh -c {uri} {command}`"
    )]
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
