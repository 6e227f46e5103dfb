//! RSA arithmetic and primality, on integers of fixed size in Montgomery form.
//!
//! Numbers come and go as big-endian octets of exactly the modulus's or the prime's length. Work on secret
//! numbers takes a time that depends on sizes only, unless a number is about to be thrown away.

use alloc::boxed::Box;
#[cfg(feature = "aws-lc")]
use alloc::sync::Arc;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{CtEq, CtSelect, Limb, NonZero, Odd, U64, U512, U1024, U1536, U2048, U3072};
use crypto_bigint::{U4096, Uint};
#[cfg(target_arch = "x86_64")]
use sigillo_accel::Power;
use sigillo_accel::Simd;
use zeroize::{Zeroize, Zeroizing};

use super::montgomery::Modulus;
use crate::Error;

#[cfg(feature = "aws-lc")]
mod aws_lc;

/// The shortest and the longest modulus, in octets.
pub(crate) const MODULUS_OCTETS: [usize; 4] = [128, 256, 384, 512];

/// An integer of exactly `L` limbs.
fn load<const L: usize>(bytes: &[u8]) -> Result<Uint<L>, Error> {
    if bytes.len() != Uint::<L>::BYTES {
        return Err(Error::BadSize);
    }
    Ok(Uint::from_be_slice(bytes))
}

/// Writes an integer of exactly `out.len()` octets.
fn store<const L: usize>(value: &Uint<L>, out: &mut [u8]) {
    for (chunk, limb) in out.rchunks_exact_mut(Limb::BYTES).zip(value.as_limbs()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
}

/// `low + 2^BITS * high`.
fn join<const L: usize, const W: usize>(low: &Uint<L>, high: &Uint<L>) -> Uint<W> {
    let mut out = Uint::ZERO;
    let halves = low.as_limbs().iter().chain(high.as_limbs());
    for (target, limb) in out.as_mut_limbs().iter_mut().zip(halves) {
        *target = *limb;
    }
    out
}

/// The lower and the upper half.
fn split<const L: usize, const W: usize>(value: &Uint<W>) -> (Uint<L>, Uint<L>) {
    let mut halves = (Uint::ZERO, Uint::ZERO);
    let targets = halves.0.as_mut_limbs().iter_mut();
    let targets = targets.chain(halves.1.as_mut_limbs());
    for (target, limb) in targets.zip(value.as_limbs()) {
        *target = *limb;
    }
    halves
}

fn odd<const L: usize>(value: &Uint<L>) -> Result<Odd<Uint<L>>, Error> {
    value.to_odd().into_option().ok_or(Error::BadValue)
}

fn exponent_limb(e: u32) -> Result<NonZero<Limb>, Error> {
    let e = NonZero::new(Limb::from_u32(e)).into_option();
    e.ok_or(Error::BadValue)
}

/// By what an operation is done. All ways give the same results.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Plain code.
    #[cfg_attr(feature = "aws-lc", allow(dead_code, reason = "for tests"))]
    Plain,
    /// The processor's vectors, where they are of use, and plain code elsewhere.
    #[cfg_attr(feature = "aws-lc", allow(dead_code, reason = "for tests"))]
    Lanes(Simd),
    /// AWS-LC.
    #[cfg(feature = "aws-lc")]
    AwsLc,
}

impl Way {
    /// The fastest there is.
    #[cfg(feature = "aws-lc")]
    fn fastest() -> Self {
        Self::AwsLc
    }

    /// The fastest there is.
    #[cfg(not(feature = "aws-lc"))]
    fn fastest() -> Self {
        Simd::detect().map_or(Self::Plain, Self::Lanes)
    }

    /// All that there are on this processor.
    #[cfg(test)]
    fn all() -> impl Iterator<Item = Self> {
        let ways = core::iter::once(Self::Plain).chain(Simd::all().map(Self::Lanes));
        #[cfg(feature = "aws-lc")]
        let ways = ways.chain([Self::AwsLc]);
        ways
    }
}

