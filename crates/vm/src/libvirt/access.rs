//! Letting the user that QEMU runs as at a VM's files, and nobody else. libvirt itself gives that user the disks and the
//! firmware's variables for as long as the domain runs; what is missing is the way to them, and the TPM's socket.
use crate::{
    bundle::{Bundle, Home, ROOT_HOME},
    error::{Error, Result},
    rundir::RunDir,
};
use rustix::{
    fs::{Gid, Mode, OFlags, Uid},
    io::Errno,
};
use sigillo_messages::{Words, words};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

const SEARCH: u32 = 0o111;

/// Makes the way to the bundle and its run directory passable for QEMU's group, where it is closed to all but us. They cannot
/// be listed or written by it, and the files in them keep their own modes.
pub(super) fn let_in(vm: &Bundle, real: &Path, run: &RunDir, ids: (u32, u32)) -> Result<()> {
    for dir in opened_above(vm).into_iter().chain([real.to_owned(), run.path().to_owned()]) {
        open_way(&dir, ids.1).map_err(|(action, e)| Error::io(action, &dir, e))?;
    }
    Ok(())
}

/// By descriptor: a name may become a link between two looks.
fn open_way(dir: &Path, gid: u32) -> std::result::Result<(), (Words, io::Error)> {
    let failed = |action| move |e: Errno| (action, io::Error::from(e));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(dir, flags, Mode::empty()).map_err(failed(words!("do-open")))?;
    let found = rustix::fs::fstat(&fd).map_err(failed(words!("do-look-at")))?;
    // Somebody's own arrangement is left as it is; [`obstacle`] says what is wrong with it.
    if found.st_uid != rustix::process::geteuid().as_raw() || found.st_mode & 0o077 != 0 {
        return Ok(());
    }
    rustix::fs::fchown(&fd, None, Some(Gid::from_raw(gid)))
        .map_err(failed(words!("do-give-to-qemus-group")))?;
    rustix::fs::fchmod(&fd, Mode::from(0o710)).map_err(failed(words!("do-protect")))
}

/// The directories above a bundle that a start opens: the host's home of VMs, if it is in there, and for root's own what sigillo made
/// around it. None where that is a person's own directory, with all that is in it, or where the bundle lies elsewhere.
pub(crate) fn opened_above(vm: &Bundle) -> Vec<PathBuf> {
    let persons = std::env::var_os("HOME").map(PathBuf::from);
    above(vm.path(), Home::find(None).path(), persons.as_deref())
}

fn above(bundle: &Path, vms: &Path, persons: Option<&Path>) -> Vec<PathBuf> {
    let Some(home) = bundle.parent().filter(|home| *home == vms) else { return Vec::new() };
    let top = home.parent().is_none_or(|above| above == Path::new("/"));
    if top || persons == Some(home) {
        return Vec::new();
    }
    let ours = if home == Path::new(ROOT_HOME) { 2 } else { 1 };
    home.ancestors().take(ours).map(Path::to_owned).collect()
}

/// Makes the TPM's socket QEMU's: no other user but root can connect to it.
pub(super) fn give_socket(socket: &Path, ids: (u32, u32)) -> Result<()> {
    fs::set_permissions(socket, Permissions::from_mode(0o600))
        .map_err(|e| Error::io(words!("do-protect"), socket, e))?;
    rustix::fs::chown(socket, Some(Uid::from_raw(ids.0)), Some(Gid::from_raw(ids.1)))
        .map_err(|e| Error::io(words!("do-give-to-qemus-user"), socket, e.into()))
}

/// The first directory on the way to `path` that this user cannot search, by owner, group and mode. Lists of rights and further
/// groups of the user are not looked at, so it may be wrong.
pub(crate) fn obstacle(path: &Path, (uid, gid): (u32, u32)) -> Option<PathBuf> {
    let mut ways: Vec<&Path> = path.ancestors().collect();
    ways.reverse();
    let closed = |dir: &&&Path| {
        let Ok(found) = fs::metadata(dir) else { return true };
        let mine = match () {
            () if uid == 0 => SEARCH,
            () if found.uid() == uid => 0o100,
            () if found.gid() == gid => 0o010,
            () => 0o001,
        };
        found.mode() & mine == 0
    };
    ways.iter().find(closed).map(|dir| (*dir).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_opened_than_what_holds_vms() {
        let above = |bundle: &str, persons: &str| {
            let bundle = Path::new(bundle);
            above(bundle, bundle.parent().unwrap(), Some(Path::new(persons)))
        };
        assert_eq!(above("/srv/vms/a.sigillo", "/root"), [PathBuf::from("/srv/vms")]);
        let elsewhere = super::above(Path::new("/srv/x/a.sigillo"), Path::new("/srv/vms"), None);
        assert!(elsewhere.is_empty(), "a bundle that was named by its path");
        let root = ["/var/lib/sigillo/vms", "/var/lib/sigillo"].map(PathBuf::from);
        assert_eq!(above("/var/lib/sigillo/vms/a.sigillo", "/root"), root);
        assert!(above("/home/a/x.sigillo", "/home/a").is_empty());
        assert!(above("/root/x.sigillo", "/").is_empty());
    }

    #[test]
    fn a_directory_that_is_closed_to_qemus_user_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let nobody = (65_534, 65_534);
        assert_eq!(obstacle(&deep, nobody), None);
        fs::set_permissions(dir.path().join("a"), Permissions::from_mode(0o750)).unwrap();
        assert_eq!(obstacle(&deep, nobody), Some(dir.path().join("a")));
        let gid = fs::metadata(&deep).unwrap().gid();
        assert_eq!(obstacle(&deep, (65_534, gid)), None, "its group may search it");
        assert_eq!(obstacle(&deep, (0, 0)), None, "root may search all");
    }
}
