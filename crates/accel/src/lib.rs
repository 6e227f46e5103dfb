//! What the processor's vectors, or AWS-LC, compute faster than plain Rust.
//!
//! Modular powers of several numbers at once, each in a lane of the processor's vectors, by Montgomery's method: [`Simd::detect`] tells
//! whether this processor has vectors that are of use. AVX-512 IFMA takes eight numbers, AVX2 four, in about
//! the time that plain code takes for one or two. Everything here gives the same results on either, and as plain arithmetic would.
//!
//! No branch and no address depends on a number, be it modulus, base, exponent or result: entries of tables are chosen by masks.
//! Times depend on how many words a number has, and on how many lanes there are. What this code leaves on the stack is wiped.
//!
//! With the feature `aws-lc`, `aws_lc` has powers and multiples of points by that library, in C and assembler, which do not wipe the stack.
//!
//! This is the one crate of the workspace with `unsafe` in it: calls of functions that need a feature of the processor, which a value of
//! [`Simd`] proves, and loads and stores between arrays and vectors, all left out by the feature `portable`; and the calls of AWS-LC.
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]

#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
#[allow(unsafe_code, reason = "calls for which the processor must have a feature; loads and stores")]
mod avx2;
#[cfg(feature = "aws-lc")]
pub mod aws_lc;
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
#[allow(unsafe_code, reason = "calls for which the processor must have a feature; loads and stores")]
mod ifma;
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
mod lanes;

/// The most lanes that any vector here has.
pub const MAX_LANES: usize = 8;

/// A number of `W` words, the least significant first. `W` is 8, 16, 24 or 32.
pub type Words<const W: usize> = [u64; W];

/// base^exponent modulo an odd modulus whose most significant bit is set.
#[derive(Clone, Copy, Debug)]
pub struct Power<'a, const W: usize> {
    /// The modulus.
    pub modulus: &'a Words<W>,
    /// The base, below the modulus.
    pub base: &'a Words<W>,
    /// The exponent.
    pub exponent: &'a Words<W>,
}

/// Vectors that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Simd(Kind);

/// Made only by [`Simd::detect`] and [`Simd::all`], which look at the processor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
    Ifma(ifma::Ifma),
    #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
    Avx2(avx2::Avx2),
}

impl core::fmt::Debug for Simd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// `$body` on this kind of vectors, with `$limbs` as many limbs as a number of `W` words takes on them.
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
macro_rules! on_kind {
    ($simd:expr, $words:ident, $kernel:ident, $limbs:ident => $body:expr) => {
        match $simd.0 {
            Kind::Ifma($kernel) => on_kind!($words, $limbs, $body, 8 => 10, 16 => 20, 24 => 30, 32 => 40),
            Kind::Avx2($kernel) => on_kind!($words, $limbs, $body, 8 => 20, 16 => 38, 24 => 56, 32 => 74),
        }
    };
    ($words:ident, $limbs:ident, $body:expr, $($w:literal => $l:literal),+) => {
        match $words {
            $($w => {
                const $limbs: usize = $l;
                $body
            })+
            _ => None,
        }
    };
}

impl Simd {
    /// The fastest vectors that this processor has.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::all().next()
    }

    /// All vectors that this processor has, the fastest first: for tests, which compare them.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
        let kinds = [ifma::Ifma::detect().map(Kind::Ifma), avx2::Avx2::detect().map(Kind::Avx2)];
        #[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
        let kinds: [Option<Kind>; 0] = [];
        kinds.into_iter().flatten().map(Self)
    }

    /// What the processor's makers call them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
            Kind::Ifma(_) => "AVX-512 IFMA",
            #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
            Kind::Avx2(_) => "AVX2",
        }
    }

    /// How many numbers one vector takes: that many cost as much as one.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
            Kind::Ifma(_) => 8,
            #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
            Kind::Avx2(_) => 4,
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
impl Simd {
    /// Which candidates c pass Fermat's test to the base 2: whether 2^(c - 1) is 1 modulo c. All primes do, and few others.
    ///
    /// The answers stand in the order of the candidates, at most [`Simd::lanes`] of them; places without a candidate say false. `None` if
    /// there are more, or none, or one is even or has a clear top bit, or `W` is not supported.
    #[must_use]
    pub fn fermat_base_2<const W: usize>(self, candidates: &[&Words<W>]) -> Option<[bool; MAX_LANES]> {
        on_kind!(self, W, kernel, LIMBS => lanes::fermat_base_2::<_, _, W, LIMBS>(kernel, candidates))
    }

    /// The powers, in the same order, in as many places of `out`; at most [`Simd::lanes`] of them.
    ///
    /// `None` if there are more, or none, or a modulus is even or has a clear top bit, or `out` has another length, or `W` is not
    /// supported.
    #[must_use]
    pub fn power<const W: usize>(self, powers: &[Power<'_, W>], out: &mut [Words<W>]) -> Option<()> {
        on_kind!(self, W, kernel, LIMBS => lanes::power::<_, _, W, LIMBS>(kernel, powers, out))
    }

    /// Whether the candidate passes the Miller-Rabin test to every base, each in 2..candidate - 1; at most [`Simd::lanes`] of them. FIPS
    /// 186-5, B.3.1. A candidate that is 1 modulo 2^64 fails: then the time need not tell how often two divides candidate - 1.
    ///
    /// `None` if there are more, or none, or the candidate is even or has a clear top bit, or `W` is not supported.
    #[must_use]
    pub fn miller_rabin<const W: usize>(self, candidate: &Words<W>, bases: &[&Words<W>]) -> Option<bool> {
        on_kind!(self, W, kernel, LIMBS => lanes::miller_rabin::<_, _, W, LIMBS>(kernel, candidate, bases))
    }
}

#[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
impl Simd {
    /// There are no vectors to do this with, hence no value of this type.
    #[must_use]
    pub fn fermat_base_2<const W: usize>(self, _: &[&Words<W>]) -> Option<[bool; MAX_LANES]> {
        match self.0 {}
    }

    /// There are no vectors to do this with, hence no value of this type.
    #[must_use]
    pub fn power<const W: usize>(self, _: &[Power<'_, W>], _: &mut [Words<W>]) -> Option<()> {
        match self.0 {}
    }

    /// There are no vectors to do this with, hence no value of this type.
    #[must_use]
    pub fn miller_rabin<const W: usize>(self, _: &Words<W>, _: &[&Words<W>]) -> Option<bool> {
        match self.0 {}
    }
}
