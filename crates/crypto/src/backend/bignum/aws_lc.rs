//! RSA by AWS-LC: powers and products modulo n, and both halves of the private operation in one call.

use sigillo_accel::aws_lc::{Modulus, powers};
use zeroize::Zeroizing;

use super::{Crt, FixedMontyParams, MODULUS_OCTETS, Uint, load, store};
use crate::{Error, ct_eq};

/// The longest number, in octets.
const LONGEST: usize = 512;

/// As [`super::rsa_public`].
pub(super) fn rsa_public(n: &[u8], e: u32, m: &[u8], out: &mut [u8]) -> Result<(), Error> {
    if !MODULUS_OCTETS.contains(&n.len()) || m.len() != n.len() || out.len() != n.len() {
        return Err(Error::BadSize);
    }
    let n = Modulus::new_public(n).ok_or(Error::BadValue)?;
    if !n.is_above(m) {
        return Err(Error::BadValue);
    }
    n.power_of_public(m, e, out).ok_or(Error::Fault)
}

/// A key's moduli.
pub(super) struct Moduli {
    n: Modulus,
    p: Modulus,
    q: Modulus,
}

impl Moduli {
    pub(super) fn new<const L: usize, const W: usize>(
        n: &Uint<W>,
        p: &Uint<L>,
        q: &Uint<L>,
    ) -> Result<Self, Error> {
        let of_prime = |prime| Modulus::new(&octets(prime)[..Uint::<L>::BYTES]).ok_or(Error::Fault);
        let n = Modulus::new_public(&octets(n)[..Uint::<W>::BYTES]).ok_or(Error::Fault)?;
        Ok(Self { n, p: of_prime(p)?, q: of_prime(q)? })
    }
}

/// A number's octets, in the first places.
fn octets<const L: usize>(number: &Uint<L>) -> Zeroizing<[u8; LONGEST]> {
    let mut out = Zeroizing::new([0; LONGEST]);
    store(number, &mut out[..Uint::<L>::BYTES]);
    out
}

