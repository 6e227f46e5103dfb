//! Four lanes with AVX2: limbs of 28 bits, whose products fit in 64 bits with room to add up.
//!
//! A column of the product collects at most 2 L products below 2^56, less than 2^64.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi64, _mm256_load_si256, _mm256_mul_epu32,
    _mm256_or_si256, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_sllv_epi64, _mm256_srli_epi64,
    _mm256_store_si256,
};

use crate::lanes::{Kernel, Modulus, Number, Product, TABLE, Vector};

cpufeatures::new!(features, "avx2");

/// The proof that this processor has AVX2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        features::get().then_some(Self(()))
    }
}

const BITS: u32 = 28;
/// The same, as the shifts take it.
const SHIFT: i32 = 28;

impl Kernel<4> for Avx2 {
    const LIMB_BITS: u32 = BITS;

    fn mul<const L: usize>(
        self,
        a: &mut Number<4, L>,
        b: &Number<4, L>,
        modulus: &Modulus<4, L>,
        work: &mut Product<4, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { mul(a, b, modulus, work) }
    }

    fn square<const L: usize>(
        self,
        a: &mut Number<4, L>,
        shift: &Vector<4>,
        modulus: &Modulus<4, L>,
        work: &mut Product<4, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { square(a, shift, modulus, work) }
    }

    fn select<const L: usize>(
        self,
        table: &[Number<4, L>; TABLE],
        indices: &Vector<4>,
        out: &mut Number<4, L>,
    ) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { select(table, indices, out) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &Vector<4>) -> __m256i {
    // SAFETY: four words, aligned to 64 octets.
    unsafe { _mm256_load_si256(from.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut Vector<4>, value: __m256i) {
    // SAFETY: four words, aligned to 64 octets.
    unsafe { _mm256_store_si256(to.0.as_mut_ptr().cast(), value) }
}

/// sum + a * b, where a and b are below 2^32.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_add(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi64(sum, _mm256_mul_epu32(a, b))
}

/// Adds (a0 + a1 * 2^28) * (before, b) to the columns of b's limbs, and to one more. `before` is the limb ahead of b, whose own column is
/// done.
#[inline]
#[target_feature(enable = "avx2")]
fn add_rows(columns: &mut [Vector<4>], [a0, a1]: [__m256i; 2], before: __m256i, b: &[Vector<4>]) {
    let mut b1 = before;
    let (columns, rest) = columns.split_at_mut(b.len());
    for (column, b) in columns.iter_mut().zip(b) {
        let b = load(b);
        store(column, multiply_add(multiply_add(load(column), a0, b), a1, b1));
        b1 = b;
    }
    if let [last, ..] = rest {
        store(last, multiply_add(load(last), a1, b1));
    }
}

/// out = work / R, times 2^shift.
#[inline]
#[target_feature(enable = "avx2")]
fn divide<const L: usize>(
    work: &mut Product<4, L>,
    shift: __m256i,
    modulus: &Modulus<4, L>,
    out: &mut Number<4, L>,
) {
    let columns = work.as_flattened_mut();
    let (k, limb) = (load(&modulus.k), _mm256_set1_epi64x((1 << BITS) - 1));
    let (n0, n1) = (load(&modulus.limbs[0]), load(&modulus.limbs[1]));
    let mut carry = _mm256_setzero_si256();
    for i in (0..L).step_by(2) {
        let columns = &mut columns[i..i + L + 1];
        let first = _mm256_add_epi64(load(&columns[0]), carry);
        let q0 = _mm256_and_si256(_mm256_mul_epu32(first, k), limb);
        carry = _mm256_srli_epi64::<SHIFT>(multiply_add(first, q0, n0));
        let second = _mm256_add_epi64(multiply_add(load(&columns[1]), q0, n1), carry);
        let q1 = _mm256_and_si256(_mm256_mul_epu32(second, k), limb);
        carry = _mm256_srli_epi64::<SHIFT>(multiply_add(second, q1, n0));
        add_rows(&mut columns[2..], [q0, q1], n1, &modulus.limbs[2..]);
    }
    // Columns are too full to be doubled: their high part goes on first.
    let mut high = carry;
    carry = _mm256_setzero_si256();
    for (out, column) in out.iter_mut().zip(&work[1]) {
        let column = load(column);
        let sum = _mm256_add_epi64(_mm256_and_si256(column, limb), high);
        let sum = _mm256_add_epi64(_mm256_sllv_epi64(sum, shift), carry);
        store(out, _mm256_and_si256(sum, limb));
        carry = _mm256_srli_epi64::<SHIFT>(sum);
        high = _mm256_srli_epi64::<SHIFT>(column);
    }
}

#[target_feature(enable = "avx2")]
fn mul<const L: usize>(
    a: &mut Number<4, L>,
    b: &Number<4, L>,
    modulus: &Modulus<4, L>,
    work: &mut Product<4, L>,
) {
    let zero = _mm256_setzero_si256();
    *work = [[Vector::ZERO; L]; 2];
    let columns = work.as_flattened_mut();
    for (i, pair) in a.as_chunks::<2>().0.iter().enumerate() {
        let columns = &mut columns[2 * i..2 * i + L + 1];
        add_rows(columns, [load(&pair[0]), load(&pair[1])], zero, b);
    }
    divide(work, zero, modulus, a);
}

#[target_feature(enable = "avx2")]
fn square<const L: usize>(
    a: &mut Number<4, L>,
    shift: &Vector<4>,
    modulus: &Modulus<4, L>,
    work: &mut Product<4, L>,
) {
    let zero = _mm256_setzero_si256();
    *work = [[Vector::ZERO; L]; 2];
    let columns = work.as_flattened_mut();
    // A product of two different limbs counts twice: one of them is doubled.
    for i in (0..L).step_by(2) {
        let (a0, a1) = (load(&a[i]), load(&a[i + 1]));
        let twice = [_mm256_add_epi64(a0, a0), _mm256_add_epi64(a1, a1)];
        let columns = &mut columns[2 * i..i + L + 1];
        let sum = multiply_add(load(&columns[0]), a0, a0);
        store(&mut columns[0], sum);
        let sum = multiply_add(load(&columns[1]), twice[0], a1);
        store(&mut columns[1], sum);
        if let [_, _, columns @ ..] = columns {
            if let Some(column) = columns.first_mut() {
                store(column, multiply_add(load(column), a1, a1));
            }
            add_rows(columns, twice, zero, &a[i + 2..]);
        }
    }
    divide(work, load(shift), modulus, a);
}

#[target_feature(enable = "avx2")]
fn select<const L: usize>(table: &[Number<4, L>; TABLE], indices: &Vector<4>, out: &mut Number<4, L>) {
    let indices = load(indices);
    for (place, out) in out.iter_mut().enumerate() {
        let mut chosen = _mm256_setzero_si256();
        for (index, entry) in (0..).zip(table) {
            let here = _mm256_cmpeq_epi64(indices, _mm256_set1_epi64x(index));
            chosen = _mm256_or_si256(chosen, _mm256_and_si256(here, load(&entry[place])));
        }
        store(out, chosen);
    }
}
