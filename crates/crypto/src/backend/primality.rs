//! Miller-Rabin tests of several candidates or bases at once, with the vectors that the processor has or without.

use alloc::vec::Vec;

use sigillo_accel::{MAX_LANES, Simd, Words};
use zeroize::Zeroizing;

use super::bignum;
use crate::Error;

/// How candidates are tested here. All ways give the same answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tester(Option<Simd>);

impl Tester {
    /// The fastest way on this processor.
    pub(crate) fn detect() -> Self {
        Self(Simd::detect())
    }

    /// Every way that this processor has: that without vectors, and the others.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        core::iter::once(Self(None)).chain(Simd::all().map(|simd| Self(Some(simd))))
    }

    /// How many candidates cost as much as one.
    pub(crate) fn batch(self) -> usize {
        self.0.map_or(1, Simd::lanes)
    }

    /// Which of at most [`Tester::batch`] candidates, odd and with their top bits set, may pass [`Tester::passes`]: the others fail the
    /// test to the base 2.
    ///
    /// # Errors
    /// [`Error::BadSize`] or [`Error::BadValue`] for other candidates, or too many.
    pub(crate) fn filter(self, candidates: &[&[u8]]) -> Result<[bool; MAX_LANES], Error> {
        fn run<const W: usize>(simd: Simd, candidates: &[&[u8]]) -> Result<[bool; MAX_LANES], Error> {
            let words = all_words::<W>(candidates)?;
            simd.fermat_base_2(&words.iter().collect::<Vec<_>>()).ok_or(Error::BadValue)
        }
        match (self.0, candidates) {
            (None, [candidate]) => {
                let mut out = [false; MAX_LANES];
                out[0] = bignum::miller_rabin(candidate, None)?;
                Ok(out)
            }
            (Some(simd), [first, ..]) => match first.len() {
                64 => run::<8>(simd, candidates),
                128 => run::<16>(simd, candidates),
                192 => run::<24>(simd, candidates),
                256 => run::<32>(simd, candidates),
                _ => Err(Error::BadSize),
            },
            (None | Some(_), _) => Err(Error::BadSize),
        }
    }

    /// Whether a candidate that [`Tester::filter`] let through passes the Miller-Rabin test to the base 2 and to all of `bases`, each in
    /// 2..candidate - 1. FIPS 186-5, B.3.1.
    ///
    /// # Errors
    /// As for [`Tester::filter`].
    pub(crate) fn passes(self, candidate: &[u8], bases: &[&[u8]]) -> Result<bool, Error> {
        fn run<const W: usize>(simd: Simd, candidate: &[u8], bases: &[&[u8]]) -> Result<bool, Error> {
            let candidate = Zeroizing::new(words::<W>(candidate)?);
            let mut two = [0; W];
            two[0] = 2;
            let bases = all_words::<W>(bases)?;
            let bases: Vec<_> = core::iter::once(&two).chain(bases.iter()).collect();
            for bases in bases.chunks(simd.lanes()) {
                if !simd.miller_rabin(&candidate, bases).ok_or(Error::BadValue)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        match (self.0, candidate.len()) {
            (None, _) => {
                // The filter has tested to the base 2.
                for base in bases {
                    if !bignum::miller_rabin(candidate, Some(base))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Some(simd), 64) => run::<8>(simd, candidate, bases),
            (Some(simd), 128) => run::<16>(simd, candidate, bases),
            (Some(simd), 192) => run::<24>(simd, candidate, bases),
            (Some(simd), 256) => run::<32>(simd, candidate, bases),
            (Some(_), _) => Err(Error::BadSize),
        }
    }
}

/// The words of a big-endian number of exactly as many.
fn words<const W: usize>(number: &[u8]) -> Result<Words<W>, Error> {
    let (chunks, []) = number.as_chunks::<8>() else { return Err(Error::BadSize) };
    if chunks.len() != W {
        return Err(Error::BadSize);
    }
    let mut out = [0; W];
    for (word, chunk) in out.iter_mut().zip(chunks.iter().rev()) {
        *word = u64::from_be_bytes(*chunk);
    }
    Ok(out)
}

fn all_words<const W: usize>(numbers: &[&[u8]]) -> Result<Zeroizing<Vec<Words<W>>>, Error> {
    let mut out = Zeroizing::new(Vec::with_capacity(numbers.len()));
    for number in numbers {
        out.push(words(number)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::numbers::{bytes, carmichael, with_twos};
    use crypto_bigint::{U512, U1024};

    /// What the filter and the rounds say together, which has to be the same every way.
    fn judged(candidate: &[u8], bases: &[&[u8]]) -> bool {
        let mut answers = Tester::all().map(|tester| {
            tester.filter(&[candidate]).unwrap()[0] && tester.passes(candidate, bases).unwrap()
        });
        let first = answers.next().unwrap();
        assert!(answers.all(|answer| answer == first), "{candidate:x?}");
        first
    }

    /// A base of as many octets as the candidate.
    fn small(base: u8, candidate: &[u8]) -> Vec<u8> {
        let mut out = alloc::vec![0; candidate.len()];
        out[candidate.len() - 1] = base;
        out
    }

    #[test]
    fn random_candidates_are_judged_as_one_round_after_the_other_judges_them() {
        let mut number = U512::MAX.shr_vartime(1).wrapping_mul(&U512::from_u64(0x9E37_79B9_7F4A_7C15));
        let mut agreed = [0; 2];
        for step in 0..600u64 {
            number = number.wrapping_add(&U512::from_u64(2 * step)) | U512::ONE.shl_vartime(511) | U512::ONE;
            let candidate = bytes(&number);
            let base = bytes(&number.shr_vartime(1));
            let expected = bignum::miller_rabin(&candidate, None).unwrap()
                && bignum::miller_rabin(&candidate, Some(&base)).unwrap();
            assert_eq!(judged(&candidate, &[&base]), expected);
            agreed[usize::from(expected)] += 1;
        }
        assert!(agreed[0] > 500 && agreed[1] > 0, "{agreed:?}");
    }

    #[test]
    fn a_batch_is_answered_in_its_order() {
        let prime = bytes(&U512::MAX.wrapping_sub(&U512::from_u64(568)));
        let composite = bytes(&U512::MAX);
        for tester in Tester::all() {
            for place in 0..tester.batch() {
                let mut candidates = alloc::vec![&composite[..]; tester.batch()];
                candidates[place] = &prime;
                let mut expected = [false; MAX_LANES];
                expected[place] = true;
                assert_eq!(tester.filter(&candidates).unwrap(), expected);
            }
            assert!(tester.filter(&alloc::vec![&prime[..]; tester.batch() + 1]).is_err());
            assert!(tester.filter(&[]).is_err());
            assert!(tester.filter(&[&prime[1..]]).is_err());
            assert!(tester.passes(&prime[1..], &[&prime[1..]]).is_err());
        }
    }

    /// p (2p - 1), both prime: the strong test to some bases passes, to others not.
    #[test]
    fn strong_pseudoprimes_to_the_base_2_are_caught_by_other_bases() {
        // Found with Python's integers.
        let p = U512::from_u64(0x0081_47AE_147A_E148).shl_vartime(200) | U512::from_u64(0x2_58E5);
        let candidate = bytes(&p.wrapping_mul(&p.shl_vartime(1).wrapping_sub(&U512::ONE)));
        for (base, passes) in [(2, true), (11, true), (3, false), (5, false), (7, false), (13, false)] {
            assert_eq!(judged(&candidate, &[&small(base, &candidate)]), passes, "{base}");
        }
        // One of the bases that catch it is enough, wherever it stands.
        for place in 0..5 {
            let mut bases = alloc::vec![small(11, &candidate); 5];
            bases[place] = small(3, &candidate);
            assert!(!judged(&candidate, &bases.iter().map(|base| &base[..]).collect::<Vec<_>>()));
        }
        let p = U1024::from_u64(0x0081_47AE_147A_E148).shl_vartime(456) | U1024::from_u64(0x5_CED5);
        let candidate = bytes(&p.wrapping_mul(&p.shl_vartime(1).wrapping_sub(&U1024::ONE)));
        for (base, passes) in [(2, true), (13, true), (3, false), (5, false), (7, false), (11, false)] {
            assert_eq!(judged(&candidate, &[&small(base, &candidate)]), passes, "{base}");
        }
    }

    /// Every base that shares no factor with it fools Fermat's test, which the filter may be, and some fool the strong one.
    #[test]
    fn a_carmichael_number_that_the_filter_may_let_through_is_caught() {
        let candidate = bytes(&carmichael());
        for base in [3, 5, 7] {
            assert!(!judged(&candidate, &[&small(base, &candidate)]));
        }
        for tester in Tester::all().filter(|tester| tester.0.is_some()) {
            assert!(tester.filter(&[&candidate]).unwrap()[0]);
        }
    }

    #[test]
    fn primes_pass_however_many_twos_divide_their_predecessor_up_to_63() {
        for (s, step, passes) in [(40, 79, true), (63, 68, true), (64, 1015, false)] {
            let candidate = bytes(&with_twos(s, step));
            for base in [3, 5, 255] {
                assert_eq!(judged(&candidate, &[&small(base, &candidate)]), passes, "{s}");
            }
        }
    }
}
