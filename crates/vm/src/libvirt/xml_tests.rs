use super::*;
use crate::accel::{Choice, Reason};
use proptest::prelude::*;

fn bundle(toml: &str) -> (tempfile::TempDir, Bundle) {
    let dir = tempfile::tempdir().unwrap();
    let vm = dir.path().join("vm.sigillo");
    std::fs::create_dir(&vm).unwrap();
    let head = "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"a b\"\nmemory_mib = 512\ncpus = 2\n\
        hypervisor = \"libvirt\"\n";
    std::fs::write(vm.join("vm.toml"), format!("{head}{toml}")).unwrap();
    let vm = Bundle::load(&vm).unwrap();
    (dir, vm)
}

fn described(vm: &Bundle, password: Option<&str>) -> String {
    let run = vm.run_dir(true).unwrap();
    let accel = Choice { accel: Accel::Tcg, reason: Reason::Configuration };
    let real = std::fs::canonicalize(vm.path()).unwrap();
    let parts = Parts { vm, run: &run, accel: &accel, real: &real, password };
    String::from_utf8(domain(&parts).unwrap()).unwrap()
}

const WINDOWS: &str = "guest = \"windows-11\"\nfirmware = \"uefi\"\nsecure_boot = true\n\
    [[disks]]\npath = \"a&b'<x>.img\"\nformat = \"raw\"\nbus = \"sata\"\n[[disks]]\npath = \"c.qcow2\"\nformat = \"qcow2\"\n\
    [[cdroms]]\npath = \"/iso/w.iso\"\nboot_first = true\n[[networks]]\n[display]\nkind = \"vnc\"\nport = 5901\n\
    [tpm]\ninterface = \"tis\"\nstore = \"tpm.store\"\nencrypted = true\n";

