//! `libtpms`: what Debian's swtpm 0.7.1 with libtpms 0.9.2 reports, for comparison and for suites that know a simulator by its vendor
//! strings. Values were read from it with TPM2_GetCapability and TPM2_TestParms.

use super::{COMMON, IMPLEMENTED, LibraryVersion, PlatformVersion, Profile, Vendor, pcr};
use sigillo_types::{
    HashAlg, Implemented,
    alg::{curve, id},
    attributes::{TpmaAlgorithm, TpmaMemory},
    cc,
    implemented::KeySizes,
    pt,
};

const IMPLEMENTED_HERE: Implemented = COMMON
    .with_algorithms(&[
        id::TDES,
        id::SHA1,
        id::ECDAA,
        id::SM2,
        id::ECSCHNORR,
        id::ECMQV,
        id::KDF2,
        id::CAMELLIA,
    ])
    .with_curves(&[
        curve::NIST_P192,
        curve::NIST_P224,
        curve::NIST_P256,
        curve::NIST_P384,
        curve::NIST_P521,
        curve::BN_P256,
        curve::BN_P638,
        curve::SM2_P256,
    ])
    .with_rsa_bits(KeySizes::of(&[1024, 2048, 3072]))
    .with_aes_bits(KeySizes::of(&[128, 256]))
    .with_camellia_bits(KeySizes::of(&[128, 256]))
    .with_tdes_bits(KeySizes::of(&[128, 192]))
    .intersection(IMPLEMENTED);

/// TPM_PT_FAMILY_INDICATOR, which libtpms reports for the platform too.
const FAMILY: u32 = u32::from_be_bytes(*b"2.0\0");

impl Profile {
    /// As libtpms 0.9.2.
    #[must_use]
    pub const fn libtpms() -> Self {
        Self {
            name: "libtpms",
            implemented: IMPLEMENTED_HERE,
            generated_rsa_bits: KeySizes::of(&[1024, 2048, 3072]),
            any_parent_mode: true,
            odd_attributes: &[(id::SYMCIPHER, TpmaAlgorithm::OBJECT)],
            library: LibraryVersion { revision: 164, errata: 75, year: 2021 },
            platform: PlatformVersion {
                family: FAMILY,
                level: 0,
                revision: 164,
                day_of_year: 75,
                year: 2021,
            },
            vendor: Vendor {
                manufacturer: *b"IBM\0",
                strings: [*b"SW  ", *b" TPM", [0; 4], [0; 4]],
                tpm_type: 1,
            },
            firmware_version: 0x2019_1023_0016_3636,
            // What v185 added signs and verifies by other commands.
            last_command: cc::VERIFY_SEQUENCE_COMPLETE - 1,
            last_fixed_property: pt::MAX_CAP_BUFFER,
            memory: TpmaMemory::SHARED_NV.union(TpmaMemory::OBJECT_COPIED_TO_RAM),
            banks: &[HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512],
            transient_slots: 3,
            loaded_sessions: 3,
            active_sessions: 64,
            persistent_min: 7,
            nv_bytes: 128 * 1024 + 65 * 704,
            nv_index_max: 2048,
            orderly_bytes: 512,
            clock_update_ms: 4096,
            orderly_count: 256,
            acts: 1,
            pcr: &pcr::LIBTPMS,
        }
    }
}
