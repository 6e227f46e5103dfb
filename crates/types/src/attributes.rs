//! TPMA attribute words. Part 2, 8 and 13.4. A reserved bit that is set answers `RESERVED_BITS`.

use crate::{
    Fmt1, derive,
    marshal::{Bytes, Marshal, Reader, Unmarshal},
    rc,
};
use bitflags::bitflags;

/// The byte form of an attribute word.
macro_rules! word_bytes {
    ($($name:ident),+) => {$(
        impl Marshal for $name {
            fn marshal(&self, out: &mut Bytes) {
                self.bits().marshal(out);
            }
        }

        impl Unmarshal for $name {
            fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
                Self::from_bits(Unmarshal::unmarshal(r)?).ok_or(rc::RESERVED_BITS)
            }
        }
    )+};
}

bitflags! {
    /// TPMA_ALGORITHM: what an algorithm is for. Part 2, 8.2.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaAlgorithm: u32 {
        /// Has a public and a private key.
        const ASYMMETRIC = 1 << 0;
        /// A block cipher.
        const SYMMETRIC = 1 << 1;
        /// A hash.
        const HASH = 1 << 2;
        /// May be an object's type.
        const OBJECT = 1 << 3;
        /// Signs.
        const SIGNING = 1 << 8;
        /// Encrypts and decrypts.
        const ENCRYPTING = 1 << 9;
        /// A method, such as a key derivation function.
        const METHOD = 1 << 10;
    }

    /// TPMA_OBJECT. Part 2, 8.3.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TpmaObject: u32 {
        /// The hierarchy of the object cannot change.
        const FIXED_TPM = 1 << 1;
        /// Contexts saved of it do not survive TPM Restart and Reset.
        const ST_CLEAR = 1 << 2;
        /// The parent of the object cannot change.
        const FIXED_PARENT = 1 << 4;
        /// The TPM generated all of the sensitive data but the authValue.
        const SENSITIVE_DATA_ORIGIN = 1 << 5;
        /// USER actions may be authorized with the authValue.
        const USER_WITH_AUTH = 1 << 6;
        /// ADMIN actions need a policy.
        const ADMIN_WITH_POLICY = 1 << 7;
        /// Derived from a firmware-limited hierarchy.
        const FIRMWARE_LIMITED = 1 << 8;
        /// Derived from an SVN-limited hierarchy.
        const SVN_LIMITED = 1 << 9;
        /// Not subject to dictionary-attack protection.
        const NO_DA = 1 << 10;
        /// Duplication needs both wrappings.
        const ENCRYPTED_DUPLICATION = 1 << 11;
        /// Works only on data of a known format.
        const RESTRICTED = 1 << 16;
        /// The private part may decrypt.
        const DECRYPT = 1 << 17;
        /// The private part may sign; for a symmetric cipher, encrypt (`sign / encrypt`).
        const SIGN = 1 << 18;
        /// Signs only what CertifyX509 builds.
        const X509_SIGN = 1 << 19;
    }

    /// TPMA_SESSION. Part 2, 8.4.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TpmaSession: u8 {
        /// The session stays after the command.
        const CONTINUE_SESSION = 1 << 0;
        /// Run the command only if the session is exclusive; in a response, whether it is.
        const AUDIT_EXCLUSIVE = 1 << 1;
        /// Start the session's audit digest anew.
        const AUDIT_RESET = 1 << 2;
        /// The first command parameter is encrypted.
        const DECRYPT = 1 << 5;
        /// The first response parameter shall be encrypted.
        const ENCRYPT = 1 << 6;
        /// The session audits.
        const AUDIT = 1 << 7;
    }

    /// TPMA_LOCALITY: a set of localities 0 to 4, or one extended locality 32 to 255 as a number. Part 2, 8.5.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TpmaLocality: u8 {
        /// Locality 0.
        const ZERO = 1 << 0;
        /// Locality 1.
        const ONE = 1 << 1;
        /// Locality 2.
        const TWO = 1 << 2;
        /// Locality 3.
        const THREE = 1 << 3;
        /// Locality 4.
        const FOUR = 1 << 4;
        /// If any of these is set the octet is the number of an extended locality.
        const EXTENDED = 0b1110_0000;
    }

    /// TPMA_PERMANENT. Part 2, 8.6.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaPermanent: u32 {
        /// ownerAuth was changed since TPM2_Clear.
        const OWNER_AUTH_SET = 1 << 0;
        /// endorsementAuth was changed since TPM2_Clear.
        const ENDORSEMENT_AUTH_SET = 1 << 1;
        /// lockoutAuth was changed since TPM2_Clear.
        const LOCKOUT_AUTH_SET = 1 << 2;
        /// TPM2_Clear is disabled.
        const DISABLE_CLEAR = 1 << 8;
        /// The TPM is locked out.
        const IN_LOCKOUT = 1 << 9;
        /// The endorsement seed was made by the TPM.
        const TPM_GENERATED_EPS = 1 << 10;
    }

    /// TPMA_STARTUP_CLEAR. Part 2, 8.7.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaStartupClear: u32 {
        /// The platform hierarchy is enabled.
        const PH_ENABLE = 1 << 0;
        /// The storage hierarchy is enabled.
        const SH_ENABLE = 1 << 1;
        /// The endorsement hierarchy is enabled.
        const EH_ENABLE = 1 << 2;
        /// NV indices of the platform are enabled.
        const PH_ENABLE_NV = 1 << 3;
        /// The TPM is in read-only mode.
        const READ_ONLY = 1 << 4;
        /// The last shutdown was orderly.
        const ORDERLY = 1 << 31;
    }

    /// TPMA_MEMORY. Part 2, 8.8.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaMemory: u32 {
        /// Objects and sessions share memory.
        const SHARED_RAM = 1 << 0;
        /// Indices and persistent objects share memory.
        const SHARED_NV = 1 << 1;
        /// A persistent object needs a transient slot while it is used.
        const OBJECT_COPIED_TO_RAM = 1 << 2;
    }

    /// TPMA_MODES. Part 2, 8.10.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaModes: u32 {
        /// Runs as FIPS 140-2 asks.
        const FIPS_140_2 = 1 << 0;
        /// Runs as FIPS 140-3 asks.
        const FIPS_140_3 = 1 << 1;
        /// What the FIPS 140-3 service indicator says (two bits).
        const FIPS_140_3_INDICATOR = 0b11 << 2;
    }

    /// TPMA_NV. Part 2, 13.4.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TpmaNv: u32 {
        /// platformAuth may write.
        const PPWRITE = 1 << 0;
        /// ownerAuth may write.
        const OWNERWRITE = 1 << 1;
        /// The index's authValue may write.
        const AUTHWRITE = 1 << 2;
        /// The index's policy may write.
        const POLICYWRITE = 1 << 3;
        /// The type of the index (four bits): [`TpmaNv::nt`].
        const NT = 0xF << 4;
        /// Only NV_UndefineSpaceSpecial deletes it.
        const POLICY_DELETE = 1 << 10;
        /// Locked against writing.
        const WRITELOCKED = 1 << 11;
        /// Only a write of all octets is allowed.
        const WRITEALL = 1 << 12;
        /// A write lock lasts.
        const WRITEDEFINE = 1 << 13;
        /// A write lock lasts until the next TPM Reset or Restart.
        const WRITE_STCLEAR = 1 << 14;
        /// NV_GlobalWriteLock locks it.
        const GLOBALLOCK = 1 << 15;
        /// platformAuth may read.
        const PPREAD = 1 << 16;
        /// ownerAuth may read.
        const OWNERREAD = 1 << 17;
        /// The index's authValue may read.
        const AUTHREAD = 1 << 18;
        /// The index's policy may read.
        const POLICYREAD = 1 << 19;
        /// Not subject to dictionary-attack protection.
        const NO_DA = 1 << 25;
        /// Its data need to be saved only at an orderly shutdown.
        const ORDERLY = 1 << 26;
        /// WRITTEN is cleared at TPM Reset and Restart.
        const CLEAR_STCLEAR = 1 << 27;
        /// Locked against reading.
        const READLOCKED = 1 << 28;
        /// Was written.
        const WRITTEN = 1 << 29;
        /// Defined by the platform.
        const PLATFORMCREATE = 1 << 30;
        /// NV_ReadLock may lock it.
        const READ_STCLEAR = 1 << 31;
    }
}

