//! Algorithm identifiers and the interface types over them. Part 2, 6.3, 6.4 and 9.31 to 9.41.

use crate::{
    Fmt1,
    derive::{Marshal, Unmarshal},
    marshal::{self, Bytes, Nullable, Reader},
    rc,
};

/// TPMI_ALG_HASH. `Option<HashAlg>` is `TPMI_ALG_HASH+`. Part 2, 9.31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = HASH, null = 0x0010, gate = algorithm)]
pub enum HashAlg {
    /// TPM_ALG_SHA1.
    Sha1 = 0x0004,
    /// TPM_ALG_SHA256.
    Sha256 = 0x000B,
    /// TPM_ALG_SHA384.
    Sha384 = 0x000C,
    /// TPM_ALG_SHA512.
    Sha512 = 0x000D,
    /// TPM_ALG_SM3_256.
    Sm3_256 = 0x0012,
    /// TPM_ALG_SHA3_256.
    Sha3_256 = 0x0027,
    /// TPM_ALG_SHA3_384.
    Sha3_384 = 0x0028,
    /// TPM_ALG_SHA3_512.
    Sha3_512 = 0x0029,
}

impl HashAlg {
    /// Every hash algorithm this crate knows, in the order of their identifiers.
    pub const ALL: [Self; 8] = [
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sm3_256,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// The TPM_ALG_ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Bytes in a digest.
    #[must_use]
    pub const fn digest_size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sm3_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Bytes in an input block; of SHA-3 the rate.
    #[must_use]
    pub const fn block_size(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 | Self::Sm3_256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
            Self::Sha3_256 => 136,
            Self::Sha3_384 => 104,
            Self::Sha3_512 => 72,
        }
    }
}

/// TPMI_ECC_CURVE. `Option<EccCurve>` is `TPMI_ECC_CURVE+`. Part 2, 6.4 and 11.2.5.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = CURVE, null = 0x0000, gate = curve)]
pub enum EccCurve {
    /// TPM_ECC_NIST_P192: too weak for anything but old data.
    NistP192 = 0x0001,
    /// TPM_ECC_NIST_P224.
    NistP224 = 0x0002,
    /// TPM_ECC_NIST_P256.
    NistP256 = 0x0003,
    /// TPM_ECC_NIST_P384.
    NistP384 = 0x0004,
    /// TPM_ECC_NIST_P521.
    NistP521 = 0x0005,
    /// TPM_ECC_BN_P256: the pairing-friendly curve of ECDAA.
    BnP256 = 0x0010,
    /// TPM_ECC_SM2_P256.
    Sm2P256 = 0x0020,
    /// TPM_ECC_CURVE_25519, in its Edwards form: the curve of EdDSA.
    Curve25519 = 0x0040,
}

impl EccCurve {
    /// Every curve this crate knows, in the order of their identifiers.
    pub const ALL: [Self; 8] = [
        Self::NistP192,
        Self::NistP224,
        Self::NistP256,
        Self::NistP384,
        Self::NistP521,
        Self::BnP256,
        Self::Sm2P256,
        Self::Curve25519,
    ];

    /// Those whose keys are two coordinates and a number, for every scheme but EdDSA.
    pub const WEIERSTRASS: [Self; 7] = {
        let [p192, p224, p256, p384, p521, bn, sm2, Self::Curve25519] = Self::ALL else {
            panic!("curve 25519 is the last");
        };
        [p192, p224, p256, p384, p521, bn, sm2]
    };

    /// The TPM_ECC_CURVE.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Bits in a coordinate, in the order of the generator and so in a private key: the same for all of these curves but the last, whose
    /// keys are strings of so many bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::NistP192 => 192,
            Self::NistP224 => 224,
            Self::NistP256 | Self::BnP256 | Self::Sm2P256 | Self::Curve25519 => 256,
            Self::NistP384 => 384,
            Self::NistP521 => 521,
        }
    }

    /// Bytes in one coordinate.
    #[must_use]
    pub const fn coordinate_size(self) -> usize {
        self.bits().div_ceil(8) as usize
    }
}

/// TPM_ALG_ID as it stands where any algorithm may be named, known or not. Part 2, 6.3.
pub type AlgId = u16;

