//! Sizes this TPM chose where Part 2 leaves them to the implementation. Part 2 tables name most of them.

/// PCR in a bank (`IMPLEMENTATION_PCR`). The PC Client profile's number.
pub const IMPLEMENTATION_PCR: u32 = 24;

/// Octets in the bitmap of a PCR selection: `PCR_SELECT_MIN` and `PCR_SELECT_MAX` are equal, so only this size is legal.
pub const PCR_SELECT: usize = 3;

/// Transient objects that can be loaded at a time (`MAX_LOADED_OBJECTS`); it bounds the range of transient handles.
///
/// The usual TPM has three. Firmware and small guests run without a resource manager, and memory is cheap in a host.
pub const MAX_LOADED_OBJECTS: u32 = 16;

/// Sessions that can exist at a time, loaded or saved (`MAX_ACTIVE_SESSIONS`); it bounds the range of session handles.
pub const MAX_ACTIVE_SESSIONS: u32 = 64;

/// Hash algorithms implemented (`HASH_COUNT`).
pub const HASH_COUNT: usize = crate::HashAlg::ALL.len();

/// Octets in the largest digest.
pub const MAX_DIGEST: usize = 64;

/// Octets of a TPMT_HA with the largest digest.
pub const MAX_TPMT_HA: usize = 2 + MAX_DIGEST;

/// Octets in the largest RSA modulus (4096 bits).
pub const MAX_RSA_KEY_BYTES: usize = 512;

/// Octets in the largest coordinate: room for P-521, so that saved objects do not grow when it comes.
pub const MAX_ECC_KEY_BYTES: usize = 66;
/// sizeof(TPMU_SIGNATURE_CTX): ML-DSA's context is the largest; an identity of SM2 may be as long. Part 2, 11.3.7.
pub const MAX_SIGNATURE_CTX: usize = 255;
/// MAX_SIGNATURE_HINT_SIZE: the point R of an Ed25519 signature. Part 2, 11.3.9.
pub const MAX_SIGNATURE_HINT: usize = 32;

/// Octets in the largest symmetric block.
pub const MAX_SYM_BLOCK_SIZE: usize = 16;

/// Octets in TPM2B_MAX_BUFFER (`MAX_2B_BUFFER_SIZE`).
pub const MAX_2B_BUFFER_SIZE: usize = 1024;

/// Octets in TPM2B_MAX_NV_BUFFER (`MAX_NV_BUFFER_SIZE`).
pub const MAX_NV_BUFFER_SIZE: usize = 1024;

/// Octets in an NV index (`MAX_NV_INDEX_SIZE`): the PC Client profile asks for at least 8500.
pub const MAX_NV_INDEX_SIZE: u16 = 10 * 1024;

/// Octets of sensitive data in a created object (`MAX_SYM_DATA`): what Part 2, 11.1.13 recommends.
pub const MAX_SYM_DATA: usize = 128;

/// Octets in a label or context of a derived object (`LABEL_MAX_BUFFER`).
pub const LABEL_MAX_BUFFER: usize = 32;

/// Octets in the answer of GetCapability (`MAX_CAP_BUFFER`).
pub const MAX_CAP_BUFFER: usize = 1024;

/// Octets for the entries of a capability list: what is left behind the capability and the count.
pub const MAX_CAP_DATA: usize = MAX_CAP_BUFFER - 8;

/// Entries in a list of algorithms (`MAX_ALG_LIST_SIZE`).
pub const MAX_ALG_LIST_SIZE: usize = 64;

/// Octets in a saved context's blob: with its headers it must fit the 3968 octets of a CRB response buffer.
pub const MAX_CONTEXT_DATA: usize = 3968 - 10 - 18;
