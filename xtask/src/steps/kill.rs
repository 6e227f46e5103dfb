//! kill -9 of the TPM's process in the middle of writes: after every start the TPM holds what it last acknowledged, or the
//! one write that was under way. The commands are spelled out here (Part 3, 31), so that no code of ours stands on both sides.
//!
//! `SIGILLO_TEST_KILLS` says how many kills, `SIGILLO_TEST_SEED` when: the same seed waits as long before each.
use super::{Context, fresh_dir, setting, tpm2_tools};
use crate::{
    report::Report,
    sh::{Result, cmd},
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Child,
    thread,
    time::Duration,
};

const KILLS: u64 = 30;
const OWNER: [u8; 4] = [0x40, 0, 0, 1];
const INDEX: [u8; 4] = [1, 0x50, 0, 0x20];
/// One password session, empty: TPM_RS_PW, no nonce, no attributes, no password.
const PASSWORD: [u8; 13] = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];

const NV_DEFINE_SPACE: u32 = 0x12A;
const NV_WRITE: u32 = 0x137;
const NV_READ: u32 = 0x14E;

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    let dir = fresh_dir("kill")?;
    let mut program = || -> Result<std::process::Command> {
        Ok(match std::env::var_os("SIGILLO_TEST_TPM") {
            Some(program) => cmd(program, [] as [&str; 0]),
            None => cmd(context.sigillo()?, ["swtpm"]),
        })
    };
    let mut tpm = tpm2_tools::start(&mut program()?, &dir)?;
    define(&dir).inspect_err(|_| end(&mut tpm))?;
    let mut acknowledged = write(&dir, 1)?.map_or(0, |()| 1);
    let (kills, seed) = (setting("SIGILLO_TEST_KILLS", KILLS)?, setting("SIGILLO_TEST_SEED", 1)?);
    let (mut lost, mut invented) = (0, 0);
    for round in 0..kills {
        let first = acknowledged + 1;
        let writer = thread::spawn({
            let dir = dir.clone();
            move || write_until_it_ends(&dir, first)
        });
        // Different every round, so that the end meets different points of a write.
        thread::sleep(Duration::from_micros(20_000 + scatter(seed, round) % 100_000));
        end(&mut tpm);
        acknowledged = writer.join().map_err(|_| "the writer panicked")?.unwrap_or(acknowledged);
        tpm = tpm2_tools::start(&mut program()?, &dir)?;
        let held = read(&dir).inspect_err(|_| end(&mut tpm))?;
        lost += u64::from(held < acknowledged);
        invented += u64::from(held > acknowledged + 1);
        acknowledged = held;
    }
    end(&mut tpm);
    report.check("no acknowledged write was lost", lost == 0, format!("{lost} of {kills} kills lost one"));
    report.check("nothing appeared that was not written", invented == 0, format!("{invented} of {kills}"));
    let busy = acknowledged > kills;
    report.check(
        "the kills met a TPM that was writing",
        busy,
        format!("{acknowledged} writes, {kills} kills, seed {seed}"),
    );
    Ok(())
}

/// SplitMix64's finalizer: neighbouring rounds wait differently, the same round and seed alike.
fn scatter(seed: u64, round: u64) -> u64 {
    let mut z = seed.wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn end(tpm: &mut Child) {
    // SIGKILL; it may be gone already, which is as good.
    let _ = tpm.kill();
    let _ = tpm.wait();
}

/// Writes number after number until the TPM is gone; the last one that was acknowledged.
fn write_until_it_ends(dir: &Path, first: u64) -> Option<u64> {
    let mut stream = connect(dir).ok()?;
    let mut last = None;
    for value in first.. {
        match transact(&mut stream, &write_command(value)) {
            Ok(answer) if answer.get(6..10) == Some(&[0; 4]) => last = Some(value),
            _ => break,
        }
    }
    last
}

fn write(dir: &Path, value: u64) -> Result<Option<()>> {
    let answer = transact(&mut connect(dir)?, &write_command(value))?;
    success(&answer).map(|()| Some(()))
}

fn define(dir: &Path) -> Result<()> {
    // Owner writes and reads, no dictionary attack protection: TPMA_NV bits 1, 17 and 25.
    let attributes = (1u32 << 1 | 1 << 17 | 1 << 25).to_be_bytes();
    let public = [&INDEX[..], &[0, 0x0B], &attributes, &[0, 0], &[0, 8]].concat();
    let parameters = [&[0, 0][..], &[0, 14], &public].concat();
    success(&transact(&mut connect(dir)?, &command(NV_DEFINE_SPACE, &OWNER, &parameters))?)
}

fn write_command(value: u64) -> Vec<u8> {
    let parameters = [&[0, 8][..], &value.to_be_bytes(), &[0, 0]].concat();
    command(NV_WRITE, &[OWNER, INDEX].concat(), &parameters)
}

fn read(dir: &Path) -> Result<u64> {
    let answer = transact(&mut connect(dir)?, &command(NV_READ, &[OWNER, INDEX].concat(), &[0, 8, 0, 0]))?;
    success(&answer)?;
    // Header, parameter size, size of the data, data.
    let data = answer.get(16..24).and_then(|data| data.try_into().ok());
    data.map(u64::from_be_bytes).ok_or_else(|| format!("NV_Read answered {answer:02x?}"))
}

fn command(code: u32, handles: &[u8], parameters: &[u8]) -> Vec<u8> {
    let body = [&code.to_be_bytes()[..], handles, &PASSWORD, parameters].concat();
    let size = u32::try_from(body.len() + 6).unwrap_or(u32::MAX);
    [&[0x80, 2][..], &size.to_be_bytes(), &body].concat()
}

fn success(answer: &[u8]) -> Result<()> {
    if answer.get(6..10) == Some(&[0; 4]) { Ok(()) } else { Err(format!("the TPM answered {answer:02x?}")) }
}

fn connect(dir: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(dir.join("s")).map_err(|e| format!("cannot reach the TPM: {e}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(|e| e.to_string())?;
    Ok(stream)
}

fn transact(stream: &mut UnixStream, command: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| format!("the TPM's socket: {e}");
    stream.write_all(command).map_err(failed)?;
    let mut answer = vec![0; 6];
    stream.read_exact(&mut answer).map_err(failed)?;
    let size = answer.get(2..6).and_then(|size| size.try_into().ok()).map_or(0, u32::from_be_bytes);
    let rest = usize::try_from(size).ok().and_then(|size| size.checked_sub(6)).filter(|rest| *rest <= 4096);
    let mut rest = vec![0; rest.ok_or_else(|| format!("an answer of {size} bytes"))?];
    stream.read_exact(&mut rest).map_err(failed)?;
    answer.append(&mut rest);
    Ok(answer)
}
