//! Montgomery arithmetic for the places where an RSA key spends its time: the prime search, the private
//! operation and, for a key that is seen once, the public one.
//!
//! Numbers are kept below R = 2^BITS, not below the modulus, whose top bit must be set: then one subtraction
//! on overflow is enough after every product. crypto-bigint reduces fully, has no squaring of this kind to
//! offer, and took about 1.4 times as long where this was measured. It still makes the parameters of secret
//! moduli.
//!
//! No branch and no address depends on a number, but for a public exponent; the lengths alone do.

use crypto_bigint::modular::FixedMontyParams;
use crypto_bigint::{CtEq, CtSelect, Uint, WideWord, Word};
use zeroize::Zeroizing;

/// acc + a * b + carry, as its low and high word. It cannot overflow, so nothing has to watch for it.
#[inline(always)]
fn multiply_add(acc: Word, a: Word, b: Word, carry: Word) -> (Word, Word) {
    let wide = WideWord::from(a)
        .wrapping_mul(WideWord::from(b))
        .wrapping_add(WideWord::from(acc))
        .wrapping_add(WideWord::from(carry));
    (wide as Word, (wide >> Word::BITS) as Word)
}

/// a + b + carry, where `carry` is 0 or 1, and the carry out.
#[inline(always)]
fn add_carry(a: Word, b: Word, carry: Word) -> (Word, Word) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, Word::from(first | second))
}

/// row + factor * by, in place, and the word carried out. Both have the same length.
#[inline(always)]
fn multiply_row(row: &mut [Word], factor: Word, by: &[Word]) -> Word {
    let mut carry = 0;
    // Fixed lengths make straight code; long loops of single words were half as fast.
    let (rows, row) = row.as_chunks_mut::<8>();
    let (bys, by) = by.as_chunks::<8>();
    for (row, by) in rows.iter_mut().zip(bys) {
        for (word, by) in row.iter_mut().zip(by) {
            (*word, carry) = multiply_add(*word, factor, *by, carry);
        }
    }
    for (word, by) in row.iter_mut().zip(by) {
        (*word, carry) = multiply_add(*word, factor, *by, carry);
    }
    carry
}

/// An odd modulus with its top bit set.
pub(super) struct Modulus<'a, const L: usize> {
    words: &'a [Word; L],
    /// -modulus^-1 modulo 2^WORD.
    inverse: Word,
}

impl<'a, const L: usize> Modulus<'a, L> {
    /// The modulus of these parameters, which has to have its top bit set.
    pub(super) fn new(params: &'a FixedMontyParams<L>) -> Self {
        Self { words: params.modulus().as_ref().as_words(), inverse: params.mod_neg_inv().0 }
    }

    /// An odd modulus with its top bit set, whose parameters nobody has made.
    pub(super) fn of(modulus: &'a Uint<L>) -> Self {
        let words = modulus.as_words();
        // Newton's iteration: an odd number is its own inverse in the lowest three bits, and each step doubles them.
        let mut inverse = words[0];
        for _ in 0..Word::BITS.ilog2() - 1 {
            inverse = inverse.wrapping_mul((2 as Word).wrapping_sub(words[0].wrapping_mul(inverse)));
        }
        Self { words, inverse: inverse.wrapping_neg() }
    }

    /// R^2, without a division: R is the modulus below zero; doubled, it is 2^k * R, which every square brings to 2^(2k) * R.
    pub(super) fn r2(&self) -> Uint<L> {
        const SQUARES: u32 = 6;
        let mut x = Uint::from_words(*self.words).wrapping_neg();
        for _ in 0..Uint::<L>::BITS >> SQUARES {
            x = self.double(&x);
        }
        for _ in 0..SQUARES {
            x = self.square(&x);
        }
        x
    }

    /// m^e for a public odd e from 3 on. Here m and what comes out are numbers below the modulus, in no form but their own.
    pub(super) fn public_power(&self, r2: &Uint<L>, m: &Uint<L>, e: u32) -> Uint<L> {
        let base = self.mul(m, r2);
        let mut x = base;
        for shift in (1..e.ilog2()).rev() {
            x = self.square(&x);
            if e >> shift & 1 == 1 {
                x = self.mul(&x, &base);
            }
        }
        // The last bit of e is set too: its product with m itself takes R out again.
        self.reduce(&self.mul(&self.square(&x), m))
    }

