//! The numbers that define the curves.

use crate::EccCurve;

/// The numbers that define a curve, each big-endian in the curve's width, as TPM2_ECC_Parameters reports them. The
/// cofactor of every curve is 1, but that of curve 25519. SP 800-186, 3.2.1; TCG Algorithm Registry; GB/T 32918.5-2017.
#[derive(Clone, Copy, Debug)]
pub struct CurveParameters {
    /// The prime of the field.
    pub p: &'static [u8],
    /// The coefficient of x.
    pub a: &'static [u8],
    /// The constant coefficient.
    pub b: &'static [u8],
    /// The generator's x-coordinate.
    pub gx: &'static [u8],
    /// The generator's y-coordinate.
    pub gy: &'static [u8],
    /// The order of the generator.
    pub n: &'static [u8],
    /// The cofactor.
    pub h: &'static [u8],
}

/// The parameters of `curve`.
#[must_use]
pub fn parameters(curve: EccCurve) -> &'static CurveParameters {
    match curve {
        EccCurve::NistP192 => &P192,
        EccCurve::NistP224 => &P224,
        EccCurve::NistP256 => &P256,
        EccCurve::NistP384 => &P384,
        EccCurve::NistP521 => &P521,
        EccCurve::BnP256 => &BN_P256,
        EccCurve::Sm2P256 => &SM2_P256,
        EccCurve::Curve25519 => &CURVE_25519,
    }
}

/// The octets of a hexadecimal literal, at compile time.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            _ => c - b'a' + 10,
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 2 * N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

static P192: CurveParameters = CurveParameters {
    p: &hex::<24>("fffffffffffffffffffffffffffffffeffffffffffffffff"),
    a: &hex::<24>("fffffffffffffffffffffffffffffffefffffffffffffffc"),
    b: &hex::<24>("64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1"),
    gx: &hex::<24>("188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012"),
    gy: &hex::<24>("07192b95ffc8da78631011ed6b24cdd573f977a11e794811"),
    n: &hex::<24>("ffffffffffffffffffffffff99def836146bc9b1b4d22831"),
    h: &[1],
};

static P224: CurveParameters = CurveParameters {
    p: &hex::<28>("ffffffffffffffffffffffffffffffff000000000000000000000001"),
    a: &hex::<28>("fffffffffffffffffffffffffffffffefffffffffffffffffffffffe"),
    b: &hex::<28>("b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4"),
    gx: &hex::<28>("b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21"),
    gy: &hex::<28>("bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34"),
    n: &hex::<28>("ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d"),
    h: &[1],
};

static P256: CurveParameters = CurveParameters {
    p: &hex::<32>("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    a: &hex::<32>("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    b: &hex::<32>("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    gx: &hex::<32>("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
    gy: &hex::<32>("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    n: &hex::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    h: &[1],
};

static P384: CurveParameters = CurveParameters {
    p: &hex::<48>(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    ),
    a: &hex::<48>(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
    ),
    b: &hex::<48>(
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    gx: &hex::<48>(
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    ),
    gy: &hex::<48>(
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    ),
    n: &hex::<48>(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    h: &[1],
};

static P521: CurveParameters = CurveParameters {
    p: &hex::<66>(
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    a: &hex::<66>(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc",
    ),
    b: &hex::<66>(
        "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
    ),
    gx: &hex::<66>(
        "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
    ),
    gy: &hex::<66>(
        "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
    ),
    n: &hex::<66>(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
    h: &[1],
};

static BN_P256: CurveParameters = CurveParameters {
    p: &hex::<32>("fffffffffffcf0cd46e5f25eee71a49f0cdc65fb12980a82d3292ddbaed33013"),
    a: &hex::<32>("0000000000000000000000000000000000000000000000000000000000000000"),
    b: &hex::<32>("0000000000000000000000000000000000000000000000000000000000000003"),
    gx: &hex::<32>("0000000000000000000000000000000000000000000000000000000000000001"),
    gy: &hex::<32>("0000000000000000000000000000000000000000000000000000000000000002"),
    n: &hex::<32>("fffffffffffcf0cd46e5f25eee71a49e0cdc65fb1299921af62d536cd10b500d"),
    h: &[1],
};

static SM2_P256: CurveParameters = CurveParameters {
    p: &hex::<32>("fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff"),
    a: &hex::<32>("fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"),
    b: &hex::<32>("28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"),
    gx: &hex::<32>("32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"),
    gy: &hex::<32>("bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"),
    n: &hex::<32>("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123"),
    h: &[1],
};

/// In the form that EdDSA uses, ax^2 + y^2 = 1 + bx^2y^2: the registry has no numbers of it. RFC 8032, 5.1.
static CURVE_25519: CurveParameters = CurveParameters {
    p: &hex::<32>("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"),
    a: &hex::<32>("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
    b: &hex::<32>("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"),
    gx: &hex::<32>("216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a"),
    gy: &hex::<32>("6666666666666666666666666666666666666666666666666666666666666658"),
    n: &hex::<32>("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"),
    h: &[8],
};
