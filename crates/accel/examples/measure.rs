//! Times one test to the base 2, a squaring for each bit, on every kind of vectors: `cargo run --release -p sigillo-accel --example
//! measure`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use sigillo_accel::Simd;

fn time<const W: usize>(simd: Simd) {
    let candidate = [0xDEAD_BEEF_0123_4567; W];
    let candidates = vec![&candidate; simd.lanes()];
    let least = (0..50)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(simd.fermat_base_2(&candidates));
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::ZERO);
    let each = least.as_secs_f64() * 1e9 / (64 * W) as f64;
    println!(
        "{:<14} {:>5} bits: {each:>8.1} ns a squaring, {:>7.1} ns a lane",
        simd.name(),
        64 * W,
        each / simd.lanes() as f64
    );
}

fn main() {
    for simd in Simd::all() {
        time::<8>(simd);
        time::<16>(simd);
        time::<24>(simd);
        time::<32>(simd);
    }
}