/// TPM_ALG_ID: the identifiers this crate has a use for. Part 2, 6.3.
pub mod id {
    /// RSA.
    pub const RSA: u16 = 0x0001;
    /// Triple DES.
    pub const TDES: u16 = 0x0003;
    /// SHA-1.
    pub const SHA1: u16 = 0x0004;
    /// HMAC.
    pub const HMAC: u16 = 0x0005;
    /// AES.
    pub const AES: u16 = 0x0006;
    /// The mask generation function of PKCS #1.
    pub const MGF1: u16 = 0x0007;
    /// An object that is a keyed hash or sealed data.
    pub const KEYEDHASH: u16 = 0x0008;
    /// XOR obfuscation.
    pub const XOR: u16 = 0x000A;
    /// SHA-256.
    pub const SHA256: u16 = 0x000B;
    /// SHA-384.
    pub const SHA384: u16 = 0x000C;
    /// SHA-512.
    pub const SHA512: u16 = 0x000D;
    /// No algorithm.
    pub const NULL: u16 = 0x0010;
    /// SM3 with 256 bits.
    pub const SM3_256: u16 = 0x0012;
    /// SM4.
    pub const SM4: u16 = 0x0013;
    /// RSASSA-PKCS1-v1_5.
    pub const RSASSA: u16 = 0x0014;
    /// RSAES-PKCS1-v1_5.
    pub const RSAES: u16 = 0x0015;
    /// RSASSA-PSS.
    pub const RSAPSS: u16 = 0x0016;
    /// RSAES-OAEP.
    pub const OAEP: u16 = 0x0017;
    /// ECDSA.
    pub const ECDSA: u16 = 0x0018;
    /// Elliptic-curve Diffie-Hellman.
    pub const ECDH: u16 = 0x0019;
    /// Elliptic-curve direct anonymous attestation.
    pub const ECDAA: u16 = 0x001A;
    /// SM2: signing, or agreement on keys.
    pub const SM2: u16 = 0x001B;
    /// Elliptic-curve Schnorr.
    pub const ECSCHNORR: u16 = 0x001C;
    /// Elliptic-curve Menezes-Qu-Vanstone.
    pub const ECMQV: u16 = 0x001D;
    /// The concatenation KDF of SP 800-56A.
    pub const KDF1_SP800_56A: u16 = 0x0020;
    /// The KDF of IEEE 1363a.
    pub const KDF2: u16 = 0x0021;
    /// The counter-mode KDF of SP 800-108.
    pub const KDF1_SP800_108: u16 = 0x0022;
    /// Elliptic curves.
    pub const ECC: u16 = 0x0023;
    /// An object that is a symmetric cipher key.
    pub const SYMCIPHER: u16 = 0x0025;
    /// Camellia.
    pub const CAMELLIA: u16 = 0x0026;
    /// SHA3-256.
    pub const SHA3_256: u16 = 0x0027;
    /// SHA3-384.
    pub const SHA3_384: u16 = 0x0028;
    /// SHA3-512.
    pub const SHA3_512: u16 = 0x0029;
    /// The cipher-based message authentication code.
    pub const CMAC: u16 = 0x003F;
    /// Counter mode.
    pub const CTR: u16 = 0x0040;
    /// Output feedback.
    pub const OFB: u16 = 0x0041;
    /// Cipher block chaining.
    pub const CBC: u16 = 0x0042;
    /// Cipher feedback.
    pub const CFB: u16 = 0x0043;
    /// Electronic codebook.
    pub const ECB: u16 = 0x0044;
    /// EdDSA.
    pub const EDDSA: u16 = 0x0060;
    /// EdDSA of a digest.
    pub const HASH_EDDSA: u16 = 0x0061;
}

/// TPM_ECC_CURVE: the identifiers this crate has a use for. Part 2, 6.4.
pub mod curve {
    /// P-192.
    pub const NIST_P192: u16 = 0x0001;
    /// P-224.
    pub const NIST_P224: u16 = 0x0002;
    /// P-256.
    pub const NIST_P256: u16 = 0x0003;
    /// P-384.
    pub const NIST_P384: u16 = 0x0004;
    /// P-521.
    pub const NIST_P521: u16 = 0x0005;
    /// The pairing-friendly curve with 256 bits.
    pub const BN_P256: u16 = 0x0010;
    /// The pairing-friendly curve with 638 bits.
    pub const BN_P638: u16 = 0x0011;
    /// SM2's curve.
    pub const SM2_P256: u16 = 0x0020;
    /// The curve of Ed25519 and X25519.
    pub const CURVE_25519: u16 = 0x0040;
}

/// TPMI_ALG_PUBLIC: the type of an object. Part 2, 12.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = TYPE, gate = algorithm)]
#[repr(u16)]
pub enum ObjectType {
    /// TPM_ALG_RSA.
    Rsa = id::RSA,
    /// TPM_ALG_KEYEDHASH: a keyed hash key or sealed data.
    KeyedHash = id::KEYEDHASH,
    /// TPM_ALG_ECC.
    Ecc = id::ECC,
    /// TPM_ALG_SYMCIPHER.
    SymCipher = id::SYMCIPHER,
}