/// RSAEP and RSAVP1: m^e mod n, for an n whose top bit is set and an odd e from 3 on, both of which the caller
/// has checked. All lengths are the modulus's.
///
/// # Errors
/// - [`Error::BadSize`] if the lengths differ or the modulus has a size that is not supported.
/// - [`Error::BadValue`] if m is not below n, or n is even.
pub(crate) fn rsa_public(n: &[u8], e: u32, m: &[u8], out: &mut [u8]) -> Result<(), Error> {
    rsa_public_by(Way::fastest(), n, e, m, out)
}

fn rsa_public_by(way: Way, n: &[u8], e: u32, m: &[u8], out: &mut [u8]) -> Result<(), Error> {
    fn run<const W: usize>(n: &[u8], e: u32, m: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (n, m) = (odd(&load::<W>(n)?)?, load(m)?);
        if m >= *n.as_ref() {
            return Err(Error::BadValue);
        }
        let modulus = Modulus::of(n.as_ref());
        store(&modulus.public_power(&modulus.r2(), &m, e), out);
        Ok(())
    }
    match way {
        #[cfg(feature = "aws-lc")]
        Way::AwsLc => aws_lc::rsa_public(n, e, m, out),
        Way::Plain | Way::Lanes(_) => match n.len() {
            128 => run::<{ U1024::LIMBS }>(n, e, m, out),
            256 => run::<{ U2048::LIMBS }>(n, e, m, out),
            384 => run::<{ U3072::LIMBS }>(n, e, m, out),
            512 => run::<{ U4096::LIMBS }>(n, e, m, out),
            _ => Err(Error::BadSize),
        },
    }
}

/// base^exponent for four of them, in lanes of one computation.
#[cfg(target_arch = "x86_64")]
fn in_lanes<const L: usize>(
    simd: Simd,
    moduli: [&Uint<L>; 4],
    bases: &[Uint<L>; 4],
    exponents: &[Uint<L>; 4],
) -> Option<[Uint<L>; 4]> {
    let powers = core::array::from_fn::<_, 4, _>(|lane| Power {
        modulus: moduli[lane].as_words(),
        base: bases[lane].as_words(),
        exponent: exponents[lane].as_words(),
    });
    let mut out = Zeroizing::new([[0; L]; 4]);
    simd.power(&powers, &mut *out)?;
    Some(out.map(Uint::from_words))
}

/// There are no vectors here.
#[cfg(not(target_arch = "x86_64"))]
fn in_lanes<const L: usize>(
    _: Simd,
    _: [&Uint<L>; 4],
    _: &[Uint<L>; 4],
    _: &[Uint<L>; 4],
) -> Option<[Uint<L>; 4]> {
    None
}

/// A two-prime private key ready for use: `L` limbs to a prime, `W` to the modulus.
#[derive(Clone)]
pub(crate) struct Crt<const L: usize, const W: usize> {
    n: FixedMontyParams<W>,
    p: FixedMontyParams<L>,
    q: FixedMontyParams<L>,
    dp: Uint<L>,
    dq: Uint<L>,
    /// q^-1 mod p.
    q_inverse: FixedMontyForm<L>,
    e: u32,
    /// The same moduli for AWS-LC, which wipes them.
    #[cfg(feature = "aws-lc")]
    moduli: Arc<aws_lc::Moduli>,
}

impl<const L: usize, const W: usize> Drop for Crt<L, W> {
    fn drop(&mut self) {
        self.p.zeroize();
        self.q.zeroize();
        self.dp.zeroize();
        self.dq.zeroize();
        self.q_inverse.zeroize();
    }
}

/// Whether the square of a prime has twice its own number of bits, all of `L` limbs. Part 1, 43.1.
fn in_range<const L: usize>(prime: &Uint<L>) -> bool {
    let (_, high) = prime.widening_square();
    bool::from(high.bit(Uint::<L>::BITS - 1))
}

/// e^-1 mod (prime - 1): with prime - 1 = e * t + r and k = -1 / r mod e, it is k * t + (k * r + 1) / e.
fn inverse_exponent<const L: usize>(e: u32, prime: &Uint<L>) -> Result<Uint<L>, Error> {
    let divisor = exponent_limb(e)?;
    let (t, r) = prime.wrapping_sub(&Uint::ONE).div_rem_limb(divisor);
    let (t, e64) = (Zeroizing::new(t), U64::from_u32(e));
    let r = Zeroizing::new(U64::from(r));
    let inverse = r.invert_odd_mod(&odd(&e64)?).into_option();
    let k = Zeroizing::new(e64.wrapping_sub(&inverse.ok_or(Error::BadValue)?));
    let (rest, _) = k.wrapping_mul(&*r).wrapping_add(&U64::ONE).div_rem_limb(divisor);
    Ok(t.wrapping_mul(&*k).wrapping_add(&rest.resize::<L>()))
}

