//! `everything`: all that this version knows, rare and weak algorithms too.

use super::{IMPLEMENTED, Profile};
use sigillo_types::implemented::KeySizes;

impl Profile {
    /// All that this version knows: for tests, and for guests that need what no other profile has.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            name: "everything",
            implemented: IMPLEMENTED,
            generated_rsa_bits: KeySizes::of(&[1024, 2048, 3072, 4096]),
            acts: 16,
            ..Self::pc_client()
        }
    }
}