#[test]
fn what_vm_toml_says_is_in_the_domain_and_read_back_as_it_was() {
    let (_dir, vm) = bundle(WINDOWS);
    let text = described(&vm, Some("p<w&d"));
    let all = elements(&text).unwrap();
    let one = |path: &[&str]| {
        let path: Vec<&str> = ["domain"].iter().chain(path).copied().collect();
        all.iter().filter(|found| found.is(&path)).collect::<Vec<_>>()
    };
    let attribute = |path: &[&str], name: &str| {
        one(path).iter().map(|found| found.attribute(name).unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(one(&["uuid"])[0].text, vm.config().uuid.to_string());
    assert_eq!(one(&["name"])[0].text, "a b");
    assert_eq!(attribute(&["os", "loader"], "secure"), ["yes"]);
    assert!(one(&["os", "nvram"])[0].text.ends_with("/firmware-vars.fd"));
    assert_eq!(attribute(&["features", "smm"], "state"), ["on"]);
    assert_eq!(attribute(&["clock"], "offset"), ["localtime"]);
    let real = std::fs::canonicalize(vm.path()).unwrap();
    let inside = |name: &str| real.join(name).to_str().unwrap().to_owned();
    let sources = [inside("a&b'<x>.img"), inside("c.qcow2"), "/iso/w.iso".to_owned()];
    assert_eq!(attribute(&["devices", "disk", "source"], "file"), sources);
    assert_eq!(attribute(&["devices", "disk", "driver"], "type"), ["raw", "qcow2", "raw"]);
    assert_eq!(attribute(&["devices", "disk", "target"], "dev"), ["sda", "vda", "sdb"]);
    assert_eq!(attribute(&["devices", "disk", "boot"], "order"), ["2", "3", "1"]);
    assert_eq!(attribute(&["devices", "interface", "model"], "type"), ["e1000e"]);
    assert_eq!(attribute(&["devices", "graphics"], "passwd"), ["p<w&d"]);
    assert_eq!(attribute(&["devices", "graphics"], "listen"), ["127.0.0.1"]);
    assert_eq!(attribute(&["devices", "tpm"], "model"), ["tpm-tis"]);
    assert_eq!(attribute(&["devices", "tpm", "backend"], "type"), ["external"]);
    assert_eq!(attribute(&["devices", "tpm", "backend", "source"], "path"), [inside("run/tpm.sock")]);
    assert_eq!(owner(&text), Ok(Owner::Bundle(real.clone())));
}

#[test]
fn a_vm_without_screen_or_chip_has_neither_in_its_domain() {
    let (_dir, vm) = bundle("guest = \"linux\"\nfirmware = \"bios\"\n");
    let text = described(&vm, None);
    let has = |name: &str| elements(&text).unwrap().iter().any(|found| found.path.last().unwrap() == name);
    for name in ["tpm", "graphics", "loader", "nvram", "interface", "disk"] {
        assert!(!has(name), "{name}: {text}");
    }
    assert!(text.contains("<model type=\"none\"/>") && text.contains("<clock offset=\"utc\"/>"), "{text}");
}

#[test]
fn what_a_config_can_say_adds_no_element() {
    let (_dir, vm) = bundle(
        "guest = \"linux\"\nfirmware = \"bios\"\n[[disks]]\npath = \"/x'/><qemu:arg value='-x\"\nformat = \"raw\"\n",
    );
    let text = described(&vm, None);
    let all = elements(&text).unwrap();
    assert!(all.iter().all(|found| found.path.last().unwrap() != "arg"), "{text}");
    let source = all.iter().find(|found| found.is(&["domain", "devices", "disk", "source"])).unwrap();
    assert_eq!(source.attribute("file"), Some("/x'/><qemu:arg value='-x"));
}

#[test]
fn a_domain_of_somebody_else_is_told_from_ours() {
    let foreign = "<domain><name>x</name><metadata><app:vm xmlns:app='https://other.invalid/1' bundle='/b'/></metadata></domain>";
    assert_eq!(owner(foreign), Ok(Owner::Other));
    let unmarked = "<domain><vm bundle='/b'/><devices/></domain>";
    assert_eq!(owner(unmarked), Ok(Owner::Other));
    let ours =
        format!("<domain><metadata><q:vm xmlns:q='{NAMESPACE}' bundle='/a &amp; b'/></metadata></domain>");
    assert_eq!(owner(&ours), Ok(Owner::Bundle(PathBuf::from("/a & b"))));
    for broken in ["<domain><metadata></domain>", "<domain a='&nope;'/>"] {
        assert!(owner(broken).is_err(), "{broken}");
    }
    let deep = "<a>".repeat(100);
    assert!(owner(&deep).is_err());
}

const CAPABILITIES: &str = "<capabilities><host><secmodel><model>apparmor</model><doi>0</doi></secmodel>\
        <secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+64055:+108</baselabel>\
        <baselabel type='qemu'>+64055:+108</baselabel></secmodel></host></capabilities>";

#[test]
fn what_libvirt_says_of_a_host_is_found_in_its_answers() {
    let found = confinement(CAPABILITIES).unwrap();
    assert_eq!(found, Confinement { ids: Some((64_055, 108)), models: vec!["apparmor".to_owned()] });
    assert_eq!(confinement("<capabilities><host/></capabilities>"), Ok(Confinement::default()));
    assert!(confinement(&CAPABILITIES.replace("+64055:+108", "libvirt-qemu")).is_err());
    let domain = "<domainCapabilities><devices><tpm supported='yes'><enum name='model'><value>tpm-crb</value></enum>\
        <enum name='backendModel'><value>passthrough</value><value>emulator</value></enum></tpm>\
        <disk><enum name='bus'><value>sata</value></enum></disk></devices></domainCapabilities>";
    assert_eq!(tpm_backends(domain).unwrap(), ["passthrough", "emulator"]);
    assert_eq!(
        machine("<domain><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os></domain>").unwrap(),
        "pc-q35-7.2"
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "[<>/&;a-z:='\" !?\\[-]{0,80}", at in 0usize..400, byte in any::<char>()) {
        let read = |text: &str| (owner(text), machine(text), tpm_backends(text), confinement(text));
        let _ = read(&text);
        let mut good: Vec<char> = CAPABILITIES.chars().collect();
        let at = at % good.len();
        good[at] = byte;
        let _ = read(&good.into_iter().collect::<String>());
    }
}
