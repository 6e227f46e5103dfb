//! Times the slow operations: `cargo run --release --example measure`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use sigillo_crypto::derive;
use sigillo_crypto::drbg::Drbg;
use sigillo_crypto::rsa::{self, RsaPrivate};
use sigillo_crypto::{EccCurve, Error, HashAlg};

/// Median and mean of some runs of `run`, in microseconds.
fn time(name: &str, runs: u32, mut run: impl FnMut(u32) -> Result<(), Error>) -> Result<(), Error> {
    let mut times = Vec::new();
    for i in 0..runs {
        let start = Instant::now();
        run(i)?;
        times.push(start.elapsed());
    }
    times.sort();
    let mean = times.iter().sum::<Duration>() / runs;
    let median = times[times.len() / 2];
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{name:<28} median {:>10.1} us   mean {:>10.1} us", micros(median), micros(mean));
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
    for curve in EccCurve::ALL {
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
