//! What the specification's numbers are called, for people: as tpm2-tools writes them.
use sigillo_messages::{Words, words};
use sigillo_types::{
    EccCurve, Marshal,
    alg::id,
    attributes::{NvType, TpmaNv, TpmaObject},
    structures::{PublicParms, TpmtPublic},
};

/// A TPM_ALG_ID.
pub(super) fn algorithm(alg: u16) -> String {
    let name = match alg {
        id::RSA => "rsa",
        id::TDES => "tdes",
        id::SHA1 => "sha1",
        id::HMAC => "hmac",
        id::AES => "aes",
        id::MGF1 => "mgf1",
        id::KEYEDHASH => "keyedhash",
        id::XOR => "xor",
        id::SHA256 => "sha256",
        id::SHA384 => "sha384",
        id::SHA512 => "sha512",
        id::NULL => "null",
        id::SM3_256 => "sm3_256",
        id::SM4 => "sm4",
        id::RSASSA => "rsassa",
        id::RSAES => "rsaes",
        id::RSAPSS => "rsapss",
        id::OAEP => "oaep",
        id::ECDSA => "ecdsa",
        id::ECDH => "ecdh",
        id::ECDAA => "ecdaa",
        id::SM2 => "sm2",
        id::ECSCHNORR => "ecschnorr",
        id::ECMQV => "ecmqv",
        id::EDDSA => "eddsa",
        id::HASH_EDDSA => "hash_eddsa",
        id::KDF1_SP800_56A => "kdf1_sp800_56a",
        id::KDF2 => "kdf2",
        id::KDF1_SP800_108 => "kdf1_sp800_108",
        id::ECC => "ecc",
        id::SYMCIPHER => "symcipher",
        id::CAMELLIA => "camellia",
        id::SHA3_256 => "sha3_256",
        id::SHA3_384 => "sha3_384",
        id::SHA3_512 => "sha3_512",
        id::CMAC => "cmac",
        id::CTR => "ctr",
        id::OFB => "ofb",
        id::CBC => "cbc",
        id::CFB => "cfb",
        id::ECB => "ecb",
        other => return format!("{other:#06x}"),
    };
    name.to_owned()
}

/// A TPM_ECC_CURVE.
fn curve(curve: EccCurve) -> String {
    let known = [
        (EccCurve::NistP192, "nist_p192"),
        (EccCurve::NistP224, "nist_p224"),
        (EccCurve::NistP256, "nist_p256"),
        (EccCurve::NistP384, "nist_p384"),
        (EccCurve::NistP521, "nist_p521"),
        (EccCurve::BnP256, "bn_p256"),
        (EccCurve::Sm2P256, "sm2_p256"),
        (EccCurve::Curve25519, "curve_25519"),
    ];
    let name = known.iter().find(|(known, _)| *known == curve).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("curve {:#06x}", curve.id()))
}

/// A choice of an algorithm with its details, from its canonical octets: an identifier, then identifiers of hashes and functions.
fn choice(choice: &impl Marshal) -> String {
    let octets = choice.to_bytes();
    let words =
        octets.chunks(2).filter_map(|pair| pair.first_chunk::<2>()).map(|pair| u16::from_be_bytes(*pair));
    // TPMS_SCHEME_ECDAA ends with a count, which is no identifier.
    let words: Vec<u16> = words.collect();
    let shown = if words.first() == Some(&id::ECDAA) { 2 } else { words.len() };
    words.iter().take(shown).map(|word| algorithm(*word)).collect::<Vec<_>>().join(" ")
}

/// A block cipher: an identifier, the bits of its key, a mode.
fn cipher(cipher: &impl Marshal) -> String {
    let octets = cipher.to_bytes();
    let words =
        octets.chunks(2).filter_map(|pair| pair.first_chunk::<2>()).map(|pair| u16::from_be_bytes(*pair));
    let shown = words.enumerate().map(|(at, word)| if at == 1 { word.to_string() } else { algorithm(word) });
    shown.collect::<Vec<_>>().join(" ")
}

