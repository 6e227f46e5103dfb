//! AWS-LC's powers and products against crypto-bigint's, and what is refused.
#![cfg(feature = "aws-lc")]

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{U1024, U2048, Uint};
use sigillo_accel::aws_lc::{Curve, Modulus, powers};

fn octets<const L: usize>(number: &Uint<L>) -> Vec<u8> {
    number.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

/// An odd number with its top bit set, scattered by `seed`.
fn modulus<const L: usize>(seed: u64) -> Uint<L> {
    let step = Uint::<L>::from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let scattered = (0..6).fold(step, |number, _| number.wrapping_mul(&number).wrapping_add(&step));
    let long = scattered.wrapping_mul(&Uint::<L>::MAX.wrapping_sub(&step.shl_vartime(700)));
    long | Uint::ONE | Uint::ONE.shl_vartime(Uint::<L>::BITS - 1)
}

/// Zero, one, the half, the modulus less one.
fn below<const L: usize>(modulus: &Uint<L>) -> [Uint<L>; 4] {
    [Uint::ZERO, Uint::ONE, modulus.shr_vartime(1), modulus.wrapping_sub(&Uint::ONE)]
}

fn agrees<const L: usize>() {
    for seed in 1..4 {
        let [first, second] = [modulus::<L>(seed), modulus::<L>(seed + 100)];
        let params = [first, second].map(|modulus| FixedMontyParams::new_vartime(modulus.to_odd().unwrap()));
        let ours = [first, second].map(|modulus| Modulus::new(&octets(&modulus)).unwrap());
        let public = Modulus::new_public(&octets(&first)).unwrap();
        let form = |index: usize, number: &Uint<L>| FixedMontyForm::new(number, &params[index]);
        for a in below(&first) {
            for b in below(&first) {
                let expected = octets(&form(0, &a).mul(&form(0, &b)).retrieve());
                for modulus in [&ours[0], &public] {
                    let mut out = vec![0; Uint::<L>::BYTES];
                    modulus.multiply(&octets(&a), &octets(&b), &mut out).unwrap();
                    assert_eq!(out, expected);
                }
            }
            for e in [0, 1, 2, 3, 65537, u32::MAX] {
                let mut out = vec![0; Uint::<L>::BYTES];
                public.power_of_public(&octets(&a), e, &mut out).unwrap();
                assert_eq!(out, octets(&form(0, &a).pow_vartime(&Uint::<L>::from_u32(e)).retrieve()), "{e}");
            }
        }
        for (base, exponent) in below(&first).into_iter().zip(below(&second).into_iter().rev()) {
            let base2 = second.shr_vartime(3);
            for (e1, e2) in [(exponent, first), (Uint::ZERO, Uint::ONE), (Uint::MAX, exponent)] {
                let mut out = [vec![0; Uint::<L>::BYTES], vec![0; Uint::<L>::BYTES]];
                let [out1, out2] = &mut out;
                powers(
                    ours.each_ref(),
                    [&octets(&base), &octets(&base2)],
                    [&octets(&e1), &octets(&e2)],
                    [&mut out1[..], &mut out2[..]],
                )
                .unwrap();
                assert_eq!(out[0], octets(&form(0, &base).pow(&e1).retrieve()));
                assert_eq!(out[1], octets(&form(1, &base2).pow(&e2).retrieve()));
            }
        }
    }
}

#[test]
fn powers_and_products_are_those_of_crypto_bigint() {
    agrees::<{ U1024::LIMBS }>();
    agrees::<{ crypto_bigint::U1536::LIMBS }>();
    agrees::<{ U2048::LIMBS }>();
}

#[test]
fn moduli_that_are_even_short_long_or_without_their_top_bit_are_refused() {
    let good = octets(&modulus::<{ U1024::LIMBS }>(5));
    assert!(Modulus::new(&good).is_some());
    let mut even = good.clone();
    even[127] &= 0xFE;
    let mut low = good.clone();
    low[0] &= 0x7F;
    let long = [&good[..], &good, &good, &good, &good].concat();
    let others = [&even[..], &low, &long, &good[1..], &good[..56], &good[..64 + 3], &[], &[0xFF]];
    for other in others {
        assert!(Modulus::new(other).is_none() && Modulus::new_public(other).is_none(), "{other:x?}");
    }
}

#[test]
fn numbers_that_are_not_below_the_modulus_or_have_another_width_are_refused_and_nothing_is_written() {
    let modulus = octets(&modulus::<{ U1024::LIMBS }>(5));
    let (ours, other) = (Modulus::new(&modulus).unwrap(), Modulus::new(&modulus[..128]).unwrap());
    let good = [1; 128];
    for bad in [&modulus[..], &[0xFF; 128], &[1; 127], &[1; 129], &[]] {
        let mut out = [7; 128];
        assert!(!ours.is_above(bad));
        assert_eq!(ours.multiply(bad, &good, &mut out), None);
        assert_eq!(ours.multiply(&good, bad, &mut out), None);
        assert_eq!(ours.power_of_public(bad, 3, &mut out), None);
        let mut second = [7; 128];
        for bases in [[bad, &good], [&good, bad]] {
            let outs = [&mut out[..], &mut second[..]];
            assert_eq!(powers([&ours, &other], bases, [&good, &good], outs), None);
        }
        assert_eq!([out, second], [[7; 128]; 2]);
    }
    for width in [0, 127, 129] {
        assert_eq!(ours.multiply(&good, &good, &mut vec![0; width]), None);
        assert_eq!(ours.power_of_public(&good, 3, &mut vec![0; width]), None);
        let exponent = &vec![1; width][..];
        let (mut first, mut second) = ([0; 128], [0; 128]);
        let outs = [&mut first[..], &mut second[..]];
        assert_eq!(powers([&ours, &other], [&good, &good], [exponent, &good], outs), None);
    }
}

#[test]
fn moduli_of_two_lengths_have_their_powers_as_well() {
    let (short, long) = (modulus::<{ U1024::LIMBS }>(8), modulus::<{ U2048::LIMBS }>(9));
    let moduli = [Modulus::new(&octets(&short)).unwrap(), Modulus::new(&octets(&long)).unwrap()];
    let (mut first, mut second) = ([0; 128], [0; 256]);
    let outs = [&mut first[..], &mut second[..]];
    powers([&moduli[0], &moduli[1]], [&[3; 128], &[5; 256]], [&[9; 128], &[11; 256]], outs).unwrap();
    let params = FixedMontyParams::new_vartime(long.to_odd().unwrap());
    let base = U2048::from_be_slice(&[5; 256]);
    let expected = FixedMontyForm::new(&base, &params).pow(&U2048::from_be_slice(&[11; 256])).retrieve();
    assert_eq!(second[..], octets(&expected));
}

#[test]
fn points_off_the_curve_and_other_widths_are_refused() {
    for (curve, width) in [(Curve::P256, 32), (Curve::P384, 48), (Curve::P521, 66)] {
        assert_eq!(curve.width(), width);
        let k = [1; 67];
        assert!(curve.multiple_of_generator(&k[..width]).is_some());
        assert_eq!(curve.multiple_of_generator(&k[..width - 1]), None);
        assert_eq!(curve.multiple_of_generator(&k[..=width]), None);
        assert_eq!(curve.multiple(&k[..width], [&k[..width], &k[..width]]), None);
        assert_eq!(curve.combination(&k[..width], &k[..width], [&k[..width], &k[..width]]), None);
    }
}
