//! `vm rename` and `vm move`: a VM under another name, or in another place.
//!
//! A VM that was moved is a symbolic link in the home, made and read by nothing but this program: whoever can write the home could
//! put another bundle there as well. Where the bundle can be renamed there, link and bundle change places in one step. Where it
//! has to be copied, a hidden entry names the copy until it and the VM's own entry change places, and the original from then on;
//! whatever it names when a command was interrupted is not wanted.
use super::{
    IdentityError,
    hidden::{Building, Kind, mark_unfinished, unmark},
};
use crate::{
    bundle::{Bundle, Home},
    config,
    copy::{Progress, Source, Tally},
    crash,
    error::{Error, Result},
    files::{remove, sync_dir},
    host::Host,
    libvirt,
};
use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};
use sigillo_messages::{Words, text, words};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// Gives a VM that is off another name.
///
/// # Errors
/// A name that is taken or cannot be one, [`Error::Running`], [`IdentityError::NotInHome`], or what the system says.
pub fn rename_vm(home: &Home, vm: &mut Bundle, name: &str) -> Result<()> {
    config::check_name(name).map_err(Error::Name)?;
    require_in(home, vm, words!("was-renamed"))?;
    let _lock = vm.lock_as_it_is()?;
    vm.require_off(words!("doing-rename"))?;
    libvirt::forget(vm)?;
    let path = home.bundle_path(name);
    exchange_or_rename(vm.path(), &path, RenameFlags::NOREPLACE).map_err(|e| match e {
        Errno::EXIST => Error::Exists { path: path.clone() },
        e => Error::io(words!("do-rename"), vm.path(), e.into()),
    })?;
    sync_dir(home.path())?;
    crash::point();
    vm.set_place(path, name);
    let config = vm.config().clone();
    // The directory's name is what counts; that it is in the file as well is for whoever reads that.
    let _ = vm.set_config(config);
    Ok(())
}

/// Moves a VM that is off into another directory, which has to be there; in the home a link stays, so that its name goes on to be known.
/// Into the home it comes back as it was. Gives its new place.
///
/// # Errors
/// [`IdentityError::Place`], [`IdentityError::NotInHome`], [`Error::Running`], or what the system says. The VM is where it was then.
pub fn move_vm(
    home: &Home,
    vm: &mut Bundle,
    host: &Host<'_>,
    to: &Path,
    progress: &mut Progress<'_>,
) -> Result<PathBuf> {
    require_in(home, vm, words!("was-moved"))?;
    let _lock = vm.lock_as_it_is()?;
    vm.require_off(words!("doing-move"))?;
    libvirt::forget(vm)?;
    let entry = vm.path().to_owned();
    let refused = |why: &str| {
        Error::from(IdentityError::Place {
            name: vm.name().to_owned(),
            path: to.to_owned(),
            why: why.to_owned(),
        })
    };
    let from = fs::canonicalize(&entry).map_err(|e| Error::io(words!("do-find"), &entry, e))?;
    let to = fs::canonicalize(to).map_err(|e| refused(&e.to_string()))?;
    let own_home = fs::canonicalize(home.path()).map_err(|e| Error::io(words!("do-find"), home.path(), e))?;
    let found = fs::metadata(&to).map_err(|e| refused(&e.to_string()))?;
    let own = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Err(refused(&text!("place-no-directory")));
    }
    if to.starts_with(&from) {
        return Err(refused(&text!("place-in-vm")));
    }
    if (found.uid() != own && found.uid() != 0) || (found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0) {
        return Err(refused(&text!("place-open")));
    }
    let inbound = to == own_home;
    let place = if inbound { entry.clone() } else { to.join(entry.file_name().unwrap_or_default()) };
    if place == from {
        return Err(refused(&text!("place-there")));
    }
    if !inbound {
        // Of a move that was interrupted in its first moment.
        if fs::read_link(&place).is_ok_and(|target| target == place) {
            remove(&place)?;
        }
        if place.symlink_metadata().is_ok() {
            return Err(refused(&text!("place-taken")));
        }
    }
    let same_device = fs::metadata(&from).is_ok_and(|here| here.dev() == found.dev());
    if !same_device || !swap(&entry, &from, &place, inbound)? {
        copy_over(home, vm, host, &from, &place, inbound, progress)?;
    }
    Ok(place)
}

fn require_in(home: &Home, vm: &Bundle, action: Words) -> Result<()> {
    if home.holds(vm) {
        return Ok(());
    }
    Err(IdentityError::NotInHome { path: vm.path().to_owned(), home: home.path().to_owned(), action }.into())
}

fn exchange_or_rename(from: &Path, to: &Path, flags: RenameFlags) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(CWD, from, CWD, to, flags)
}

