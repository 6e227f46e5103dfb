//! Numbers in lanes, and the exponentiations over what a [`Kernel`] can do with them.
//!
//! A number of `W` words is cut into `L` limbs of [`Kernel::LIMB_BITS`] bits; limb i of `N` numbers makes vector i. Montgomery's R is
//! 2 to the bits of all limbs, at least 2^8 times as large as any modulus, so that nothing has to be subtracted after a product: with
//! a and b below R/3, the result a * b / R, plus less than one modulus, is below R/8, and may be doubled.

use zeroize::{Zeroize, Zeroizing};

use crate::{MAX_LANES, Power, Words};

/// One limb of each of `N` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Vector<const N: usize>(pub(crate) [u64; N]);

impl<const N: usize> Vector<N> {
    pub(crate) const ZERO: Self = Self([0; N]);
}

impl<const N: usize> Zeroize for Vector<N> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// `N` numbers, the least significant limbs first.
pub(crate) type Number<const N: usize, const L: usize> = [Vector<N>; L];

/// Room for a product of two numbers.
pub(crate) type Product<const N: usize, const L: usize> = [[Vector<N>; L]; 2];

/// What the exponentiations need of a kind of vectors.
pub(crate) trait Kernel<const N: usize>: Copy {
    /// Bits in a limb.
    const LIMB_BITS: u32;

    /// a = a * b / R. `k` is -modulus^-1 modulo 2^LIMB_BITS. The product is left in `work`.
    fn mul<const L: usize>(
        self,
        a: &mut Number<N, L>,
        b: &Number<N, L>,
        modulus: &Modulus<N, L>,
        work: &mut Product<N, L>,
    );

    /// a = a * a / R * 2^shift, where `shift` is 0 or 1. The product is left in `work`.
    fn square<const L: usize>(
        self,
        a: &mut Number<N, L>,
        shift: &Vector<N>,
        modulus: &Modulus<N, L>,
        work: &mut Product<N, L>,
    );

    /// The entries of the table that the indices name, by looking at all of them.
    fn select<const L: usize>(
        self,
        table: &[Number<N, L>; TABLE],
        indices: &Vector<N>,
        out: &mut Number<N, L>,
    );
}

/// Bits of an exponent taken at a time.
const WINDOW: usize = 4;
/// The powers a table has.
pub(crate) const TABLE: usize = 1 << WINDOW;

/// The moduli, odd and with their top bits set.
pub(crate) struct Modulus<const N: usize, const L: usize> {
    pub(crate) limbs: Number<N, L>,
    /// -modulus^-1 modulo 2^LIMB_BITS.
    pub(crate) k: Vector<N>,
}

impl<const N: usize, const L: usize> Drop for Modulus<N, L> {
    fn drop(&mut self) {
        self.limbs.zeroize();
        self.k.zeroize();
    }
}

/// x^-1 modulo 2^64, for an odd x.
fn inverse(x: u64) -> u64 {
    // Right for the low three bits; each step doubles that.
    (0..5).fold(x, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(inverse))))
}

/// Writes `words` times 2^shift into one lane. `shift` is below 64.
fn pack<const N: usize, const L: usize>(
    words: &[u64],
    shift: u32,
    bits: u32,
    lane: usize,
    out: &mut Number<N, L>,
) {
    let word = |place: usize| words.get(place).copied().unwrap_or(0);
    // Bit 64 of this counts as bit 0 of the number, so that shifting in zeros needs no sign.
    let mut at = 64 - shift as usize;
    for limb in out {
        let (place, offset) = (at / 64, at % 64);
        let low = if place == 0 { 0 } else { word(place - 1) };
        let value = low >> offset | word(place) << 1 << (63 - offset);
        limb.0[lane] = value & ((1 << bits) - 1);
        at += bits as usize;
    }
}

/// The number in one lane, whose limbs do not overflow.
fn unpack<const N: usize, const L: usize>(number: &Number<N, L>, bits: u32, lane: usize, words: &mut [u64]) {
    words.fill(0);
    let mut at = 0;
    for limb in number {
        let (place, offset) = (at / 64, at % 64);
        if let Some(word) = words.get_mut(place) {
            *word |= limb.0[lane] << offset;
        }
        if let Some(word) = words.get_mut(place + 1) {
            *word |= limb.0[lane] >> 1 >> (63 - offset);
        }
        at += bits as usize;
    }
}

/// Bits `at..at + count` of a number, where no word's border lies between them.
fn bits_at(words: &[u64], at: usize, count: usize) -> u64 {
    words[at / 64] >> (at % 64) & ((1 << count) - 1)
}

/// The numbers, one a lane; lanes that are left over repeat the first. `None` if there are too many, or none.
fn spread<const N: usize, T: Copy>(numbers: &[T]) -> Option<[T; N]> {
    let first = *numbers.first()?;
    if numbers.len() > N {
        return None;
    }
    let mut out = [first; N];
    out[..numbers.len()].copy_from_slice(numbers);
    Some(out)
}

