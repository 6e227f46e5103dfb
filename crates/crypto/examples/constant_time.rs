//! Looks for secrets in the time that operations take: two classes of inputs by turns drawn at random, and Welch's t between their times, after
//! Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?".
//!
//! `cargo run --release -p sigillo-crypto --example constant_time -- SECONDS` gives each operation that long and prints a line a table's row
//! for `cargo xtask bench --constant-time`. What it measures is whatever backend it was built with.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "statistics for people")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sigillo_crypto::drbg::Drbg;
use sigillo_crypto::ecc::{self, EcPrivate};
use sigillo_crypto::rsa::{self, RsaPrivate};
use sigillo_crypto::{EccCurve, Error, HashAlg, Rng, ct_eq, derive};

/// Inputs of each class, prepared before anything is timed.
const INPUTS: usize = 256;
/// Shares of the fastest measurements that are kept, in percent: what the machine does besides makes the slow ones slow.
const CROPS: [usize; 6] = [100, 99, 95, 90, 75, 50];

/// Mean and variance as they come. Welford.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    /// The square of the mean's standard error.
    fn error(self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Welch's t between two classes.
fn welch([a, b]: [Moments; 2]) -> f64 {
    let error = (a.error() + b.error()).sqrt();
    if error > 0.0 { (a.mean - b.mean) / error } else { 0.0 }
}

/// The largest |t| of all crops, the difference of the means of the fastest nine tenths, and the median.
fn judge(samples: &[(usize, f64)]) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let (mut worst, mut difference) = (0.0, 0.0);
    for crop in CROPS {
        let limit = sorted[(sorted.len() * crop / 100).clamp(1, sorted.len()) - 1];
        let mut classes = [Moments::default(); 2];
        for (class, time) in samples.iter().filter(|(_, time)| *time <= limit) {
            classes[*class].add(*time);
        }
        let t = welch(classes);
        if t.abs() > f64::abs(worst) {
            worst = t;
        }
        if crop == 90 {
            difference = classes[0].mean - classes[1].mean;
        }
    }
    (worst, difference, median)
}

/// What draws classes and inputs: not secret, only without a pattern.
struct Draws(Drbg);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        let mut octets = [0; 4];
        self.0.fill(&mut octets);
        usize::try_from(u32::from_be_bytes(octets)).unwrap_or(0) % bound
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.0.fill(&mut octets);
        octets
    }
}

/// Times `run` on inputs of both classes for so long, `repeats` calls a measurement. Whatever the class, the input lies in the same place: where
/// memory lies shows in the time as well.
fn measure<T: Clone>(
    name: &str,
    time: Duration,
    repeats: usize,
    draws: &mut Draws,
    inputs: &[Vec<T>; 2],
    mut run: impl FnMut(&T),
) {
    let mut samples = Vec::new();
    let mut place = inputs[0][0].clone();
    let end = Instant::now() + time;
    while Instant::now() < end || samples.len() < 1000 {
        for _ in 0..256 {
            let class = draws.below(2);
            place.clone_from(&inputs[class][draws.below(inputs[class].len())]);
            let start = Instant::now();
            for _ in 0..repeats {
                run(black_box(&place));
            }
            let taken = start.elapsed().as_nanos() as f64 / repeats as f64;
            samples.push((class, taken));
        }
    }
    // What was cold at first.
    samples.drain(..samples.len() / 50);
    let (t, difference, median) = judge(&samples);
    println!("{name}\t{}\t{median:.1}\t{difference:.2}\t{t:.2}", samples.len());
}

/// Encodings that are both refused, for different reasons, as ciphertexts of the key.
fn ciphertexts(
    key: &RsaPrivate,
    draws: &mut Draws,
    encode: [fn(&mut [u8]); 2],
) -> Result<[Vec<Vec<u8>>; 2], Error> {
    let mut classes = [Vec::new(), Vec::new()];
    for (class, encode) in classes.iter_mut().zip(encode) {
        for _ in 0..INPUTS {
            let mut block = draws.octets(key.public().size());
            for octet in &mut block {
                *octet = (*octet).max(1);
            }
            encode(&mut block);
            class.push(key.public().raw(&block)?);
        }
    }
    Ok(classes)
}

