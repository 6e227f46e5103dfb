//! Eight lanes with AVX-512 IFMA: limbs of 52 bits, whose products the processor adds up in halves.
//!
//! A column of the product collects at most 4 L halves below 2^52, less than 2^60.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_load_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sllv_epi64, _mm512_srli_epi64, _mm512_store_si512,
};

use crate::lanes::{Kernel, Modulus, Number, Product, TABLE, Vector};

cpufeatures::new!(features, "avx512f", "avx512ifma");

/// The proof that this processor has AVX-512 IFMA.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ifma(());

impl Ifma {
    pub(crate) fn detect() -> Option<Self> {
        features::get().then_some(Self(()))
    }
}

const BITS: u32 = 52;

impl Kernel<8> for Ifma {
    const LIMB_BITS: u32 = BITS;

    fn mul<const L: usize>(
        self,
        a: &mut Number<8, L>,
        b: &Number<8, L>,
        modulus: &Modulus<8, L>,
        work: &mut Product<8, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { mul(a, b, modulus, work) }
    }

    fn square<const L: usize>(
        self,
        a: &mut Number<8, L>,
        shift: &Vector<8>,
        modulus: &Modulus<8, L>,
        work: &mut Product<8, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { square(a, shift, modulus, work) }
    }

    fn select<const L: usize>(
        self,
        table: &[Number<8, L>; TABLE],
        indices: &Vector<8>,
        out: &mut Number<8, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { select(table, indices, out) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &Vector<8>) -> __m512i {
    // SAFETY: eight words, aligned to 64 octets.
    unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut Vector<8>, value: __m512i) {
    // SAFETY: eight words, aligned to 64 octets.
    unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn low(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    _mm512_madd52lo_epu64(sum, a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn high(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    _mm512_madd52hi_epu64(sum, a, b)
}

/// Adds (a0 + a1 * 2^52) * (.., before, b) to the columns of b's limbs, and to two more. `before` are the two limbs ahead of b, whose own
/// columns are done.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_rows(columns: &mut [Vector<8>], [a0, a1]: [__m512i; 2], before: [__m512i; 2], b: &[Vector<8>]) {
    let [mut b2, mut b1] = before;
    let (columns, rest) = columns.split_at_mut(b.len());
    for (column, b) in columns.iter_mut().zip(b) {
        let b = load(b);
        let even = low(load(column), a0, b);
        let odd = low(_mm512_setzero_si512(), a1, b1);
        store(column, _mm512_add_epi64(high(even, a0, b1), high(odd, a1, b2)));
        (b2, b1) = (b1, b);
    }
    if let [next, last, ..] = rest {
        let sum = low(high(load(next), a0, b1), a1, b1);
        store(next, high(sum, a1, b2));
        store(last, high(load(last), a1, b1));
    }
}

/// out = work / R, times 2^shift.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn divide<const L: usize>(
    work: &mut Product<8, L>,
    shift: __m512i,
    modulus: &Modulus<8, L>,
    out: &mut Number<8, L>,
) {
    let columns = work.as_flattened_mut();
    let (zero, k) = (_mm512_setzero_si512(), load(&modulus.k));
    let (n0, n1) = (load(&modulus.limbs[0]), load(&modulus.limbs[1]));
    let mut carry = zero;
    for i in (0..L).step_by(2) {
        let columns = &mut columns[i..i + L + 2];
        let first = _mm512_add_epi64(load(&columns[0]), carry);
        let q0 = low(zero, first, k);
        carry = _mm512_srli_epi64::<BITS>(low(first, q0, n0));
        let second = high(low(load(&columns[1]), q0, n1), q0, n0);
        let second = _mm512_add_epi64(second, carry);
        let q1 = low(zero, second, k);
        carry = _mm512_srli_epi64::<BITS>(low(second, q1, n0));
        add_rows(&mut columns[2..], [q0, q1], [n0, n1], &modulus.limbs[2..]);
    }
    let limb = _mm512_set1_epi64((1 << BITS) - 1);
    carry = _mm512_sllv_epi64(carry, shift);
    for (out, column) in out.iter_mut().zip(&work[1]) {
        let sum = _mm512_add_epi64(_mm512_sllv_epi64(load(column), shift), carry);
        store(out, _mm512_and_si512(sum, limb));
        carry = _mm512_srli_epi64::<BITS>(sum);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn mul<const L: usize>(
    a: &mut Number<8, L>,
    b: &Number<8, L>,
    modulus: &Modulus<8, L>,
    work: &mut Product<8, L>,
) {
    let zero = _mm512_setzero_si512();
    *work = [[Vector::ZERO; L]; 2];
    let columns = work.as_flattened_mut();
    for (i, pair) in a.as_chunks::<2>().0.iter().enumerate() {
        let columns = &mut columns[2 * i..2 * i + L + 2];
        add_rows(columns, [load(&pair[0]), load(&pair[1])], [zero; 2], b);
    }
    divide(work, zero, modulus, a);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn square<const L: usize>(
    a: &mut Number<8, L>,
    shift: &Vector<8>,
    modulus: &Modulus<8, L>,
    work: &mut Product<8, L>,
) {
    let zero = _mm512_setzero_si512();
    *work = [[Vector::ZERO; L]; 2];
    let columns = work.as_flattened_mut();
    // Every product of two different limbs once,
    for i in (0..L).step_by(2) {
        let (a0, a1) = (load(&a[i]), load(&a[i + 1]));
        let columns = &mut columns[2 * i..i + L + 2];
        let sum = low(load(&columns[1]), a0, a1);
        store(&mut columns[1], sum);
        let sum = high(load(&columns[2]), a0, a1);
        store(&mut columns[2], sum);
        add_rows(&mut columns[2..], [a0, a1], [zero; 2], &a[i + 2..]);
    }
    // then twice, with the squares.
    for (pair, a) in columns.as_chunks_mut::<2>().0.iter_mut().zip(a.iter()) {
        let a = load(a);
        let (even, odd) = (load(&pair[0]), load(&pair[1]));
        store(&mut pair[0], low(_mm512_add_epi64(even, even), a, a));
        store(&mut pair[1], high(_mm512_add_epi64(odd, odd), a, a));
    }
    divide(work, load(shift), modulus, a);
}

#[target_feature(enable = "avx512f")]
fn select<const L: usize>(table: &[Number<8, L>; TABLE], indices: &Vector<8>, out: &mut Number<8, L>) {
    let indices = load(indices);
    for (place, out) in out.iter_mut().enumerate() {
        let mut chosen = _mm512_setzero_si512();
        for (index, entry) in (0..).zip(table) {
            let here = _mm512_cmpeq_epi64_mask(indices, _mm512_set1_epi64(index));
            chosen = _mm512_mask_mov_epi64(chosen, here, load(&entry[place]));
        }
        store(out, chosen);
    }
}
