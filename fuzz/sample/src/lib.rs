//! Values of every type and commands of every shape, made from octets.
//!
//! One generator for everything that throws values at the TPM: the property tests of the types ([`Sample`], from the octets proptest makes
//! and shrinks), the fuzz targets, the simulator and the differential runs ([`commands::shapes`] for well-formed commands, [`rough`] for
//! the others). Everything follows from the octets or the seed, so that a finding can be repeated.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a generator for tests: what it makes is within bounds"
)]

pub mod commands;
mod random;
pub mod rough;
mod types;
mod values;

pub use random::Random;

/// Where a value's choices come from. When the octets are used up every choice is the first.
#[derive(Debug)]
pub struct Source<'a> {
    octets: &'a [u8],
    /// Only what `tpm2-protocol` reads as well. It does not know the XOR schemes of Part 2, Tables 160 and 176, the tickets of version
    /// 184 and TPM_CAP_PCR_PROPERTIES; algorithms, command codes and properties must be known ones; an empty sensitive area is
    /// refused; some buffers are shorter.
    common: bool,
}

impl<'a> Source<'a> {
    /// Any value.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { octets, common: false }
    }

    /// Only values that `tpm2-protocol` knows as well.
    #[must_use]
    pub fn common(octets: &'a [u8]) -> Self {
        Self { octets, common: true }
    }

    fn octet(&mut self) -> u8 {
        let (first, rest) =
            self.octets.split_first().map_or((0, self.octets), |(first, rest)| (*first, rest));
        self.octets = rest;
        first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()) % bound
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(core::array::from_fn(|_| self.octet()))
    }

    /// Up to `max` octets; often none, few or all of them.
    fn octets(&mut self, max: usize) -> Vec<u8> {
        let length = match self.below(4) {
            0 => 0,
            1 => self.below(33).min(max),
            2 => usize::from(u16::from_be_bytes([self.octet(), self.octet()])) % (max + 1),
            _ => max,
        };
        let first = self.octet();
        (0..length).map(|i| first.wrapping_add(u8::try_from(i % 251).unwrap())).collect()
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }
}

/// A type that can be made from a [`Source`].
pub trait Sample: Sized {
    /// Whether the other crate writes the NULL value as Part 2 does.
    const COMMON_NULL: bool = true;

    /// The value that the octets of `s` choose.
    fn sample(s: &mut Source<'_>) -> Self;
}
