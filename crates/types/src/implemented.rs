//! Which of the algorithms, curves and key sizes that this crate knows a TPM has.
//!
//! A client, saved state and documentation read whatever the crate knows; a TPM reads commands with a [`Reader`](crate::Reader) that
//! carries its own set. What the set lacks is answered as an identifier that nobody knows: with the code of its type, where it stands.

use crate::{EccCurve, alg::AlgId};

/// The algorithms, curves and key sizes of a TPM. Every question is a bit test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implemented {
    /// Bit n of word w: the identifier 64 w + n. The registry's identifiers are below 256.
    algorithms: [u64; 4],
    /// Bit n: the curve n.
    curves: u128,
    rsa: KeySizes,
    aes: KeySizes,
}

impl Implemented {
    /// All there can be, known here or not.
    pub const EVERYTHING: Self =
        Self { algorithms: [u64::MAX; 4], curves: u128::MAX, rsa: KeySizes::ALL, aes: KeySizes::ALL };

    /// Nothing at all.
    pub const NOTHING: Self =
        Self { algorithms: [0; 4], curves: 0, rsa: KeySizes::NONE, aes: KeySizes::NONE };

    /// With these algorithms too.
    ///
    /// # Panics
    /// In a constant, where a profile stands, the compiler refuses an identifier above 255.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a wrong index")]
    pub const fn with_algorithms(mut self, ids: &[AlgId]) -> Self {
        let mut at = 0;
        while at < ids.len() {
            self.algorithms[(ids[at] / 64) as usize] |= 1 << (ids[at] % 64);
            at += 1;
        }
        self
    }

    /// With these curves too.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub const fn with_curves(mut self, curves: &[EccCurve]) -> Self {
        let mut at = 0;
        while at < curves.len() {
            self.curves |= 1 << curves[at].id();
            at += 1;
        }
        self
    }

    /// With RSA keys of these sizes.
    #[must_use]
    pub const fn with_rsa_bits(self, rsa: KeySizes) -> Self {
        Self { rsa, ..self }
    }

    /// With AES keys of these sizes.
    #[must_use]
    pub const fn with_aes_bits(self, aes: KeySizes) -> Self {
        Self { aes, ..self }
    }

    /// Whether the algorithm is there.
    #[must_use]
    pub const fn algorithm(&self, id: AlgId) -> bool {
        let [first, second, third, fourth] = self.algorithms;
        let word = match id / 64 {
            0 => first,
            1 => second,
            2 => third,
            3 => fourth,
            _ => return false,
        };
        word & (1 << (id % 64)) != 0
    }

    /// Whether the curve is there.
    #[must_use]
    pub const fn curve(&self, curve: u16) -> bool {
        curve < 128 && self.curves & (1 << curve) != 0
    }

    /// Whether RSA keys of this size are there.
    #[must_use]
    pub const fn rsa_bits(&self, bits: u16) -> bool {
        self.rsa.contains(bits)
    }

    /// Whether AES keys of this size are there.
    #[must_use]
    pub const fn aes_bits(&self, bits: u16) -> bool {
        self.aes.contains(bits)
    }
}

/// Key sizes in bits: multiples of 64 below 8192.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySizes(u128);

impl KeySizes {
    /// No size.
    pub const NONE: Self = Self(0);
    /// Every size.
    pub const ALL: Self = Self(u128::MAX);

    /// These sizes.
    ///
    /// # Panics
    /// In a constant, where a profile stands, the compiler refuses a size that is not a multiple of 64 below 8192.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub const fn of(sizes: &[u16]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < sizes.len() {
            assert!(sizes[at].is_multiple_of(64) && sizes[at] / 64 < 128);
            set |= 1 << (sizes[at] / 64);
            at += 1;
        }
        Self(set)
    }

    /// Whether `bits` is one of them.
    #[must_use]
    pub const fn contains(self, bits: u16) -> bool {
        bits.is_multiple_of(64) && bits / 64 < 128 && self.0 & (1 << (bits / 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alg::id;

    #[test]
    fn a_set_has_what_it_was_given_and_nothing_else() {
        const SET: Implemented = Implemented::NOTHING
            .with_algorithms(&[id::RSA, id::ECB, 0x00A2])
            .with_curves(&[EccCurve::NistP384])
            .with_rsa_bits(KeySizes::of(&[2048, 4096]))
            .with_aes_bits(KeySizes::of(&[192]));
        let algorithms: alloc::vec::Vec<u16> = (0..=u16::MAX).filter(|id| SET.algorithm(*id)).collect();
        assert_eq!(algorithms, [id::RSA, id::ECB, 0x00A2]);
        let curves: alloc::vec::Vec<u16> = (0..=u16::MAX).filter(|id| SET.curve(*id)).collect();
        assert_eq!(curves, [EccCurve::NistP384.id()]);
        let rsa: alloc::vec::Vec<u16> = (0..=u16::MAX).filter(|bits| SET.rsa_bits(*bits)).collect();
        assert_eq!(rsa, [2048, 4096]);
        let aes: alloc::vec::Vec<u16> = (0..=u16::MAX).filter(|bits| SET.aes_bits(*bits)).collect();
        assert_eq!(aes, [192]);
    }
}
