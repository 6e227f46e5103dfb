//! Points at which a test ends a command as a crash would: nothing is undone, and the next command has to go on from what is
//! there.

/// Between two steps of which each is durable.
#[cfg(not(test))]
#[inline]
pub(crate) fn point() {}

#[cfg(test)]
pub(crate) use tests::point;

#[cfg(test)]
pub(crate) mod tests {
    use crate::{
        AddTpm, Bundle, Create, Error, Event, Firmware, Guest, Home, Host, HostPolicy, Interface, Keys,
        NewSnapshot, Question, Reencrypt, Start, Starter, WhenRecordMissing, accel, add_tpm, backups,
        config::Accelerator, find_snapshot, open, reencrypt, remove_tpm, restore_backup, revert, snapshot,
        snapshots, start::Attach,
    };
    use sigillo_keychain::{
        Keychain, MemoryKeychain, Record, RecordName,
        anchor::{Anchors, Verdict},
        audit::AuditLog,
    };
    use sigillo_store::{Algorithm, Key, Secret, Store};
    use std::{
        cell::Cell,
        fs,
        panic::{AssertUnwindSafe, catch_unwind},
        path::{Path, PathBuf},
        thread,
        time::{Duration, Instant},
    };

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    pub(crate) fn point() {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                panic!("a crash");
            }
            Some(left) => LEFT.set(Some(left - 1)),
            None => {}
        }
    }

    /// `None` if it crashed at this point.
    pub(crate) fn crashed_at<T>(number: u32, run: impl FnOnce() -> T) -> Option<T> {
        LEFT.set(Some(number));
        let done = catch_unwind(AssertUnwindSafe(run)).ok();
        LEFT.set(None);
        if done.is_none() {
            let end = Instant::now() + Duration::from_secs(60);
            while is_forking() && Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
        }
        done
    }

    /// Whether another test has forked a child that has not executed its program yet: it has a copy of every descriptor, and so of a crashed
    /// command's locks. It is this program still.
    fn is_forking() -> bool {
        let own = fs::read_link("/proc/self/exe").unwrap();
        let parent = std::process::id().to_string();
        let is_child = |pid: &Path| {
            // PID (NAME) STATE PARENT ...
            let stat = fs::read_to_string(pid.join("stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&*parent)
        };
        let mut all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        all.any(|pid| is_child(&pid) && fs::read_link(pid.join("exe")).is_ok_and(|exe| exe == own))
    }

    pub(crate) struct Fixture {
        pub(crate) dir: tempfile::TempDir,
        pub(crate) home: Home,
        pub(crate) keychain: MemoryKeychain,
        pub(crate) audit: AuditLog,
        pub(crate) anchors: Anchors,
        pub(crate) policy: HostPolicy,
    }

    impl Fixture {
        pub(crate) fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let kept = dir.path().join("keychain");
            let home = Home::find(Some(&dir.path().join("vms")));
            let create = Create {
                name: "vm".to_owned(),
                guest: Guest::Linux,
                firmware: Firmware::Uefi,
                memory_mib: 64,
                cpus: 1,
                accel: Accelerator::Tcg,
                disks: Vec::new(),
                new_disk_gib: None,
            };
            home.create(&create).unwrap();
            Fixture {
                dir,
                home,
                keychain: MemoryKeychain::new(),
                audit: AuditLog::at(&kept),
                anchors: Anchors::at(&kept),
                policy: HostPolicy::default(),
            }
        }

        pub(crate) fn with_tpm() -> Self {
            let fixture = Self::new();
            fixture.add().unwrap();
            fixture
        }

        pub(crate) fn host(&self) -> Host<'_> {
            Host {
                keychain: &self.keychain,
                audit: &self.audit,
                anchors: &self.anchors,
                policy: &self.policy,
            }
        }

        pub(crate) fn vm(&self) -> Bundle {
            self.home.open("vm").unwrap()
        }

        fn name(&self) -> RecordName {
            RecordName::for_vm(self.vm().config().uuid.as_bytes())
        }

        pub(crate) fn record(&self) -> Record {
            self.keychain.get(&self.name()).unwrap()
        }

        fn add(&self) -> Result<crate::TpmAdded, Error> {
            let options = AddTpm {
                interface: Interface::Crb,
                keys: Keys::Snakeoil,
                profile: None,
                algorithm: Algorithm::Aes128Gcm,
                state: Secret::from_slice(b"a TPM"),
            };
            add_tpm(&mut self.vm(), &self.host(), &options)
        }

        fn key(&self) -> Result<Option<open::Found>, Error> {
            let options = Start {
                attach: Attach::Background,
                program: PathBuf::new(),
                when_record_missing: Some(WhenRecordMissing::New),
                when_rolled_back: None,
            };
            open::key_for_start(&self.vm(), &self.host(), &options, &mut Nobody)
        }

        /// The state of the VM's store, opened as its start would open it.
        pub(crate) fn state(&self) -> Vec<u8> {
            let path = self.vm().store_path().unwrap();
            let store = Store::open(&path, &Key::Password(self.record().secret)).unwrap();
            let file_uuid = store.info().file_uuid;
            assert_eq!(self.anchors.current(self.vm().config().uuid.as_bytes()).unwrap(), Some(file_uuid));
            store.state().to_vec()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.vm().path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    struct Nobody;

    impl Starter for Nobody {
        fn accel(&mut self, _: &accel::Choice) {}
        fn can_answer(&self) -> bool {
            false
        }
        fn ask(&mut self, _: &Question) -> bool {
            unreachable!()
        }
        fn told(&mut self, _: &Event) {}
        fn new_tpm(&mut self, _: Option<&str>) -> Result<Secret, String> {
            Ok(Secret::from_slice(b"another TPM"))
        }
    }

    fn copies_of(dir: &Path, bytes: &[u8]) -> usize {
        fs::read_dir(dir)
            .unwrap()
            .filter(|e| fs::read(e.as_ref().unwrap().path()).is_ok_and(|b| b == bytes))
            .count()
    }

    #[test]
    fn adding_a_tpm_goes_on_after_a_crash_at_any_point() {
        let mut points = 0;
        loop {
            let fixture = Fixture::new();
            let done = crashed_at(points, || fixture.add());
            if let Some(done) = done {
                done.unwrap();
                break;
            }
            if fixture.vm().config().tpm.is_none() {
                fixture.add().unwrap();
            }
            assert_eq!(fixture.state(), b"a TPM", "after a crash at point {points}");
            assert_eq!(fixture.keychain.list().unwrap().len(), 1);
            assert!(fixture.names().iter().all(|name| !name.ends_with(".next")), "{:?}", fixture.names());
            points += 1;
        }
        assert!(points >= 5, "{points}");
    }

    #[test]
    fn a_new_tpm_in_place_of_one_without_record_goes_on_after_a_crash_at_any_point() {
        let mut points = 0;
        loop {
            let fixture = Fixture::with_tpm();
            let path = fixture.vm().store_path().unwrap();
            let old = fs::read(&path).unwrap();
            let lost = fixture.record();
            fixture.keychain.delete(&lost.name, lost.key_id).unwrap();
            let done = crashed_at(points, || fixture.key());
            assert_eq!(copies_of(fixture.vm().path(), &old), 1, "at point {points}");
            if let Some(done) = done {
                assert!(done.unwrap().is_some());
                break;
            }
            assert!(fixture.key().unwrap().is_some());
            assert_eq!(fixture.state(), b"another TPM", "after a crash at point {points}");
            assert_eq!(copies_of(fixture.vm().path(), &old), 1, "after a crash at point {points}");
            // The VM's own record, and the same under the store's name.
            assert_eq!(fixture.keychain.list().unwrap().len(), 2, "after a crash at point {points}");
            assert!(fixture.names().iter().all(|name| !name.ends_with(".next")), "{:?}", fixture.names());
            points += 1;
        }
        assert!(points >= 5, "{points}");
    }

    #[test]
    fn restoring_a_backup_goes_on_after_a_crash_at_any_point_and_both_states_stay() {
        let mut points = 0;
        loop {
            let fixture = Fixture::with_tpm();
            let record = fixture.record();
            fixture.keychain.delete(&record.name, record.key_id).unwrap();
            fixture.key().unwrap();
            let new = fs::read(fixture.vm().store_path().unwrap()).unwrap();
            // The old record turns up.
            fixture.keychain.replace(fixture.record().key_id, &record).unwrap();
            let error = fixture.key().map(drop).unwrap_err();
            assert_eq!(error.code(), "SIG_ERR_TPM_RECORD_OTHER");
            assert!(error.to_string().contains("restore-backup"), "{error}");
            let done = crashed_at(points, || restore_backup(&fixture.vm(), &fixture.host(), None));
            let finished = done.is_some();
            if let Some(done) = done {
                done.unwrap();
            } else if fixture.key().is_err() {
                let backup = backups(&fixture.vm(), &fixture.keychain).unwrap();
                let old = backup.iter().find(|b| b.record == Some(record.key_id)).unwrap();
                restore_backup(&fixture.vm(), &fixture.host(), Some(&old.name)).unwrap();
            }
            assert_eq!(fixture.state(), b"a TPM", "at point {points}");
            assert_eq!(copies_of(fixture.vm().path(), &new), 1, "at point {points}");
            // And back again: the other one's record was kept.
            restore_backup(&fixture.vm(), &fixture.host(), None).unwrap();
            assert_eq!(fixture.state(), b"another TPM", "at point {points}");
            restore_backup(&fixture.vm(), &fixture.host(), None).unwrap();
            assert_eq!(fixture.state(), b"a TPM", "at point {points}");
            assert!(fixture.dir.path().exists());
            if finished {
                break;
            }
            points += 1;
        }
        assert!(points >= 3, "{points}");
    }

    #[test]
    fn a_store_encrypted_anew_is_never_older_than_what_the_host_remembers_after_a_crash_at_any_point() {
        let keep = || Reencrypt { algorithm: None, recovery_code: None, passphrase: None };
        let mut points = 0;
        loop {
            let fixture = Fixture::with_tpm();
            let verdict = || {
                let (vm, key) = (fixture.vm(), Key::Password(fixture.record().secret));
                let store = Store::open(&vm.store_path().unwrap(), &key).unwrap();
                let seen = fixture.anchors.look(vm.config().uuid.as_bytes(), &store.info().file_uuid);
                seen.unwrap().verdict(&store)
            };
            let done = crashed_at(points, || reencrypt(&fixture.vm(), &fixture.host(), keep()));
            let finished = done.is_some();
            done.map(|done| done.unwrap());
            let expected = if finished { Verdict::Same } else { Verdict::Newer { by: 1 } };
            assert_eq!(verdict(), expected, "at point {points}");
            reencrypt(&fixture.vm(), &fixture.host(), keep()).unwrap();
            assert_eq!((fixture.state(), verdict()), (b"a TPM".to_vec(), Verdict::Same), "at point {points}");
            if finished {
                break;
            }
            points += 1;
        }
        assert!(points >= 1, "{points}");
    }

    #[test]
    fn removing_a_tpm_goes_on_after_a_crash_at_any_point_and_can_be_undone() {
        let mut points = 0;
        loop {
            let fixture = Fixture::with_tpm();
            let own = fixture.vm().config().tpm.clone();
            let old = fs::read(fixture.vm().store_path().unwrap()).unwrap();
            let done = crashed_at(points, || remove_tpm(&mut fixture.vm(), &fixture.host()));
            let finished = done.is_some();
            match done {
                Some(done) => assert!(done.unwrap().backup.is_some()),
                // Either nothing happened, or the rest is done; a crash after the last step leaves nothing to do.
                None => match remove_tpm(&mut fixture.vm(), &fixture.host()) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), "SIG_ERR_TPM_NONE", "at point {points}"),
                },
            }
            assert!(
                fixture.vm().config().tpm.is_none() && fixture.vm().config().secure_boot,
                "at point {points}"
            );
            assert_eq!(copies_of(fixture.vm().path(), &old), 1, "at point {points}");
            assert!(!fixture.vm().path().join("tpm.store").exists(), "at point {points}");
            assert!(fixture.key().unwrap().is_none(), "it starts without a TPM");
            restore_backup(&fixture.vm(), &fixture.host(), None).unwrap();
            assert_eq!(fixture.vm().config().tpm, own, "at point {points}");
            assert_eq!(fixture.state(), b"a TPM", "at point {points}");
            if finished {
                break;
            }
            points += 1;
        }
        assert!(points >= 2, "{points}");
    }

    #[test]
    fn restoring_a_removed_tpm_goes_on_after_a_crash_at_any_point() {
        let mut points = 0;
        loop {
            let fixture = Fixture::with_tpm();
            remove_tpm(&mut fixture.vm(), &fixture.host()).unwrap();
            if let Some(done) = crashed_at(points, || restore_backup(&fixture.vm(), &fixture.host(), None)) {
                done.unwrap();
                break;
            }
            if fixture.key().is_err() || fixture.vm().config().tpm.is_none() {
                restore_backup(&fixture.vm(), &fixture.host(), None).unwrap();
            }
            assert_eq!(fixture.state(), b"a TPM", "after a crash at point {points}");
            points += 1;
        }
        assert!(points >= 3, "{points}");
    }

    #[test]
    fn a_removal_that_was_interrupted_is_finished_by_whatever_comes_next() {
        let interrupted = || {
            let fixture = Fixture::with_tpm();
            let old = fs::read(fixture.vm().store_path().unwrap()).unwrap();
            assert!(crashed_at(0, || remove_tpm(&mut fixture.vm(), &fixture.host())).is_none());
            assert!(fixture.vm().config().tpm.is_none() && fixture.vm().path().join("tpm.store").exists());
            (fixture, old)
        };
        let (fixture, old) = interrupted();
        fixture.add().unwrap();
        assert_eq!(copies_of(fixture.vm().path(), &old), 1);
        assert!(fixture.vm().config().removed_tpm.is_none());
        let (fixture, old) = interrupted();
        restore_backup(&fixture.vm(), &fixture.host(), None).unwrap();
        assert_eq!(fs::read(fixture.vm().store_path().unwrap()).unwrap(), old);
    }

    /// Gives every file of a VM the same mark, as a guest would write them.
    fn mark(fixture: &Fixture, mark: &str) {
        let vm = fixture.vm();
        for disk in &vm.config().disks {
            fs::write(vm.disk_path(disk), mark).unwrap();
        }
        fs::write(vm.path().join("firmware-vars.fd"), mark).unwrap();
        let mut store =
            Store::open(&vm.store_path().unwrap(), &Key::Password(fixture.record().secret)).unwrap();
        store.commit(mark.as_bytes()).unwrap();
        fixture.anchors.accept(vm.config().uuid.as_bytes(), &store).unwrap();
    }

    /// The mark that all of them have.
    fn marked(fixture: &Fixture) -> String {
        let vm = fixture.vm();
        let mark = String::from_utf8(fs::read(vm.path().join("firmware-vars.fd")).unwrap()).unwrap();
        for disk in &vm.config().disks {
            assert_eq!(fs::read_to_string(vm.disk_path(disk)).unwrap(), mark);
        }
        assert_eq!(fixture.state(), mark.as_bytes());
        mark
    }

    /// A VM with a disk, a snapshot `one` of its first state, and a second state with one disk more.
    fn with_snapshot() -> Fixture {
        let fixture = Fixture::with_tpm();
        add_disk(&fixture, "disk0.img");
        mark(&fixture, "first");
        let new = NewSnapshot { name: Some("one".to_owned()), description: String::new() };
        snapshot(&fixture.vm(), &new, &mut |_, _, _| {}).unwrap();
        add_disk(&fixture, "disk1.img");
        mark(&fixture, "second");
        fixture
    }

    fn add_disk(fixture: &Fixture, name: &str) {
        let mut vm = fixture.vm();
        fs::write(vm.path().join(name), "").unwrap();
        let mut config = vm.config().clone();
        config.disks.push(crate::Disk { path: name.into(), format: crate::DiskFormat::Raw, bus: None });
        vm.set_config(config).unwrap();
    }

    #[test]
    fn a_snapshot_that_crashed_at_any_point_is_not_there_and_the_next_one_is_whole() {
        let mut points = 0;
        loop {
            let fixture = with_snapshot();
            let new = NewSnapshot { name: Some("two".to_owned()), description: String::new() };
            let done = crashed_at(points, || snapshot(&fixture.vm(), &new, &mut |_, _, _| {}));
            let finished = done.is_some();
            match done {
                Some(done) => drop(done.unwrap()),
                None => {
                    assert_eq!(snapshots(&fixture.vm()).unwrap().len(), 1, "after a crash at point {points}");
                    snapshot(&fixture.vm(), &new, &mut |_, _, _| {}).unwrap();
                }
            }
            assert_eq!(marked(&fixture), "second");
            let names = fs::read_dir(fixture.vm().path().join("snapshots")).unwrap();
            assert_eq!(names.count(), 2, "nothing half made stays, at point {points}");
            if finished {
                break;
            }
            points += 1;
        }
        assert!(points >= 5, "{points}");
    }

    #[test]
    fn a_revert_that_crashed_at_any_point_is_done_whole_or_not_at_all() {
        for discard in [false, true] {
            let mut points = 0;
            let mut ends = Vec::new();
            loop {
                let fixture = with_snapshot();
                let vm = fixture.vm();
                let one = find_snapshot(&vm, "one").unwrap();
                let go = |vm: &Bundle| revert(vm, &fixture.host(), &one, discard, &mut |_, _, _| {});
                let done = crashed_at(points, || go(&vm));
                let finished = done.is_some();
                if let Some(done) = done {
                    done.unwrap();
                } else {
                    // Whatever command comes next.
                    fixture.vm().require_off(sigillo_messages::words!("doing-start")).unwrap();
                }
                let mark = marked(&fixture);
                assert_eq!(fixture.vm().config().disks.len(), if mark == "first" { 1 } else { 2 });
                assert!(!fixture.vm().path().join(".revert").exists());
                assert!(
                    mark == "first"
                        || !fixture
                            .vm()
                            .path()
                            .join("snapshots")
                            .read_dir()
                            .unwrap()
                            .any(|e| { e.unwrap().path().join("disk-1").exists() })
                );
                if mark == "second" {
                    go(&fixture.vm()).unwrap();
                    assert_eq!(marked(&fixture), "first");
                }
                // What was there is not lost.
                let kept = snapshots(&fixture.vm()).unwrap();
                assert_eq!(kept.len(), if discard { 1 } else { 2 }, "at point {points}");
                assert!(kept.iter().all(|snapshot| snapshot.damaged.is_none()));
                if let Some(kept) = kept.iter().find(|snapshot| snapshot.automatic) {
                    revert(&fixture.vm(), &fixture.host(), kept, false, &mut |_, _, _| {}).unwrap();
                    assert_eq!(marked(&fixture), "second", "at point {points}");
                    assert_eq!(fixture.vm().config().disks.len(), 2);
                }
                ends.push(mark);
                if finished {
                    break;
                }
                points += 1;
            }
            assert!(points >= 8, "{points}");
            assert!(ends.contains(&"first".to_owned()) && ends.contains(&"second".to_owned()), "{ends:?}");
        }
    }
}
