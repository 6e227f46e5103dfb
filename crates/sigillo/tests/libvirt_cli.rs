//! VMs under libvirt, from the command line, with a program in place of `virsh` that plays a libvirtd: what is refused, and what a
//! command that was killed leaves. A real libvirtd is in `cargo xtask test --only libvirt`. Needs Debian's `ovmf` and QEMU.
mod place;

use place::Place;
use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Keeps one domain in files beside it, and every command in `log`.
const VIRSH: &str = r#"#!/bin/sh
here=$(dirname "$0")/..
[ "$1" = --connect ] && [ "$3" = --quiet ] || exit 9
shift 3
echo "$*" >>"$here/log"
[ -e "$here/down" ] && { echo "error: failed to connect to the hypervisor" >&2; exit 1; }
say() { echo "error: $1" >&2; exit 1; }
case $1 in
  capabilities) echo '<capabilities><host/></capabilities>' ;;
  domcapabilities) cat "$here/domcapabilities" ;;
  list) if [ -e "$here/uuid" ]; then cat "$here/uuid"; fi ;;
  domstate) [ -e "$here/state" ] || say "failed to get domain"; cat "$here/state" ;;
  dumpxml) cat "$here/domain" ;;
  define) cp "$2" "$here/domain"; sed -n 's/.*<uuid>\(.*\)<.uuid>.*/\1/p' "$2" >"$here/uuid"
    echo 'shut off' >"$here/state" ;;
  start) [ -e "$here/broken" ] && say 'no such machine <pc>'; echo running >"$here/state" ;;
  suspend) echo paused >"$here/state" ;;
  resume) echo running >"$here/state" ;;
  destroy) echo 'shut off' >"$here/state" ;;
  shutdown) echo 'shut off' >"$here/state" ;;
  undefine) [ "$2" = --keep-nvram ] || say "not so"; rm "$here/uuid" "$here/state" "$here/domain" ;;
  save) [ -e "$here/full" ] && { printf LibvirtQemudPart >"$3"; rm "$3"; say "No space left on device"; }
    printf 'LibvirtQemudSave and more' >"$3"; echo 'shut off' >"$here/state"
    [ -e "$here/killer" ] && kill -9 $PPID; true ;;
  restore) head -c 16 "$2" | grep -q LibvirtQemudSave || say "image magic is incorrect"; echo paused >"$here/state" ;;
  *) say "unknown command $1" ;;
esac
"#;

struct Fake(Place);

impl Fake {
    /// With a VM `demo` that libvirt is to run; these are more options for it.
    fn with_demo(more: &[&str]) -> Self {
        let place = Place::empty();
        let bin = place.dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("virsh"), VIRSH).unwrap();
        fs::set_permissions(bin.join("virsh"), fs::Permissions::from_mode(0o755)).unwrap();
        let fake = Self(place);
        fake.offers("emulator");
        let all = ["vm", "create", "demo", "--accel", "tcg", "--hypervisor", "libvirt"];
        fake.0.ok(&[&all, more].concat());
        fake
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn offers(&self, backend: &str) {
        let text = format!(
            "<domainCapabilities><devices><tpm supported='yes'><enum name='backendModel'><value>{backend}</value></enum></tpm>\
             </devices></domainCapabilities>"
        );
        self.put("domcapabilities", &text);
    }

    fn status(&self) -> String {
        let info = self.0.json(&["vm", "info", "demo", "--json"]);
        assert_eq!(info["hypervisor"], "libvirt");
        info["status"].as_str().unwrap().to_owned()
    }

    fn uuid(&self) -> String {
        let toml = fs::read_to_string(self.0.bundle().join("vm.toml")).unwrap();
        toml.lines().find_map(|line| line.strip_prefix("uuid = ")).unwrap().trim_matches('"').to_owned()
    }
}

const BIOS: [&str; 2] = ["--firmware", "bios"];

#[test]
fn the_verbs_of_a_vm_are_those_of_its_domain() {
    let fake = Fake::with_demo(&BIOS);
    assert_eq!(fake.status(), "stopped");
    fake.0.ok(&["vm", "start", "demo"]);
    assert_eq!(fake.status(), "running");
    let domain = fs::read_to_string(fake.file("domain")).unwrap();
    assert!(domain.contains(&fake.uuid()) && domain.contains("<name>demo</name>"), "{domain}");
    assert!(!fake.0.bundle().join("run/domain.xml").exists());
    fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_VM_RUNNING");
    fake.0.refused(&["vm", "delete", "demo", "--yes"], "SIG_ERR_VM_RUNNING");
    fake.0.ok(&["vm", "pause", "demo"]);
    assert_eq!(fake.status(), "paused");
    fake.0.ok(&["vm", "unpause", "demo"]);
    let listed = fake.0.ok(&["vm", "list"]);
    assert!(listed.contains("running"), "{listed}");
    fake.0.ok(&["vm", "suspend", "demo"]);
    assert_eq!(fake.status(), "suspended");
    fake.0.refused(&["vm", "hardware", "add", "disk", "demo", "--size", "1"], "SIG_ERR_VM_SUSPENDED");
    fake.0.ok(&["vm", "resume", "demo"]);
    assert_eq!(fake.status(), "running");
    assert!(!fake.0.bundle().join("suspended").exists());
    assert!(fake.0.ok(&["vm", "stop", "demo"]).contains("has shut down"));
    fake.0.ok(&["vm", "delete", "demo", "--yes"]);
    assert!(!fake.file("domain").exists(), "undefined with it");
}