impl ObjectType {
    /// The TPM_ALG_ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }
}

/// TPMI_ALG_SYM_MODE: what a cipher is for. `None` is TPM_ALG_NULL. Part 2, 9.35.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = MODE, null = 0x0010, gate = algorithm)]
#[repr(u16)]
pub enum SymMode {
    /// TPM_ALG_CMAC: not encryption but authentication.
    Cmac = id::CMAC,
    /// TPM_ALG_CTR.
    Ctr = id::CTR,
    /// TPM_ALG_OFB.
    Ofb = id::OFB,
    /// TPM_ALG_CBC.
    Cbc = id::CBC,
    /// TPM_ALG_CFB: the mode of parents and of parameter encryption.
    Cfb = id::CFB,
    /// TPM_ALG_ECB.
    Ecb = id::ECB,
}

impl SymMode {
    /// The TPM_ALG_ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The mode as one of encryption; `None` for CMAC.
    #[must_use]
    pub const fn cipher_mode(self) -> Option<CipherMode> {
        match self {
            Self::Cmac => None,
            Self::Ctr => Some(CipherMode::Ctr),
            Self::Ofb => Some(CipherMode::Ofb),
            Self::Cbc => Some(CipherMode::Cbc),
            Self::Cfb => Some(CipherMode::Cfb),
            Self::Ecb => Some(CipherMode::Ecb),
        }
    }
}

/// TPMI_ALG_CIPHER_MODE: how a cipher encrypts. `None` is TPM_ALG_NULL. Part 2, 9.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = MODE, null = 0x0010, gate = algorithm)]
#[repr(u16)]
pub enum CipherMode {
    /// TPM_ALG_CTR.
    Ctr = id::CTR,
    /// TPM_ALG_OFB.
    Ofb = id::OFB,
    /// TPM_ALG_CBC.
    Cbc = id::CBC,
    /// TPM_ALG_CFB.
    Cfb = id::CFB,
    /// TPM_ALG_ECB.
    Ecb = id::ECB,
}

impl CipherMode {
    /// Every mode, in the order of their identifiers.
    pub const ALL: [Self; 5] = [Self::Ctr, Self::Ofb, Self::Cbc, Self::Cfb, Self::Ecb];

    /// Whether data must be whole blocks.
    #[must_use]
    pub const fn takes_whole_blocks(self) -> bool {
        match self {
            Self::Cbc | Self::Ecb => true,
            Self::Ctr | Self::Ofb | Self::Cfb => false,
        }
    }
}

/// TPMI_ALG_MAC_SCHEME: a hash for HMAC, or a MAC of block ciphers. `None` is TPM_ALG_NULL. Part 2, 9.40.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacScheme {
    /// TPM_ALG_CMAC.
    Cmac,
    /// HMAC with this hash.
    Hmac(HashAlg),
}

impl marshal::Marshal for MacScheme {
    fn marshal(&self, out: &mut Bytes) {
        match self {
            Self::Cmac => id::CMAC.marshal(out),
            Self::Hmac(hash_alg) => hash_alg.marshal(out),
        }
    }
}

impl marshal::Unmarshal for MacScheme {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        Self::unmarshal_nullable(r)?.ok_or(rc::SYMMETRIC)
    }
}

impl Nullable for MacScheme {
    fn unmarshal_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, Fmt1> {
        let mut ahead = r.clone();
        if <u16 as marshal::Unmarshal>::unmarshal(&mut ahead)? == id::CMAC
            && r.implemented().algorithm(id::CMAC)
        {
            *r = ahead;
            return Ok(Some(Self::Cmac));
        }
        // A hash that is unknown is no MAC either.
        let hash_alg = HashAlg::unmarshal_nullable(r).map_err(|_| rc::SYMMETRIC)?;
        Ok(hash_alg.map(Self::Hmac))
    }

    fn marshal_null(out: &mut Bytes) {
        HashAlg::marshal_null(out);
    }
}

/// TPMI_ALG_KDF. `None` is TPM_ALG_NULL. Part 2, 9.36.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = KDF, null = 0x0010, gate = algorithm)]
#[repr(u16)]
pub enum KdfAlg {
    /// TPM_ALG_MGF1.
    Mgf1 = id::MGF1,
    /// TPM_ALG_KDF1_SP800_56A.
    Kdf1Sp80056a = id::KDF1_SP800_56A,
    /// TPM_ALG_KDF2.
    Kdf2 = id::KDF2,
    /// TPM_ALG_KDF1_SP800_108.
    Kdf1Sp800108 = id::KDF1_SP800_108,
}

