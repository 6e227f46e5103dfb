//! How each type is made.

use crate::{Sample, Source};
use sigillo_types::{
    alg::{
        AesKeyBits, BlockCipher, CamelliaKeyBits, CipherMode, EccKeyExchange, KdfAlg, MacScheme, ObjectType,
        RsaKeyBits, Sm4KeyBits, SymMode, TdesKeyBits,
    },
    attributes::*,
    buffers::*,
    constants::*,
    handles::*,
    structures::*,
    *,
};

impl<T: Sample> Sample for Option<T> {
    fn sample(s: &mut Source<'_>) -> Self {
        let null = s.below(4) == 0 && (T::COMMON_NULL || !s.common);
        if null { None } else { Some(T::sample(s)) }
    }
}

impl<T: Sample, const MIN: usize, const MAX: usize> Sample for List<T, MIN, MAX> {
    fn sample(s: &mut Source<'_>) -> Self {
        let count = MIN + s.below((MAX - MIN + 1).min(9));
        Self::new((0..count).map(|_| T::sample(s)).collect()).unwrap()
    }
}

impl<const N: usize> Sample for [u8; N] {
    fn sample(s: &mut Source<'_>) -> Self {
        let first = s.octet();
        core::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap()))
    }
}

macro_rules! integers {
    ($($int:ty),+) => {$(
        impl Sample for $int {
            fn sample(s: &mut Source<'_>) -> Self {
                let octets = s.u64().to_be_bytes();
                <$int>::from_be_bytes(*octets.last_chunk().unwrap())
            }
        }
    )+};
}
integers!(u8, u64, i32);

impl Sample for u16 {
    fn sample(s: &mut Source<'_>) -> Self {
        let any = u16::from_be_bytes([s.octet(), s.octet()]);
        if s.common { s.of(&[alg::id::RSA, alg::id::SHA384, alg::id::CFB, alg::id::NULL]) } else { any }
    }
}

/// The common values are both command codes and properties.
impl Sample for u32 {
    fn sample(s: &mut Source<'_>) -> Self {
        let any = u32::from_be_bytes(core::array::from_fn(|_| s.octet()));
        if s.common { s.of(&[0x11F, 0x121, 0x12C, 0x12D]) } else { any }
    }
}

macro_rules! buffers {
    ($($name:ident $(, at most $common:literal in both)?);+ $(;)?) => {$(
        impl Sample for $name {
            fn sample(s: &mut Source<'_>) -> Self {
                let max = Self::MAX;
                $(let max = if s.common { $common } else { max };)?
                Self::new(&s.octets(max)).unwrap()
            }
        }
    )+};
}
buffers! {
    Tpm2bDigest;
    Tpm2bData;
    Tpm2bNonce;
    Tpm2bAuth;
    Tpm2bSecretDigest;
    Tpm2bSecretData;
    Tpm2bSecretBuffer;
    Tpm2bOperand;
    Tpm2bEvent;
    Tpm2bMaxBuffer;
    Tpm2bMaxNvBuffer;
    Tpm2bTimeout;
    Tpm2bIv;
    Tpm2bName, at most 66 in both;
    Tpm2bSymKey, at most 32 in both;
    Tpm2bLabel;
    Tpm2bSensitiveData;
    Tpm2bPublicKeyRsa;
    Tpm2bRsaMessage;
    Tpm2bPrivateKeyRsa;
    Tpm2bEccParameter;
    Tpm2bSignatureEddsa;
    Tpm2bSignatureCtx;
    Tpm2bSignatureHint;
    Tpm2bEccPrivate;
    Tpm2bEncryptedSecret;
    Tpm2bPrivate, at most 1408 in both;
    Tpm2bIdObject;
    Tpm2bContextData;
}

impl Sample for Tpm2bAttest {
    fn sample(s: &mut Source<'_>) -> Self {
        Self::from(&TpmsAttest::sample(s))
    }
}

