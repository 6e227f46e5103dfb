//! `pc-client`, the default: what shipping PC Client TPMs do.

use super::{COMMON, IMPLEMENTED, LAST_OF_V185, OWN_FIRMWARE, PlatformVersion, Profile, SIGILLO, V185, pcr};
use sigillo_types::{
    HashAlg, Implemented,
    alg::{curve, id},
    attributes::TpmaMemory,
    cc,
    constants::ps,
    implemented::KeySizes,
};

/// SHA-1 stays: BitLocker and smart cards need it. TDES, Camellia, SM2, SM3, SM4, EdDSA and short curves are in no such TPM or in few.
const IMPLEMENTED_HERE: Implemented = COMMON
    .with_algorithms(&[
        id::SHA1,
        id::ECDAA,
        id::ECSCHNORR,
        id::ECMQV,
        id::KDF2,
        id::SHA3_256,
        id::SHA3_384,
        id::SHA3_512,
    ])
    .with_curves(&[curve::NIST_P256, curve::NIST_P384, curve::NIST_P521, curve::BN_P256])
    .with_rsa_bits(KeySizes::of(&[1024, 2048, 3072, 4096]))
    .with_aes_bits(KeySizes::of(&[128, 192, 256]))
    .intersection(IMPLEMENTED);

impl Profile {
    /// What shipping PC Client TPMs do: the default.
    #[must_use]
    pub const fn pc_client() -> Self {
        Self {
            name: "pc-client",
            implemented: IMPLEMENTED_HERE,
            generated_rsa_bits: KeySizes::of(&[2048, 3072, 4096]),
            any_parent_mode: false,
            odd_attributes: &[],
            library: V185,
            // 1.05, in the form of its property.
            platform: PlatformVersion { family: ps::PC, level: 0, revision: 0x0105, day_of_year: 0, year: 0 },
            vendor: SIGILLO,
            firmware_version: OWN_FIRMWARE,
            last_command: cc::LAST,
            last_fixed_property: LAST_OF_V185,
            memory: TpmaMemory::SHARED_NV,
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
            acts: 1,
            pcr: &pcr::PC_CLIENT,
        }
    }
}