/// The moduli of one computation, with what is needed to begin it.
struct Lanes<K, const N: usize, const L: usize> {
    kernel: K,
    modulus: Modulus<N, L>,
    /// R modulo the modulus: 1 in Montgomery form.
    one: Zeroizing<Number<N, L>>,
    work: Zeroizing<Product<N, L>>,
}

impl<K: Kernel<N>, const N: usize, const L: usize> Lanes<K, N, L> {
    fn new<const W: usize>(kernel: K, moduli: &[&Words<W>; N]) -> Option<Self> {
        let bits = K::LIMB_BITS;
        let shift = u32::try_from(L).ok()? * bits - 64 * u32::try_from(W).ok()?;
        let mut modulus = Modulus { limbs: [Vector::ZERO; L], k: Vector::ZERO };
        let mut one = Zeroizing::new([Vector::ZERO; L]);
        for (lane, words) in moduli.iter().enumerate() {
            if words[0] & 1 == 0 || words[W - 1] >> 63 == 0 {
                return None;
            }
            pack(&words[..], 0, bits, lane, &mut modulus.limbs);
            modulus.k.0[lane] = inverse(words[0]).wrapping_neg() & ((1 << bits) - 1);
            // 2^(64 W) less the modulus, and that shifted to R: less than R / 2, and R modulo the modulus.
            let mut rest = Zeroizing::new([0; W]);
            let mut carry = true;
            for (rest, word) in rest.iter_mut().zip(words.iter()) {
                (*rest, carry) = (!word).overflowing_add(u64::from(carry));
            }
            pack(&rest[..], shift, bits, lane, &mut one);
        }
        let work = Zeroizing::new([[Vector::ZERO; L]; 2]);
        let mut lanes = Self { kernel, modulus, one, work };
        // One squared is one, and this one is below R / 3.
        lanes.kernel.square(&mut lanes.one, &Vector::ZERO, &lanes.modulus, &mut lanes.work);
        Some(lanes)
    }

    fn mul(&mut self, a: &mut Number<N, L>, b: &Number<N, L>) {
        self.kernel.mul(a, b, &self.modulus, &mut self.work);
    }

    fn square(&mut self, a: &mut Number<N, L>, shift: &Vector<N>) {
        self.kernel.square(a, shift, &self.modulus, &mut self.work);
    }

    /// 2^exponent in Montgomery form, for exponents of `bits` bits of which `bit` gives those at one place.
    fn power_of_2(&mut self, bits: usize, bit: impl Fn(usize) -> Vector<N>) -> Zeroizing<Number<N, L>> {
        let mut x = Zeroizing::new(*self.one);
        for at in (0..bits).rev() {
            self.square(&mut x, &bit(at));
        }
        x
    }

    /// The numbers in Montgomery form.
    fn enter<const W: usize>(&mut self, numbers: &[&Words<W>; N]) -> Zeroizing<Number<N, L>> {
        // R in Montgomery form is R * R.
        let exponent = L as u64 * u64::from(K::LIMB_BITS);
        let bits = (u64::BITS - exponent.leading_zeros()) as usize;
        let square = self.power_of_2(bits, |at| Vector([exponent >> at & 1; N]));
        let mut x = Zeroizing::new([Vector::ZERO; L]);
        for (lane, words) in numbers.iter().enumerate() {
            pack(&words[..], 0, K::LIMB_BITS, lane, &mut x);
        }
        self.mul(&mut x, &square);
        x
    }

    /// Out of Montgomery form, where the result is at most the modulus, and equal to it only for zero.
    fn leave(&mut self, x: &mut Number<N, L>) {
        let mut unit = [Vector::ZERO; L];
        unit[0] = Vector([1; N]);
        self.mul(x, &unit);
    }

    /// base^exponent in Montgomery form, for exponents of `W` words.
    fn power<const W: usize>(
        &mut self,
        base: &Number<N, L>,
        exponents: &[&Words<W>; N],
    ) -> Zeroizing<Number<N, L>> {
        let mut table = Zeroizing::new([*self.one; TABLE]);
        for i in 1..TABLE {
            table[i] = table[i - 1];
            let entry = &mut table[i];
            self.kernel.mul(entry, base, &self.modulus, &mut self.work);
        }
        let mut x = Zeroizing::new(*self.one);
        let mut chosen = Zeroizing::new(*self.one);
        let mut indices = Zeroizing::new(Vector::ZERO);
        for at in (0..64 * W).step_by(WINDOW).rev() {
            for _ in 0..WINDOW {
                self.square(&mut x, &Vector::ZERO);
            }
            for (index, exponent) in indices.0.iter_mut().zip(exponents) {
                *index = bits_at(&exponent[..], at, WINDOW);
            }
            self.kernel.select(&table, &indices, &mut chosen);
            self.mul(&mut x, &chosen);
        }
        x
    }

