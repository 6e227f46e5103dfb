//! `vm export` and `vm import`: a VM as one file.
use super::{
    IdentityError,
    archive::{self, Flaw, Manifest, Member, Nowhere, Sink, Writer},
    clone::{Parts, require_quiet},
    hidden::{Building, Kind, stores_in},
};
use crate::{
    backup::BACKUP,
    bundle::{Bundle, CONFIG, Home, STORE, VARS},
    config::{self, Config, DiskFormat, Firmware},
    copy::{Progress, Source, Tally},
    crash,
    error::{Error, Result},
    files::{new_file, open_plain, require_one_file, sync_dir},
    image::is_block_device,
    tpm::{host_name, record_name},
};
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use sigillo_keychain::date;
use sigillo_messages::{text, words};
use sigillo_store::{Store, files::Dir, now_unix_s};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Seek, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What exporting did.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What is in the file.
    pub manifest: Manifest,
    /// What of the bundle is not.
    pub left_out: Vec<String>,
}

/// Writes a VM that is off to a new file: all of it but the password, which stays in the keychain.
///
/// # Errors
/// [`Error::Running`], [`IdentityError`], or what the system says. Then there is no file.
pub fn export_vm(vm: &mut Bundle, file: &Path, progress: &mut Progress<'_>) -> Result<Exported> {
    let file = &std::path::absolute(file).map_err(|e| Error::io(words!("do-make"), file, e))?;
    let exists = || Error::from(IdentityError::ExportExists { path: file.to_owned() });
    if file.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let _lock = vm.lock_as_it_is()?;
    require_quiet(vm, words!("doing-export"))?;
    let parts = Parts::of(vm, words!("an-export"))?;
    let stores = stores(vm)?;
    let mut config = vm.config().clone();
    config.disks = parts.disks.iter().map(|(_, disk)| disk.clone()).collect();
    for tpm in [&mut config.tpm, &mut config.removed_tpm].into_iter().flatten() {
        STORE.clone_into(&mut tpm.store);
    }
    // They are this host's.
    let cdroms: Vec<String> = config.cdroms.drain(..).map(|cdrom| cdrom.path.display().to_string()).collect();
    let text = config.to_text().map_err(|what| Error::Config { path: vm.path().join(CONFIG), what })?;
    let mut sources: Vec<(String, &Source)> = Vec::new();
    sources.extend(parts.vars.iter().map(|vars| (VARS.to_owned(), vars)));
    sources.extend(stores.iter().map(|(name, source)| (name.clone(), source)));
    sources.extend(parts.disks.iter().map(|(source, disk)| (disk.path.display().to_string(), source)));
    let config_len = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let mut members = vec![Member { name: CONFIG.to_owned(), len: config_len }];
    members.extend(sources.iter().map(|(name, source)| Member { name: name.clone(), len: source.len }));
    let manifest = Manifest {
        made_by: concat!("sigillo ", env!("CARGO_PKG_VERSION")).to_owned(),
        made: date(now_unix_s()),
        host: host_name(),
        uuid: config.uuid,
        name: vm.name().to_owned(),
        record: config.tpm.as_ref().filter(|tpm| tpm.encrypted).map(|_| record_name(&config.uuid)),
        members,
    };
    let part = Part::new(file)?;
    let failed = |e: io::Error| Error::io(words!("do-write"), &part.path, e);
    let mut tally = Tally::new(sources.iter().map(|(_, source)| source.len).sum(), progress);
    let mut writer =
        Writer::begin(BufWriter::with_capacity(1 << 20, &part.file), &manifest).map_err(failed)?;
    writer.piece(0, text.as_bytes()).and_then(|()| writer.end_member(config_len)).map_err(failed)?;
    for (_, source) in &sources {
        source
            .each_piece(|octets| tally.add(octets), |at, octets| writer.piece(at, octets).map_err(failed))?;
        writer.end_member(source.len).map_err(failed)?;
        crash::point();
    }
    writer.finish().flush().and_then(|()| part.file.sync_all()).map_err(failed)?;
    crash::point();
    rustix::fs::renameat_with(CWD, &part.path, CWD, file, RenameFlags::NOREPLACE).map_err(|e| match e {
        rustix::io::Errno::EXIST => exists(),
        e => Error::io(words!("do-make"), file, e.into()),
    })?;
    sync_dir(part.path.parent().unwrap_or(Path::new(".")))?;
    let is_in = |name: &String| stores.iter().any(|(_, source)| source.path.ends_with(name));
    let left_out = parts.left_out.into_iter().filter(|name| !is_in(name)).chain(cdroms).collect();
    Ok(Exported { manifest, left_out })
}