bitflags! {
    /// TPMA_NV_EXP above its low 32 bits, which are a [`TpmaNv`]. Part 2, 13.5.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NvExpansion: u32 {
        /// The contents of an external index are encrypted.
        const EXTERNAL_NV_ENCRYPTION = 1 << 0;
        /// The contents of an external index are protected against change.
        const EXTERNAL_NV_INTEGRITY = 1 << 1;
        /// The contents of an external index are protected against rollback.
        const EXTERNAL_NV_ANTIROLLBACK = 1 << 2;
    }
}

/// TPMA_NV_EXP: the 64-bit attributes of an external index. Part 2, 13.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, derive::Marshal, derive::Unmarshal)]
pub struct TpmaNvExp {
    /// Bits 63 to 32.
    pub expansion: NvExpansion,
    /// Bits 31 to 0.
    pub nv: TpmaNv,
}

bitflags! {
    /// TPMA_ACT: how a countdown timer stands. Part 2, 8.12.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TpmaAct: u32 {
        /// It ran out, and was not set since.
        const SIGNALED = 1 << 0;
        /// It had run out before the last TPM Resume, and was not set since.
        const PRESERVE_SIGNALED = 1 << 1;
    }
}

word_bytes!(
    TpmaAlgorithm,
    TpmaObject,
    TpmaSession,
    TpmaLocality,
    TpmaPermanent,
    TpmaStartupClear,
    TpmaMemory,
    TpmaModes,
    TpmaNv,
    NvExpansion,
    TpmaAct
);

