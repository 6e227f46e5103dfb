//! The search for primes: candidates are looked at in the order in which the generator gives them, but several at a time.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::trial;
use crate::backend::bignum;
use crate::backend::primality::Tester;
use crate::kdf::kdfa;
use crate::{Error, HashAlg, Rng};

/// Rounds after the first. Five give an error below 2^-112 for random primes of 1024 bits, and less for
/// longer ones. FIPS 186-5, table B.1.
const ROUNDS: u8 = 5;

/// A candidate, and the generator as it was after giving it.
struct Drawn<R> {
    number: Zeroizing<Vec<u8>>,
    after: R,
}

/// A search that goes on behind the prime it found last.
struct Search<R> {
    generator: R,
    tester: Tester,
    octets: usize,
    e: u32,
    /// Candidates drawn and filtered, but not looked at.
    waiting: VecDeque<Drawn<R>>,
}

/// p and q, of `bits` bits each. `generator` is left as the draw of q left it, however far the search looked ahead.
///
/// # Errors
/// [`Error::BadSize`] if primes of that size are not made here.
pub(super) fn primes<R: Rng + Clone>(
    generator: &mut R,
    bits: u32,
    e: u32,
    tester: Tester,
) -> Result<[Zeroizing<Vec<u8>>; 2], Error> {
    let octets = usize::try_from(bits / 8).map_err(|_| Error::BadSize)?;
    let mut search = Search { generator: generator.clone(), tester, octets, e, waiting: VecDeque::new() };
    let p = search.next(None)?.number;
    let q = search.next(Some(&p))?;
    *generator = q.after;
    Ok([p, q.number])
}

impl<R: Rng + Clone> Search<R> {
    /// The first acceptable candidate.
    fn next(&mut self, other: Option<&[u8]>) -> Result<Drawn<R>, Error> {
        loop {
            let Some(drawn) = self.waiting.pop_front() else {
                self.look_ahead()?;
                continue;
            };
            let candidate = &drawn.number;
            let accepted = bignum::exponent_fits(candidate, self.e)?
                && match other {
                    Some(other) => bignum::far_apart(candidate, other)?,
                    None => true,
                }
                && self.passes_own_bases(candidate)?;
            if accepted {
                return Ok(drawn);
            }
        }
    }

    /// The next candidate without a small factor. What a rejected candidate tells by the time it took is about a number nobody uses.
    fn draw(&mut self) -> Drawn<R> {
        let mut number = Zeroizing::new(vec![0; self.octets]);
        loop {
            self.generator.fill(&mut number);
            if let Some(first) = number.first_mut() {
                *first |= 0xC0;
            }
            if let Some(last) = number.last_mut() {
                *last |= 1;
            }
            if !trial::has_small_factor(&number) {
                return Drawn { number, after: self.generator.clone() };
            }
        }
    }

    /// Draws a batch, and keeps of it what may be prime.
    fn look_ahead(&mut self) -> Result<(), Error> {
        let batch: Vec<Drawn<R>> = (0..self.tester.batch()).map(|_| self.draw()).collect();
        let numbers: Vec<&[u8]> = batch.iter().map(|drawn| &drawn.number[..]).collect();
        let passed = self.tester.filter(&numbers)?;
        let kept = batch.into_iter().zip(passed).filter(|(_, passed)| *passed);
        self.waiting.extend(kept.map(|(drawn, _)| drawn));
        Ok(())
    }

    /// The rounds whose bases are made from the candidate.
    fn passes_own_bases(&self, candidate: &[u8]) -> Result<bool, Error> {
        let bits = u32::try_from(candidate.len() * 8).map_err(|_| Error::BadSize)?;
        let base = |round| {
            let mut base = kdfa(HashAlg::Sha512, candidate, b"MR BASE", &[round], &[], bits);
            if let Some(first) = base.first_mut() {
                *first &= 0x7F;
            }
            if let Some(last) = base.last_mut() {
                *last |= 2;
            }
            base
        };
        let bases: Vec<_> = (0..ROUNDS).map(base).collect();
        self.tester.passes(candidate, &bases.iter().map(|base| &base[..]).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derive::seeded;

    /// The keys of the frozen contract are compared with `tests/vectors/derive.txt`, by whatever way this processor has.
    #[test]
    fn every_way_to_test_finds_the_same_primes_and_leaves_the_generator_where_they_end() {
        for (bits, keys) in [(512, 6u8), (1024, 3), (1536, 1), (2048, 1)] {
            for key in 0..keys {
                let mut found = None;
                for tester in Tester::all() {
                    let mut generator = seeded(&[9; 64], b"SEARCH", &[key]);
                    let [p, q] = primes(&mut generator, bits, 65537, tester).unwrap();
                    let mut next = [0; 16];
                    generator.fill(&mut next);
                    let this = (p.to_vec(), q.to_vec(), next);
                    assert_eq!(*found.get_or_insert_with(|| this.clone()), this, "{tester:?}, {bits} bits");
                }
            }
        }
    }

    /// One candidate after the other, as the contract says it.
    #[test]
    fn looking_ahead_finds_what_one_step_after_the_other_finds() {
        let mut generator = seeded(&[9; 64], b"SEARCH", &[0]);
        let mut plain = generator.clone();
        let [p, q] = primes(&mut generator, 512, 65537, Tester::detect()).unwrap();
        for prime in [p, q] {
            let mut candidate = [0; 64];
            loop {
                plain.fill(&mut candidate);
                candidate[0] |= 0xC0;
                candidate[63] |= 1;
                if candidate == prime[..] {
                    break;
                }
                assert!(!bignum::miller_rabin(&candidate, None).unwrap());
            }
        }
        assert_eq!(*generator.export(), *plain.export());
    }
}