/// The VM's stores, and backups of them, under the names they have in the file. Each has to be the VM's own.
fn stores(vm: &Bundle) -> Result<Vec<(String, Source)>> {
    let in_use = vm.store_path();
    let not_whole = |what: String| Error::from(IdentityError::NotWhole { name: vm.name().to_owned(), what });
    let tpm = vm.config().tpm.as_ref().or(vm.config().removed_tpm.as_ref());
    let own = tpm.map_or(STORE, |tpm| tpm.store.as_str());
    let mut found = Vec::new();
    for path in stores_in(vm.path())? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_in_use = in_use.as_ref() == Some(&path);
        match Store::peek(&path) {
            // A store that was taken out by hand is no part of the VM.
            Ok(_) if !is_in_use && name == own => continue,
            Ok(info) if info.is_for_vm(vm.config().uuid.as_bytes()) => {}
            Ok(_) if is_in_use => {
                return Err(IdentityError::ForeignStore { name: vm.name().to_owned(), store: path }.into());
            }
            Err(e) if is_in_use => return Err(not_whole(format!("{}: {e}", path.display()))),
            // A backup that is another's, or damaged, is not the VM's.
            Ok(_) | Err(_) => continue,
        }
        let source =
            Source::beneath(vm.path(), Path::new(&name)).map_err(|e| not_whole(format!("{name}: {e}")))?;
        found.push((format!("{STORE}{}", name.strip_prefix(own).unwrap_or_default()), source));
    }
    match in_use {
        Some(path) if !found.iter().any(|(name, _)| name == STORE) => {
            Err(not_whole(text!("export-store-missing", path = path.display())))
        }
        _ => Ok(found),
    }
}

/// The file while it is written, beside where it will be.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new(file: &Path) -> Result<Self> {
        let no_name = || io::Error::new(io::ErrorKind::InvalidInput, text!("names-no-file"));
        let mut name = std::ffi::OsString::from(".");
        name.push(file.file_name().ok_or_else(|| Error::io(words!("do-make"), file, no_name()))?);
        name.push(".part");
        let path = file.with_file_name(&name);
        let failed = |e: io::Error| Error::io(words!("do-make"), &path, e);
        let dir = Dir::of(&path).map_err(failed)?.ok_or_else(|| failed(no_name()))?.0;
        let part = dir.open_or_create(&name, 0o600).map_err(|e| failed(crate::files::plain(e)))?;
        rustix::fs::flock(&part, FlockOperation::NonBlockingLockExclusive).map_err(|e| failed(e.into()))?;
        // What an interrupted export left.
        part.set_len(0).map_err(failed)?;
        Ok(Self { path, file: part })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // After a rename there is nothing of that name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a VM of an exported file, under its own UUID and, unless another is given, its own name. All of the file is checked before
/// the VM is there.
///
/// # Errors
/// [`IdentityError`], a name that is taken or cannot be one, or what the system says. Then nothing of the file is left.
pub fn import_vm(
    home: &Home,
    file: &Path,
    name: Option<&str>,
    progress: &mut Progress<'_>,
) -> Result<Bundle> {
    let flaw = |flaw: Flaw| -> Error {
        let path = file.to_owned();
        match flaw {
            Flaw::NotAnExport(what) => IdentityError::NotAnExport { path, what }.into(),
            Flaw::TooNew(version) => IdentityError::ExportTooNew { path, version }.into(),
            Flaw::Damaged(what) => IdentityError::ExportDamaged { path, what }.into(),
            Flaw::Read(e) => Error::io(words!("do-read"), file, e),
            Flaw::Write(error) => error,
        }
    };
    if is_block_device(file) {
        let why = text!("import-device", disk = file.display());
        return Err(Error::ImportDisk { disk: file.to_owned(), why });
    }
    let input = open_plain(file).map_err(|e| Error::io(words!("do-read"), file, e))?;
    let len = input.metadata().map_err(|e| Error::io(words!("do-read"), file, e))?.len();
    let mut input = BufReader::with_capacity(1 << 20, input);
    let (manifest, sum) = archive::read_manifest(&mut input).map_err(flaw)?;
    let name = name.unwrap_or(&manifest.name);
    config::check_name(name).map_err(Error::Name)?;
    let path = home.bundle_path(name);
    // The UUID first: no other name helps where that is taken.
    if let Err(taken) = require_new_uuid(home, &manifest.uuid).and_then(|()| home.require_free(name)) {
        // Whoever is to make room for it is told before that if it is not worth that.
        archive::read_members(&mut input, &manifest, &sum, &mut Nowhere).map_err(flaw)?;
        return Err(taken);
    }
    let building = Building::new(home.path(), &manifest.uuid, Kind::New)?;
    let mut into =
        Into { dir: building.path().to_owned(), open: None, tally: Tally::new(total(&manifest), progress) };
    archive::read_members(&mut input, &manifest, &sum, &mut into).map_err(flaw)?;
    // It was not written to while it was read.
    let now = input.get_ref().metadata().map_err(|e| Error::io(words!("do-read"), file, e))?.len();
    if now != len || input.stream_position().is_ok_and(|at| at != len) {
        return Err(flaw(Flaw::Damaged(text!("export-changed"))));
    }
    let mut config = is_one_vm(building.path(), &manifest).map_err(flaw)?;
    name.clone_into(&mut config.name);
    config.write(&building.path().join(CONFIG))?;
    // Perhaps the same file is being imported twice.
    require_new_uuid(home, &manifest.uuid)?;
    building.publish(&path)?;
    home.open(name)
}