    /// All ones in the lanes whose number is congruent to the word, which is 1, or to its negative, if that is asked for; zero in the others.
    fn is_one(&mut self, x: &Number<N, L>, negative: bool) -> Vector<N> {
        let mut value = Zeroizing::new(*x);
        self.leave(&mut value);
        let mut differs = [0; N];
        for (place, (limb, modulus)) in value.iter().zip(&self.modulus.limbs).enumerate() {
            let unit = u64::from(place == 0);
            for ((differs, limb), modulus) in differs.iter_mut().zip(limb.0).zip(modulus.0) {
                // The modulus is odd, so that one less is another lowest bit.
                *differs |= limb ^ if negative { modulus ^ unit } else { unit };
            }
        }
        Vector(differs.map(|differs| mask(is_zero(differs))))
    }
}

/// 1 if the number is zero, else 0.
fn is_zero(x: u64) -> u64 {
    !(x | x.wrapping_neg()) >> 63
}

/// All ones for 1, zero for 0.
fn mask(bit: u64) -> u64 {
    // Without this the compiler may see what the mask is made of, and branch.
    core::hint::black_box(bit).wrapping_neg()
}

/// See [`crate::Simd::fermat_base_2`].
pub(crate) fn fermat_base_2<K: Kernel<N>, const N: usize, const W: usize, const L: usize>(
    kernel: K,
    candidates: &[&Words<W>],
) -> Option<[bool; MAX_LANES]> {
    let spread: [&Words<W>; N] = spread(candidates)?;
    let mut lanes = Lanes::<K, N, L>::new(kernel, &spread)?;
    // Candidates are odd: one less is another lowest bit.
    let bit = |at| Vector(spread.map(|words| if at == 0 { 0 } else { bits_at(&words[..], at, 1) }));
    let x = lanes.power_of_2(64 * W, bit);
    let passed = lanes.is_one(&x, false);
    let mut out = [false; MAX_LANES];
    for ((out, passed), _) in out.iter_mut().zip(passed.0).zip(candidates) {
        *out = passed != 0;
    }
    Some(out)
}

/// See [`crate::Simd::power`].
pub(crate) fn power<K: Kernel<N>, const N: usize, const W: usize, const L: usize>(
    kernel: K,
    powers: &[Power<'_, W>],
    out: &mut [Words<W>],
) -> Option<()> {
    if out.len() != powers.len() {
        return None;
    }
    let spread: [Power<'_, W>; N] = spread(powers)?;
    let mut lanes = Lanes::<K, N, L>::new(kernel, &spread.map(|power| power.modulus))?;
    let base = lanes.enter(&spread.map(|power| power.base));
    let mut x = lanes.power(&base, &spread.map(|power| power.exponent));
    lanes.leave(&mut x);
    for (lane, (out, power)) in out.iter_mut().zip(powers).enumerate() {
        unpack(&x, K::LIMB_BITS, lane, &mut out[..]);
        // The modulus itself stands for zero.
        let differs = out.iter().zip(power.modulus).fold(0, |all, (word, modulus)| all | (word ^ modulus));
        let keep = !mask(is_zero(differs));
        for word in out.iter_mut() {
            *word &= keep;
        }
    }
    Some(())
}

/// See [`crate::Simd::miller_rabin`].
pub(crate) fn miller_rabin<K: Kernel<N>, const N: usize, const W: usize, const L: usize>(
    kernel: K,
    candidate: &Words<W>,
    bases: &[&Words<W>],
) -> Option<bool> {
    let spread: [&Words<W>; N] = spread(bases)?;
    let mut lanes = Lanes::<K, N, L>::new(kernel, &[candidate; N])?;
    // candidate - 1 is 2^twos times an odd number, if its lowest word is not zero.
    let low = candidate[0] & !1;
    let twos = low.trailing_zeros() & 63;
    let mut exponent = Zeroizing::new([0; W]);
    for (place, word) in exponent.iter_mut().enumerate() {
        let next = candidate.get(place + 1).copied().unwrap_or(0);
        let own = if place == 0 { low } else { candidate[place] };
        *word = own >> twos | next << 1 << (63 - twos);
    }
    let base = lanes.enter(&spread);
    let mut x = lanes.power(&base, &[&*exponent; N]);
    let mut passed = lanes.is_one(&x, false);
    for step in 0..63 {
        let counts = mask(u64::from(step < twos));
        let minus_one = lanes.is_one(&x, true);
        for (passed, minus_one) in passed.0.iter_mut().zip(minus_one.0) {
            *passed |= minus_one & counts;
        }
        lanes.square(&mut x, &Vector::ZERO);
    }
    let all = passed.0.iter().fold(u64::MAX, |all, passed| all & passed);
    Some(all != 0 && low != 0)
}