impl Sample for TpmsSetCapabilityData {
    fn sample(s: &mut Source<'_>) -> Self {
        Self { set_capability: Sample::sample(s), data: s.octets(Tpm2bSetCapabilityData::MAX - 4) }
    }
}

impl Sample for Tpm2bTemplate {
    fn sample(s: &mut Source<'_>) -> Self {
        Self::try_from(TpmtPublic::sample(s).to_bytes()).unwrap()
    }
}

macro_rules! ranges {
    ($($name:ident),+) => {$(
        impl Sample for $name {
            fn sample(s: &mut Source<'_>) -> Self {
                let span = u64::from(Self::LAST - Self::FIRST) + 1;
                Self::new(Self::FIRST + u32::try_from(s.u64() % span).unwrap()).unwrap()
            }
        }
    )+};
}
ranges!(
    PcrHandle,
    TransientHandle,
    PersistentHandle,
    HmacSessionHandle,
    PolicySessionHandle,
    NvLegacyIndexHandle,
    NvExpIndexHandle,
    NvPermanentIndexHandle,
    ActHandle
);

/// One of several values, each made as written.
macro_rules! one_of {
    ($($name:ident: $s:ident => [$($value:expr),+ $(,)?];)+) => {$(
        impl Sample for $name {
            fn sample($s: &mut Source<'_>) -> Self {
                let makers: &[fn(&mut Source<'_>) -> Self] = &[$(|$s| { let _ = &$s; $value }),+];
                let index = $s.below(makers.len());
                makers[index]($s)
            }
        }
    )+};
}

/// Any value of an enum without data, or of one of its kinds.
macro_rules! units {
    ($($name:ident: $($unit:ident)+ $(; $($kind:ident)+)?),+ $(,)?) => {
        one_of! {$($name: s => [$(Self::$unit,)+ $($(Self::$kind(Sample::sample(s)),)+)?];)+}
    };
}
units!(
    Hierarchy: Owner Platform Endorsement Null,
    EnablesHandle: Owner Platform Endorsement PlatformNv,
    HierarchyAuthHandle: Owner Platform Endorsement Lockout,
    HierarchyPolicyHandle: Owner Platform Endorsement Lockout; Act,
    BaseHierarchy: Owner Platform Endorsement,
    PlatformHandle: Platform,
    EndorsementHandle: Endorsement,
    ProvisionHandle: Owner Platform,
    ClearHandle: Lockout Platform,
    LockoutHandle: Lockout,
    NvAuthHandle: Platform Owner; NvIndex,
    EntityHandle: Owner Endorsement Platform Lockout; Object NvIndex Pcr,
    SavedHandle: Object Sequence StClearObject; Hmac Policy,
    StartupType: Clear State,
    SessionType: Hmac Policy Trial,
    Operation: Eq Neq SignedGt UnsignedGt SignedLt UnsignedLt SignedGe UnsignedGe SignedLe UnsignedLe BitSet BitClear,
    ClockAdjust: CoarseSlower MediumSlower FineSlower NoChange FineFaster MediumFaster CoarseFaster,
    Capability: Algs Handles Commands PpCommands AuditCommands Pcrs TpmProperties PcrProperties EccCurves AuthPolicies Act,
    HashAlg: Sha1 Sha256 Sha384 Sha512 Sm3_256 Sha3_256 Sha3_384 Sha3_512,
    EccCurve: NistP192 NistP224 NistP256 NistP384 NistP521 BnP256 Sm2P256 Curve25519,
    ObjectType: Rsa KeyedHash Ecc SymCipher,
    SymMode: Cmac Ctr Ofb Cbc Cfb Ecb,
    CipherMode: Ctr Ofb Cbc Cfb Ecb,
    TdesKeyBits: Tdes128 Tdes192,
    Sm4KeyBits: Sm4_128,
    CamelliaKeyBits: Camellia128 Camellia192 Camellia256,
    KdfAlg: Mgf1 Kdf1Sp80056a Kdf2 Kdf1Sp800108,
    EccKeyExchange: Ecdh Sm2 Ecmqv,
    AesKeyBits: Aes128 Aes192 Aes256,
    RsaKeyBits: Rsa1024 Rsa2048 Rsa3072 Rsa4096,
    TkAuthTag: Secret Signed,
);

/// ECDAA, but of what both crates know ECDSA: the other one reads no counter.
macro_rules! ecdaa {
    ($s:ident) => {
        if $s.common {
            Self::Ecdsa { hash_alg: Sample::sample($s) }
        } else {
            Self::Ecdaa { hash_alg: Sample::sample($s), count: Sample::sample($s) }
        }
    };
}

/// EdDSA, but of what both crates know ECDSA: the other one may not know it.
macro_rules! eddsa {
    ($s:ident, $scheme:expr) => {
        if $s.common { Self::Ecdsa { hash_alg: Sample::sample($s) } } else { $scheme }
    };
}

one_of! {
    bool: s => [false, true];
    NvIndexHandle: s => [
        Self::Legacy(Sample::sample(s)),
        Self::External(Sample::sample(s)),
        Self::Permanent(Sample::sample(s)),
    ];
    NvDefinedIndexHandle: s => [Self::Legacy(Sample::sample(s)), Self::External(Sample::sample(s))];
    NvPublic2: s => [
        Self::NvIndex(Sample::sample(s)),
        Self::External(Sample::sample(s)),
        Self::Permanent(Sample::sample(s)),
    ];
    ObjectHandle: s => [Self::Transient(Sample::sample(s)), Self::Persistent(Sample::sample(s))];
    ParentHandle: s => [Self::Object(Sample::sample(s)), Self::Hierarchy(Sample::sample(s))];
    AuthSessionHandle: s => [Self::Hmac(Sample::sample(s)), Self::Policy(Sample::sample(s))];
    ContextHandle: s => [
        Self::Hmac(Sample::sample(s)),
        Self::Policy(Sample::sample(s)),
        Self::Transient(Sample::sample(s)),
    ];
    TpmtHa: s => [
        Self::Sha1(Sample::sample(s)),
        Self::Sha256(Sample::sample(s)),
        Self::Sha384(Sample::sample(s)),
        Self::Sha512(Sample::sample(s)),
        Self::Sm3_256(Sample::sample(s)),
        Self::Sha3_256(Sample::sample(s)),
        Self::Sha3_384(Sample::sample(s)),
        Self::Sha3_512(Sample::sample(s)),
    ];
    MacScheme: s => [Self::Hmac(Sample::sample(s)), Self::Cmac];
    BlockCipher: s => [
        Self::Aes(Sample::sample(s)),
        Self::Tdes(Sample::sample(s)),
        Self::Sm4(Sample::sample(s)),
        Self::Camellia(Sample::sample(s)),
    ];
    SymDefObject: s => [
        Self::Aes { key_bits: Sample::sample(s), mode: Sample::sample(s) },
        // The other crate does not know it.
        if s.common {
            Self::Aes { key_bits: Sample::sample(s), mode: Sample::sample(s) }
        } else {
            Self::Tdes { key_bits: Sample::sample(s), mode: Sample::sample(s) }
        },
        Self::Sm4 { key_bits: Sample::sample(s), mode: Sample::sample(s) },
        Self::Camellia { key_bits: Sample::sample(s), mode: Sample::sample(s) },
    ];
    SigScheme: s => [
        Self::Rsassa { hash_alg: Sample::sample(s) },
        Self::Rsapss { hash_alg: Sample::sample(s) },
        Self::Ecdsa { hash_alg: Sample::sample(s) },
        ecdaa!(s),
        Self::Sm2 { hash_alg: Sample::sample(s) },
        Self::EcSchnorr { hash_alg: Sample::sample(s) },
        eddsa!(s, Self::Eddsa),
        eddsa!(s, Self::HashEddsa),
        Self::Hmac { hash_alg: Sample::sample(s) },
    ];
    KdfScheme: s => [
        Self::Mgf1 { hash_alg: Sample::sample(s) },
        Self::Kdf1Sp80056a { hash_alg: Sample::sample(s) },
        Self::Kdf2 { hash_alg: Sample::sample(s) },
        Self::Kdf1Sp800108 { hash_alg: Sample::sample(s) },
    ];
    RsaScheme: s => [
        Self::Rsassa { hash_alg: Sample::sample(s) },
        Self::Rsaes,
        Self::Rsapss { hash_alg: Sample::sample(s) },
        Self::Oaep { hash_alg: Sample::sample(s) },
    ];
    RsaDecryptScheme: s => [Self::Rsaes, Self::Oaep { hash_alg: Sample::sample(s) }];
    EccScheme: s => [
        Self::Ecdsa { hash_alg: Sample::sample(s) },
        ecdaa!(s),
        Self::Sm2 { hash_alg: Sample::sample(s) },
        Self::EcSchnorr { hash_alg: Sample::sample(s) },
        eddsa!(s, Self::Eddsa),
        eddsa!(s, Self::HashEddsa),
        Self::Ecmqv { hash_alg: Sample::sample(s) },
        Self::Ecdh { hash_alg: Sample::sample(s) },
    ];
    PublicParms: s => [
        Self::KeyedHash(Sample::sample(s)),
        Self::SymCipher(Sample::sample(s)),
        Self::Rsa(Sample::sample(s)),
        Self::Ecc(Sample::sample(s)),
    ];
    SensitiveComposite: s => [
        Self::Rsa(Sample::sample(s)),
        Self::Ecc(Sample::sample(s)),
        Self::Bits(Sample::sample(s)),
        Self::Sym(Sample::sample(s)),
    ];
    Attested: s => [
        Self::Certify(Sample::sample(s)),
        Self::Creation(Sample::sample(s)),
        Self::Quote(Sample::sample(s)),
        Self::CommandAudit(Sample::sample(s)),
        Self::SessionAudit(Sample::sample(s)),
        Self::Time(Sample::sample(s)),
        Self::Nv(Sample::sample(s)),
        Self::NvDigest(Sample::sample(s)),
    ];
}

impl Sample for SymDef {
    fn sample(s: &mut Source<'_>) -> Self {
        if s.below(2) == 0 || s.common {
            Self::Aes { key_bits: Sample::sample(s), mode: Sample::sample(s) }
        } else {
            Self::Xor(Sample::sample(s))
        }
    }
}

impl Sample for KeyedHashScheme {
    fn sample(s: &mut Source<'_>) -> Self {
        if s.below(2) == 0 || s.common {
            Self::Hmac { hash_alg: Sample::sample(s) }
        } else {
            Self::Xor { hash_alg: Sample::sample(s), kdf: Sample::sample(s) }
        }
    }
}

impl Sample for TkVerifiedMeta {
    fn sample(s: &mut Source<'_>) -> Self {
        match s.below(3) {
            1 if !s.common => Self::MessageVerified,
            2 if !s.common => Self::DigestVerified(Sample::sample(s)),
            _ => Self::Verified,
        }
    }
}

impl Sample for TpmtSignature {
    fn sample(s: &mut Source<'_>) -> Self {
        match s.below(if s.common { 7 } else { 9 }) {
            0 => Self::Rsassa(Sample::sample(s)),
            1 => Self::Rsapss(Sample::sample(s)),
            2 => Self::Ecdsa(Sample::sample(s)),
            3 => Self::Ecdaa(Sample::sample(s)),
            4 => Self::Sm2(Sample::sample(s)),
            5 => Self::EcSchnorr(Sample::sample(s)),
            7 => Self::Eddsa(Sample::sample(s)),
            8 => Self::HashEddsa(Sample::sample(s)),
            _ => Self::Hmac(Sample::sample(s)),
        }
    }
}

impl Sample for CapabilityData {
    fn sample(s: &mut Source<'_>) -> Self {
        let kinds = if s.common { 10 } else { 11 };
        match s.below(kinds) {
            0 => Self::Algorithms(Sample::sample(s)),
            1 => Self::Handles(Sample::sample(s)),
            2 => Self::Command(Sample::sample(s)),
            3 => Self::AssignedPcr(Sample::sample(s)),
            4 => Self::TpmProperties(Sample::sample(s)),
            5 => {
                let curves = Vec::<EccCurve>::from_iter((0..s.below(4)).map(|_| Sample::sample(s)));
                Self::EccCurves(List::new(curves.into_iter().map(EccCurve::id).collect()).unwrap())
            }
            6 => Self::PpCommands(Sample::sample(s)),
            7 => Self::AuditCommands(Sample::sample(s)),
            8 => Self::AuthPolicies(Sample::sample(s)),
            9 => Self::ActData(Sample::sample(s)),
            _ => Self::PcrProperties(Sample::sample(s)),
        }
    }
}

macro_rules! words {
    ($($name:ident),+) => {$(
        impl Sample for $name {
            fn sample(s: &mut Source<'_>) -> Self {
                Self::from_bits_truncate(Sample::sample(s))
            }
        }
    )+};
}
words!(TpmaAlgorithm, TpmaObject, TpmaSession, TpmaLocality, TpmaPermanent, TpmaStartupClear);
words!(TpmaMemory, TpmaModes, TpmaNv, NvExpansion, TpmaAct);

impl Sample for TpmaCc {
    fn sample(s: &mut Source<'_>) -> Self {
        Self::from_raw(u32::sample(s) & 0x3FC0_FFFF)
    }
}

impl Sample for Rc {
    fn sample(s: &mut Source<'_>) -> Self {
        s.of(&[rc::SUCCESS, rc::NEEDS_TEST, rc::TESTING, rc::FAILURE])
    }
}

impl Sample for PcrSelect {
    fn sample(s: &mut Source<'_>) -> Self {
        let bits = u32::sample(s);
        Self::of(
            (PcrHandle::FIRST..=PcrHandle::LAST)
                .filter(|pcr| bits & (1 << pcr) != 0)
                .map(|pcr| PcrHandle::new(pcr).unwrap()),
        )
    }
}

impl Sample for TpmtPublic {
    fn sample(s: &mut Source<'_>) -> Self {
        let parameters = PublicParms::sample(s);
        let unique = match parameters.object_type() {
            ObjectType::KeyedHash => PublicId::KeyedHash(Sample::sample(s)),
            ObjectType::SymCipher if s.common => {
                PublicId::SymCipher(Tpm2bDigest::new(&s.octets(32)).unwrap())
            }
            ObjectType::SymCipher => PublicId::SymCipher(Sample::sample(s)),
            ObjectType::Rsa => PublicId::Rsa(Sample::sample(s)),
            ObjectType::Ecc => PublicId::Ecc(Sample::sample(s)),
        };
        Self {
            name_alg: Sample::sample(s),
            object_attributes: Sample::sample(s),
            auth_policy: Sample::sample(s),
            parameters,
            unique,
        }
    }
}

impl Sample for Tpm2bPublic {
    fn sample(s: &mut Source<'_>) -> Self {
        let name_alg = Some(HashAlg::sample(s));
        Self { public_area: TpmtPublic { name_alg, ..TpmtPublic::sample(s) } }
    }
}

impl Sample for Tpm2bSensitive {
    const COMMON_NULL: bool = false;

    fn sample(s: &mut Source<'_>) -> Self {
        Self { sensitive_area: Sample::sample(s) }
    }
}

impl Sample for TpmsNvPublic {
    fn sample(s: &mut Source<'_>) -> Self {
        Self {
            nv_index: Sample::sample(s),
            name_alg: Sample::sample(s),
            attributes: Sample::sample(s),
            auth_policy: Sample::sample(s),
            data_size: u16::sample(s) % (limits::MAX_NV_INDEX_SIZE + 1),
        }
    }
}

impl Sample for TpmsNvPublicExpAttr {
    fn sample(s: &mut Source<'_>) -> Self {
        Self {
            nv_index: Sample::sample(s),
            name_alg: Sample::sample(s),
            attributes: Sample::sample(s),
            auth_policy: Sample::sample(s),
            data_size: u16::sample(s) % (limits::MAX_NV_INDEX_SIZE + 1),
        }
    }
}

/// Structures whose fields are independent.
macro_rules! structures {
    ($($name:ident { $($field:ident),* $(,)? })+) => {$(
        impl $crate::Sample for $name {
            fn sample(s: &mut $crate::Source<'_>) -> Self {
                let _ = &s;
                Self { $($field: $crate::Sample::sample(s)),* }
            }
        }
    )+};
}
pub(crate) use structures;

structures! {
    TpmsPcrSelection { hash, pcr_select }
    TpmtTkVerified { metadata, hierarchy, hmac }
    TpmtTkAuth { tag, hierarchy, digest }
    TpmsKeyedhashParms { scheme }
    TpmsSymcipherParms { sym }
    TpmsRsaParms { symmetric, scheme, key_bits, exponent }
    TpmsEccParms { symmetric, scheme, curve_id, kdf }
    TpmsEccPoint { x, y }
    Tpm2bEccPoint { point }
    TpmsEccSecretPoint { x, y }
    Tpm2bEccSecretPoint { point }
    TpmsDerive { label, context }
    Tpm2bPublicPlus { public_area }
    TpmsAlgorithmDetailEcc { curve_id, key_size, kdf, sign, p, a, b, g_x, g_y, n, h }
    TpmsSensitiveCreate { user_auth, data }
    Tpm2bSensitiveCreate { sensitive }
    TpmtSensitive { auth_value, seed_value, sensitive }
    TpmsSignatureRsa { hash, sig }
    TpmsSignatureEcc { hash, signature_r, signature_s }
    TpmsClockInfo { clock, reset_count, restart_count, safe }
    TpmsTimeInfo { time, clock_info }
    TpmsTimeAttestInfo { time, firmware_version }
    TpmsCertifyInfo { name, qualified_name }
    TpmsQuoteInfo { pcr_select, pcr_digest }
    TpmsCommandAuditInfo { audit_counter, digest_alg, audit_digest, command_digest }
    TpmsSessionAuditInfo { exclusive_session, session_digest }
    TpmsCreationInfo { object_name, creation_hash }
    TpmsNvCertifyInfo { index_name, offset, nv_contents }
    TpmsNvDigestCertifyInfo { index_name, nv_digest }
    TpmsAttest { qualified_signer, extra_data, clock_info, firmware_version, attested }
    TpmsCreationData { pcr_select, pcr_digest, locality, parent_name_alg, parent_name, parent_qualified_name, outside_info }
    Tpm2bCreationData { creation_data }
    TpmsAlgProperty { alg, alg_properties }
    TpmsTaggedProperty { property, value }
    TpmsTaggedPcrSelect { tag, pcr_select }
    TpmsTaggedPolicy { handle, policy_hash }
    TpmsActData { handle, timeout, attributes }
    Tpm2bSetCapabilityData { set_capability_data }
    TpmsAuthCommand { session_handle, nonce, session_attributes, hmac }
    TpmsAuthResponse { nonce, session_attributes, hmac }
    TpmsContext { sequence, saved_handle, hierarchy, context_blob }
    TpmsNvPinCounterParameters { pin_count, pin_limit }
    Tpm2bNvPublic { nv_public }
    Tpm2bNvPublic2 { nv_public }
    TpmaNvExp { expansion, nv }
    TpmtTkCreation { hierarchy, digest }
    TpmtTkHashcheck { hierarchy, digest }
}