impl<const L: usize, const W: usize> Crt<L, W> {
    fn from_prime(n: &[u8], e: u32, p: &[u8]) -> Result<Self, Error> {
        let n = load::<W>(n)?;
        let p = Zeroizing::new(load::<L>(p)?);
        if !in_range(&*p) {
            return Err(Error::BadValue);
        }
        let divisor: Option<NonZero<Uint<L>>> = p.to_nz().into_option();
        let divisor = Zeroizing::new(divisor.ok_or(Error::BadValue)?);
        let (quotient, remainder) = n.div_rem(&*divisor);
        let (quotient, remainder) = (Zeroizing::new(quotient), Zeroizing::new(remainder));
        let (q, high) = split::<L, W>(&quotient);
        let q = Zeroizing::new(q);
        let divides = remainder.is_zero() & high.is_zero();
        if !bool::from(divides) || !in_range(&*q) {
            return Err(Error::BadValue);
        }
        Self::new(&n, e, &p, &q)
    }

    fn from_primes(p: &[u8], q: &[u8], e: u32) -> Result<Self, Error> {
        let p = Zeroizing::new(load::<L>(p)?);
        let q = Zeroizing::new(load::<L>(q)?);
        if !in_range(&*p) || !in_range(&*q) {
            return Err(Error::BadValue);
        }
        let (low, high) = p.widening_mul(&*q);
        Self::new(&join(&low, &high), e, &p, &q)
    }

    /// n is p times q, and both are in range.
    fn new(n: &Uint<W>, e: u32, p: &Uint<L>, q: &Uint<L>) -> Result<Self, Error> {
        let p_params = FixedMontyParams::new(odd(p)?);
        let q_params = FixedMontyParams::new(odd(q)?);
        let q_inverse = FixedMontyForm::new(q, &p_params).invert().into_option();
        Ok(Self {
            #[cfg(feature = "aws-lc")]
            moduli: Arc::new(aws_lc::Moduli::new(n, p, q)?),
            n: FixedMontyParams::new_vartime(odd(n)?),
            dp: inverse_exponent(e, p)?,
            dq: inverse_exponent(e, q)?,
            // None if p and q share a factor, as when they are equal.
            q_inverse: q_inverse.ok_or(Error::BadValue)?,
            p: p_params,
            q: q_params,
            e,
        })
    }

    /// c mod prime, in Montgomery form, for c of two primes' length.
    fn reduce(c: &Uint<W>, prime: &FixedMontyParams<L>) -> FixedMontyForm<L> {
        let (low, high) = split::<L, W>(c);
        // 2^BITS in Montgomery form is r2 itself.
        let shift = FixedMontyForm::from_montgomery(*prime.r2(), prime);
        FixedMontyForm::new(&high, prime).mul(&shift).add(&FixedMontyForm::new(&low, prime))
    }

    /// (c mod prime)^exponent.
    fn half(c: &Uint<W>, prime: &FixedMontyParams<L>, exponent: &Uint<L>) -> Uint<L> {
        let (reduced, modulus) = (Zeroizing::new(Self::reduce(c, prime)), Modulus::new(prime));
        let power = modulus.pow(prime.one(), reduced.as_montgomery(), exponent, Uint::<L>::BITS);
        FixedMontyForm::from_montgomery(modulus.reduce(&power), prime).retrieve()
    }

    /// The number modulo n that is m1 modulo p and m2 modulo q, by Garner's formula.
    fn join(&self, m1: &Uint<L>, m2: &Uint<L>) -> Uint<W> {
        let h = FixedMontyForm::new(m1, &self.p).sub(&FixedMontyForm::new(m2, &self.p));
        let h = Zeroizing::new(h.mul(&self.q_inverse).retrieve());
        let (low, high) = h.widening_mul(self.q.modulus().as_ref());
        join::<L, W>(&low, &high).wrapping_add(&m2.resize::<W>())
    }