impl<const L: usize, const W: usize> Crt<L, W> {
    /// As [`super::RsaCrt::private`].
    ///
    /// With the block c, the blinding r and h = c r^e, what is computed is w = h^(d - 1). Then h w is c^d r, which checks against h, and
    /// c w r^(e - 1) is c^d: so the blinding goes away by a product, and nobody has to find an inverse, which would cost as much as a half.
    pub(super) fn private_by_aws_lc(&self, c: &[u8], blind: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let [size, half] = [Uint::<W>::BYTES, Uint::<L>::BYTES];
        let Moduli { n, p, q } = &*self.moduli;
        if [c.len(), blind.len(), out.len()] != [size; 3] {
            return Err(Error::BadSize);
        }
        if !n.is_above(c) {
            return Err(Error::BadValue);
        }
        let factor = Zeroizing::new(load::<W>(blind)?);
        // A blinding that a prime divides hides nothing from it, and the product could not take it away.
        let residues =
            [&self.p, &self.q].map(|prime| Zeroizing::new(Self::reduce(&factor, prime).retrieve()));
        if residues.iter().any(|residue| bool::from(residue.is_zero())) {
            return Err(Error::NoResult);
        }
        let number = || Zeroizing::new([0; LONGEST]);
        let multiply = |a: &[u8], b: &[u8]| {
            let mut product = number();
            n.multiply(&a[..size], &b[..size], &mut product[..size]).map(|()| product)
        };
        let unblind = {
            let mut power = number();
            n.power_of_public(blind, self.e.wrapping_sub(1), &mut power[..size]).ok_or(Error::Fault)?;
            power
        };
        let hidden =
            multiply(&unblind[..], blind).and_then(|power| multiply(&power[..], c)).ok_or(Error::Fault)?;
        let power = {
            let hidden = Zeroizing::new(load::<W>(&hidden[..size])?);
            let base = |prime: &FixedMontyParams<L>| {
                octets(&Zeroizing::new(Self::reduce(&hidden, prime).retrieve()))
            };
            let exponent = |d: &Uint<L>| octets(&Zeroizing::new(d.wrapping_sub(&Uint::ONE)));
            let bases = [base(&self.p), base(&self.q)];
            let exponents = [exponent(&self.dp), exponent(&self.dq)];
            let mut halves = [number(), number()];
            powers(
                [p, q],
                bases.each_ref().map(|base| &base[..half]),
                exponents.each_ref().map(|exponent| &exponent[..half]),
                halves.each_mut().map(|half_power| &mut half_power[..half]),
            )
            .ok_or(Error::Fault)?;
            let [m1, m2] = &halves;
            let (m1, m2) = (Zeroizing::new(load::<L>(&m1[..half])?), Zeroizing::new(load(&m2[..half])?));
            octets(&Zeroizing::new(self.join(&m1, &m2)))
        };
        // A fault in one half would give the other prime away: nothing leaves unless it checks.
        let blinded = multiply(&power[..], &hidden[..]).ok_or(Error::Fault)?;
        let mut check = number();
        n.power_of_public(&blinded[..size], self.e, &mut check[..size]).ok_or(Error::Fault)?;
        if !ct_eq(&check[..size], &hidden[..size]) {
            return Err(Error::Fault);
        }
        let result = multiply(&power[..], &unblind[..]).and_then(|power| multiply(&power[..], c));
        out.copy_from_slice(&result.ok_or(Error::Fault)?[..size]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Way, rsa_public_by};
    use super::*;
    use crate::drbg::Drbg;
    use crate::rsa::{DEFAULT_EXPONENT, RsaPrivate};
    use crate::{Rng, derive};
    use alloc::vec;
    use alloc::vec::Vec;

    /// What every way says to the same block, and whether it is a result.
    fn everywhere(run: impl Fn(Way, &mut [u8]) -> Result<(), Error>, size: usize) -> Result<Vec<u8>, Error> {
        let mut answers = Way::all().map(|way| {
            let mut out = vec![0; size];
            (alloc::format!("{way:?}"), run(way, &mut out).map(|()| out))
        });
        let (_, first) = answers.next().unwrap();
        for (way, answer) in answers {
            assert_eq!(answer, first, "{way}");
        }
        first
    }

    fn key(bits: u32, e: u32) -> RsaPrivate {
        let mut seeded = derive::seeded(&[bits.to_be_bytes()[2]; 64], b"DIFFERENCE", &e.to_be_bytes());
        derive::rsa(&mut seeded, bits, e).unwrap()
    }

    /// Zero, one, a prime, its double, the modulus less one, the modulus, all ones, and random ones.
    fn blocks(n: &[u8], p: &[u8], rng: &mut Drbg) -> Vec<Vec<u8>> {
        let size = n.len();
        let mut all =
            vec![vec![0; size], vec![0; size], vec![0; size], n.to_vec(), n.to_vec(), vec![0xFF; size]];
        all[1][size - 1] = 1;
        all[2][size - p.len()..].copy_from_slice(p);
        all[3][size - 1] -= 1;
        for _ in 0..4 {
            let mut block = vec![0; size];
            rng.fill(&mut block);
            block[0] &= 0x7F;
            all.push(block);
        }
        all
    }

    #[test]
    fn private_operations_are_the_same_in_every_way() {
        let mut rng = Drbg::instantiate(&[9; 48], &[], &[]).unwrap();
        for (bits, e) in [(1024, 0xFFFF_FFFB), (1024, 65537), (2048, 65537), (3072, 65537), (4096, 65537)] {
            let key = key(bits, e);
            let (n, p) = (key.public().n(), &key.primes()[0]);
            let mut results = 0;
            for block in blocks(n, p, &mut rng) {
                let mut blind = vec![0; n.len()];
                rng.fill(&mut blind);
                blind[0] &= 0x7F;
                let out = everywhere(|way, out| key.crt.private_by(way, &block, &blind, out), n.len());
                let Ok(out) = out else { continue };
                results += 1;
                let back = everywhere(|way, back| rsa_public_by(way, n, e, &out, back), n.len());
                assert_eq!(back, Ok(block));
            }
            assert_eq!(results, 8, "{bits}");
        }
    }

    #[test]
    fn blindings_that_cannot_be_taken_away_and_other_lengths_are_refused_in_every_way() {
        let key = key(1024, DEFAULT_EXPONENT);
        let [p, q] = key.primes();
        let block = [3; 128];
        for (blind, expected) in [
            (vec![0; 128], Error::NoResult),
            ([&[0; 64], &p[..]].concat(), Error::NoResult),
            ([&[0; 64], &q[..]].concat(), Error::NoResult),
            (vec![1; 127], Error::BadSize),
            (vec![1; 129], Error::BadSize),
        ] {
            let answer = everywhere(|way, out| key.crt.private_by(way, &block, &blind, out), 128);
            assert_eq!(answer, Err(expected));
        }
        for length in [0, 64, 127, 129] {
            let answer = everywhere(|way, out| key.crt.private_by(way, &vec![1; length], &block, out), 128);
            assert_eq!(answer, Err(Error::BadSize));
        }
    }

    #[test]
    fn public_operations_are_the_same_in_every_way() {
        let mut rng = Drbg::instantiate(&[4; 48], &[], &[]).unwrap();
        for size in MODULUS_OCTETS {
            let mut n = vec![0; size];
            rng.fill(&mut n);
            n[0] |= 0x80;
            n[size - 1] |= 1;
            for block in blocks(&n, &n[..size / 2], &mut rng) {
                for e in [3, 17, DEFAULT_EXPONENT, u32::MAX] {
                    let answer = everywhere(|way, out| rsa_public_by(way, &n, e, &block, out), size);
                    assert_eq!(answer.is_err(), block >= n);
                }
            }
            let mut even = n.clone();
            even[size - 1] &= 0xFE;
            assert_eq!(
                everywhere(|way, out| rsa_public_by(way, &even, 3, &[0; 512][..size], out), size),
                Err(Error::BadValue)
            );
            for (n, block) in [(&n[..], &n[1..]), (&n[1..], &n[1..]), (&n[..8], &n[..8]), (&[], &[])] {
                assert_eq!(
                    everywhere(|way, out| rsa_public_by(way, n, 3, block, out), n.len()),
                    Err(Error::BadSize)
                );
            }
        }
    }
}
