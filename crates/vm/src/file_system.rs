//! A file system that takes nothing more. Whoever meets it is told of the file system and the directory they know, not of the file that
//! happened to be in hand, whose name is only good while a command runs.
use rustix::fs::StatVfsMountFlags;
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Why it takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no space left, or this user may have no more of it.
    Full,
    /// It is mounted so.
    ReadOnly,
}

impl Trouble {
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::Full),
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            _ => None,
        }
    }
}

/// The directory of a file, past those that have their name only while they are made.
pub(crate) fn place_of(file: &Path) -> PathBuf {
    let mut dirs = file.ancestors().skip(1);
    dirs.find(|dir| !is_being_made(dir)).filter(|dir| dir != &Path::new("")).unwrap_or(file).to_owned()
}

/// `.UUID.making` of a home, `.UUID.new` of the snapshots.
fn is_being_made(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let hidden = name.strip_prefix('.').and_then(|name| name.split_once('.'));
    hidden.is_some_and(|(id, _)| Uuid::try_parse(id).is_ok())
}

/// Where the file system begins on which a place lies, or will.
pub(crate) fn mount_of(place: &Path) -> PathBuf {
    let there = place.ancestors().find_map(|dir| fs::canonicalize(dir).ok());
    let there = there.unwrap_or_else(|| place.to_owned());
    // One file system can be mounted in several places, writable here and not there.
    let seen = |dir: &Path| {
        let read_only = rustix::fs::statvfs(dir).ok()?.f_flag.contains(StatVfsMountFlags::RDONLY);
        Some((fs::metadata(dir).ok()?.dev(), read_only))
    };
    let own = seen(&there);
    there.ancestors().take_while(|dir| seen(dir) == own).last().unwrap_or(&there).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_that_people_know() {
        let id = Uuid::from_u128(7);
        for (file, place) in [
            (
                "/home/a/.local/share/sigillo/vms/vm.sigillo/vm.toml.new".to_owned(),
                "/home/a/.local/share/sigillo/vms/vm.sigillo",
            ),
            (format!("/vms/.{id}.making/firmware-vars.fd.new"), "/vms"),
            (format!("/vms/vm.sigillo/snapshots/.{id}.new/disk0"), "/vms/vm.sigillo/snapshots"),
            ("/.file.part".to_owned(), "/"),
            ("file".to_owned(), "file"),
        ] {
            assert_eq!(place_of(Path::new(&file)), Path::new(place), "{file}");
        }
    }

    #[test]
    fn a_mount_is_found_also_of_what_is_not_there_yet() {
        assert_eq!(mount_of(Path::new("/proc/self/nothing/there")), Path::new("/proc"));
        assert_eq!(mount_of(Path::new("/")), Path::new("/"));
    }

    #[test]
    fn what_the_system_says_of_a_full_and_of_a_read_only_one_is_known() {
        use rustix::io::Errno;
        for (errno, trouble) in [
            (Errno::NOSPC, Some(Trouble::Full)),
            (Errno::DQUOT, Some(Trouble::Full)),
            (Errno::ROFS, Some(Trouble::ReadOnly)),
            (Errno::IO, None),
        ] {
            assert_eq!(Trouble::of(&errno.into()), trouble, "{errno}");
        }
    }
}