    /// hidden^d and blind^-1 modulo n; the caller checks both.
    fn powers(&self, hidden: &Uint<W>, blind: &FixedMontyForm<W>) -> Option<[Uint<W>; 2]> {
        let m1 = Zeroizing::new(Self::half(hidden, &self.p, &self.dp));
        let m2 = Zeroizing::new(Self::half(hidden, &self.q, &self.dq));
        let inverse: Option<FixedMontyForm<W>> = blind.invert().into_option();
        Some([self.join(&m1, &m2), Zeroizing::new(inverse?).retrieve()])
    }

    /// The same as four powers in lanes of one computation. Fermat's inverses, prime by prime, cost nothing beside the others.
    fn powers_in_lanes(&self, simd: Simd, hidden: &Uint<W>, blind: &Uint<W>) -> Option<[Uint<W>; 2]> {
        let [p, q] = [&self.p, &self.q];
        let bases = [(hidden, p), (hidden, q), (blind, p), (blind, q)];
        let bases = Zeroizing::new(bases.map(|(base, prime)| Self::reduce(base, prime).retrieve()));
        let less_two = |prime: &FixedMontyParams<L>| prime.modulus().as_ref().wrapping_sub(&Uint::from_u8(2));
        let exponents = Zeroizing::new([self.dp, self.dq, less_two(p), less_two(q)]);
        let moduli = [p, q, p, q].map(|prime| prime.modulus().as_ref());
        let powers = Zeroizing::new(in_lanes(simd, moduli, &bases, &exponents)?);
        let [m1, m2, i1, i2] = &*powers;
        Some([self.join(m1, m2), self.join(i1, i2)])
    }

    fn private(&self, way: Way, c: &[u8], blind: &[u8], out: &mut [u8]) -> Result<(), Error> {
        match way {
            Way::Plain => self.private_here(c, blind, out, None),
            Way::Lanes(simd) => self.private_here(c, blind, out, Some(simd)),
            #[cfg(feature = "aws-lc")]
            Way::AwsLc => self.private_by_aws_lc(c, blind, out),
        }
    }

    fn private_here(&self, c: &[u8], blind: &[u8], out: &mut [u8], simd: Option<Simd>) -> Result<(), Error> {
        let c = load::<W>(c)?;
        if &c >= self.n.modulus().as_ref() {
            return Err(Error::BadValue);
        }
        let blind = Zeroizing::new(load::<W>(blind)?);
        let factor = Zeroizing::new(FixedMontyForm::new(&blind, &self.n));
        let hidden = factor.pow_vartime(&U64::from_u32(self.e));
        let hidden = Zeroizing::new(hidden.mul(&FixedMontyForm::new(&c, &self.n)).retrieve());
        let powers = match simd {
            Some(simd) => self.powers_in_lanes(simd, &hidden, &blind),
            None => self.powers(&hidden, &factor),
        };
        let powers = Zeroizing::new(powers.ok_or(Error::NoResult)?);
        let [power, inverse] = &*powers;
        // A fault in one half would give the other prime away: nothing leaves unless it checks.
        let checked = Modulus::new(&self.n).public_power(self.n.r2(), power, self.e);
        if checked != *hidden {
            return Err(Error::Fault);
        }
        let unblind = Zeroizing::new(FixedMontyForm::new(inverse, &self.n));
        if *factor.mul(&unblind).as_montgomery() != *self.n.one() {
            return Err(Error::NoResult);
        }
        let result = FixedMontyForm::new(power, &self.n).mul(&unblind);
        store(&*Zeroizing::new(result.retrieve()), out);
        Ok(())
    }

    fn modulus(&self, out: &mut [u8]) {
        store(self.n.modulus().as_ref(), out);
    }

    fn primes(&self, p: &mut [u8], q: &mut [u8]) {
        store(self.p.modulus().as_ref(), p);
        store(self.q.modulus().as_ref(), q);
    }
}

