//! `vm undelete`: what was kept of a deleted VM is a VM again, with its UUID, TPM, firmware variables and configuration, and without disks.
//!
//! What is kept is a bundle, so this is one rename of it. Disks come back by hand: `vm hardware add disk --image`.
use super::{IdentityError, delete::entries_of};
use crate::{
    bundle::{Bundle, Home},
    config,
    error::{Error, Result},
    files::sync_dir,
    host::Host,
};
use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};
use sigillo_keychain::audit::Act;
use sigillo_messages::{text, words};
use std::path::Path;

/// Makes a VM of what was kept of a deleted one. `which` is the deleted VM's name or UUID, or the path of what was kept; `name` what it is
/// called now, `None` as it was. Adds no TPM to this host, so no policy speaks against it: the TPM has been here all the time.
///
/// # Errors
/// [`IdentityError::NotKept`] where nothing or more than one thing fits, a name or UUID that a VM here has, or what the system says.
pub fn undelete(home: &Home, host: &Host<'_>, which: &str, name: Option<&str>) -> Result<Bundle> {
    let mut kept = find(home, which)?;
    let name = name.unwrap_or(kept.name()).to_owned();
    config::check_name(&name).map_err(Error::Name)?;
    let path = home.bundle_path(&name);
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path });
    }
    let _lock = kept.lock_as_it_is()?;
    let uuid = kept.config().uuid;
    let there = home.list()?.into_iter().filter_map(|(_, bundle)| bundle.ok());
    if let Some(vm) = there.into_iter().find(|vm| vm.config().uuid == uuid) {
        return Err(IdentityError::IsBack { uuid, there: vm.name().to_owned() }.into());
    }
    let from = kept.path().to_owned();
    let detail = format!("what was kept of a deleted VM is VM {name:?}");
    host.audit.record(Act::BackupRestored, &from.display().to_string(), &detail)?;
    rustix::fs::renameat_with(CWD, &from, CWD, &path, RenameFlags::NOREPLACE).map_err(|e| match e {
        Errno::EXIST => Error::Exists { path: path.clone() },
        e => Error::io(words!("do-move"), &from, e.into()),
    })?;
    sync_dir(home.path())?;
    from.parent().map_or(Ok(()), sync_dir)?;
    kept.set_place(path, &name);
    let config = kept.config().clone();
    // The directory's name is what counts; that it is in the file as well is for whoever reads that.
    let _ = kept.set_config(config);
    Ok(kept)
}

fn find(home: &Home, which: &str) -> Result<Bundle> {
    let mut all: Vec<Bundle> =
        entries_of(home.path()).iter().filter_map(|dir| Bundle::load(dir).ok()).collect();
    let listed = |all: &[Bundle]| {
        let paths: Vec<String> = all.iter().map(|kept| kept.path().display().to_string()).collect();
        paths.join(", ")
    };
    let fail = |why: String| Error::from(IdentityError::NotKept { which: which.to_owned(), why });
    if all.is_empty() {
        return Err(fail(text!("kept-nothing", home = home.path().display())));
    }
    let there = listed(&all);
    all.retain(|kept| {
        let uuid = kept.config().uuid.to_string();
        kept.name() == which || uuid.eq_ignore_ascii_case(which) || kept.path() == Path::new(which)
    });
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(fail(text!("kept-others", there))),
        (Some(one), false) => {
            all.push(one);
            all.sort_by(|a, b| a.path().cmp(b.path()));
            Err(fail(text!("kept-several", all = listed(&all))))
        }
    }
}
