//! Times the slow operations in processor time: `cargo run --release --example measure`.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use sigillo_crypto::derive;
use sigillo_crypto::drbg::Drbg;
use sigillo_crypto::rsa::{self, RsaPrivate};
use sigillo_crypto::{EccCurve, Error, HashAlg};

/// What this thread has used so far: other work on the machine does not show, much.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Least, median and mean of some runs of `run`, in microseconds.
fn time(name: &str, runs: u32, mut run: impl FnMut(u32) -> Result<(), Error>) -> Result<(), Error> {
    let mut times = Vec::new();
    for i in 0..runs {
        let start = processor_time();
        run(i)?;
        times.push(processor_time() - start);
    }
    times.sort();
    let mean = times.iter().sum::<Duration>() / runs;
    let [least, median] = [times[0], times[times.len() / 2]].map(micros);
    let mean = micros(mean);
    println!("{name:<24} least {least:>10.1} us   median {median:>10.1} us   mean {mean:>10.1} us");
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut drbg = Drbg::instantiate(&[7; 48], &[], &[])?;
    for (bits, runs) in [(2048, 40), (3072, 10), (4096, 6)] {
        let mut key: Option<RsaPrivate> = None;
        time(&format!("RSA-{bits} key"), runs, |i| {
            let mut seeded = derive::seeded(&[1; 64], b"MEASURE", &i.to_be_bytes());
            key = Some(derive::rsa(&mut seeded, bits, rsa::DEFAULT_EXPONENT)?);
            Ok(())
        })?;
        let Some(key) = key else { continue };
        let mut block = vec![0x55; key.public().size()];
        time(&format!("RSA-{bits} private"), 50, |_| {
            block = key.raw(&block, &mut drbg)?.to_vec();
            Ok(())
        })?;
        time(&format!("RSA-{bits} public"), 200, |_| key.public().raw(&block).map(|_| ()))?;
        let prime = key.primes()[0].clone();
        time(&format!("RSA-{bits} load"), 50, |_| RsaPrivate::from_prime(key.public(), &prime).map(|_| ()))?;
    }
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut drbg, curve)?;
        let public = key.public()?;
        time(&format!("{curve:?} public point"), 200, |_| key.public().map(|_| ()))?;
        time(&format!("{curve:?} ECDH"), 200, |_| key.ecdh(&public).map(|_| ()))?;
        let mut signature = key.sign(&[3; 32], &mut drbg)?;
        time(&format!("{curve:?} sign"), 200, |_| {
            signature = key.sign(&[3; 32], &mut drbg)?;
            Ok(())
        })?;
        time(&format!("{curve:?} verify"), 200, |_| {
            sigillo_crypto::ecc::verify(&public, &[3; 32], signature.r(), signature.s())
        })?;
    }
    for alg in HashAlg::ALL {
        time(&format!("{alg:?} 64 octets"), 2000, |_| {
            std::hint::black_box(sigillo_crypto::hash::hash(alg, &[&[0; 64]]));
            Ok(())
        })?;
    }
    time("DRBG 32 octets", 2000, |_| drbg.generate(&mut [0; 32], &[]))
}