macro_rules! by_size {
    ($($variant:ident($prime:ident, $modulus:ident),)+) => {
        /// A private key of one of the supported sizes, zeroised when dropped.
        #[derive(Clone)]
        pub(crate) enum RsaCrt {
            $($variant(Box<Crt<{ $prime::LIMBS }, { $modulus::LIMBS }>>),)+
        }

        impl RsaCrt {
            /// The key whose modulus is n and of which p is one prime.
            ///
            /// # Errors
            /// - [`Error::BadSize`] if n or p has a length that is not supported.
            /// - [`Error::BadValue`] if p does not divide n, a factor is even or out of range, the two are
            ///   not coprime, or e has no inverse.
            pub(crate) fn from_prime(n: &[u8], e: u32, p: &[u8]) -> Result<Self, Error> {
                match n.len() {
                    $($modulus::BYTES => Crt::from_prime(n, e, p).map(Box::new).map(Self::$variant),)+
                    _ => Err(Error::BadSize),
                }
            }

            /// The key with these two primes. Errors as for [`RsaCrt::from_prime`].
            pub(crate) fn from_primes(p: &[u8], q: &[u8], e: u32) -> Result<Self, Error> {
                match p.len() {
                    $($prime::BYTES => Crt::from_primes(p, q, e).map(Box::new).map(Self::$variant),)+
                    _ => Err(Error::BadSize),
                }
            }

            /// Octets in the modulus.
            pub(crate) fn size(&self) -> usize {
                match self {
                    $(Self::$variant(_) => $modulus::BYTES,)+
                }
            }

            /// Writes the modulus.
            pub(crate) fn modulus(&self, out: &mut [u8]) {
                match self {
                    $(Self::$variant(key) => key.modulus(out),)+
                }
            }

            /// Writes both primes.
            pub(crate) fn primes(&self, p: &mut [u8], q: &mut [u8]) {
                match self {
                    $(Self::$variant(key) => key.primes(p, q),)+
                }
            }

            /// The public exponent.
            pub(crate) fn e(&self) -> u32 {
                match self {
                    $(Self::$variant(key) => key.e,)+
                }
            }

            /// RSADP and RSASP1: c^d mod n, computed on c * blind^e. All lengths are the modulus's.
            ///
            /// # Errors
            /// - [`Error::BadSize`] if a length is wrong.
            /// - [`Error::BadValue`] if c is not below n.
            /// - [`Error::NoResult`] if `blind` has no inverse: another is needed.
            /// - [`Error::Fault`] if the result does not check.
            pub(crate) fn private(
                &self,
                c: &[u8],
                blind: &[u8],
                out: &mut [u8],
            ) -> Result<(), Error> {
                self.private_by(Way::fastest(), c, blind, out)
            }

            fn private_by(&self, way: Way, c: &[u8], blind: &[u8], out: &mut [u8]) -> Result<(), Error> {
                match self {
                    $(Self::$variant(key) => key.private(way, c, blind, out),)+
                }
            }
        }
    };
}

by_size! {
    Rsa1024(U512, U1024),
    Rsa2048(U1024, U2048),
    Rsa3072(U1536, U3072),
    Rsa4096(U2048, U4096),
}

/// Whether gcd(candidate - 1, e) is 1, for an odd candidate.
pub(crate) fn exponent_fits(candidate: &[u8], e: u32) -> Result<bool, Error> {
    fn run<const L: usize>(candidate: &[u8], e: u32) -> Result<bool, Error> {
        let candidate = Zeroizing::new(load::<L>(candidate)?);
        let rest = candidate.wrapping_sub(&Uint::ONE).rem_limb(exponent_limb(e)?);
        let rest = U64::from(rest);
        Ok(rest.gcd(&U64::from_u32(e)) == U64::ONE)
    }
    match candidate.len() {
        64 => run::<{ U512::LIMBS }>(candidate, e),
        128 => run::<{ U1024::LIMBS }>(candidate, e),
        192 => run::<{ U1536::LIMBS }>(candidate, e),
        256 => run::<{ U2048::LIMBS }>(candidate, e),
        _ => Err(Error::BadSize),
    }
}