/// TPM_NT: how an index behaves. Part 2, 13.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NvType {
    /// Plain octets.
    Ordinary = 0x0,
    /// A 64-bit number that only grows.
    Counter = 0x1,
    /// 64 bits that can only be set.
    Bits = 0x2,
    /// A digest that is extended.
    Extend = 0x4,
    /// A PIN whose wrong uses are counted.
    PinFail = 0x8,
    /// A PIN whose right uses are counted.
    PinPass = 0x9,
}

impl TpmaNv {
    /// The type of the index; `None` for a number that is not a TPM_NT.
    #[must_use]
    pub const fn nt(self) -> Option<NvType> {
        match (self.bits() >> 4) & 0xF {
            0x0 => Some(NvType::Ordinary),
            0x1 => Some(NvType::Counter),
            0x2 => Some(NvType::Bits),
            0x4 => Some(NvType::Extend),
            0x8 => Some(NvType::PinFail),
            0x9 => Some(NvType::PinPass),
            _ => None,
        }
    }

    /// The same attributes with another type.
    #[must_use]
    pub const fn with_nt(self, nt: NvType) -> Self {
        Self::from_bits_truncate((self.bits() & !Self::NT.bits()) | ((nt as u32) << 4))
    }
}

impl TpmaLocality {
    /// The attribute of one locality; `None` for 5 to 31, which do not exist. Part 2, 8.5.
    #[must_use]
    pub const fn of(locality: u8) -> Option<Self> {
        match locality {
            0..=4 => Some(Self::from_bits_truncate(1 << locality)),
            5..=31 => None,
            32.. => Some(Self::from_bits_truncate(locality)),
        }
    }

    /// Whether this is the number of an extended locality and not a set.
    #[must_use]
    pub const fn is_extended(self) -> bool {
        self.intersects(Self::EXTENDED)
    }

    /// Whether `locality` is in the set, or is the extended locality named.
    #[must_use]
    pub fn allows(self, locality: u8) -> bool {
        Self::of(locality).is_some_and(|of| {
            if self.is_extended() { self == of } else { !of.is_extended() && self.contains(of) }
        })
    }
}

/// TPMA_CC: a command's code and attributes as GetCapability gives them. Part 2, 8.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TpmaCc(u32);

impl TpmaCc {
    /// The attributes of a raw value.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The value on the wire.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The TPM_CC: the index and the vendor bit.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0 & 0x2000_FFFF
    }

    /// Whether the command may write to NV.
    #[must_use]
    pub const fn nv(self) -> bool {
        self.0 & (1 << 22) != 0
    }

    /// Whether the command may flush any number of contexts.
    #[must_use]
    pub const fn extensive(self) -> bool {
        self.0 & (1 << 23) != 0
    }

    /// Whether the command flushes a context named in its handle area.
    #[must_use]
    pub const fn flushed(self) -> bool {
        self.0 & (1 << 24) != 0
    }

    /// Handles in the handle area, 0 to 7.
    #[must_use]
    pub const fn handles(self) -> usize {
        ((self.0 >> 25) & 7) as usize
    }

    /// Whether the response has a handle.
    #[must_use]
    pub const fn response_handle(self) -> bool {
        self.0 & (1 << 28) != 0
    }
}

impl Marshal for TpmaCc {
    fn marshal(&self, out: &mut Bytes) {
        self.0.marshal(out);
    }
}

/// `RESERVED_BITS` if a bit between the index and the attributes, or above them, is set.
impl Unmarshal for TpmaCc {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        let raw = u32::unmarshal(r)?;
        if raw & 0xC03F_0000 == 0 { Ok(Self(raw)) } else { Err(rc::RESERVED_BITS) }
    }
}
