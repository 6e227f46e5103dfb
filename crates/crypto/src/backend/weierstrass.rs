//! The curves for which there is no crate of a stable release, P-192, P-224, BN-P256 and SM2-P256, as parameters
//! of RustCrypto's generic field and group arithmetic; and P-256, which everything uses, with a field of its own.
#![allow(
    deprecated,
    reason = "the macros of primefield 0.14 call a method that crypto-bigint 0.7.11 renamed"
)]

/// The arithmetic of a curve's `FieldElement`, by the name of who does it.
macro_rules! field_arithmetic {
    (generic, $uint:ident) => {
        primefield::monty_field_arithmetic! {
            name: FieldElement,
            params: FieldParams,
            uint: $uint
        }
    };
    (nist_p256, $uint:ident) => {
        #[cfg(not(target_pointer_width = "64"))]
        field_arithmetic!(generic, $uint);

        #[cfg(target_pointer_width = "64")]
        #[allow(unreachable_pub, reason = "as in primefield's macro")]
        impl FieldElement {
            fn words(&self) -> &[u64; 4] {
                self.0.as_montgomery().as_words()
            }

            fn of(words: [u64; 4]) -> Self {
                Self(primefield::MontyFieldElement::from_montgomery($uint::from_words(words)))
            }

            pub(crate) fn from_uint_unchecked(number: $uint) -> Self {
                Self::of(p256_field::enter(number.as_words()))
            }

            /// The number itself.
            #[inline]
            pub fn to_canonical(self) -> $uint {
                $uint::from_words(p256_field::leave(self.words()))
            }

            /// a + b.
            #[inline]
            pub fn add(&self, other: &Self) -> Self {
                Self::of(p256_field::add(self.words(), other.words()))
            }

            /// 2a.
            #[inline]
            pub fn double(&self) -> Self {
                self.add(self)
            }

            /// a - b.
            #[inline]
            pub fn sub(&self, other: &Self) -> Self {
                Self::of(p256_field::subtract(self.words(), other.words()))
            }

            /// -a.
            #[inline]
            pub fn neg(&self) -> Self {
                Self::ZERO.sub(self)
            }

            /// ab.
            #[inline]
            pub fn multiply(&self, other: &Self) -> Self {
                Self::of(p256_field::multiply(self.words(), other.words()))
            }

            /// aa.
            #[inline]
            pub fn square(&self) -> Self {
                Self::of(p256_field::square(self.words()))
            }

            /// 1/a, if a is not zero.
            pub fn invert(&self) -> CtOption<Self> {
                self.0.invert().map(Self)
            }
        }
    };
}

