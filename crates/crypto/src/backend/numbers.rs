//! Numbers on which tests of primality are tried.

use alloc::vec::Vec;
use crypto_bigint::{U1024, Uint};

pub(crate) fn bytes<const L: usize>(value: &Uint<L>) -> Vec<u8> {
    value.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

/// (2^1023 + 2^1022) / 2^s, made odd, plus 2 * step, times 2^s, plus 1: prime for the steps that the tests name, which
/// were searched with Python's integers.
pub(crate) fn with_twos(s: u32, step: u64) -> U1024 {
    let top = U1024::ONE.shl_vartime(1023) | U1024::ONE.shl_vartime(1022);
    let k = (top.shr_vartime(s) | U1024::ONE).wrapping_add(&U1024::from_u64(2 * step));
    k.shl_vartime(s) | U1024::ONE
}

/// A Carmichael number, (6k + 1)(12k + 1)(18k + 1) with prime factors.
pub(crate) fn carmichael() -> U1024 {
    let k = U1024::from_be_hex(concat!(
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000000000000000000000035c1b2997931725b0a4f1",
        "e839fb0d78206c282b183b2ff4abaeaaccb3d45cf89bac94d5f9b1281608d399"
    ));
    let factor = |n: u64| k.wrapping_mul(&U1024::from_u64(n)).wrapping_add(&U1024::ONE);
    factor(6).wrapping_mul(&factor(12)).wrapping_mul(&factor(18))
}