fn total(manifest: &Manifest) -> u64 {
    manifest.members.iter().fold(0, |sum: u64, member| sum.saturating_add(member.len))
}

fn require_new_uuid(home: &Home, uuid: &Uuid) -> Result<()> {
    let there = home.list()?.into_iter().filter_map(|(_, bundle)| bundle.ok());
    match there.into_iter().find(|bundle| bundle.config().uuid == *uuid) {
        None => Ok(()),
        Some(bundle) => Err(IdentityError::UuidTaken { uuid: *uuid, there: bundle.name().to_owned() }.into()),
    }
}

/// Requires that what was read is one VM: what its configuration names, and nothing else.
fn is_one_vm(dir: &Path, manifest: &Manifest) -> std::result::Result<Config, Flaw> {
    let damaged = |what: String| Flaw::Damaged(what);
    let config = Config::read(&dir.join(CONFIG)).map_err(|e| match e {
        Error::Config { what, .. } => damaged(text!("export-config-wrong", file = CONFIG, what)),
        other => Flaw::Write(other),
    })?;
    if config.uuid != manifest.uuid {
        return Err(damaged(text!(
            "export-config-uuid",
            file = CONFIG,
            uuid = config.uuid,
            wanted = manifest.uuid
        )));
    }
    if let Some(path) = path_of_this_host(&dir.join(CONFIG)) {
        return Err(damaged(text!("export-config-path", file = CONFIG, ?path)));
    }
    let mut named = vec![CONFIG.to_owned()];
    if config.firmware == Firmware::Uefi {
        named.push(VARS.to_owned());
    }
    for disk in &config.disks {
        let name = disk.path.display().to_string();
        // What else is in the bundle is not the guest's to write.
        if !name.starts_with("disk") || named.contains(&name) {
            return Err(damaged(text!("export-config-disk", file = CONFIG, disk = ?name)));
        }
        named.push(name);
    }
    if let Some(tpm) = &config.tpm {
        if tpm.store != STORE {
            return Err(damaged(text!("export-config-store", file = CONFIG, store = ?tpm.store)));
        }
        named.push(STORE.to_owned());
    }
    let backup = |name: &String| name.starts_with(STORE) && name.contains(BACKUP);
    let has = |name: &String| manifest.members.iter().any(|member| member.name == *name);
    if let Some(missing) = named.iter().find(|name| !has(name)) {
        return Err(damaged(text!("export-config-missing", file = CONFIG, ?missing)));
    }
    let unused =
        manifest.members.iter().find(|member| !named.contains(&member.name) && !backup(&member.name));
    if let Some(member) = unused {
        return Err(damaged(text!("export-config-unnamed", part = member.name, file = CONFIG)));
    }
    for disk in config.disks.iter().filter(|disk| disk.format == DiskFormat::Qcow2) {
        require_one_file(&dir.join(&disk.path))
            .map_err(|e| damaged(format!("{}: {e}", disk.path.display())))?;
    }
    for member in manifest.members.iter().filter(|member| member.name.starts_with(STORE)) {
        let info =
            Store::peek(&dir.join(&member.name)).map_err(|e| damaged(format!("{}: {e}", member.name)))?;
        let open = info.is_unencrypted() && config.tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
        if !info.is_for_vm(manifest.uuid.as_bytes()) || open {
            return Err(damaged(text!("export-store-foreign", store = member.name)));
        }
    }
    Ok(config)
}

/// A value in a `vm.toml` that is an absolute path, whatever it is the value of: the guest would be shown a file of this host.
fn path_of_this_host(config: &Path) -> Option<String> {
    fn find(value: &toml::Value) -> Option<&str> {
        match value {
            toml::Value::String(text) => text.starts_with('/').then_some(text),
            toml::Value::Array(items) => items.iter().find_map(find),
            toml::Value::Table(table) => table.values().find_map(find),
            _ => None,
        }
    }
    let text = fs::read_to_string(config).ok()?;
    let table: toml::Table = text.parse().ok()?;
    table.values().find_map(find).map(str::to_owned)
}

/// Writes members into a directory.
struct Into<'a> {
    dir: PathBuf,
    open: Option<(File, PathBuf)>,
    tally: Tally<'a>,
}

impl Sink for Into<'_> {
    fn begin(&mut self, member: &Member) -> Result<()> {
        let path = self.dir.join(&member.name);
        let file = new_file(&path, 0o600)?;
        file.set_len(member.len).map_err(|e| Error::io(words!("do-write"), &path, e))?;
        self.open = Some((file, path));
        Ok(())
    }

    fn piece(&mut self, at: u64, octets: &[u8]) -> Result<()> {
        let Some((file, path)) = &self.open else { return Ok(()) };
        file.write_all_at(octets, at).map_err(|e| Error::io(words!("do-write"), path, e))
    }

    fn passed(&mut self, octets: u64) {
        self.tally.add(octets);
    }

    fn end(&mut self) -> Result<()> {
        crash::point();
        match self.open.take() {
            Some((file, path)) => file.sync_all().map_err(|e| Error::io(words!("do-write"), &path, e)),
            None => Ok(()),
        }
    }
}
