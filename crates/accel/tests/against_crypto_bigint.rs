//! Every kind of vectors that this processor has, against crypto-bigint's integers.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, Uint};
use sigillo_accel::{Power, Simd};

/// A stream of words that is the same in every run.
struct Stream(u64);

impl Stream {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    /// Numbers with long runs of equal bits among them, where carries travel far.
    fn number<const W: usize>(&mut self) -> [u64; W] {
        let kind = self.word() % 8;
        core::array::from_fn(|place| match kind {
            0 => u64::MAX,
            1 => 0,
            2 if place < W / 2 => u64::MAX,
            3 if place >= W / 2 => u64::MAX,
            2 | 3 => 0,
            4 => [0, u64::MAX][usize::from(self.word() & 1 == 0)],
            _ => self.word(),
        })
    }

    fn modulus<const W: usize>(&mut self) -> [u64; W] {
        let mut number = self.number();
        number[0] |= 1;
        number[W - 1] |= 1 << 63;
        number
    }
}

fn expected<const W: usize>(power: &Power<'_, W>) -> [u64; W] {
    let modulus = Odd::new(Uint::from_words(*power.modulus)).unwrap();
    let params = FixedMontyParams::new_vartime(modulus);
    let base = FixedMontyForm::new(&Uint::from_words(*power.base), &params);
    base.pow_vartime(&Uint::<W>::from_words(*power.exponent)).retrieve().to_words()
}

/// The number modulo the modulus.
fn below<const W: usize>(number: &[u64; W], modulus: &[u64; W]) -> [u64; W] {
    let modulus = Odd::new(Uint::from_words(*modulus)).unwrap();
    Uint::from_words(*number).rem_vartime(modulus.as_nz_ref()).to_words()
}

fn powers_agree<const W: usize>(simd: Simd, rounds: usize) {
    let mut stream = Stream(W as u64);
    for round in 0..rounds {
        let count = 1 + round % simd.lanes();
        let moduli: Vec<[u64; W]> = (0..count).map(|_| stream.modulus()).collect();
        let bases: Vec<[u64; W]> = moduli.iter().map(|n| below(&stream.number(), n)).collect();
        let exponents: Vec<[u64; W]> = (0..count).map(|_| stream.number()).collect();
        let powers: Vec<_> = (0..count)
            .map(|i| Power { modulus: &moduli[i], base: &bases[i], exponent: &exponents[i] })
            .collect();
        let mut out = vec![[1; W]; count];
        simd.power(&powers, &mut out).unwrap();
        for (out, power) in out.iter().zip(&powers) {
            assert_eq!(*out, expected(power), "{simd:?} {power:x?}");
        }
        let found = simd.fermat_base_2(&moduli.iter().collect::<Vec<_>>()).unwrap();
        for (found, modulus) in found.iter().zip(&moduli) {
            let mut exponent = *modulus;
            exponent[0] -= 1;
            let mut two = [0; W];
            two[0] = 2;
            let power = Power { modulus, base: &two, exponent: &exponent };
            assert_eq!(*found, Uint::from_words(expected(&power)) == Uint::ONE);
        }
    }
}

#[test]
fn powers_are_those_of_plain_arithmetic() {
    for simd in Simd::all() {
        powers_agree::<8>(simd, 80);
        powers_agree::<16>(simd, 24);
        powers_agree::<24>(simd, 8);
        powers_agree::<32>(simd, 8);
    }
}

#[test]
fn the_ends_of_every_range_are_computed() {
    for simd in Simd::all() {
        let moduli = [[u64::MAX; 16], {
            let mut least = [0; 16];
            (least[0], least[15]) = (1, 1 << 63);
            least
        }];
        for modulus in &moduli {
            let mut minus_one = *modulus;
            minus_one[0] -= 1;
            let mut one = [0; 16];
            one[0] = 1;
            for base in [&[0; 16], &one, &minus_one] {
                for exponent in [&[0; 16], &one, &minus_one, &[u64::MAX; 16]] {
                    let power = Power { modulus, base, exponent };
                    let mut out = [[7; 16]];
                    simd.power(&[power], &mut out).unwrap();
                    assert_eq!(out[0], expected(&power), "{simd:?} {power:x?}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    for simd in Simd::all() {
        let (good, mut even, mut short) = ([u64::MAX; 16], [u64::MAX; 16], [u64::MAX; 16]);
        even[0] -= 1;
        short[15] >>= 1;
        let many = vec![&good; simd.lanes() + 1];
        assert!(simd.fermat_base_2(&many).is_none());
        assert!(simd.fermat_base_2(&many[1..]).is_some());
        assert!(simd.fermat_base_2::<16>(&[]).is_none());
        assert!(simd.fermat_base_2(&[&good, &even]).is_none());
        assert!(simd.fermat_base_2(&[&short]).is_none());
        assert!(simd.fermat_base_2(&[&[u64::MAX; 12]]).is_none());
        assert!(simd.miller_rabin(&even, &[&good]).is_none());
        assert!(simd.miller_rabin(&good, &many).is_none());
        let power = Power { modulus: &good, base: &short, exponent: &short };
        assert!(simd.power(&[power], &mut [[0; 16]; 2]).is_none());
    }
}