#[test]
fn what_libvirt_saved_after_the_command_was_killed_is_not_lost() {
    let fake = Fake::with_demo(&BIOS);
    fake.0.ok(&["vm", "start", "demo"]);
    fake.put("killer", "");
    let killed = fake.0.run(&["vm", "suspend", "demo"]);
    assert_eq!(killed.status.code(), None, "killed");
    assert!(!fake.0.bundle().join("suspended").exists());
    assert_eq!(fake.status(), "suspended");
    fs::remove_file(fake.file("killer")).unwrap();
    fake.0.ok(&["vm", "resume", "demo"]);
    assert_eq!(fake.status(), "running");
    let log = fs::read_to_string(fake.file("log")).unwrap();
    assert!(log.contains("restore ") && log.contains("--paused"), "{log}");
}

#[test]
fn a_guest_that_libvirt_does_not_save_runs_on() {
    let fake = Fake::with_demo(&BIOS);
    fake.0.ok(&["vm", "start", "demo"]);
    fake.put("full", "");
    let said = fake.0.refused(&["vm", "suspend", "demo"], "SIG_ERR_VM_SUSPEND");
    assert!(said.contains("No space left") && said.contains("The guest runs on"), "{said}");
    assert_eq!(fake.status(), "running");
    assert!(!fake.0.bundle().join(".suspended.new").exists());
}

#[test]
fn a_saved_state_that_was_changed_is_not_gone_on_from() {
    let fake = Fake::with_demo(&BIOS);
    fake.0.ok(&["vm", "start", "demo"]);
    fake.0.ok(&["vm", "suspend", "demo"]);
    let memory = fake.0.bundle().join("suspended/memory");
    fs::write(&memory, "LibvirtQemudSave and m0re").unwrap();
    fake.0.refused(&["vm", "resume", "demo"], "SIG_ERR_VM_SAVED_DAMAGED");
    fs::write(&memory, "something that QEMU wrote").unwrap();
    fake.0.refused(&["vm", "resume", "demo"], "SIG_ERR_VM_SAVED_DAMAGED");
    assert_eq!(fake.status(), "suspended");
    fake.0.ok(&["vm", "resume", "demo", "--discard", "--yes"]);
    assert_eq!(fake.status(), "stopped");
}

/// In the place of a QEMU that libvirt started: a process with its name and the UUID of the machine.
struct Qemu(Child);

