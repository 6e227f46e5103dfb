//! The field of NIST P-256: four words in Montgomery's form, below the modulus p = 2^256 - 2^224 + 2^192 + 2^96 - 1.
//!
//! Plain arithmetic that knows this modulus, for the curve in `weierstrass`: a modulus that is -1 modulo 2^64 needs no multiplication to find
//! what to reduce by, and its words are powers of two but for one. No branch and no address depends on a number. ADR 0028.

/// A number below p, the least significant word first.
pub(super) type Words = [u64; 4];

/// The modulus.
const P: Words = [u64::MAX, 0xFFFF_FFFF, 0, 0xFFFF_FFFF_0000_0001];

/// 2^512 modulo p: a number times this, by [`multiply`], is in Montgomery's form.
const R2: Words = [3, 0xFFFF_FFFB_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFE, 0x0000_0004_FFFF_FFFD];

/// A number below 2^256 in Montgomery's form.
#[inline]
pub(super) fn enter(a: &Words) -> Words {
    multiply(a, &R2)
}

/// A number of Montgomery's form as it is.
#[inline]
pub(super) fn leave(a: &Words) -> Words {
    let [a0, a1, a2, a3] = *a;
    reduce([a0, a1, a2, a3, 0, 0, 0, 0])
}

/// a + b modulo p.
#[inline]
pub(super) fn add(a: &Words, b: &Words) -> Words {
    let (w0, carry) = a[0].carrying_add(b[0], false);
    let (w1, carry) = a[1].carrying_add(b[1], carry);
    let (w2, carry) = a[2].carrying_add(b[2], carry);
    let (w3, carry) = a[3].carrying_add(b[3], carry);
    below([w0, w1, w2, w3], carry)
}

/// a - b modulo p.
#[inline]
pub(super) fn subtract(a: &Words, b: &Words) -> Words {
    let (w0, borrow) = a[0].borrowing_sub(b[0], false);
    let (w1, borrow) = a[1].borrowing_sub(b[1], borrow);
    let (w2, borrow) = a[2].borrowing_sub(b[2], borrow);
    let (w3, borrow) = a[3].borrowing_sub(b[3], borrow);
    // Below zero: p comes back.
    let mask = mask(borrow);
    let (w0, carry) = w0.carrying_add(P[0] & mask, false);
    let (w1, carry) = w1.carrying_add(P[1] & mask, carry);
    let (w2, carry) = w2.carrying_add(P[2] & mask, carry);
    let (w3, _) = w3.carrying_add(P[3] & mask, carry);
    [w0, w1, w2, w3]
}

/// ab / 2^256 modulo p.
#[inline]
pub(super) fn multiply(a: &Words, b: &Words) -> Words {
    let (w0, c) = a[0].carrying_mul(b[0], 0);
    let (w1, c) = a[0].carrying_mul(b[1], c);
    let (w2, c) = a[0].carrying_mul(b[2], c);
    let (w3, w4) = a[0].carrying_mul(b[3], c);

    let (w1, c) = a[1].carrying_mul_add(b[0], w1, 0);
    let (w2, c) = a[1].carrying_mul_add(b[1], w2, c);
    let (w3, c) = a[1].carrying_mul_add(b[2], w3, c);
    let (w4, w5) = a[1].carrying_mul_add(b[3], w4, c);

    let (w2, c) = a[2].carrying_mul_add(b[0], w2, 0);
    let (w3, c) = a[2].carrying_mul_add(b[1], w3, c);
    let (w4, c) = a[2].carrying_mul_add(b[2], w4, c);
    let (w5, w6) = a[2].carrying_mul_add(b[3], w5, c);

    let (w3, c) = a[3].carrying_mul_add(b[0], w3, 0);
    let (w4, c) = a[3].carrying_mul_add(b[1], w4, c);
    let (w5, c) = a[3].carrying_mul_add(b[2], w5, c);
    let (w6, w7) = a[3].carrying_mul_add(b[3], w6, c);
    reduce([w0, w1, w2, w3, w4, w5, w6, w7])
}

/// aa / 2^256 modulo p.
#[inline]
pub(super) fn square(a: &Words) -> Words {
    // The products of two different words, once.
    let (w1, c) = a[0].carrying_mul(a[1], 0);
    let (w2, c) = a[0].carrying_mul(a[2], c);
    let (w3, w4) = a[0].carrying_mul(a[3], c);
    let (w3, c) = a[1].carrying_mul_add(a[2], w3, 0);
    let (w4, w5) = a[1].carrying_mul_add(a[3], w4, c);
    let (w5, w6) = a[2].carrying_mul_add(a[3], w5, 0);
    // Twice.
    let w7 = w6 >> 63;
    let w6 = w6 << 1 | w5 >> 63;
    let w5 = w5 << 1 | w4 >> 63;
    let w4 = w4 << 1 | w3 >> 63;
    let w3 = w3 << 1 | w2 >> 63;
    let w2 = w2 << 1 | w1 >> 63;
    let w1 = w1 << 1;
    // And the squares.
    let (w0, high) = a[0].carrying_mul(a[0], 0);
    let (w1, carry) = w1.carrying_add(high, false);
    let (low, high) = a[1].carrying_mul(a[1], 0);
    let (w2, carry) = w2.carrying_add(low, carry);
    let (w3, carry) = w3.carrying_add(high, carry);
    let (low, high) = a[2].carrying_mul(a[2], 0);
    let (w4, carry) = w4.carrying_add(low, carry);
    let (w5, carry) = w5.carrying_add(high, carry);
    let (low, high) = a[3].carrying_mul(a[3], 0);
    let (w6, carry) = w6.carrying_add(low, carry);
    let (w7, _) = w7.carrying_add(high, carry);
    reduce([w0, w1, w2, w3, w4, w5, w6, w7])
}

