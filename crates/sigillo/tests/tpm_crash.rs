//! The TPM process killed at any moment: nothing it acknowledged is lost, and it starts again.

mod tpm;

use std::time::Duration;

use tpm::*;

const INDEX: &str = "01500020";
const COUNTER: &str = "01500021";
/// A session area with an empty password.
const PASSWORD: &str = "00000009 40000009 0000 00 0000";

fn command(code: &str, handles: &str, parameters: &str) -> Vec<u8> {
    command_with(code, handles, PASSWORD, parameters)
}

fn command_with(code: &str, handles: &str, area: &str, parameters: &str) -> Vec<u8> {
    let body = hex(&format!("{code} {handles} {area} {parameters}"));
    let size = u32::try_from(6 + body.len()).unwrap();
    [&[0x80, 0x02][..], &size.to_be_bytes(), &body].concat()
}

/// NV_DefineSpace by the owner: authRead, authWrite, no dictionary attack.
fn define(index: &str, attributes: &str, size: &str) -> Vec<u8> {
    let public = format!("{index} 000b {attributes} 0000 {size}");
    let len = hex(&public).len();
    command("0000012a", "40000001", &format!("0000 {len:04x} {public}"))
}

fn write(value: u64) -> Vec<u8> {
    command("00000137", &format!("{INDEX} {INDEX}"), &format!("0008 {value:016x} 0000"))
}

/// The first parameter of NV_Read as a number; `None` if the index was never written.
fn read(data: &mut Data, index: &str) -> Option<u64> {
    let response = data.run(&command("0000014e", &format!("{index} {index}"), "0008 0000"));
    match code(&response) {
        0 => Some(u64::from_be_bytes(response[16..24].try_into().unwrap())),
        0x14a => None,
        other => panic!("NV_Read answered {other:#x}"),
    }
}

fn increment() -> Vec<u8> {
    command("00000134", &format!("{COUNTER} {COUNTER}"), "")
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "000102030405060708090a0b0c0d0e0f").unwrap();
    let key = format!("file={},mode=aes-128-cbc", key.display());
    let start = || Tpm::start(dir.path(), &["--key", &key]);

    let tpm = start();
    let mut data = tpm.control().power_on();
    // TPMA_NV: AUTHWRITE, AUTHREAD, NO_DA; and the counter type for the second.
    assert_eq!(data.code(&define(INDEX, "02040004", "0008")), 0);
    assert_eq!(data.code(&define(COUNTER, "02040014", "0008")), 0);
    assert_eq!(data.code(&increment()), 0);
    let mut counter = read(&mut data, COUNTER).unwrap();
    tpm.kill();

    let mut written: Option<u64> = None;
    let mut attempted: u64 = 0;
    for round in 0_u64..25 {
        let tpm = start();
        let mut data = tpm.control().power_on();
        // What was acknowledged is there; what was on its way may be, and nothing else.
        let found = read(&mut data, INDEX);
        assert!(found >= written, "round {round}: {found:?} after {written:?} was acknowledged");
        assert!(found <= Some(attempted), "round {round}: {found:?} was never written");
        let now = read(&mut data, COUNTER).unwrap();
        assert!(now == counter || now == counter + 1, "round {round}: {now} after {counter}");
        (written, counter) = (found, now);

        let pid = rustix::process::Pid::from_child(&tpm.child);
        // Some rounds are killed before the first write ends, others after a few.
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(200 + round * 1700));
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        loop {
            attempted += 1;
            match data.try_run(&write(attempted)) {
                Ok(response) => assert_eq!(code(&response), 0),
                Err(_) => break,
            }
            written = Some(attempted);
            match data.try_run(&increment()) {
                Ok(response) => assert_eq!(code(&response), 0),
                Err(_) => break,
            }
            counter += 1;
        }
        killer.join().unwrap();
    }
    assert!(written > Some(25), "hardly anything was written between the kills: {written:?}");
}

/// Dictionary attack with the host's help: a process killed after each wrong try would otherwise start with none.
#[test]
fn wrong_tries_are_not_forgotten_when_the_process_is_killed_after_each() {
    const AUTH_FAIL: u32 = 0x98e;
    const LOCKOUT: u32 = 0x921;
    let password = |text: &str| format!("0000000b 40000009 0000 00 0002 {text}");
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let tpm = Tpm::start(dir.path(), &[]);
        let data = tpm.control().power_on();
        (tpm, data)
    };
    let (tpm, mut data) = start();
    // Password "pw", protected: AUTHWRITE and AUTHREAD without NO_DA.
    let public = format!("{INDEX} 000b 00040004 0000 0008");
    assert_eq!(data.code(&command("0000012a", "40000001", &format!("0002 7077 000e {public}"))), 0);
    let write = |text: &str| {
        let handles = format!("{INDEX} {INDEX}");
        command_with("00000137", &handles, &password(text), "0008 0000000000000001 0000")
    };
    assert_eq!(data.code(&write("7077")), 0);
    tpm.kill();
    for _ in 0..3 {
        let (tpm, mut data) = start();
        assert_eq!(data.code(&write("6e6f")), AUTH_FAIL);
        tpm.kill();
    }
    let (tpm, mut data) = start();
    assert_eq!(data.code(&write("7077")), LOCKOUT);
    // lockoutAuth, which is empty: one wrong try disables it.
    let clear_tries = |area: &str| command_with("00000139", "4000000a", area, "");
    assert_eq!(data.code(&clear_tries(&password("6e6f"))), AUTH_FAIL);
    tpm.kill();
    let (tpm, mut data) = start();
    assert_eq!(data.code(&clear_tries(PASSWORD)), LOCKOUT);
    tpm.kill();
}
