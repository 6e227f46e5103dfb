//! Trial division by small primes, without division and without a table indexed by the candidate.
//!
//! It only spares Miller-Rabin tests: the bound below may be changed at will.

use alloc::vec::Vec;

use zeroize::Zeroizing;

/// Odd primes below this are tried.
const BOUND: usize = 1 << 14;

const fn sieve() -> [bool; BOUND] {
    let mut composite = [false; BOUND];
    let mut i = 3;
    while i * i < BOUND {
        if !composite[i] {
            let mut j = i * i;
            while j < BOUND {
                composite[j] = true;
                j += 2 * i;
            }
        }
        i += 2;
    }
    composite
}

const COMPOSITE: [bool; BOUND] = sieve();

const PRIMES: usize = {
    let (mut count, mut i) = (0, 3);
    while i < BOUND {
        if !COMPOSITE[i] {
            count += 1;
        }
        i += 2;
    }
    count
};

/// x^-1 modulo 2^64, for an odd x.
const fn inverse(x: u64) -> u64 {
    // Right for the low three bits; each step doubles that.
    let mut inverse = x;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

/// A prime p divides x exactly if x / p, computed modulo 2^64, is at most (2^64 - 1) / p.
#[derive(Clone, Copy)]
struct Divisor {
    inverse: u64,
    limit: u64,
}

/// Words of a number that are reduced together.
const CHUNK: usize = 8;

/// Primes whose product stays below 2^60.
#[derive(Clone, Copy)]
struct Group {
    product: u64,
    /// -product^-1 modulo 2^64.
    inverse: u64,
    /// 2^(64 i) modulo the product, for i from 1 to `CHUNK - 1`.
    powers: [u64; CHUNK - 1],
    /// 2^(64 (CHUNK + 1)) modulo the product: what a carry from the chunk above counts, which has been divided by 2^64.
    carry: u64,
    end: usize,
}

impl Group {
    const fn new(product: u64, end: usize) -> Self {
        let mut powers = [0; CHUNK - 1];
        let (mut power, mut i) = (1u64, 0);
        while i <= CHUNK {
            power = (((power as u128) << 64) % product as u128) as u64;
            if i < CHUNK - 1 {
                powers[i] = power;
            }
            i += 1;
        }
        Self { product, inverse: inverse(product).wrapping_neg(), powers, carry: power, end }
    }
}

static DIVISORS: [Divisor; PRIMES] = {
    let mut out = [Divisor { inverse: 0, limit: 0 }; PRIMES];
    let (mut count, mut i) = (0, 3);
    while i < BOUND {
        if !COMPOSITE[i] {
            out[count] = Divisor { inverse: inverse(i as u64), limit: u64::MAX / i as u64 };
            count += 1;
        }
        i += 2;
    }
    out
};

/// How the primes are grouped: products and ends, in the first so many elements.
const GROUPING: ([(u64, usize); PRIMES], usize) = {
    let mut out = [(1u64, 0); PRIMES];
    let (mut groups, mut count, mut i, mut product) = (0, 0, 3, 1u64);
    while i < BOUND {
        if !COMPOSITE[i] {
            if product < (1 << 60) / i as u64 {
                product *= i as u64;
            } else {
                groups += 1;
                product = i as u64;
            }
            count += 1;
            out[groups] = (product, count);
        }
        i += 2;
    }
    (out, groups + 1)
};

static GROUPS: [Group; GROUPING.1] = {
    let mut out = [Group::new(1, 0); GROUPING.1];
    let mut i = 0;
    while i < out.len() {
        out[i] = Group::new(GROUPING.0[i].0, GROUPING.0[i].1);
        i += 1;
    }
    out
};

/// Whether an odd prime below [`BOUND`] divides the candidate, big-endian and longer than such a prime. The
/// time tells at most which group of primes held the first divisor found.
pub(super) fn has_small_factor(candidate: &[u8]) -> bool {
    let chunks = chunks(candidate);
    let mut start = 0;
    for group in &GROUPS {
        let rest = remainder(&chunks, group);
        let mut divided = false;
        for divisor in &DIVISORS[start..group.end] {
            divided |= rest.wrapping_mul(divisor.inverse) <= divisor.limit;
        }
        if divided {
            return true;
        }
        start = group.end;
    }
    false
}

/// The words of a big-endian number, the least significant first.
fn chunks(number: &[u8]) -> Zeroizing<Vec<[u64; CHUNK]>> {
    let mut out = Zeroizing::new(Vec::with_capacity(number.len().div_ceil(8 * CHUNK)));
    for octets in number.rchunks(8 * CHUNK) {
        let mut chunk = [0; CHUNK];
        for (word, octets) in chunk.iter_mut().zip(octets.rchunks(8)) {
            *word = octets.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
        }
        out.push(chunk);
    }
    out
}

/// A number that has the same divisors in common with the group's product as the candidate: it times a power of 2^-64, modulo the product,
/// by Montgomery's method.
fn remainder(chunks: &[[u64; CHUNK]], group: &Group) -> u64 {
    let mut carry = 0u64;
    for chunk in chunks.iter().rev() {
        // Nine products below 2^124 at most.
        let mut sum = u128::from(chunk[0]).wrapping_add(product(carry, group.carry));
        for (word, power) in chunk[1..].iter().zip(&group.powers) {
            sum = sum.wrapping_add(product(*word, *power));
        }
        let quotient = (sum as u64).wrapping_mul(group.inverse);
        carry = (sum.wrapping_add(product(quotient, group.product)) >> 64) as u64;
    }
    carry
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a).wrapping_mul(u128::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(value: u128) -> [u8; 128] {
        let mut out = [0; 128];
        out[112..].copy_from_slice(&value.to_be_bytes());
        out
    }

    #[test]
    fn every_small_odd_prime_is_found_in_a_product() {
        // 2^89 - 1 is prime.
        let large = (1u128 << 89) - 1;
        let mut primes = 0;
        for n in (3..BOUND).step_by(2) {
            let is_prime = (3..).take_while(|d| d * d <= n).step_by(2).all(|d| n % d != 0);
            if is_prime {
                primes += 1;
                assert!(has_small_factor(&candidate(large * n as u128)), "{n}");
            }
        }
        assert_eq!(primes, PRIMES);
    }

    #[test]
    fn products_of_large_primes_have_no_small_factor() {
        let (a, b) = ((1u128 << 61) - 1, (1u128 << 31) - 1);
        assert!(!has_small_factor(&candidate(a * b)));
        assert!(!has_small_factor(&candidate((1 << 107) - 1)));
        assert!(!has_small_factor(&candidate(16411)));
    }
}