    /// high * R + value, less the modulus if `high` is 1, and what is left of `high`.
    #[inline(always)]
    fn subtract(&self, value: &mut [Word; L], high: Word) -> Word {
        let mask = (0 as Word).wrapping_sub(high);
        let mut borrow = false;
        for (word, modulus) in value.iter_mut().zip(self.words) {
            let (less, first) = word.overflowing_sub(modulus & mask);
            let (less, second) = less.overflowing_sub(Word::from(borrow));
            *word = less;
            borrow = first | second;
        }
        high.wrapping_sub(Word::from(borrow))
    }

    /// product / R, which is given as its low and its high half.
    #[inline(always)]
    fn divide(&self, mut product: [[Word; L]; 2]) -> Uint<L> {
        let t = product.as_flattened_mut();
        let mut high = 0;
        for i in 0..L {
            let row = &mut t[i..];
            let quotient = row[0].wrapping_mul(self.inverse);
            let carry = multiply_row(&mut row[..L], quotient, self.words);
            (row[L], high) = add_carry(row[L], carry, high);
        }
        let mut result = product[1];
        self.subtract(&mut result, high);
        Uint::from_words(result)
    }

    /// a * b / R.
    pub(super) fn mul(&self, a: &Uint<L>, b: &Uint<L>) -> Uint<L> {
        let mut product = [[0; L]; 2];
        let t = product.as_flattened_mut();
        for (i, a) in a.as_words().iter().enumerate() {
            let row = &mut t[i..];
            row[L] = multiply_row(&mut row[..L], *a, b.as_words());
        }
        self.divide(product)
    }

    /// a * a / R.
    pub(super) fn square(&self, a: &Uint<L>) -> Uint<L> {
        let a = a.as_words();
        let mut product = [[0; L]; 2];
        let t = product.as_flattened_mut();
        // Every product of two different words once,
        for i in 0..L {
            let row = &mut t[2 * i + 1..];
            row[L - i - 1] = multiply_row(&mut row[..L - i - 1], a[i], &a[i + 1..]);
        }
        // then twice, with the squares.
        let (mut shifted, mut carry) = (0, 0);
        for ([even, odd], a) in t.as_chunks_mut().0.iter_mut().zip(a) {
            let (low, high) = multiply_add(0, *a, *a, 0);
            let twice_even = *even << 1 | shifted;
            let twice_odd = *odd << 1 | *even >> (Word::BITS - 1);
            shifted = *odd >> (Word::BITS - 1);
            (*even, carry) = add_carry(twice_even, low, carry);
            (*odd, carry) = add_carry(twice_odd, high, carry);
        }
        self.divide(product)
    }

    /// 2 * a.
    pub(super) fn double(&self, a: &Uint<L>) -> Uint<L> {
        let mut t = *a.as_words();
        let mut high = 0;
        for word in &mut t {
            (*word, high) = (*word << 1 | high, *word >> (Word::BITS - 1));
        }
        let high = self.subtract(&mut t, high);
        self.subtract(&mut t, high);
        Uint::from_words(t)
    }

    /// The number below the modulus that `a` stands for.
    pub(super) fn reduce(&self, a: &Uint<L>) -> Uint<L> {
        let mut t = *a.as_words();
        let borrow = self.subtract(&mut t, 1);
        // 1 less a borrow: zero if a was below the modulus.
        Uint::ct_select(a, &Uint::from_words(t), borrow.ct_eq(&1))
    }

    /// base^exponent, taking `bits` bits of the exponent, a whole number of windows.
    pub(super) fn pow(&self, one: &Uint<L>, base: &Uint<L>, exponent: &Uint<L>, bits: u32) -> Uint<L> {
        const WINDOW: u32 = 4;
        let mut table = Zeroizing::new([*one; 1 << WINDOW]);
        for i in 1..1 << WINDOW {
            table[i] = self.mul(&table[i - 1], base);
        }
        let mut x = *one;
        let mut chosen = Zeroizing::new(*one);
        for shift in (0..bits).step_by(WINDOW as usize).rev() {
            for _ in 0..WINDOW {
                x = self.square(&x);
            }
            let word = exponent.as_words()[(shift / Word::BITS) as usize];
            let window = word >> (shift % Word::BITS) & ((1 << WINDOW) - 1);
            for (index, entry) in (0..).zip(table.iter()) {
                *chosen = Uint::ct_select(&chosen, entry, window.ct_eq(&index));
            }
            x = self.mul(&x, &chosen);
        }
        x
    }

