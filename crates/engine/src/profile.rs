//! What a TPM of this make can do, as data apart from the commands.

use sigillo_types::{EccCurve, HashAlg, Implemented, alg::id, implemented::KeySizes};

/// Algorithms, limits and PCR attributes of one kind of TPM.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) name: &'static str,
    /// What commands can name.
    pub(crate) implemented: Implemented,
    /// The RSA keys that the TPM makes; others of the implemented ones can only be loaded or imported.
    pub(crate) generated_rsa_bits: KeySizes,
    /// Banks that exist and are allocated at manufacture.
    pub(crate) banks: &'static [HashAlg],
    /// Transient object and sequence slots. TPM_PT_HR_TRANSIENT_MIN.
    pub(crate) transient_slots: usize,
    /// Loaded sessions. TPM_PT_HR_LOADED_MIN.
    pub(crate) loaded_sessions: usize,
    /// Loaded and saved sessions. TPM_PT_ACTIVE_SESSIONS_MAX.
    pub(crate) active_sessions: usize,
    /// Persistent objects guaranteed to fit. TPM_PT_HR_PERSISTENT_MIN.
    pub(crate) persistent_min: usize,
    /// Bytes of NV for indices and persistent objects together.
    pub(crate) nv_bytes: usize,
    /// Bytes in one NV index. TPM_PT_NV_INDEX_MAX.
    pub(crate) nv_index_max: usize,
    /// Bytes of orderly indices (kept in RAM).
    pub(crate) orderly_bytes: usize,
    /// Clock is written to NV whenever it passes a multiple of this many ms. TPM_PT_CLOCK_UPDATE.
    pub(crate) clock_update_ms: u64,
    /// Non-orderly increments of an orderly counter before it is written to NV. TPM_PT_ORDERLY_COUNT plus one, a power of two.
    pub(crate) orderly_count: u64,
    /// TPM_PT_FIRMWARE_VERSION_1 and _2: the crate's version, one octet pair a number.
    pub(crate) firmware_version: u64,
    /// By PCR number.
    pub(crate) pcr: &'static [PcrAttributes; 24],
}

/// How one PCR behaves. PC Client Platform TPM Profile, "PCR attributes".
#[derive(Clone, Copy, Debug)]
pub(crate) struct PcrAttributes {
    /// Bit n: TPM2_PCR_Reset is allowed from locality n.
    pub(crate) reset_localities: u8,
    /// Bit n: extending is allowed from locality n.
    pub(crate) extend_localities: u8,
    /// Kept by Shutdown(STATE).
    pub(crate) state_saved: bool,
    /// A change does not count in pcrUpdateCounter.
    pub(crate) no_increment: bool,
    /// Reset to zero by a D-RTM event, and all ones before it.
    pub(crate) drtm: bool,
}

const fn pcr(reset: u8, extend: u8, state_saved: bool, no_increment: bool, drtm: bool) -> PcrAttributes {
    PcrAttributes { reset_localities: reset, extend_localities: extend, state_saved, no_increment, drtm }
}

const SRTM: PcrAttributes = pcr(0x00, 0x1F, true, false, false);
const APPLICATION: PcrAttributes = pcr(0x0F, 0x1F, false, true, false);

/// PC Client Platform TPM Profile 1.05 and 1.07 agree on these but for the reset by locality 4, where shipping TPMs allow it.
const PC_CLIENT_PCR: [PcrAttributes; 24] = [
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    SRTM,
    APPLICATION,
    pcr(0x10, 0x1C, false, false, true),
    pcr(0x10, 0x1C, false, false, true),
    pcr(0x10, 0x0C, false, false, true),
    pcr(0x1C, 0x0E, false, false, true),
    pcr(0x1C, 0x04, false, true, true),
    pcr(0x1C, 0x04, false, true, true),
    APPLICATION,
];

/// What the commands of every profile need: object types, key derivations and the protection of objects and sessions.
const COMMON: Implemented = Implemented::NOTHING.with_algorithms(&[
    id::RSA,
    id::HMAC,
    id::AES,
    id::MGF1,
    id::KEYEDHASH,
    id::XOR,
    id::SHA256,
    id::SHA384,
    id::RSASSA,
    id::RSAES,
    id::RSAPSS,
    id::OAEP,
    id::ECDSA,
    id::ECDH,
    id::KDF1_SP800_56A,
    id::KDF1_SP800_108,
    id::ECC,
    id::SYMCIPHER,
    id::CFB,
]);

const PC_CLIENT: Implemented = COMMON
    .with_algorithms(&[
        id::SHA1,
        id::SHA512,
        id::SHA3_256,
        id::SHA3_384,
        id::SHA3_512,
        id::ECDAA,
        id::ECSCHNORR,
        id::KDF2,
    ])
    .with_curves(&[EccCurve::NistP256, EccCurve::NistP384, EccCurve::NistP521])
    .with_rsa_bits(KeySizes::of(&[1024, 2048, 3072, 4096]))
    .with_aes_bits(KeySizes::of(&[128, 192, 256]));

impl Profile {
    /// What shipping PC Client TPMs do: the default.
    #[must_use]
    pub const fn pc_client() -> Self {
        Self {
            name: "pc-client",
            implemented: PC_CLIENT,
            generated_rsa_bits: KeySizes::of(&[2048, 3072, 4096]),
            banks: &[HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384],
            transient_slots: 3,
            loaded_sessions: 3,
            active_sessions: 64,
            persistent_min: 9,
            nv_bytes: 128 * 1024,
            nv_index_max: 8500,
            orderly_bytes: 1024,
            clock_update_ms: 4096,
            orderly_count: 256,
            firmware_version: 0x0000_0001_0000_0000,
            pcr: &PC_CLIENT_PCR,
        }
    }

    /// All that this version knows, rare and weak algorithms too: for tests, and for guests that need what no other profile has.
    #[must_use]
    pub const fn everything() -> Self {
        Self { name: "everything", implemented: Implemented::EVERYTHING, ..Self::pc_client() }
    }

    /// The profile of a name; `None` if this version has no such profile.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::pc_client(), Self::everything()].into_iter().find(|profile| profile.name == name)
    }

    /// The curves of the profile in the order of their identifiers.
    pub(crate) fn curves(&self) -> impl Iterator<Item = EccCurve> {
        EccCurve::ALL.into_iter().filter(|curve| self.implemented.curve(curve.id()))
    }

    /// Its name, as saved state and listings show it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}