/// A curve `y^2 = x^3 + ax + b` of prime order over a prime field. Each modulus comes with a small quadratic
/// non-residue: the generic field wants one for square roots, which nothing here takes.
///
/// `field` is the arithmetic modulo p: `generic`, or that of a module for one modulus.
macro_rules! weierstrass {
    (
        $(#[$doc:meta])*
        $module:ident: $uint:ident, $width:ident, $arithmetic:ident, field = $field:ident,
        p = ($p:literal, $p_non_residue:literal),
        n = ($n:literal, $n_non_residue:literal),
        a = $a:expr,
        b = $b:literal,
        g = ($gx:literal, $gy:literal),
    ) => {
        $(#[$doc])*
        pub(crate) mod $module {
            use primeorder::elliptic_curve::{
                self, CurveArithmetic, PrimeCurveArithmetic,
                bigint::{$uint, Odd},
                hazmat::FieldArithmetic,
            };
            use primeorder::{PrimeCurveParams, point_arithmetic::$arithmetic};

            mod field {
                #[cfg(target_pointer_width = "64")]
                #[allow(unused_imports, reason = "by the field of one curve")]
                use crate::backend::p256_field;
                use primeorder::elliptic_curve::{
                    bigint::$uint,
                    ff::PrimeField,
                    ops::BatchInvert,
                    subtle::{Choice, ConstantTimeEq, CtOption},
                };

                primefield::monty_field_params! {
                    name: FieldParams,
                    modulus: $p,
                    uint: $uint,
                    byte_order: primefield::ByteOrder::BigEndian,
                    multiplicative_generator: $p_non_residue,
                    doc: "The modulus p."
                }
                primefield::monty_field_element! {
                    name: FieldElement,
                    params: FieldParams,
                    uint: $uint,
                    doc: "An element of the field modulo p."
                }
                field_arithmetic!($field, $uint);

                impl BatchInvert for FieldElement {}
            }

            mod scalar {
                use super::{Curve, FieldBytes};
                use primeorder::elliptic_curve::{
                    self, Curve as _,
                    bigint::{$uint, Limb, Odd},
                    ff::PrimeField,
                    ops::Reduce,
                    scalar::{FromUintUnchecked, IsHigh},
                    subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, CtOption},
                };

                primefield::monty_field_params! {
                    name: ScalarParams,
                    modulus: $n,
                    uint: $uint,
                    byte_order: primefield::ByteOrder::BigEndian,
                    multiplicative_generator: $n_non_residue,
                    doc: "The modulus n."
                }
                primefield::monty_field_element! {
                    name: Scalar,
                    params: ScalarParams,
                    uint: $uint,
                    doc: "A number modulo the order n."
                }
                primefield::monty_field_arithmetic! {
                    name: Scalar,
                    params: ScalarParams,
                    uint: $uint
                }
                elliptic_curve::scalar_impls!(Curve, Scalar);
                primeorder::wnaf::impl_wnaf_size_for_scalar!(Scalar);

                impl AsRef<Scalar> for Scalar {
                    fn as_ref(&self) -> &Scalar {
                        self
                    }
                }

                impl FromUintUnchecked for Scalar {
                    type Uint = $uint;

                    fn from_uint_unchecked(uint: $uint) -> Self {
                        Self::from_uint_unchecked(uint)
                    }
                }

                impl IsHigh for Scalar {
                    fn is_high(&self) -> Choice {
                        const HALF: $uint = Curve::ORDER.as_ref().shr_vartime(1);
                        self.to_canonical().ct_gt(&HALF)
                    }
                }

                pub(super) const ORDER: Odd<$uint> = Odd::<$uint>::from_be_hex($n);

                /// Of numbers below 2n.
                impl Reduce<$uint> for Scalar {
                    fn reduce(value: &$uint) -> Self {
                        let (less, borrow) = value.borrowing_sub(&Curve::ORDER, Limb::ZERO);
                        let below = Choice::from((borrow.0 & 1) as u8);
                        Self::from_uint_unchecked($uint::conditional_select(&less, value, below))
                    }
                }

                impl Reduce<FieldBytes> for Scalar {
                    fn reduce(bytes: &FieldBytes) -> Self {
                        let mut wide = [0; $uint::BYTES];
                        wide[$uint::BYTES - bytes.len()..].copy_from_slice(bytes);
                        Self::reduce(&$uint::from_be_slice(&wide))
                    }
                }
            }

            use field::FieldElement;
            pub(crate) use scalar::Scalar;

            /// The curve.
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
            #[allow(unreachable_pub, reason = "its scalars, which primefield's macro makes `pub`, name it")]
            pub struct Curve;

            pub(crate) type AffinePoint = primeorder::AffinePoint<Curve>;
            pub(crate) type ProjectivePoint = primeorder::ProjectivePoint<Curve>;
            pub(crate) type FieldBytes = elliptic_curve::FieldBytes<Curve>;

            impl elliptic_curve::Curve for Curve {
                type FieldBytesSize = primefield::consts::$width;
                type Uint = $uint;

                const ORDER: Odd<$uint> = scalar::ORDER;
            }

            impl elliptic_curve::PrimeCurve for Curve {}

            impl elliptic_curve::point::PointCompression for Curve {
                const COMPRESS_POINTS: bool = false;
            }

            impl elliptic_curve::point::PointCompaction for Curve {
                const COMPACT_POINTS: bool = false;
            }

            impl CurveArithmetic for Curve {
                type AffinePoint = AffinePoint;
                type ProjectivePoint = ProjectivePoint;
                type Scalar = Scalar;
            }

            impl FieldArithmetic for Curve {
                type FieldElement = FieldElement;
            }

            impl PrimeCurveArithmetic for Curve {
                type CurveGroup = ProjectivePoint;
            }

            impl PrimeCurveParams for Curve {
                type PointArithmetic = $arithmetic;
                type Backend = primeorder::mul_backend::VariableOnly;

                const EQUATION_A: FieldElement = $a;
                const EQUATION_B: FieldElement = FieldElement::from_hex_vartime($b);
                const GENERATOR: (FieldElement, FieldElement) =
                    (FieldElement::from_hex_vartime($gx), FieldElement::from_hex_vartime($gy));
            }
        }
    };
}

weierstrass! {
    /// NIST P-192. FIPS 186-4, D.1.2.1.
    nist_p192: U192, U24, EquationAIsMinusThree, field = generic,
    p = ("fffffffffffffffffffffffffffffffeffffffffffffffff", 11),
    n = ("ffffffffffffffffffffffff99def836146bc9b1b4d22831", 3),
    a = FieldElement::from_u64(3).neg(),
    b = "64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
    g = (
        "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
        "07192b95ffc8da78631011ed6b24cdd573f977a11e794811"
    ),
}

weierstrass! {
    /// NIST P-224. SP 800-186, 3.2.1.2.
    nist_p224: U256, U28, EquationAIsMinusThree, field = generic,
    p = ("00000000ffffffffffffffffffffffffffffffff000000000000000000000001", 11),
    n = ("00000000ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d", 2),
    a = FieldElement::from_u64(3).neg(),
    b = "b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4",
    g = (
        "b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21",
        "bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34"
    ),
}

weierstrass! {
    /// NIST P-256. SP 800-186, 3.2.1.3.
    nist_p256: U256, U32, EquationAIsMinusThree, field = nist_p256,
    p = ("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 6),
    n = ("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 7),
    a = FieldElement::from_hex_vartime("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    b = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    g = (
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    ),
}

weierstrass! {
    /// The Barreto-Naehrig curve of 256 bits. TCG Algorithm Registry.
    bn_p256: U256, U32, EquationAIsZero, field = generic,
    p = ("fffffffffffcf0cd46e5f25eee71a49f0cdc65fb12980a82d3292ddbaed33013", 2),
    n = ("fffffffffffcf0cd46e5f25eee71a49e0cdc65fb1299921af62d536cd10b500d", 2),
    a = FieldElement::ZERO,
    b = "0000000000000000000000000000000000000000000000000000000000000003",
    g = (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000002"
    ),
}

weierstrass! {
    /// The curve of SM2. GB/T 32918.5-2017.
    sm2_p256: U256, U32, EquationAIsMinusThree, field = generic,
    p = ("fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff", 13),
    n = ("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123", 2),
    a = FieldElement::from_u64(3).neg(),
    b = "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
    g = (
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
    ),
}