    /// 2^exponent, taking `bits` bits of the exponent.
    pub(super) fn pow2(&self, one: &Uint<L>, exponent: &Uint<L>, bits: u32) -> Uint<L> {
        let mut x = *one;
        for shift in (0..bits).rev() {
            x = self.square(&x);
            let bit = exponent.as_words()[(shift / Word::BITS) as usize] >> (shift % Word::BITS) & 1;
            x = Uint::ct_select(&x, &self.double(&x), bit.ct_eq(&1));
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::modular::FixedMontyForm;
    use crypto_bigint::{Odd, U64, U512, U1024, U1536, U2048};

    /// Numbers with long runs of equal bits, where carries travel far, and some without.
    fn numbers<const L: usize>() -> [Uint<L>; 9] {
        let ones = Uint::MAX;
        let mut mixed = Uint::<L>::ONE;
        for word in mixed.as_mut_words() {
            *word = (word.wrapping_add(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B) | 1;
        }
        let scattered = mixed.wrapping_mul(&mixed).wrapping_mul(&mixed);
        [
            Uint::ZERO,
            Uint::ONE,
            ones,
            ones.wrapping_sub(&Uint::ONE),
            ones.shr_vartime(1),
            ones.shl_vartime(Uint::<L>::BITS / 2),
            ones.shr_vartime(Uint::<L>::BITS / 2),
            mixed,
            scattered,
        ]
    }

    fn agrees_with_crypto_bigint<const L: usize>() {
        let top = Uint::<L>::ONE.shl_vartime(Uint::<L>::BITS - 1);
        for modulus in numbers().map(|number| number | top | Uint::ONE) {
            let params = FixedMontyParams::new_vartime(Odd::new(modulus).unwrap());
            let ours = Modulus::new(&params);
            // The same residue, whether below the modulus or not.
            let theirs = |value: &Uint<L>| {
                let reduced = value.rem_vartime(params.modulus().as_nz_ref());
                FixedMontyForm::from_montgomery(reduced, &params)
            };
            for a in numbers() {
                assert_eq!(ours.reduce(&a), *theirs(&a).as_montgomery());
                assert_eq!(ours.reduce(&ours.square(&a)), *theirs(&a).square().as_montgomery());
                assert_eq!(ours.reduce(&ours.double(&a)), *theirs(&a).double().as_montgomery());
                for b in numbers() {
                    let product = theirs(&a).mul(&theirs(&b));
                    assert_eq!(ours.reduce(&ours.mul(&a, &b)), *product.as_montgomery());
                }
            }
            let unprepared = Modulus::of(params.modulus().as_ref());
            assert_eq!(unprepared.inverse, ours.inverse);
            assert_eq!(ours.reduce(&unprepared.r2()), *params.r2());
            for m in numbers::<L>().map(|number| number.rem_vartime(params.modulus().as_nz_ref())) {
                for e in [3, 5, 7, 65537, u32::MAX] {
                    let power = FixedMontyForm::new(&m, &params).pow_vartime(&U64::from_u32(e)).retrieve();
                    assert_eq!(ours.public_power(&unprepared.r2(), &m, e), power);
                }
            }
            let two = FixedMontyForm::one(&params).double();
            for exponent in [numbers()[2], numbers()[8]] {
                let bits = Uint::<L>::BITS;
                let power = ours.pow(params.one(), &numbers()[7], &exponent, bits);
                assert_eq!(ours.reduce(&power), *theirs(&numbers()[7]).pow(&exponent).as_montgomery());
                let power = ours.pow2(params.one(), &exponent, bits);
                assert_eq!(ours.reduce(&power), *two.pow(&exponent).as_montgomery());
            }
        }
    }

    #[test]
    fn every_operation_gives_the_residue_that_crypto_bigint_gives() {
        agrees_with_crypto_bigint::<{ U512::LIMBS }>();
        agrees_with_crypto_bigint::<{ U1024::LIMBS }>();
        agrees_with_crypto_bigint::<{ U1536::LIMBS }>();
        agrees_with_crypto_bigint::<{ U2048::LIMBS }>();
    }
}