/// Whether |a - b| > 2^(bits - 100), where both have `bits` bits. FIPS 186-5, A.1.3.
pub(crate) fn far_apart(a: &[u8], b: &[u8]) -> Result<bool, Error> {
    fn run<const L: usize>(a: &[u8], b: &[u8]) -> Result<bool, Error> {
        let (a, b) = (Zeroizing::new(load::<L>(a)?), Zeroizing::new(load::<L>(b)?));
        let (difference, borrow) = a.borrowing_sub(&b, Limb::ZERO);
        let negated = difference.wrapping_neg();
        let distance = Uint::ct_select(&difference, &negated, borrow.ct_ne(&Limb::ZERO));
        let distance = Zeroizing::new(distance);
        let limit = Uint::<L>::ONE.shl_vartime(Uint::<L>::BITS - 100);
        Ok(*distance > limit)
    }
    match a.len() {
        64 => run::<{ U512::LIMBS }>(a, b),
        128 => run::<{ U1024::LIMBS }>(a, b),
        192 => run::<{ U1536::LIMBS }>(a, b),
        256 => run::<{ U2048::LIMBS }>(a, b),
        _ => Err(Error::BadSize),
    }
}

/// One round of the Miller-Rabin test of an odd candidate with its top bit set, and a base in
/// 2..candidate - 1, or 2 if there is none. FIPS 186-5, B.3.1.
///
/// A candidate congruent to 1 modulo 2^64 fails. The time does not depend on the candidate, nor on how many
/// times two divides candidate - 1.
pub(crate) fn miller_rabin(candidate: &[u8], base: Option<&[u8]>) -> Result<bool, Error> {
    fn run<const L: usize>(candidate: &[u8], base: Option<&[u8]>) -> Result<bool, Error> {
        let low = candidate.last_chunk().ok_or(Error::BadSize)?;
        let low = Zeroizing::new(u64::from_be_bytes(*low) & !1);
        let candidate = Zeroizing::new(load::<L>(candidate)?);
        if !bool::from(candidate.bit(Uint::<L>::BITS - 1)) {
            return Err(Error::BadValue);
        }
        let params = Zeroizing::new(FixedMontyParams::new(odd(&candidate)?));
        let modulus = Modulus::new(&params);
        let one = params.one();
        let minus_one = Zeroizing::new(candidate.wrapping_sub(one));

        // x = base^((candidate - 1) >> shift), for shift from 64 down to 1.
        let high = Zeroizing::new(candidate.shr_vartime(64));
        let bits = Uint::<L>::BITS - 64;
        let base = match base {
            Some(base) => Some(*FixedMontyForm::new(&load(base)?, &params).as_montgomery()),
            None => None,
        };
        let base = Zeroizing::new(base);
        let mut x = Zeroizing::new(match &*base {
            Some(base) => modulus.pow(one, base, &high, bits),
            None => modulus.pow2(one, &high, bits),
        });
        let mut passed = 0u64.ct_ne(&0);
        for shift in (1..64u32).rev() {
            *x = modulus.square(&x);
            let bit = ((*low >> shift) & 1).ct_eq(&1);
            let multiplied = match &*base {
                Some(base) => modulus.mul(&x, base),
                None => modulus.double(&x),
            };
            *x = Uint::ct_select(&x, &multiplied, bit);
            let value = modulus.reduce(&x);
            let zero_below = (*low & ((1 << shift) - 1)).ct_eq(&0);
            passed |= zero_below & value.ct_eq(&minus_one);
            passed |= zero_below & bit & value.ct_eq(one);
        }
        Ok(bool::from(passed & low.ct_ne(&0)))
    }
    match candidate.len() {
        64 => run::<{ U512::LIMBS }>(candidate, base),
        128 => run::<{ U1024::LIMBS }>(candidate, base),
        192 => run::<{ U1536::LIMBS }>(candidate, base),
        256 => run::<{ U2048::LIMBS }>(candidate, base),
        _ => Err(Error::BadSize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::numbers::{bytes, carmichael, with_twos};
    use crypto_primes::hazmat::MillerRabin;

    type Crt2048 = Crt<{ U1024::LIMBS }, { U2048::LIMBS }>;

    #[test]
    fn primes_pass_however_many_twos_divide_their_predecessor_up_to_63() {
        for base in [2u64, 3, 65537, 0xFFFF_FFFF_FFFF_FFFF] {
            let base = bytes(&U1024::from_u64(base));
            for (s, step, passes) in [(40, 79, true), (63, 68, true), (64, 1015, false)] {
                let prime = with_twos(s, step);
                assert!(MillerRabin::new(prime.to_odd().unwrap()).test_base_two().is_probably_prime());
                assert_eq!(miller_rabin(&bytes(&prime), Some(&base)), Ok(passes), "{s}");
            }
        }
    }

    /// It fools Fermat's test.
    #[test]
    fn a_carmichael_number_is_caught_by_the_bases_that_catch_it() {
        let number = carmichael();
        // It also fools this test to the bases 3 and 5.
        for (base, passes) in [(2u64, false), (3, true), (5, true), (7, false), (11, false)] {
            let base = bytes(&U1024::from_u64(base));
            assert_eq!(miller_rabin(&bytes(&number), Some(&base)), Ok(passes));
        }
    }

    #[test]
    fn odd_numbers_are_judged_as_another_implementation_judges_them() {
        let mut number = with_twos(40, 79);
        let mut agreed = [0; 2];
        for step in 0..400u64 {
            number = number.wrapping_add(&U1024::from_u64(2 * step));
            // Witnesses that also go beyond the candidate's lower half.
            let base = number.shr_vartime(1) ^ U1024::from_u64(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let odd = number.to_odd().unwrap();
            let expected = MillerRabin::new(odd).test(&base).is_probably_prime();
            assert_eq!(miller_rabin(&bytes(&number), Some(&bytes(&base))), Ok(expected));
            agreed[usize::from(expected)] += 1;
        }
        assert!(agreed[0] > 300 && agreed[1] > 0, "{agreed:?}");
    }

    #[test]
    fn a_faulty_half_gives_an_error_and_no_result() {
        let (p, q) = (bytes(&with_twos(40, 79)), bytes(&with_twos(63, 68)));
        let good = Crt2048::from_primes(&p, &q, 65537).unwrap();
        let (block, blind) = ([0x5A; 256], [0x33; 256]);
        let mut expected = None;
        for way in Way::all() {
            let mut out = [0; 256];
            good.private(way, &block, &blind, &mut out).unwrap();
            assert_eq!(*expected.get_or_insert(out), out, "{way:?}");
            for fault in 0..4 {
                let mut bad = good.clone();
                match fault {
                    0 => bad.dp ^= U1024::ONE,
                    1 => bad.dq ^= U1024::ONE.shl_vartime(700),
                    2 => bad.q_inverse = bad.q_inverse.double(),
                    _ => bad.q = bad.p,
                }
                out = [0; 256];
                assert_eq!(bad.private(way, &block, &blind, &mut out), Err(Error::Fault));
                assert_eq!(out, [0; 256]);
            }
            // And what the good half gives is the same under any blinding.
            good.private(way, &block, &[0x01; 256], &mut out).unwrap();
            assert_eq!(Some(out), expected);
        }
    }

    #[test]
    fn a_blinding_without_an_inverse_gives_no_result() {
        let (p, q) = (bytes(&with_twos(40, 79)), bytes(&with_twos(63, 68)));
        let key = Crt2048::from_primes(&p, &q, 65537).unwrap();
        let mut factor = [0; 256];
        factor[128..].copy_from_slice(&p);
        for way in Way::all() {
            for blind in [&[0; 256], &factor] {
                let mut out = [0; 256];
                assert_eq!(key.private(way, &[0x5A; 256], blind, &mut out), Err(Error::NoResult), "{way:?}");
                assert_eq!(out, [0; 256]);
            }
        }
    }

    #[test]
    fn distances_are_measured_both_ways() {
        let a = with_twos(40, 79);
        let limit = U1024::ONE.shl_vartime(1024 - 100);
        let near = bytes(&a.wrapping_add(&limit));
        let far = bytes(&a.wrapping_add(&limit).wrapping_add(&U1024::ONE));
        let a = bytes(&a);
        for (x, y, expected) in [(&a, &a, false), (&a, &near, false), (&a, &far, true)] {
            assert_eq!(far_apart(x, y), Ok(expected));
            assert_eq!(far_apart(y, x), Ok(expected));
        }
    }
}