impl Qemu {
    fn of(fake: &Fake) -> Self {
        let program = fake.file("bin/qemu-fake");
        if !program.exists() {
            std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        }
        let mut command = Command::new(program);
        // Its own words end where nobody holds the other end of its input any more.
        command.args(["-c", "echo up; read end", "-uuid", &fake.uuid()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
        Self(child)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_guest_runs_on_while_libvirtd_does_not_answer() {
    let fake = Fake::with_demo(&BIOS);
    fake.0.ok(&["vm", "start", "demo"]);
    let qemu = Qemu::of(&fake);
    fake.put("down", "");
    assert_eq!(fake.status(), "running");
    let listed = fake.0.run(&["vm", "list"]);
    let (rows, note) = (String::from_utf8(listed.stdout).unwrap(), String::from_utf8(listed.stderr).unwrap());
    assert!(listed.status.success() && rows.contains("running"), "{rows}");
    let process = format!("runs on without the daemon, in process {}", qemu.0.id());
    assert!(note.contains(&process) && note.contains("systemctl start libvirtd"), "{note}");
    fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_VM_RUNNING");
    fake.0.refused(&["vm", "delete", "demo", "--yes"], "SIG_ERR_VM_RUNNING");
    for args in [&["vm", "stop", "demo"][..], &["vm", "suspend", "demo"], &["vm", "pause", "demo"]] {
        let said = fake.0.refused(args, "SIG_ERR_LIBVIRT_CONNECT");
        assert!(said.contains(&process), "{said}");
    }
    fs::remove_file(fake.file("down")).unwrap();
    assert!(!fake.0.ok(&["vm", "info", "demo"]).contains("does not answer"));
    drop(qemu);
    fake.0.ok(&["vm", "stop", "demo"]);
    assert_eq!(fake.status(), "stopped");
}

#[test]
fn a_guest_that_ended_while_libvirtd_was_gone_is_off_and_its_vm_can_do_without_libvirt() {
    let fake = Fake::with_demo(&BIOS);
    fake.0.ok(&["vm", "start", "demo"]);
    assert!(fake.0.bundle().join("run/state.json").exists());
    fake.put("down", "");
    assert_eq!(fake.status(), "stopped");
    assert!(fake.0.ok(&["vm", "list", "-a"]).contains("stopped"));
    for args in [&["vm", "start", "demo"][..], &["vm", "stop", "demo"], &["vm", "delete", "demo", "--yes"]] {
        let said = fake.0.refused(args, "SIG_ERR_LIBVIRT_CONNECT");
        assert!(said.contains("It is off: no QEMU of it is there"), "{said}");
        assert!(
            said.contains("hypervisor = \"qemu\"") && said.contains("systemctl start libvirtd"),
            "{said}"
        );
    }
    assert!(fake.0.bundle().exists());
    // As it says.
    let toml = fake.0.bundle().join("vm.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("hypervisor = \"libvirt\"", "hypervisor = \"qemu\"")).unwrap();
    fake.0.ok(&["vm", "start", "demo"]);
    assert_eq!(fake.0.json(&["vm", "info", "demo", "--json"])["status"], "running");
    fake.0.ok(&["vm", "stop", "demo", "--force"]);
    // And back, once the daemon is.
    fs::write(&toml, text).unwrap();
    fs::remove_file(fake.file("down")).unwrap();
    fake.put("state", "shut off");
    fake.0.ok(&["vm", "start", "demo"]);
    assert_eq!(fake.status(), "running");
    fake.0.ok(&["vm", "stop", "demo"]);
    fake.0.ok(&["vm", "delete", "demo", "--yes"]);
    assert!(!fake.file("domain").exists(), "undefined with it");
}

#[test]
fn what_libvirt_refuses_is_told_in_its_words_and_nothing_runs() {
    let fake = Fake::with_demo(&BIOS);
    fake.put("broken", "");
    let said = fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_LIBVIRT_REFUSED");
    assert!(said.contains("no such machine <pc>"), "{said}");
    assert_eq!(fake.status(), "stopped");
}

#[test]
fn what_a_domain_cannot_have_is_refused_before_anything_is_touched() {
    let fake = Fake::with_demo(&["--disk-size", "1", "--disk-bus", "nvme"]);
    let said = fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_LIBVIRT_CANNOT");
    assert!(said.contains("NVMe") && said.contains("hypervisor = \"qemu\""), "{said}");
    let toml = fake.0.bundle().join("vm.toml");
    let text = fs::read_to_string(&toml).unwrap().replace("bus = \"nvme\"", "bus = \"sata\"");
    fs::write(&toml, text.replace("[[networks]]", "[[networks]]\nrestrict = true")).unwrap();
    fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_LIBVIRT_CANNOT");
    assert!(!fs::read_to_string(fake.file("log")).unwrap().contains("define"));
}

#[test]
fn a_libvirt_without_tpm_and_a_domain_of_somebody_else_are_told() {
    let fake = Fake::with_demo(&[]);
    fake.0.ok(&["tpm", "add", "demo", "--no-recovery-code"]);
    fake.offers("passthrough");
    let before = fake.0.picture();
    let said = fake.0.refused(&["vm", "start", "demo"], "SIG_ERR_LIBVIRT_TPM");
    assert!(said.contains("swtpm-tools"), "{said}");
    let doctor = fake.0.run(&["doctor", "demo", "--json"]);
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert!(
        found.contains("SIG_ERR_LIBVIRT_TPM") && found.contains("apt-get install swtpm-tools"),
        "{found}"
    );
    fake.offers("external");
    let doctor = String::from_utf8(fake.0.run(&["doctor", "demo", "--json"]).stdout).unwrap();
    assert!(doctor.contains("SIG_NOTE_LIBVIRT") && !doctor.contains("SIG_ERR_LIBVIRT"), "{doctor}");
    fake.put("uuid", &fake.uuid());
    fake.put("state", "shut off\n");
    fake.put("domain", "<domain><name>other</name></domain>");
    for verb in
        [&["vm", "start", "demo"][..], &["vm", "rename", "demo", "new"], &["vm", "delete", "demo", "--yes"]]
    {
        fake.0.refused(verb, "SIG_ERR_LIBVIRT_DOMAIN");
    }
    assert_eq!(fs::read_to_string(fake.file("domain")).unwrap(), "<domain><name>other</name></domain>");
    assert_eq!(fake.0.picture(), before);
}

#[test]
fn other_hosts_and_other_programs_are_no_connection() {
    let fake = Fake::with_demo(&BIOS);
    for uri in ["qemu+ssh://host/system", "qemu:///system?command=/bin/sh", "test:///default"] {
        let args = ["vm", "create", "other", "--hypervisor", "libvirt", "--libvirt-uri", uri];
        let (status, said) = fake.0.ends(&args);
        assert!(status == 2 && said.contains("--libvirt-uri") && said.contains("qemu:///session"), "{said}");
    }
    fake.0.refused(&["vm", "create", "other", "--libvirt-uri", "qemu:///session"], "SIG_ERR_USAGE");
    assert!(!fake.file("vms/other.sigillo").exists());
}