/// w / 2^256 modulo p, for w below 2^256 p. Montgomery's reduction, a word at a time: adding p as often as the lowest word says makes that word
/// zero.
#[inline]
fn reduce([w0, w1, w2, w3, w4, w5, w6, w7]: [u64; 8]) -> Words {
    let ([w1, w2, w3, w4], carry) = reduce_word(w0, [w1, w2, w3, w4], false);
    let ([w2, w3, w4, w5], carry) = reduce_word(w1, [w2, w3, w4, w5], carry);
    let ([w3, w4, w5, w6], carry) = reduce_word(w2, [w3, w4, w5, w6], carry);
    let ([w4, w5, w6, w7], carry) = reduce_word(w3, [w4, w5, w6, w7], carry);
    below([w4, w5, w6, w7], carry)
}

/// The four words above `m`, with mp added to all five; the word `m` itself is then zero and carries m.
///
/// p is `2^64 - 1`, `2^32 - 1`, 0 and `2^64 - 2^32 + 1` in words: with m carried, the second adds `m 2^32`.
#[inline]
fn reduce_word(m: u64, [w1, w2, w3, w4]: Words, carried: bool) -> (Words, bool) {
    let (w1, carry) = w1.carrying_add(m << 32, false);
    let (w2, carry) = w2.carrying_add(m >> 32, carry);
    let (w3, high) = m.carrying_mul_add(P[3], w3, carry as u64);
    let (w4, carry) = w4.carrying_add(high, carried);
    ([w1, w2, w3, w4], carry)
}

/// A number below 2p, of which `carry` is the 257th bit, modulo p.
#[inline]
fn below(w: Words, carry: bool) -> Words {
    let (l0, borrow) = w[0].borrowing_sub(P[0], false);
    let (l1, borrow) = w[1].borrowing_sub(P[1], borrow);
    let (l2, borrow) = w[2].borrowing_sub(P[2], borrow);
    let (l3, borrow) = w[3].borrowing_sub(P[3], borrow);
    let (_, borrow) = (carry as u64).borrowing_sub(0, borrow);
    // It was below p already.
    let mask = mask(borrow);
    [
        l0 ^ ((l0 ^ w[0]) & mask),
        l1 ^ ((l1 ^ w[1]) & mask),
        l2 ^ ((l2 ^ w[2]) & mask),
        l3 ^ ((l3 ^ w[3]) & mask),
    ]
}

/// All bits, or none.
#[inline]
fn mask(bit: bool) -> u64 {
    (bit as u64).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::{NonZero, Odd, U256};
    use proptest::prelude::*;

    fn number(words: Words) -> U256 {
        U256::from_words(words)
    }

    fn p() -> NonZero<U256> {
        NonZero::new(number(P)).unwrap()
    }

    /// ab / 2^256 modulo p by long division.
    fn slow(a: U256, b: U256) -> U256 {
        a.mul_mod(&b, &p()).mul_mod(&inverse_of_r(), &p())
    }

    fn inverse_of_r() -> U256 {
        let r = U256::MAX.rem(&p()).add_mod(&U256::ONE, &p());
        let inverse = r.invert_odd_mod(&Odd::new(number(P)).unwrap()).unwrap();
        assert_eq!(r.mul_mod(&inverse, &p()), U256::ONE);
        inverse
    }

    /// Numbers below p, with many at its ends.
    fn below_p() -> impl Strategy<Value = Words> {
        let word = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(0xFFFF_FFFF), any::<u64>()];
        let ends = (0..4_u64).prop_map(|less| number(P).wrapping_sub(&U256::from(less + 1)).to_words());
        prop_oneof![
            4 => prop::array::uniform4(word).prop_map(|words| number(words).rem(&p()).to_words()),
            1 => ends,
        ]
    }

    #[test]
    fn r2_is_the_square_of_r() {
        let r = U256::MAX.rem(&p()).add_mod(&U256::ONE, &p());
        assert_eq!(number(R2), r.mul_mod(&r, &p()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn products_are_those_of_long_division(a in below_p(), b in below_p()) {
            prop_assert_eq!(number(multiply(&a, &b)), slow(number(a), number(b)));
            prop_assert_eq!(square(&a), multiply(&a, &a));
        }

        #[test]
        fn sums_and_differences_are_below_p(a in below_p(), b in below_p()) {
            prop_assert_eq!(number(add(&a, &b)), number(a).add_mod(&number(b), &p()));
            prop_assert_eq!(number(subtract(&a, &b)), number(a).sub_mod(&number(b), &p()));
        }

        #[test]
        fn what_enters_leaves_as_it_was(a in below_p()) {
            prop_assert_eq!(leave(&enter(&a)), a);
        }

        #[test]
        fn what_enters_need_not_be_below_p(words in prop::array::uniform4(any::<u64>())) {
            prop_assert_eq!(number(leave(&enter(&words))), number(words).rem(&p()));
        }
    }
}
