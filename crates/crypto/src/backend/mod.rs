//! The compile-time seam: coarse functions over octets, implemented with RustCrypto and arithmetic of our own; with the feature `aws-lc`, some
//! of them by AWS-LC instead.
//!
//! Another implementation replaces functions of these files and nothing else. Whatever decides a derived value
//! (counters, candidate streams, nonces, paddings) is above this module, so that results never depend on
//! which one is built.

pub(crate) mod bignum;
pub(crate) mod block;
pub(crate) mod curve;
#[cfg(feature = "aws-lc")]
mod curve_aws_lc;
pub(crate) mod edwards;
pub(crate) mod hash;
mod montgomery;
#[cfg(test)]
mod numbers;
#[cfg(target_pointer_width = "64")]
mod p256_field;
pub(crate) mod primality;
mod weierstrass;
