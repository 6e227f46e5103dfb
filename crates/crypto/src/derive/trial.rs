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

/// Primes whose product fits in 64 bits.
#[derive(Clone, Copy)]
struct Group {
    product: u64,
    inverse: u64,
    end: usize,
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

/// The groups, in the first so many elements.
const GROUPING: ([Group; PRIMES], usize) = {
    let mut out = [Group { product: 1, inverse: 1, end: 0 }; PRIMES];
    let (mut groups, mut count, mut i, mut product) = (0, 0, 3, 1u64);
    while i < BOUND {
        if !COMPOSITE[i] {
            product = match product.checked_mul(i as u64) {
                Some(product) => product,
                None => {
                    groups += 1;
                    i as u64
                }
            };
            count += 1;
            out[groups] = Group { product, inverse: inverse(product), end: count };
        }
        i += 2;
    }
    (out, groups + 1)
};

static GROUPS: [Group; GROUPING.1] = {
    let mut out = [GROUPING.0[0]; GROUPING.1];
    let mut i = 0;
    while i < out.len() {
        out[i] = GROUPING.0[i];
        i += 1;
    }
    out
};

/// Whether an odd prime below [`BOUND`] divides the candidate, big-endian and longer than such a prime. The
/// time tells at most which group of primes held the first divisor found.
pub(super) fn has_small_factor(candidate: &[u8]) -> bool {
    let words: Zeroizing<Vec<u64>> = Zeroizing::new(
        candidate.as_rchunks::<8>().1.iter().rev().map(|chunk| u64::from_be_bytes(*chunk)).collect(),
    );
    let mut start = 0;
    for group in &GROUPS {
        let rest = remainder(&words, group);
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

/// A number that has the same divisors in common with the group's product as the candidate: its negative
/// times a power of 2^-64, modulo the product. Exact division from the low end, one word at a time.
fn remainder(words: &[u64], group: &Group) -> u64 {
    let mut carry = 0u64;
    for word in words {
        let (low, borrow) = word.overflowing_sub(carry);
        let quotient = low.wrapping_mul(group.inverse);
        let high = (u128::from(quotient) * u128::from(group.product)) >> 64;
        // The product of two words has no more than a word above the lowest.
        carry = (high as u64).wrapping_add(u64::from(borrow));
    }
    carry
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
