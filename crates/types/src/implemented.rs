//! Which of the algorithms, curves and key sizes that this crate knows a TPM has.
//!
//! A client, saved state and documentation read whatever the crate knows; a TPM reads commands with a [`Reader`](crate::Reader) that
//! carries its own set. What the set lacks is answered as an identifier that nobody knows: with the code of its type, where it stands.

use crate::alg::AlgId;

/// The algorithms, curves and key sizes of a TPM. Every question is a bit test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implemented {
    /// Bit n of word w: the identifier 64 w + n. The registry's identifiers are below 256.
    algorithms: [u64; 4],
    /// Bit n: the curve n.
    curves: u128,
    keys: Keys,
}

/// The key sizes of each cipher, and of RSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys {
    rsa: KeySizes,
    aes: KeySizes,
    sm4: KeySizes,
    camellia: KeySizes,
    tdes: KeySizes,
}

impl Keys {
    const fn each(sizes: KeySizes) -> Self {
        Self { rsa: sizes, aes: sizes, sm4: sizes, camellia: sizes, tdes: sizes }
    }
}

impl Implemented {
    /// All there can be, known here or not.
    pub const EVERYTHING: Self =
        Self { algorithms: [u64::MAX; 4], curves: u128::MAX, keys: Keys::each(KeySizes::ALL) };

    /// Nothing at all.
    pub const NOTHING: Self = Self { algorithms: [0; 4], curves: 0, keys: Keys::each(KeySizes::NONE) };

    /// Every key size, but no algorithm and no curve.
    pub const KEY_SIZES: Self = Self { algorithms: [0; 4], curves: 0, keys: Keys::each(KeySizes::ALL) };

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

    /// With these curves too: identifiers from [`curve`](crate::alg::curve).
    ///
    /// # Panics
    /// In a constant, where a profile stands, the compiler refuses an identifier above 127.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub const fn with_curves(mut self, curves: &[u16]) -> Self {
        let mut at = 0;
        while at < curves.len() {
            assert!(curves[at] < 128);
            self.curves |= 1 << curves[at];
            at += 1;
        }
        self
    }

    /// With RSA keys of these sizes.
    #[must_use]
    pub const fn with_rsa_bits(self, rsa: KeySizes) -> Self {
        Self { keys: Keys { rsa, ..self.keys }, ..self }
    }

    /// With AES keys of these sizes.
    #[must_use]
    pub const fn with_aes_bits(self, aes: KeySizes) -> Self {
        Self { keys: Keys { aes, ..self.keys }, ..self }
    }

    /// With SM4 keys of these sizes.
    #[must_use]
    pub const fn with_sm4_bits(self, sm4: KeySizes) -> Self {
        Self { keys: Keys { sm4, ..self.keys }, ..self }
    }

    /// With Camellia keys of these sizes.
    #[must_use]
    pub const fn with_camellia_bits(self, camellia: KeySizes) -> Self {
        Self { keys: Keys { camellia, ..self.keys }, ..self }
    }

    /// With TDES keys of these sizes, as Part 2 counts them: with parity.
    #[must_use]
    pub const fn with_tdes_bits(self, tdes: KeySizes) -> Self {
        Self { keys: Keys { tdes, ..self.keys }, ..self }
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        let [a0, a1, a2, a3] = self.algorithms;
        let [b0, b1, b2, b3] = other.algorithms;
        Self {
            algorithms: [a0 & b0, a1 & b1, a2 & b2, a3 & b3],
            curves: self.curves & other.curves,
            keys: Keys {
                rsa: self.keys.rsa.intersection(other.keys.rsa),
                aes: self.keys.aes.intersection(other.keys.aes),
                sm4: self.keys.sm4.intersection(other.keys.sm4),
                camellia: self.keys.camellia.intersection(other.keys.camellia),
                tdes: self.keys.tdes.intersection(other.keys.tdes),
            },
        }
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
        self.keys.rsa.contains(bits)
    }

    /// Whether AES keys of this size are there.
    #[must_use]
    pub const fn aes_bits(&self, bits: u16) -> bool {
        self.keys.aes.contains(bits)
    }

    /// Whether SM4 keys of this size are there.
    #[must_use]
    pub const fn sm4_bits(&self, bits: u16) -> bool {
        self.keys.sm4.contains(bits)
    }

    /// Whether Camellia keys of this size are there.
    #[must_use]
    pub const fn camellia_bits(&self, bits: u16) -> bool {
        self.keys.camellia.contains(bits)
    }

    /// Whether TDES keys of this size are there.
    #[must_use]
    pub const fn tdes_bits(&self, bits: u16) -> bool {
        self.keys.tdes.contains(bits)
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

    /// The sizes in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alg::{curve, id};

    const SET: Implemented = Implemented::NOTHING
        .with_algorithms(&[id::RSA, id::ECB, 0x00A2])
        .with_curves(&[curve::NIST_P384])
        .with_rsa_bits(KeySizes::of(&[2048, 4096]))
        .with_aes_bits(KeySizes::of(&[192]))
        .with_sm4_bits(KeySizes::of(&[128]))
        .with_camellia_bits(KeySizes::of(&[256]))
        .with_tdes_bits(KeySizes::of(&[128, 192]));

    fn all(holds: impl Fn(u16) -> bool) -> alloc::vec::Vec<u16> {
        (0..=u16::MAX).filter(|number| holds(*number)).collect()
    }

    #[test]
    fn a_set_has_what_it_was_given_and_nothing_else() {
        assert_eq!(all(|id| SET.algorithm(id)), [id::RSA, id::ECB, 0x00A2]);
        assert_eq!(all(|curve| SET.curve(curve)), [curve::NIST_P384]);
        assert_eq!(all(|bits| SET.rsa_bits(bits)), [2048, 4096]);
        assert_eq!(all(|bits| SET.aes_bits(bits)), [192]);
        assert_eq!(all(|bits| SET.sm4_bits(bits)), [128]);
        assert_eq!(all(|bits| SET.camellia_bits(bits)), [256]);
        assert_eq!(all(|bits| SET.tdes_bits(bits)), [128, 192]);
    }

    #[test]
    fn an_intersection_has_what_both_have() {
        assert_eq!(SET.intersection(Implemented::EVERYTHING), SET);
        assert_eq!(SET.intersection(Implemented::NOTHING), Implemented::NOTHING);
        let some = SET.intersection(Implemented::KEY_SIZES.with_algorithms(&[id::ECB, id::CFB]));
        assert_eq!(all(|id| some.algorithm(id)), [id::ECB]);
        assert_eq!(all(|curve| some.curve(curve)), []);
        assert_eq!(all(|bits| some.tdes_bits(bits)), [128, 192]);
    }
}