/// Type, and what belongs to the type.
pub(super) fn parameters(public: &TpmtPublic) -> Vec<(&'static str, String)> {
    let mut all = vec![("type", algorithm(public.object_type().id()))];
    match &public.parameters {
        PublicParms::Rsa(parms) => {
            let exponent = if parms.exponent == 0 { 65537 } else { parms.exponent };
            all.extend([
                ("key_bits", parms.key_bits.bits().to_string()),
                ("exponent", exponent.to_string()),
                ("scheme", choice(&parms.scheme)),
                ("symmetric", cipher(&parms.symmetric)),
            ]);
        }
        PublicParms::Ecc(parms) => all.extend([
            ("curve", curve(parms.curve_id)),
            ("scheme", choice(&parms.scheme)),
            ("kdf", choice(&parms.kdf)),
            ("symmetric", cipher(&parms.symmetric)),
        ]),
        PublicParms::KeyedHash(parms) => all.push(("scheme", choice(&parms.scheme))),
        PublicParms::SymCipher(parms) => all.push(("symmetric", cipher(&parms.sym))),
    }
    all
}

/// TPMA_OBJECT by the names of its bits.
pub(super) fn object_attributes(attributes: TpmaObject) -> Vec<String> {
    attributes.iter_names().map(|(name, _)| name.to_lowercase().replace('_', "")).collect()
}

/// TPMA_NV by the names of its bits, and its type.
pub(super) fn nv_attributes(attributes: TpmaNv) -> Vec<String> {
    let bits = attributes.difference(TpmaNv::NT);
    bits.iter_names().map(|(name, _)| name.to_lowercase()).collect()
}

/// TPM_NT.
pub(super) fn nv_type(attributes: TpmaNv) -> &'static str {
    match attributes.nt() {
        Some(NvType::Ordinary) => "ordinary",
        Some(NvType::Counter) => "counter",
        Some(NvType::Bits) => "bits",
        Some(NvType::Extend) => "extend",
        Some(NvType::PinFail) => "pinfail",
        Some(NvType::PinPass) => "pinpass",
        None => "unknown",
    }
}

/// What the TCG's documents keep a persistent handle or an index for. TCG EK Credential Profile, 2.2.1; TCG
/// TPM v2.0 Provisioning Guidance, 7.8.
pub(super) fn usual_purpose(handle: u32) -> Option<Words> {
    Some(match handle {
        0x8100_0001 => words!("purpose-srk"),
        0x8101_0001 => words!("purpose-ek-rsa"),
        0x01C0_0002 => words!("purpose-ek-certificate-rsa-2048"),
        0x01C0_0003 => words!("purpose-ek-nonce-rsa"),
        0x01C0_0004 => words!("purpose-ek-template-rsa"),
        0x01C0_000A => words!("purpose-ek-certificate-p256"),
        0x01C0_000B => words!("purpose-ek-nonce-p256"),
        0x01C0_000C => words!("purpose-ek-template-p256"),
        0x01C0_0012 => words!("purpose-ek-certificate-rsa-high"),
        0x01C0_0014 => words!("purpose-ek-certificate-p256-high"),
        0x01C0_0016 => words!("purpose-ek-certificate-p384"),
        0x01C0_0018 => words!("purpose-ek-certificate-p521"),
        0x01C0_001A => words!("purpose-ek-certificate-sm2"),
        0x01C0_001C => words!("purpose-ek-certificate-rsa-3072"),
        0x01C0_001E => words!("purpose-ek-certificate-rsa-4096"),
        0x01C0_0100..=0x01C0_01FF => words!("purpose-ek-chain"),
        _ => return None,
    })
}

/// Whether an index is one that an EK certificate or one of its chain lies in.
pub(super) fn holds_certificate(handle: u32) -> bool {
    matches!(handle, 0x01C0_0002 | 0x01C0_000A | 0x01C0_0012..=0x01C0_001E | 0x01C0_0100..=0x01C0_01FF)
        && usual_purpose(handle).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigillo_client::template;

    #[test]
    fn templates_are_told_in_the_words_of_the_tools() {
        let words = parameters(&template::rsa_endorsement());
        let words: Vec<String> = words.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            words,
            ["type=rsa", "key_bits=2048", "exponent=65537", "scheme=null", "symmetric=aes 128 cfb"]
        );
        let words = parameters(&template::hmac_key(sigillo_types::HashAlg::Sha256));
        assert_eq!(words[1], ("scheme", "hmac sha256".to_owned()));
        let attributes = object_attributes(template::ecc_storage().object_attributes);
        assert!(attributes.contains(&"fixedtpm".to_owned()) && attributes.contains(&"noda".to_owned()));
        let nv = TpmaNv::AUTHREAD.union(TpmaNv::WRITTEN).with_nt(NvType::Counter);
        assert_eq!(nv_attributes(nv), ["authread", "written"]);
        assert_eq!(nv_type(nv), "counter");
    }
}
