//! What the process gives up before the first byte of a guest arrives.
//!
//! Call [`Sandbox::enter`] while the process has one thread: most of it holds for a thread and for what it starts.
//! Each step is best effort, since kernels and containers differ, and each step that did not hold is told; only the
//! seccomp filter, which the user names on the command line, must hold.

use sigillo_messages::text;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::mm::MlockAllFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};

use crate::log::Log;

/// What a system call that is not on the list does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// Ends the process.
    #[default]
    Kill,
    /// Goes into the kernel's log.
    Log,
    /// Nothing: there is no filter.
    None,
}

/// The sandbox could not be entered, and the user asked for one.
#[derive(Debug, thiserror::Error)]
#[error("{}", text!("seccomp-not-set", error = .0))]
pub struct SandboxError(String);

/// What stays allowed.
#[derive(Debug)]
pub struct Sandbox<'a> {
    /// Files may be read, made, replaced and removed in here: the store's directory, or that of a serial log.
    pub store_dir: BorrowedFd<'a>,
    /// Files may be removed in these directories: of sockets and of the pid file.
    pub cleanup_dirs: Vec<&'a Path>,
    /// The filter.
    pub seccomp: Seccomp,
}

impl Sandbox<'_> {
    /// Gives everything else up, for ever.
    ///
    /// # Errors
    /// The seccomp filter is wanted and was not set.
    pub fn enter(&self, log: &Log) -> Result<(), SandboxError> {
        let told = |what: &str, result: rustix::io::Result<()>| {
            if let Err(error) = result {
                log.error(format_args!("sandbox: {what}: {error}"));
            }
        };
        // No core file: it would hold keys.
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        told("core files stay possible", rustix::process::setrlimit(Resource::Core, none));
        told("the process stays dumpable", forbid_dumps());
        if let Err(error) = lock_memory() {
            log.info(format_args!("sandbox: memory is not locked: {error}"));
        }
        told("capabilities were not dropped", drop_capabilities());
        told("new privileges stay possible", rustix::thread::set_no_new_privs(true));
        match self.landlock() {
            Ok(RulesetStatus::FullyEnforced) => {}
            Ok(status) => log.info(format_args!("sandbox: Landlock on this kernel: {status:?}")),
            Err(error) => log.error(format_args!("sandbox: Landlock does not hold: {error}")),
        }
        self.seccomp()
    }

    fn landlock(&self) -> Result<RulesetStatus, landlock::RulesetError> {
        let abi = ABI::V6;
        let keep: BitFlags<AccessFs> = AccessFs::ReadFile
            | AccessFs::WriteFile
            | AccessFs::ReadDir
            | AccessFs::MakeReg
            | AccessFs::RemoveFile
            | AccessFs::Truncate
            | AccessFs::Refer;
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rule(PathBeneath::new(self.store_dir.as_fd(), keep))?;
        for dir in &self.cleanup_dirs {
            // A directory that cannot be opened only means that its file stays behind.
            if let Ok(fd) = PathFd::new(dir) {
                ruleset = ruleset.add_rule(PathBeneath::new(fd, AccessFs::RemoveFile))?;
            }
        }
        Ok(ruleset.restrict_self()?.ruleset)
    }

    fn seccomp(&self) -> Result<(), SandboxError> {
        let mismatch = match self.seccomp {
            Seccomp::Kill => SeccompAction::KillProcess,
            Seccomp::Log => SeccompAction::Log,
            Seccomp::None => return Ok(()),
        };
        let failed = |error: &dyn std::fmt::Display| SandboxError(error.to_string());
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| failed(&error))?;
        let rules: BTreeMap<i64, Vec<_>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
        let filter = SeccompFilter::new(rules, mismatch, SeccompAction::Allow, arch)
            .map_err(|error| failed(&error))?;
        let program: seccompiler::BpfProgram = filter.try_into().map_err(|error| failed(&error))?;
        seccompiler::apply_filter(&program).map_err(|error| failed(&error))
    }
}

/// No core file of this process and no debugger of its user's: both would show keys. What it starts is free again. Call it
/// before the first key is read.
///
/// # Errors
/// The operating system refused.
pub fn forbid_dumps() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// Keeps what this process has in memory, keys among it, out of swap. With a limit on locked memory a later allocation would fail
/// instead, so it is all or nothing.
///
/// # Errors
/// The limit cannot be lifted, or the operating system refused.
pub fn lock_memory() -> rustix::io::Result<()> {
    let unlimited = Rlimit { current: None, maximum: None };
    if rustix::process::getrlimit(Resource::Memlock).current.is_some() {
        rustix::process::setrlimit(Resource::Memlock, unlimited)?;
    }
    rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
}

fn drop_capabilities() -> rustix::io::Result<()> {
    // The bounding and ambient sets matter only across an exec, which the filter forbids as well.
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}

/// What a running TPM process calls: its sockets, its one file, its threads and its memory. There is no way to start
/// a program, to reach another process, or to make a socket.
const ALLOWED: &[i64] = &[
    // Sockets it already has.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // Files: the store, the log.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fcntl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    // Threads, memory, time.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_prctl,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    // Signals and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_forbids_dumps_is_not_dumpable() {
        forbid_dumps().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        // Descriptors of its own it reaches all the same.
        let file = std::fs::File::open("/dev/null").unwrap();
        crate::fds::inherited(std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap();
        std::fs::read_dir("/proc/self/fd").unwrap();
    }
}
