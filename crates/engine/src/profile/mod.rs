//! What a TPM of one kind can do, as data apart from the commands: one file a profile. See docs/adr/0008-profiles.md.
//!
//! A profile names what it would have; what it has is what the engine can do of it ([`crate::selftest::IMPLEMENTED`]).

mod everything;
mod libtpms;
mod pc_client;
mod pcr;
mod ptp;

pub(crate) use pcr::PcrAttributes;

use crate::selftest::IMPLEMENTED;
use sigillo_types::{
    EccCurve, HashAlg, Implemented,
    alg::{AlgId, id},
    attributes::{TpmaAlgorithm, TpmaMemory},
    implemented::KeySizes,
    pt,
};

/// Algorithms, properties, limits and PCR attributes of one kind of TPM.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) name: &'static str,
    /// What commands can name.
    pub(crate) implemented: Implemented,
    /// The RSA keys that the TPM makes; others of the implemented ones can only be loaded or imported.
    pub(crate) generated_rsa_bits: KeySizes,
    /// Storage keys are made for any mode of their cipher, not for CFB alone. Part 2, 11.1.7.
    pub(crate) any_parent_mode: bool,
    /// Algorithms whose TPMA_ALGORITHM is reported in another way than Part 2, 6.3 has it.
    pub(crate) odd_attributes: &'static [(AlgId, TpmaAlgorithm)],
    /// The version of the library specification that is reported.
    pub(crate) library: LibraryVersion,
    /// The platform specification that is reported.
    pub(crate) platform: PlatformVersion,
    /// Who made the TPM.
    pub(crate) vendor: Vendor,
    /// TPM_PT_FIRMWARE_VERSION_1 and _2; attestations have it too.
    pub(crate) firmware_version: u64,
    /// The commands end here: those of later codes are not there for clients of an older TPM, nor in its lists.
    pub(crate) last_command: u32,
    /// The fixed properties end here: clients of an older TPM do not know later ones.
    pub(crate) last_fixed_property: u32,
    /// TPM_PT_MEMORY.
    pub(crate) memory: TpmaMemory,
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
    /// Authenticated countdown timers: TPM_RH_ACT_0 and that many in all. Part 1, 40.
    pub(crate) acts: usize,
    /// By PCR number.
    pub(crate) pcr: &'static [PcrAttributes; 24],
}

/// TPM_PT_REVISION, _ERRATA and _YEAR. Part 2, 6.13.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LibraryVersion {
    pub(crate) revision: u32,
    /// An errata version since v185, the day of the year before.
    pub(crate) errata: u32,
    pub(crate) year: u32,
}

/// TPM_PT_PS_FAMILY_INDICATOR to _PS_YEAR. Part 2, 6.13.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlatformVersion {
    pub(crate) family: u32,
    pub(crate) level: u32,
    pub(crate) revision: u32,
    pub(crate) day_of_year: u32,
    pub(crate) year: u32,
}

/// TPM_PT_MANUFACTURER to _VENDOR_TPM_TYPE. Part 2, 6.13.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vendor {
    pub(crate) manufacturer: [u8; 4],
    pub(crate) strings: [[u8; 4]; 4],
    pub(crate) tpm_type: u32,
}

const SIGILLO: Vendor =
    Vendor { manufacturer: *b"SGLO", strings: [*b"sigi", *b"llo ", *b"vTPM", [0; 4]], tpm_type: 0 };

const V185: LibraryVersion = LibraryVersion { revision: 185, errata: 0, year: 0 };

/// The crate's version, one octet pair a number.
const OWN_FIRMWARE: u64 = 0x0000_0001_0000_0000;

/// Where the fixed properties of v185 end.
const LAST_OF_V185: u32 = pt::ML_PARAMETER_SETS;

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
    id::SHA512,
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
    id::CMAC,
    id::CTR,
    id::OFB,
    id::CBC,
    id::CFB,
    id::ECB,
]);

impl Profile {
    /// Every profile of this version, the default first.
    pub const ALL: [Self; 4] = [Self::pc_client(), Self::ptp_1_07(), Self::libtpms(), Self::everything()];

    /// The profile of a name; `None` if this version has no such profile.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }

    /// The names of all profiles, for a message about one that is not there.
    #[must_use]
    pub const fn names() -> [&'static str; Self::ALL.len()] {
        let [pc_client, ptp_1_07, libtpms, everything] = Self::ALL;
        [pc_client.name, ptp_1_07.name, libtpms.name, everything.name]
    }

    /// Its name, as saved state and listings show it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The curves of the profile in the order of their identifiers.
    pub(crate) fn curves(&self) -> impl Iterator<Item = EccCurve> {
        EccCurve::ALL.into_iter().filter(|curve| self.implemented.curve(curve.id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeSet, vec::Vec};
    use sigillo_types::limits;

    #[test]
    fn every_profile_is_found_by_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.name).map(|found| found.name), Some(profile.name));
        }
        assert_eq!(BTreeSet::from(Profile::names()).len(), Profile::ALL.len());
        assert!(Profile::named("default-v1").is_none());
    }

    #[test]
    fn the_limits_of_a_profile_are_within_those_of_the_types() {
        for profile in Profile::ALL {
            assert!(profile.transient_slots <= usize::try_from(limits::MAX_LOADED_OBJECTS).unwrap());
            assert!(profile.active_sessions <= usize::try_from(limits::MAX_ACTIVE_SESSIONS).unwrap());
            assert!(profile.nv_index_max <= limits::MAX_NV_INDEX_SIZE.into());
            assert!(profile.orderly_count.is_power_of_two());
            assert!(profile.banks.len() <= limits::HASH_COUNT);
        }
    }

    #[test]
    fn banks_and_generated_keys_are_of_implemented_algorithms() {
        for profile in Profile::ALL {
            assert!(profile.banks.iter().all(|hash| profile.implemented.algorithm(hash.id())));
            let made: Vec<u16> =
                (0..=8192).filter(|bits| profile.generated_rsa_bits.contains(*bits)).collect();
            assert!(made.iter().all(|bits| profile.implemented.rsa_bits(*bits)), "{}", profile.name);
        }
    }
}
