//! What a command costs besides its primitive: the median of many, and what the hashes and HMACs of a session take by themselves.
//!
//! `cargo run --release -p sigillo-engine --example overhead`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use sigillo_client::{Auth, Client, Session, SessionOptions, Transport};
use sigillo_crypto::{hash::hash, hmac::hmac};
use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_types::{
    HashAlg,
    attributes::TpmaSession,
    command::Command,
    commands::{GetRandom, GetTestResult, PcrRead, ReadClock, Startup},
    constants::{SessionType, StartupType},
    structures::TpmlPcrSelection,
};
use std::{
    convert::Infallible,
    hint::black_box,
    time::{Duration, Instant},
};

const TIMES: usize = 20_000;

struct Machine;

impl Host for Machine {
    fn monotonic_ms(&mut self) -> u64 {
        0
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        out.fill(7);
        Ok(())
    }
}

/// The time between a command's octets and its answer's.
struct Timed {
    tpm: Tpm,
    last: Duration,
}

impl Transport for Timed {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        let start = Instant::now();
        let reply = self.tpm.execute(0, command, &mut Machine).stored();
        self.last = start.elapsed();
        Ok(reply)
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / 1000.0
}

fn command<C: Command>(name: &str, client: &mut Client<Timed>, command: &C, session: Option<&mut Session>) {
    let mut session = session;
    let times = (0..TIMES).map(|_| {
        let mut auths: Vec<Auth<'_>> = session
            .as_deref_mut()
            .map(|session| {
                let attributes = TpmaSession::CONTINUE_SESSION | TpmaSession::AUDIT;
                Auth::session_with(session, b"", attributes)
            })
            .into_iter()
            .collect();
        assert!(client.call_with(command, &mut auths).is_ok());
        client.transport().last
    });
    println!("{name:40} {:8.2} us", median(times.collect()));
}

fn main() {
    let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut Machine).unwrap();
    tpm.init(&mut Machine);
    let mut client = Client::new(Timed { tpm, last: Duration::ZERO });
    client.call(&Startup { startup_type: StartupType::Clear }).unwrap();
    let mut session = client.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    let read = PcrRead { pcr_selection_in: TpmlPcrSelection::default() };
    command("GetTestResult", &mut client, &GetTestResult {}, None);
    command("ReadClock", &mut client, &ReadClock {}, None);
    command("PCR_Read of nothing", &mut client, &read, None);
    command("GetRandom(16)", &mut client, &GetRandom { bytes_requested: 16 }, None);
    command("PCR_Read of nothing, audited under an HMAC session", &mut client, &read, Some(&mut session));
    command("ReadClock, audited under an HMAC session", &mut client, &ReadClock {}, Some(&mut session));
    // A session's primitives: cpHash, the command's HMAC, rpHash, the response's HMAC. The audit digest is one more.
    let times = (0..TIMES).map(|_| {
        let start = Instant::now();
        for _ in 0..2 {
            let digest = hash(HashAlg::Sha256, &[&[1; 4], &[2; 8]]);
            black_box(hmac(HashAlg::Sha256, &[], &[&digest, &[3; 32], &[4; 32], &[1]]));
        }
        start.elapsed()
    });
    println!("{:40} {:8.2} us", "two hashes and two HMACs alone", median(times.collect()));
}