/// On one file system: a link to the new place, made there, changes places with the bundle. `false` if it is not one, or
/// cannot do that.
fn swap(entry: &Path, from: &Path, place: &Path, inbound: bool) -> Result<bool> {
    let supported = |e: Errno| match e {
        Errno::XDEV | Errno::INVAL | Errno::NOSYS => Ok(false),
        e => Err(Error::io(words!("do-move"), from, e.into())),
    };
    if inbound {
        // The home's link is what changes places with the bundle; it leads to itself then.
        if let Err(e) = exchange_or_rename(entry, from, RenameFlags::EXCHANGE) {
            return supported(e);
        }
        crash::point();
        remove(from)?;
    } else {
        symlink(place, place).map_err(|e| Error::io(words!("do-make"), place, e))?;
        if let Err(e) = exchange_or_rename(from, place, RenameFlags::EXCHANGE) {
            remove(place)?;
            return supported(e);
        }
        crash::point();
        if from != entry {
            // It was moved before: the home's link leads to what is a link to the new place now, until it is made anew.
            relink(entry, place)?;
            crash::point();
            remove(from)?;
        }
    }
    for dir in [entry.parent(), from.parent(), place.parent()].into_iter().flatten() {
        sync_dir(dir)?;
    }
    Ok(true)
}

/// Puts a link in place of another in one step.
fn relink(entry: &Path, to: &Path) -> Result<()> {
    let mut name = entry.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = entry.with_file_name(name);
    remove(&next)?;
    symlink(to, &next).map_err(|e| Error::io(words!("do-make"), &next, e))?;
    fs::rename(&next, entry).map_err(|e| Error::io(words!("do-replace"), entry, e))
}

/// To another file system: a copy, then the change of places, then the original goes.
fn copy_over(
    home: &Home,
    vm: &Bundle,
    host: &Host<'_>,
    from: &Path,
    place: &Path,
    inbound: bool,
    progress: &mut Progress<'_>,
) -> Result<()> {
    let uuid = vm.config().uuid;
    let hidden = Kind::Gone.entry(home.path(), &uuid);
    if hidden.symlink_metadata().is_ok() {
        let left = io::Error::new(io::ErrorKind::AlreadyExists, text!("place-left"));
        return Err(Error::io(words!("do-use"), &hidden, left));
    }
    let copied = if inbound {
        Building::at(hidden.clone()).and_then(|copy| tree(from, copy.path(), progress).map(|()| copy))
    } else {
        symlink(place, &hidden).map_err(|e| Error::io(words!("do-make"), &hidden, e))?;
        sync_dir(home.path())?;
        crash::point();
        Building::at(place.to_owned()).and_then(|copy| {
            mark_unfinished(copy.path(), &uuid)?;
            crash::point();
            tree(from, copy.path(), progress)?;
            unmark(copy.path())?;
            sync_dir(copy.path())?;
            Ok(copy)
        })
    };
    let changed = copied.and_then(|copy| {
        place.parent().map_or(Ok(()), sync_dir)?;
        crash::point();
        exchange_or_rename(&hidden, vm.path(), RenameFlags::EXCHANGE)
            .map_err(|e| Error::io(words!("do-move"), vm.path(), e.into()))?;
        copy.keep();
        sync_dir(home.path())
    });
    if let Err(error) = changed {
        if !inbound {
            // The copy is gone by now.
            remove(&hidden)?;
        }
        return Err(error);
    }
    crash::point();
    home.clear_held(&hidden, &uuid, Kind::Gone, host).map(drop)
}

/// Copies all of a bundle but its run directory.
fn tree(from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<()> {
    let mut found = Vec::new();
    walk(from, Path::new(""), &mut found)?;
    let total = found.iter().filter_map(|(_, source)| Some(source.as_ref()?.len)).sum();
    let mut tally = Tally::new(total, progress);
    for (name, source) in &found {
        let path = to.join(name);
        match source {
            None => {
                fs::create_dir(&path).map_err(|e| Error::io(words!("do-make"), &path, e))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
                    .map_err(|e| Error::io(words!("do-protect"), &path, e))?;
            }
            Some(source) => source.copy_to(&path, &mut |octets| tally.add(octets))?,
        }
        crash::point();
    }
    for (name, _) in found.iter().filter(|(_, source)| source.is_none()) {
        sync_dir(&to.join(name))?;
    }
    sync_dir(to)
}

/// Directories before what lies in them. Anything but files and directories is refused: it could not be taken along as it is.
fn walk(bundle: &Path, below: &Path, found: &mut Vec<(PathBuf, Option<Source>)>) -> Result<()> {
    const MOST: usize = 10_000;
    const DEEPEST: usize = 8;
    let dir = bundle.join(below);
    let failed = |why: &str| {
        Error::io(words!("do-copy"), &dir, io::Error::new(io::ErrorKind::InvalidData, why.to_owned()))
    };
    for entry in fs::read_dir(&dir).map_err(|e| Error::io(words!("do-read"), &dir, e))? {
        let entry = entry.map_err(|e| Error::io(words!("do-read"), &dir, e))?;
        let name = below.join(entry.file_name());
        if name == Path::new("run") {
            continue;
        }
        if found.len() >= MOST || name.components().count() > DEEPEST {
            return Err(failed(&text!("too-many-files")));
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push((name.clone(), None));
            walk(bundle, &name, found)?;
        } else {
            let source =
                Source::beneath(bundle, &name).map_err(|e| Error::io(words!("do-copy"), &entry.path(), e))?;
            found.push((name, Some(source)));
        }
    }
    Ok(())
}
