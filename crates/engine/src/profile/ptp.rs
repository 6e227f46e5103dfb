//! `ptp-1.07`: PC Client Platform TPM Profile 1.07 to the letter, but for its post-quantum algorithms.

use super::{COMMON, IMPLEMENTED, PlatformVersion, Profile, pcr};
use sigillo_types::{HashAlg, Implemented, alg::curve, constants::ps, implemented::KeySizes};

/// Neither SHA-1 nor TDES, no key below 2048 bits.
const IMPLEMENTED_HERE: Implemented = COMMON
    .with_curves(&[curve::NIST_P256, curve::NIST_P384])
    .with_rsa_bits(KeySizes::of(&[2048, 3072, 4096]))
    .with_aes_bits(KeySizes::of(&[128, 192, 256]))
    .intersection(IMPLEMENTED);

impl Profile {
    /// PC Client Platform TPM Profile 1.07, strictly.
    #[must_use]
    pub const fn ptp_1_07() -> Self {
        Self {
            name: "ptp-1.07",
            implemented: IMPLEMENTED_HERE,
            platform: PlatformVersion { family: ps::PC, level: 0, revision: 0x0107, day_of_year: 0, year: 0 },
            banks: &[HashAlg::Sha256, HashAlg::Sha384],
            pcr: &pcr::PTP,
            ..Self::pc_client()
        }
    }
}
