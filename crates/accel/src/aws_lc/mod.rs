//! What AWS-LC computes faster than plain Rust: powers and products modulo odd numbers, multiples of points. Feature `aws-lc`.
//!
//! Numbers come and go as big-endian octets of a fixed width, and every function gives the same results as plain arithmetic would. `None`
//! is for what a function's doc excludes, and for a lack of memory. Times do not depend on numbers unless a name says `public`, nor on
//! scalars that are below the order. What AWS-LC is given is copied into memory of its own, which it wipes when it frees it; what its functions leave
//! on the stack is not wiped.

mod curve;
mod modulus;
#[allow(unsafe_code, reason = "calls of AWS-LC")]
mod raw;

pub use curve::{Curve, MAX_WIDTH, Multiple};
pub use modulus::{Modulus, powers};
