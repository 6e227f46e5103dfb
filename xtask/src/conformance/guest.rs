//! Suites that need a kernel's TPM driver: they run inside a small guest whose QEMU is connected to the TPM as it would be
//! to swtpm.
use super::{
    Place, Suite,
    outcome::{Outcomes, Verdict},
    peer::Peer,
    script,
};
use crate::{
    guest::{self, Direct, More},
    sh::{self, Result, cmd},
    steps::work_dir,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

const INIT: &str = include_str!("scripts/guest.sh");
/// The machine is emulated: no accelerator has to be there, and none can be half there.
const LIMIT: Duration = Duration::from_secs(1800);
const PYTHON: &str = "/usr/lib/python3.11";
const KERNEL_SOURCES: &str = "linux-source-6.1";

/// The emulator, and what of Debian's goes into every guest.
const MACHINE: &[&str] = &["qemu-system-x86", "tpm2-tools", "libtss2-tcti-device0", "busybox-static", "kmod"];

pub(super) const KSELFTEST: Suite = Suite {
    name: "kselftest",
    about: "the Linux kernel's selftests/tpm2, from Debian's kernel sources, inside a guest",
    packages: &[MACHINE, &["python3.11", "xz-utils"]],
    quick: false,
    run: kselftest,
};

pub(super) const CRYPTENROLL: Suite = Suite {
    name: "cryptenroll",
    about: "systemd-cryptenroll: LUKS2 volumes bound to the TPM, inside a guest",
    packages: &[
        MACHINE,
        &["systemd", "cryptsetup-bin", "libtss2-rc0", "libtss2-esys-3.0.2-0", "libtss2-mu0"],
    ],
    quick: false,
    run: cryptenroll,
};

fn kselftest(place: &Place, peer: &Peer) -> Result<Outcomes> {
    let mut files = python_library()?;
    for path in tests_of_the_kernel(&place.dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(format!("suite/{name}"), sh::read_file(&path)?);
    }
    let mut programs = vec![PathBuf::from("/usr/bin/python3.11")];
    programs.extend(files_under(&Path::new(PYTHON).join("lib-dynload"), "so")?);
    let guest =
        build("kselftest", include_str!("scripts/kselftest.sh"), More { programs, files, modules: &[] })?;
    Ok(parse_unittest(&boot(place, peer, &guest)?))
}

fn cryptenroll(place: &Place, peer: &Peer) -> Result<Outcomes> {
    let mut programs: Vec<PathBuf> =
        ["/usr/sbin/cryptsetup", "/usr/bin/systemd-cryptenroll"].into_iter().map(PathBuf::from).collect();
    // Opened by name at run time, so no loader lists them.
    for library in [
        "libtss2-esys.so.0",
        "libtss2-rc.so.0",
        "libtss2-mu.so.0",
        "cryptsetup/libcryptsetup-token-systemd-tpm2.so",
    ] {
        programs.push(Path::new("/usr/lib/x86_64-linux-gnu").join(library));
    }
    let attach = Path::new("/usr/lib/systemd/systemd-cryptsetup");
    programs.push(attach.to_owned());
    let files = BTreeMap::from([("usr/bin/systemd-cryptsetup".to_owned(), sh::read_file(attach)?)]);
    let modules = &["dm_crypt", "xts", "algif_skcipher", "algif_hash"];
    let guest =
        build("cryptenroll", include_str!("scripts/cryptenroll.sh"), More { programs, files, modules })?;
    Ok(script::parse(&boot(place, peer, &guest)?))
}

fn build(name: &str, script: &str, more: More) -> Result<Direct> {
    guest::build_direct(&work_dir("guest")?, name, &format!("{INIT}\n{script}"), more)
}

/// Boots, waits until the guest has powered off, and returns what it said.
fn boot(place: &Place, peer: &Peer, guest: &Direct) -> Result<String> {
    let (_tpm, socket) = peer.start_for_qemu(&place.results)?;
    let disk = place.results.join("disk.img");
    std::fs::File::create(&disk).and_then(|file| file.set_len(64 << 20)).map_err(|e| e.to_string())?;
    let console = place.results.join("output.txt");
    let mut qemu =
        cmd("qemu-system-x86_64", ["-accel", "tcg,thread=multi", "-machine", "q35,smm=off", "-cpu", "max"]);
    qemu.args(["-m", "768", "-nodefaults", "-display", "none", "-no-reboot"]);
    qemu.args(["-append", guest::DIRECT_CMDLINE])
        .arg("-kernel")
        .arg(&guest.kernel)
        .arg("-initrd")
        .arg(&guest.initrd);
    qemu.arg("-serial").arg(format!("file:{}", console.display()));
    qemu.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", disk.display()));
    qemu.args(["-device", "virtio-blk-pci,drive=disk"]);
    qemu.arg("-chardev").arg(format!("socket,id=tpm,path={}", socket.display()));
    qemu.args(["-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]);
    let output = sh::output_within(&mut qemu, LIMIT)?;
    let said = String::from_utf8_lossy(&sh::read_file(&console)?).replace('\r', "");
    if said.contains("G: done") {
        Ok(said)
    } else {
        Err(format!("the guest did not end well: {}", sh::failure(&qemu, &output)))
    }
}

/// Debian's kernel sources are downloaded and two files of them unpacked.
fn tests_of_the_kernel(dir: &Path) -> Result<Vec<PathBuf>> {
    let tests = dir.join("tpm2");
    if !tests.join("tpm2_tests.py").exists() {
        println!("   downloading {KERNEL_SOURCES}");
        sh::read(cmd("apt-get", ["-q", "download", KERNEL_SOURCES]).current_dir(dir))?;
        let script = format!(
            "dpkg-deb --fsys-tarfile {KERNEL_SOURCES}_*.deb | tar xO ./usr/src/{KERNEL_SOURCES}.tar.xz | \
             tar xJ --strip-components=4 {KERNEL_SOURCES}/tools/testing/selftests/tpm2 && rm {KERNEL_SOURCES}_*.deb"
        );
        sh::read(cmd("bash", ["-o", "pipefail", "-c", &script]).current_dir(dir))?;
    }
    files_under(&tests, "py")
}

/// The standard library's sources, without the parts that are large and not for this.
fn python_library() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let packages = [
        "",
        "asyncio",
        "collections",
        "concurrent",
        "concurrent/futures",
        "encodings",
        "importlib",
        "logging",
        "re",
        "unittest",
    ];
    for package in packages {
        for path in files_under(&Path::new(PYTHON).join(package), "py")? {
            files.insert(path.to_string_lossy().trim_start_matches('/').to_owned(), sh::read_file(&path)?);
        }
    }
    Ok(files)
}

fn files_under(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .collect();
    all.sort();
    Ok(all)
}

/// `test_seal_with_auth (tpm2_tests.SmokeTest.test_seal_with_auth) ... ok`
fn parse_unittest(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for line in text.lines() {
        let Some((test, word)) = line.split_once(" ... ") else { continue };
        let Some((_, name)) = test.trim_end_matches(')').split_once("(tpm2_tests.") else { continue };
        let verdict = match word.trim() {
            "ok" => Verdict::Passed,
            word if word.starts_with("skipped") => Verdict::Skipped,
            _ => Verdict::Failed,
        };
        outcomes.add(name, verdict);
    }
    outcomes
}
