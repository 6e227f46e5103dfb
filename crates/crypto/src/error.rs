//! What can go wrong, in words the engine can turn into response codes.

use core::fmt;

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A buffer has a length the operation cannot take (TPM_RC_SIZE).
    BadSize,
    /// A number is out of its range, or does not belong with the others (TPM_RC_VALUE, TPM_RC_BINDING).
    BadValue,
    /// A decrypted block does not have the form its scheme asks for. One error for every cause.
    BadPadding,
    /// A signature does not verify (TPM_RC_SIGNATURE).
    BadSignature,
    /// A point is not on its curve (TPM_RC_ECC_POINT).
    BadPoint,
    /// The result is the point at infinity (TPM_RC_NO_RESULT).
    NoResult,
    /// A saved state is not one this version wrote.
    BadState,
    /// The generator has answered as often as one seed allows and waits for entropy.
    ReseedRequired,
    /// A private operation gave a result that its own public key contradicts: a fault, not an input
    /// error (TPM_RC_FAILURE).
    Fault,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSize => "a buffer of the wrong length",
            Self::BadValue => "a value out of range",
            Self::BadPadding => "a block that is not padded as its scheme asks",
            Self::BadSignature => "a signature that does not verify",
            Self::BadPoint => "a point that is not on its curve",
            Self::NoResult => "the point at infinity",
            Self::BadState => "a saved state of another form",
            Self::ReseedRequired => "a generator that must be reseeded",
            Self::Fault => "a private operation with a wrong result",
        })
    }
}

impl core::error::Error for Error {}
