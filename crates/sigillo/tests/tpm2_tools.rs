//! tpm2-tools' everyday use against our sockets, with the swtpm and the mssim transport.

mod tpm;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tpm::*;

/// Two free ports in a row.
fn ports() -> u16 {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        if let Some(next) = port.checked_add(1)
            && TcpListener::bind(("127.0.0.1", next)).is_ok()
        {
            return port;
        }
    }
}

/// A TPM process and a directory for the tools' files.
struct Bench {
    child: Child,
    tcti: String,
    dir: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    fn new(transport: &str) -> Bench {
        need("tpm2_getcap");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let port = ports();
        let mut bench =
            Bench { child: start(transport, &dir.path().join("state"), port), tcti: String::new(), dir };
        bench.tcti = format!("{transport}:host=127.0.0.1,port={port}");
        bench.wait_listening(port);
        bench
    }

    fn wait_listening(&mut self, port: u16) {
        let start = Instant::now();
        // The control or platform port: the data port would take this for a client.
        while std::net::TcpStream::connect(("127.0.0.1", port + 1)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "the TPM process ended");
            assert!(start.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(need(words.next().unwrap()));
        command.args(words).env("TPM2TOOLS_TCTI", &self.tcti).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a tool, which must succeed, and gives its standard output.
    #[track_caller]
    fn run(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a tool, which must fail, and gives what it says.
    #[track_caller]
    fn fails(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(!output.status.success(), "{line} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// The tools talk to the TPM without a resource manager, so what they leave loaded is flushed.
    fn flush(&self) {
        for kind in ["-t", "-l", "-s"] {
            self.run(&format!("tpm2_flushcontext {kind}"));
        }
    }
}

fn start(transport: &str, state: &Path, port: u16) -> Child {
    let mut command = program();
    command.arg("swtpm");
    match transport {
        "swtpm" => {
            command.args(["socket", "--flags", "not-need-init"]);
            command.args(["--server", &format!("type=tcp,port={port}")]);
            command.args(["--ctrl", &format!("type=tcp,port={}", port + 1)]);
        }
        "mssim" => {
            command.args(["mssim", "--port", &port.to_string()]);
        }
        other => panic!("no transport {other}"),
    }
    command.args(["--tpm2", "--tpmstate", &format!("dir={}", state.display())]).spawn().unwrap()
}

fn everyday(transport: &str) {
    let bench = Bench::new(transport);
    bench.run("tpm2_startup -c");
    let fixed = bench.run("tpm2_getcap properties-fixed");
    assert!(fixed.contains("TPM2_PT_MANUFACTURER") && fixed.contains("SGLO"), "{fixed}");
    bench.run("tpm2_selftest --fulltest");
    assert_eq!(bench.run("tpm2_getrandom --hex 20").trim().len(), 40);
    for capability in ["algorithms", "commands", "pcrs", "handles-persistent", "ecc-curves"] {
        assert!(
            capability == "handles-persistent" || !bench.run(&format!("tpm2_getcap {capability}")).is_empty()
        );
    }

    // PCRs: an extend is the hash of old and new.
    bench.run(&format!("tpm2_pcrextend 16:sha256={}", "ab".repeat(32)));
    let pcr = bench.run("tpm2_pcrread sha256:16");
    let mut old_and_new = vec![0; 32];
    old_and_new.extend([0xab; 32]);
    std::fs::write(bench.dir.path().join("link"), old_and_new).unwrap();
    let digest = bench.run("tpm2_hash -g sha256 --hex link").trim().to_uppercase();
    assert!(pcr.contains(&format!("0x{digest}")), "{pcr} {digest}");

    // A secret sealed to PCR 16 unseals, and no more after the PCR has changed.
    bench.write("secret", "the launch code is 0000");
    bench.run("tpm2_createprimary -Q -C o -G ecc -c primary.ctx");
    bench.run("tpm2_startauthsession -S trial.ctx");
    bench.run("tpm2_policypcr -Q -S trial.ctx -l sha256:16 -L policy");
    bench.run("tpm2_flushcontext trial.ctx");
    bench.run("tpm2_create -Q -C primary.ctx -i secret -L policy -u seal.pub -r seal.priv");
    bench.flush();
    bench.run("tpm2_load -Q -C primary.ctx -u seal.pub -r seal.priv -c seal.ctx");
    bench.flush();
    assert_eq!(bench.run("tpm2_unseal -c seal.ctx -p pcr:sha256:16"), "the launch code is 0000");
    bench.run(&format!("tpm2_pcrextend 16:sha256={}", "01".repeat(32)));
    let refused = bench.fails("tpm2_unseal -c seal.ctx -p pcr:sha256:16");
    assert!(refused.to_lowercase().contains("0x99d"), "{refused}");
    bench.flush();

    // Attestation: a quote verifies, and not with another nonce.
    bench.run("tpm2_createek -Q -G rsa -c ek.ctx -u ek.pub");
    bench.flush();
    bench.run("tpm2_createak -Q -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -f pem -n ak.name");
    bench.flush();
    bench.run(
        "tpm2_quote -Q -c ak.ctx -l sha256:0,16 -q abcd -m quote.msg -s quote.sig -o quote.pcrs -g sha256",
    );
    bench.run("tpm2_checkquote -Q -u ak.pub -m quote.msg -s quote.sig -f quote.pcrs -g sha256 -q abcd");
    bench.fails("tpm2_checkquote -Q -u ak.pub -m quote.msg -s quote.sig -f quote.pcrs -g sha256 -q abce");
    bench.flush();

    // Signing, in both families.
    bench.write("message", "hello");
    for (name, alg) in [("rsa", "rsa2048:rsassa"), ("ecc", "ecc:ecdsa")] {
        bench.run("tpm2_createprimary -Q -C o -G ecc -c primary.ctx");
        bench.run(&format!("tpm2_create -Q -C primary.ctx -G {alg} -u {name}.pub -r {name}.priv"));
        bench.flush();
        bench.run(&format!("tpm2_load -Q -C primary.ctx -u {name}.pub -r {name}.priv -c {name}.ctx"));
        bench.flush();
        bench.run(&format!("tpm2_sign -Q -c {name}.ctx -g sha256 -o {name}.sig message"));
        bench.run(&format!("tpm2_verifysignature -Q -c {name}.ctx -g sha256 -s {name}.sig -m message"));
        bench.write("other", "hullo");
        bench.fails(&format!("tpm2_verifysignature -Q -c {name}.ctx -g sha256 -s {name}.sig -m other"));
        bench.flush();
    }

    // NV: plain, with a password, and a counter.
    bench.run("tpm2_nvdefine -Q 0x1500016 -C o -s 32 -a ownerread|ownerwrite|authread|authwrite -p nvpass");
    bench.write("nvdata", "thirty-two bytes of data in here");
    bench.run("tpm2_nvwrite -Q 0x1500016 -C 0x1500016 -P nvpass -i nvdata");
    assert_eq!(
        bench.run("tpm2_nvread 0x1500016 -C 0x1500016 -P nvpass -s 32"),
        "thirty-two bytes of data in here"
    );
    bench.fails("tpm2_nvread 0x1500016 -C 0x1500016 -P wrong -s 32");
    bench.run("tpm2_nvdefine -Q 0x1500017 -C o -a nt=counter|ownerread|ownerwrite");
    bench.run("tpm2_nvincrement -Q 0x1500017 -C o");
    assert!(bench.run("tpm2_nvreadpublic").contains("0x1500016"));

    // A persistent key, and then everything of the owner's is cleared.
    bench.run("tpm2_createprimary -Q -C o -G ecc -c primary.ctx");
    bench.run("tpm2_evictcontrol -Q -C o -c primary.ctx 0x81000001");
    bench.flush();
    assert!(bench.run("tpm2_getcap handles-persistent").contains("0x81000001"));
    bench.run("tpm2_readpublic -Q -c 0x81000001");
    bench.run("tpm2_changeauth -Q -c owner ownerpass");
    bench.fails("tpm2_evictcontrol -Q -C o -c 0x81000001");
    bench.run("tpm2_dictionarylockout -Q -s -n 5 -t 10 -l 20");
    bench.run("tpm2_clear -Q");
    assert!(!bench.run("tpm2_getcap handles-persistent").contains("0x81000001"));
    assert!(!bench.run("tpm2_getcap handles-nv-index").contains("0x1500016"));
    bench.run("tpm2_shutdown -c");
}

#[test]
fn everyday_use_works_over_the_swtpm_transport() {
    everyday("swtpm");
}

#[test]
fn everyday_use_works_over_the_simulator_transport() {
    everyday("mssim");
}