fn rsa_operations(time: Duration, draws: &mut Draws) -> Result<(), Error> {
    let mut rng = Drbg::instantiate(&[9; 48], &[], &[])?;
    for bits in [1024, 2048] {
        let mut seeded = derive::seeded(&[1; 64], b"MEASURE", &[]);
        let key = derive::rsa(&mut seeded, bits, rsa::DEFAULT_EXPONENT)?;
        let size = key.public().size();
        let block = |draws: &mut Draws| {
            let mut block = draws.octets(size);
            block[0] = 0;
            block
        };
        let fixed = vec![block(draws); INPUTS];
        let random = (0..INPUTS).map(|_| block(draws)).collect();
        let mut raw = |block: &Vec<u8>| {
            black_box(key.raw(block, &mut rng)).ok();
        };
        measure(
            &format!("RSA-{bits} private: one block, random blocks"),
            time,
            1,
            draws,
            &[fixed, random],
            &mut raw,
        );
        let mut one = vec![0; size];
        one[size - 1] = 2;
        let random = (0..INPUTS).map(|_| block(draws)).collect();
        let name = format!("RSA-{bits} private: the number 2, random blocks");
        measure(&name, time, 1, draws, &[vec![one; INPUTS], random], &mut raw);
    }
    let mut seeded = derive::seeded(&[1; 64], b"MEASURE", &[]);
    let key = derive::rsa(&mut seeded, 1024, rsa::DEFAULT_EXPONENT)?;
    let oaep = ciphertexts(&key, draws, [|block| block[0] = 1, |block| block[0] = 0])?;
    measure("OAEP decryption: first octet wrong, label's hash wrong", time, 1, draws, &oaep, |block| {
        let hash = HashAlg::Sha256;
        black_box(rsa::oaep_decrypt(&key, hash, hash, b"L", block, &mut rng)).ok();
    });
    let no_end: fn(&mut [u8]) = |block| block[..2].copy_from_slice(&[0, 2]);
    let bad_head: fn(&mut [u8]) = |block| block[..2].copy_from_slice(&[0, 3]);
    let pkcs1 = ciphertexts(&key, draws, [no_end, bad_head])?;
    measure("PKCS #1 v1.5 decryption: no end of the padding, wrong type", time, 1, draws, &pkcs1, |block| {
        black_box(rsa::pkcs1_decrypt(&key, block, &mut rng)).ok();
    });
    let early: fn(&mut [u8]) = |block| block[..4].copy_from_slice(&[0, 2, 1, 0]);
    let pkcs1 = ciphertexts(&key, draws, [no_end, early])?;
    measure(
        "PKCS #1 v1.5 decryption: no end of the padding, end too early",
        time,
        1,
        draws,
        &pkcs1,
        |block| {
            black_box(rsa::pkcs1_decrypt(&key, block, &mut rng)).ok();
        },
    );
    Ok(())
}

fn curve_operations(curve: EccCurve, time: Duration, draws: &mut Draws) -> Result<(), Error> {
    let mut rng = Drbg::instantiate(&[8; 48], &[], &[])?;
    let width = curve.coordinate_size();
    // A number with almost no bits against random ones.
    let sparse = |_: &mut Draws| {
        let mut d = vec![0; width];
        d[width - 1] = 2;
        EcPrivate::new(curve, &d)
    };
    let random = |draws: &mut Draws| EcPrivate::from_reduced(curve, &draws.octets(width + 8));
    let mut classes = [Vec::new(), Vec::new()];
    for _ in 0..INPUTS {
        classes[0].push(sparse(draws)?);
        classes[1].push(random(draws)?);
    }
    let name = |what: &str| format!("{curve:?} {what}: a sparse number, random numbers");
    measure(&name("nonce or key times generator"), time, 1, draws, &classes, |key| {
        black_box(ecc::base_mul(curve, key.d())).ok();
    });
    let point = random(draws)?.public()?;
    measure(&name("ECDH by key"), time, 1, draws, &classes, |key| {
        black_box(key.ecdh(&point)).ok();
    });
    measure(&name("ECDSA by key"), time, 1, draws, &classes, |key| {
        black_box(key.sign(&[3; 32], &mut rng)).ok();
    });
    Ok(())
}

/// What not to do: ends at the first difference.
#[inline(never)]
fn early_equal(a: &[u8], b: &[u8]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if black_box(*a) != *b {
            return false;
        }
    }
    true
}

fn comparisons(time: Duration, draws: &mut Draws) {
    let right = draws.octets(32);
    let wrong = |at: usize| {
        let mut other = right.clone();
        other[at] ^= 1;
        vec![other; INPUTS]
    };
    let first_and_last = [wrong(0), wrong(31)];
    measure(
        "HMAC comparison: first octet wrong, last octet wrong",
        time,
        100,
        draws,
        &first_and_last,
        |other| {
            black_box(ct_eq(black_box(&right), other));
        },
    );
    let equal = [wrong(0), vec![right.clone(); INPUTS]];
    measure("HMAC comparison: first octet wrong, equal", time, 100, draws, &equal, |other| {
        black_box(ct_eq(black_box(&right), other));
    });
    measure(
        "control, which must leak: a comparison that ends early",
        time,
        100,
        draws,
        &first_and_last,
        |other| {
            black_box(early_equal(black_box(&right), other));
        },
    );
}

fn main() -> Result<(), Error> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let mut draws = Draws(Drbg::instantiate(&[7; 48], &[], &[])?);
    comparisons(time, &mut draws);
    rsa_operations(time, &mut draws)?;
    for curve in [EccCurve::NistP256, EccCurve::NistP384] {
        curve_operations(curve, time, &mut draws)?;
    }
    Ok(())
}