/// TPMI_ECC_KEY_EXCHANGE: how two sides with two keys each agree. Part 2, 9.38.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = SCHEME, null = 0x0010, gate = algorithm)]
#[repr(u16)]
pub enum EccKeyExchange {
    /// TPM_ALG_ECDH: the full unified model.
    Ecdh = id::ECDH,
    /// TPM_ALG_SM2: the key exchange of SM2.
    Sm2 = id::SM2,
    /// TPM_ALG_ECMQV: full MQV.
    Ecmqv = id::ECMQV,
}

/// TPMI_AES_KEY_BITS. Part 2, 11.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE, gate = aes_bits)]
pub enum AesKeyBits {
    /// AES-128.
    Aes128 = 128,
    /// AES-192.
    Aes192 = 192,
    /// AES-256.
    Aes256 = 256,
}

impl AesKeyBits {
    /// Every size, ascending.
    pub const ALL: [Self; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// Bits in a key.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self as u16
    }

    /// Bytes in a key.
    #[must_use]
    pub const fn key_size(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// TPMI_TDES_KEY_BITS: two or three DES keys, parity bits included. Part 2, 11.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE, gate = tdes_bits)]
pub enum TdesKeyBits {
    /// TDES with two keys.
    Tdes128 = 128,
    /// TDES with three keys.
    Tdes192 = 192,
}

/// TPMI_SM4_KEY_BITS. Part 2, 11.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE, gate = sm4_bits)]
pub enum Sm4KeyBits {
    /// SM4.
    Sm4_128 = 128,
}

/// TPMI_CAMELLIA_KEY_BITS. Part 2, 11.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE, gate = camellia_bits)]
pub enum CamelliaKeyBits {
    /// Camellia-128.
    Camellia128 = 128,
    /// Camellia-192.
    Camellia192 = 192,
    /// Camellia-256.
    Camellia256 = 256,
}

/// A block cipher and the size of its key: TPMU_SYM_KEY_BITS with its selector, but for XOR. Part 2, 11.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SYMMETRIC, gate = algorithm)]
pub enum BlockCipher {
    /// TDES: blocks of eight octets.
    #[tpm(tag = id::TDES)]
    Tdes(TdesKeyBits),
    /// AES.
    #[tpm(tag = id::AES)]
    Aes(AesKeyBits),
    /// SM4.
    #[tpm(tag = id::SM4)]
    Sm4(Sm4KeyBits),
    /// Camellia.
    #[tpm(tag = id::CAMELLIA)]
    Camellia(CamelliaKeyBits),
}

impl BlockCipher {
    /// Every cipher with every size, in the order of their identifiers.
    pub const ALL: [Self; 9] = [
        Self::Tdes(TdesKeyBits::Tdes128),
        Self::Tdes(TdesKeyBits::Tdes192),
        Self::Aes(AesKeyBits::Aes128),
        Self::Aes(AesKeyBits::Aes192),
        Self::Aes(AesKeyBits::Aes256),
        Self::Sm4(Sm4KeyBits::Sm4_128),
        Self::Camellia(CamelliaKeyBits::Camellia128),
        Self::Camellia(CamelliaKeyBits::Camellia192),
        Self::Camellia(CamelliaKeyBits::Camellia256),
    ];

    /// Bits in a key.
    #[must_use]
    pub const fn key_bits(self) -> u16 {
        match self {
            Self::Tdes(bits) => bits as u16,
            Self::Aes(bits) => bits.bits(),
            Self::Sm4(bits) => bits as u16,
            Self::Camellia(bits) => bits as u16,
        }
    }

    /// Bytes in a key.
    #[must_use]
    pub const fn key_size(self) -> usize {
        (self.key_bits() / 8) as usize
    }

    /// Bytes in a block.
    #[must_use]
    pub const fn block_size(self) -> usize {
        match self {
            Self::Tdes(_) => 8,
            Self::Aes(_) | Self::Sm4(_) | Self::Camellia(_) => 16,
        }
    }
}

/// TPMI_RSA_KEY_BITS. Part 2, 11.2.4.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE, gate = rsa_bits)]
pub enum RsaKeyBits {
    /// RSA-1024: too weak for anything but old data.
    Rsa1024 = 1024,
    /// RSA-2048.
    Rsa2048 = 2048,
    /// RSA-3072.
    Rsa3072 = 3072,
    /// RSA-4096.
    Rsa4096 = 4096,
}

impl RsaKeyBits {
    /// Every size, ascending.
    pub const ALL: [Self; 4] = [Self::Rsa1024, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Bits in the modulus.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self as u16
    }

    /// Bytes in the modulus.
    #[must_use]
    pub const fn modulus_size(self) -> usize {
        match self {
            Self::Rsa1024 => 128,
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
        }
    }
}
