//! Handles: the raw values and the interface types over them. Part 2, 7 and 9.3 to 9.30.
//!
//! A value of an interface type is known to lie in the type's ranges; whether the entity exists is the engine's question. Every type
//! here answers `VALUE` for a handle that is not its own.

use crate::{
    Fmt1, limits,
    marshal::{Bytes, Marshal, Nullable, Reader, Unmarshal},
    rc,
};

/// TPM_HANDLE: any handle. Part 2, 7.1.
pub type TpmHandle = u32;

/// TPM_RH: the permanent handles. Part 2, 7.4.
pub mod rh {
    /// Handle of the storage hierarchy and ownerAuth.
    pub const OWNER: u32 = 0x4000_0001;
    /// No handle; also the NULL hierarchy.
    pub const NULL: u32 = 0x4000_0007;
    /// Not a handle of anything: an unused slot.
    pub const UNASSIGNED: u32 = 0x4000_0008;
    /// TPM_RS_PW: a password in place of a session.
    pub const PW: u32 = 0x4000_0009;
    /// Handle of lockoutAuth.
    pub const LOCKOUT: u32 = 0x4000_000A;
    /// Handle of the endorsement hierarchy and endorsementAuth.
    pub const ENDORSEMENT: u32 = 0x4000_000B;
    /// Handle of the platform hierarchy and platformAuth.
    pub const PLATFORM: u32 = 0x4000_000C;
    /// What phEnableNV controls.
    pub const PLATFORM_NV: u32 = 0x4000_000D;
    /// First authenticated countdown timer.
    pub const ACT_0: u32 = 0x4000_0110;
    /// Last authenticated countdown timer.
    pub const ACT_F: u32 = 0x4000_011F;
    /// First permanent handle (`PERMANENT_FIRST`).
    pub const FIRST: u32 = 0x4000_0000;
    /// Last permanent handle (`PERMANENT_LAST`).
    pub const LAST: u32 = 0x4004_FFFF;
}

/// TPM_HC: the first handle of each range. Part 2, 7.5.
pub mod hc {
    /// `PCR_FIRST`.
    pub const PCR: u32 = 0x0000_0000;
    /// `NV_INDEX_FIRST`.
    pub const NV_INDEX: u32 = 0x0100_0000;
    /// `HMAC_SESSION_FIRST`, `LOADED_SESSION_FIRST`.
    pub const HMAC_SESSION: u32 = 0x0200_0000;
    /// `POLICY_SESSION_FIRST`, `ACTIVE_SESSION_FIRST`.
    pub const POLICY_SESSION: u32 = 0x0300_0000;
    /// `EXTERNAL_NV_FIRST`.
    pub const EXTERNAL_NV: u32 = 0x1100_0000;
    /// `PERMANENT_NV_FIRST`.
    pub const PERMANENT_NV: u32 = 0x1200_0000;
    /// `TRANSIENT_FIRST`.
    pub const TRANSIENT: u32 = 0x8000_0000;
    /// `PERSISTENT_FIRST`.
    pub const PERSISTENT: u32 = 0x8100_0000;
    /// `PLATFORM_PERSISTENT`: from here on a persistent handle belongs to the platform.
    pub const PLATFORM_PERSISTENT: u32 = 0x8180_0000;
    /// The part of a handle that counts within its range (`HR_HANDLE_MASK`).
    pub const HANDLE_MASK: u32 = 0x00FF_FFFF;
}

/// TPM_HT: what the most significant octet of a handle says. Part 2, 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleType {
    /// A PCR.
    Pcr,
    /// An NV index.
    NvIndex,
    /// An HMAC session; in GetCapability, a loaded session of either kind.
    HmacSession,
    /// A policy session; in GetCapability, a saved session of either kind.
    PolicySession,
    /// An NV index with expanded attributes.
    ExternalNv,
    /// An NV index that a platform specification assigns. None does.
    PermanentNv,
    /// A value from [`rh`].
    Permanent,
    /// A loaded object or sequence.
    Transient,
    /// An object kept in NV.
    Persistent,
}

impl HandleType {
    /// The type of `handle`; `None` if its top octet is not one that is used here.
    #[must_use]
    pub const fn of(handle: TpmHandle) -> Option<Self> {
        match handle >> 24 {
            0x00 => Some(Self::Pcr),
            0x01 => Some(Self::NvIndex),
            0x02 => Some(Self::HmacSession),
            0x03 => Some(Self::PolicySession),
            0x11 => Some(Self::ExternalNv),
            0x12 => Some(Self::PermanentNv),
            0x40 => Some(Self::Permanent),
            0x80 => Some(Self::Transient),
            0x81 => Some(Self::Persistent),
            _ => None,
        }
    }

    /// The TPM_HT.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Pcr => 0x00,
            Self::NvIndex => 0x01,
            Self::HmacSession => 0x02,
            Self::PolicySession => 0x03,
            Self::ExternalNv => 0x11,
            Self::PermanentNv => 0x12,
            Self::Permanent => 0x40,
            Self::Transient => 0x80,
            Self::Persistent => 0x81,
        }
    }
}

/// The byte form shared by all interface types: a checked 32-bit handle.
macro_rules! handle_bytes {
    ($name:ident $(, null = $null:path)?) => {
        impl Marshal for $name {
            fn marshal(&self, out: &mut Bytes) {
                self.raw().marshal(out);
            }
        }

        impl Unmarshal for $name {
            fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
                Self::new(u32::unmarshal(r)?)
            }
        }

        impl From<$name> for TpmHandle {
            fn from(handle: $name) -> Self {
                handle.raw()
            }
        }

        $(impl Nullable for $name {
            fn unmarshal_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, Fmt1> {
                let raw = u32::unmarshal(r)?;
                if raw == $null { Ok(None) } else { Self::new(raw).map(Some) }
            }

            fn marshal_null(out: &mut Bytes) {
                $null.marshal(out);
            }
        })?
    };
}

/// An interface type that is one range of handles.
macro_rules! range {
    ($(#[doc = $doc:literal])+ $name:ident: $first:expr, $count:expr $(, null = $null:path)?) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The first handle of the range.
            pub const FIRST: u32 = $first;
            /// The last handle of the range.
            pub const LAST: u32 = $first + ($count - 1);

            /// The handle `raw`.
            ///
            /// # Errors
            /// `VALUE` if it is not in the range.
            pub const fn new(raw: TpmHandle) -> Result<Self, Fmt1> {
                if Self::FIRST <= raw && raw <= Self::LAST { Ok(Self(raw)) } else { Err(rc::VALUE) }
            }

            /// The TPM_HANDLE.
            #[must_use]
            pub const fn raw(self) -> TpmHandle {
                self.0
            }

            /// The handle's number within its range.
            #[must_use]
            pub const fn index(self) -> usize {
                // At most 24 bits remain, which every target's `usize` holds.
                (self.0 - Self::FIRST) as usize
            }
        }

        handle_bytes!($name $(, null = $null)?);
    };
}

/// An interface type that is a choice between single handles and other interface types.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        $name:ident $(, null = $null:path)? {
            $($(#[doc = $unit_doc:literal])+ $unit:ident = $raw:expr,)*
            $(; $($(#[doc = $kind_doc:literal])+ $kind:ident($inner:ident),)+)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $unit_doc])+ $unit,)*
            $($($(#[doc = $kind_doc])+ $kind($inner),)+)?
        }

        impl $name {
            /// The handle `raw`.
            ///
            /// # Errors
            /// `VALUE` if it is not of this type.
            pub const fn new(raw: TpmHandle) -> Result<Self, Fmt1> {
                $(if raw == $raw {
                    return Ok(Self::$unit);
                })*
                $($(if let Ok(handle) = $inner::new(raw) {
                    return Ok(Self::$kind(handle));
                })+)?
                Err(rc::VALUE)
            }

            /// The TPM_HANDLE.
            #[must_use]
            pub const fn raw(self) -> TpmHandle {
                match self {
                    $(Self::$unit => $raw,)*
                    $($(Self::$kind(handle) => handle.raw(),)+)?
                }
            }
        }

        handle_bytes!($name $(, null = $null)?);
    };
}

range! {
    /// TPMI_DH_PCR. `None` is TPM_RH_NULL. Part 2, 9.7.
    PcrHandle: hc::PCR, limits::IMPLEMENTATION_PCR, null = rh::NULL
}
range! {
    /// A transient object or sequence; the range of TRANSIENT handles in Part 2, 7.5.
    TransientHandle: hc::TRANSIENT, limits::MAX_LOADED_OBJECTS
}
range! {
    /// TPMI_DH_PERSISTENT. Part 2, 9.5.
    PersistentHandle: hc::PERSISTENT, hc::HANDLE_MASK + 1
}
range! {
    /// TPMI_SH_HMAC. Part 2, 9.9.
    HmacSessionHandle: hc::HMAC_SESSION, limits::MAX_ACTIVE_SESSIONS
}
range! {
    /// TPMI_SH_POLICY. Part 2, 9.10.
    PolicySessionHandle: hc::POLICY_SESSION, limits::MAX_ACTIVE_SESSIONS
}
range! {
    /// TPMI_RH_NV_LEGACY_INDEX: an index with 32-bit attributes. Part 2, 9.27.
    NvLegacyIndexHandle: hc::NV_INDEX, hc::HANDLE_MASK + 1
}
range! {
    /// TPMI_RH_NV_EXP_INDEX: an external index, with expanded attributes. Part 2, 9.28.
    NvExpIndexHandle: hc::EXTERNAL_NV, hc::HANDLE_MASK + 1
}
range! {
    /// A permanent index, which nobody defines; the range of PERMANENT_NV handles in Part 2, 7.5.
    NvPermanentIndexHandle: hc::PERMANENT_NV, hc::HANDLE_MASK + 1
}

range! {
    /// TPMI_RH_ACT. Part 2, 9.30.
    ActHandle: rh::ACT_0, rh::ACT_F - rh::ACT_0 + 1
}

impl PersistentHandle {
    /// Whether the platform, not the owner, manages the object. Part 2, 7.5.
    #[must_use]
    pub const fn is_platform(self) -> bool {
        self.0 >= hc::PLATFORM_PERSISTENT
    }
}

choice! {
    /// TPMI_DH_OBJECT. `None` is TPM_RH_NULL. Part 2, 9.3.
    ObjectHandle, null = rh::NULL {
        ;
        /// A loaded object or sequence.
        Transient(TransientHandle),
        /// An object kept in NV.
        Persistent(PersistentHandle),
    }
}
choice! {
    /// TPMI_RH_NV_INDEX: what NV commands read, write and lock. Part 2, 9.25.
    NvIndexHandle {
        ;
        /// With 32-bit attributes.
        Legacy(NvLegacyIndexHandle),
        /// With expanded attributes.
        External(NvExpIndexHandle),
        /// Assigned by a platform specification.
        Permanent(NvPermanentIndexHandle),
    }
}
choice! {
    /// TPMI_RH_NV_DEFINED_INDEX: what can be defined and removed. Part 2, 9.26.
    NvDefinedIndexHandle {
        ;
        /// With 32-bit attributes.
        Legacy(NvLegacyIndexHandle),
        /// With expanded attributes.
        External(NvExpIndexHandle),
    }
}
choice! {
    /// TPMI_DH_PARENT: what CreateLoaded creates under. Part 2, 9.4.
    ParentHandle {
        ;
        /// A primary object of a hierarchy.
        Hierarchy(Hierarchy),
        /// A child of an object.
        Object(ObjectHandle),
    }
}
choice! {
    /// TPMI_DH_ENTITY: what has an authValue. `None` is TPM_RH_NULL. Part 2, 9.6.
    EntityHandle, null = rh::NULL {
        /// ownerAuth.
        Owner = rh::OWNER,
        /// endorsementAuth.
        Endorsement = rh::ENDORSEMENT,
        /// platformAuth.
        Platform = rh::PLATFORM,
        /// lockoutAuth.
        Lockout = rh::LOCKOUT,
        ;
        /// An object's authValue.
        Object(ObjectHandle),
        /// An NV index's authValue; Part 2 has no external indices here.
        NvIndex(NvLegacyIndexHandle),
        /// A PCR's authValue.
        Pcr(PcrHandle),
    }
}
choice! {
    /// TPMI_SH_AUTH_SESSION. `None` is TPM_RS_PW, a password. Part 2, 9.8.
    AuthSessionHandle, null = rh::PW {
        ;
        /// An HMAC session.
        Hmac(HmacSessionHandle),
        /// A policy or trial session.
        Policy(PolicySessionHandle),
    }
}
choice! {
    /// TPMI_DH_CONTEXT: what can be saved and flushed. Part 2, 9.11.
    ContextHandle {
        ;
        /// An HMAC session.
        Hmac(HmacSessionHandle),
        /// A policy or trial session.
        Policy(PolicySessionHandle),
        /// An object or sequence.
        Transient(TransientHandle),
    }
}
choice! {
    /// TPMI_DH_SAVED: what a saved context says it is. Part 2, 9.12.
    SavedHandle {
        /// An ordinary transient object.
        Object = 0x8000_0000,
        /// A sequence object.
        Sequence = 0x8000_0001,
        /// A transient object with stClear.
        StClearObject = 0x8000_0002,
        ;
        /// An HMAC session.
        Hmac(HmacSessionHandle),
        /// A policy or trial session.
        Policy(PolicySessionHandle),
    }
}
choice! {
    /// TPMI_RH_HIERARCHY; the NULL hierarchy is a hierarchy, so there is no `Option`. Part 2, 9.13.
    Hierarchy {
        /// The storage hierarchy.
        Owner = rh::OWNER,
        /// The platform hierarchy.
        Platform = rh::PLATFORM,
        /// The endorsement hierarchy.
        Endorsement = rh::ENDORSEMENT,
        /// The NULL hierarchy: its seed and proof change at every TPM Reset.
        Null = rh::NULL,
    }
}
choice! {
    /// TPMI_RH_ENABLES: what HierarchyControl enables or disables. `None` is TPM_RH_NULL. Part 2, 9.14.
    EnablesHandle, null = rh::NULL {
        /// shEnable.
        Owner = rh::OWNER,
        /// phEnable.
        Platform = rh::PLATFORM,
        /// ehEnable.
        Endorsement = rh::ENDORSEMENT,
        /// phEnableNV.
        PlatformNv = rh::PLATFORM_NV,
    }
}
choice! {
    /// TPMI_RH_HIERARCHY_AUTH: an authValue that HierarchyChangeAuth changes. `None` is TPM_RH_NULL. Part 2, 9.15.
    HierarchyAuthHandle, null = rh::NULL {
        /// ownerAuth.
        Owner = rh::OWNER,
        /// platformAuth.
        Platform = rh::PLATFORM,
        /// endorsementAuth.
        Endorsement = rh::ENDORSEMENT,
        /// lockoutAuth.
        Lockout = rh::LOCKOUT,
    }
}
choice! {
    /// TPMI_RH_HIERARCHY_POLICY: a policy that SetPrimaryPolicy sets. Part 2, 9.16.
    HierarchyPolicyHandle {
        /// ownerPolicy.
        Owner = rh::OWNER,
        /// platformPolicy.
        Platform = rh::PLATFORM,
        /// endorsementPolicy.
        Endorsement = rh::ENDORSEMENT,
        /// lockoutPolicy.
        Lockout = rh::LOCKOUT,
        ;
        /// The policy of a countdown timer.
        Act(ActHandle),
    }
}
choice! {
    /// TPMI_RH_BASE_HIERARCHY: a hierarchy that lasts. Part 2, 9.17.
    BaseHierarchy {
        /// The storage hierarchy.
        Owner = rh::OWNER,
        /// The platform hierarchy.
        Platform = rh::PLATFORM,
        /// The endorsement hierarchy.
        Endorsement = rh::ENDORSEMENT,
    }
}
choice! {
    /// TPMI_RH_PLATFORM. Part 2, 9.18.
    PlatformHandle {
        /// platformAuth.
        Platform = rh::PLATFORM,
    }
}
choice! {
    /// TPMI_RH_ENDORSEMENT. `None` is TPM_RH_NULL. Part 2, 9.20.
    EndorsementHandle, null = rh::NULL {
        /// endorsementAuth.
        Endorsement = rh::ENDORSEMENT,
    }
}
choice! {
    /// TPMI_RH_PROVISION: who manages NV, persistent objects and the clock. Part 2, 9.21.
    ProvisionHandle {
        /// ownerAuth.
        Owner = rh::OWNER,
        /// platformAuth.
        Platform = rh::PLATFORM,
    }
}
choice! {
    /// TPMI_RH_CLEAR: who may clear the owner. Part 2, 9.22.
    ClearHandle {
        /// lockoutAuth.
        Lockout = rh::LOCKOUT,
        /// platformAuth.
        Platform = rh::PLATFORM,
    }
}
choice! {
    /// TPMI_RH_NV_AUTH: who gives access to an NV index. Part 2, 9.23.
    NvAuthHandle {
        /// platformAuth.
        Platform = rh::PLATFORM,
        /// ownerAuth.
        Owner = rh::OWNER,
        ;
        /// The index itself; Part 2 has no external indices here, which the owner and the platform alone give access to.
        NvIndex(NvLegacyIndexHandle),
    }
}
choice! {
    /// TPMI_RH_LOCKOUT. Part 2, 9.24.
    LockoutHandle {
        /// lockoutAuth.
        Lockout = rh::LOCKOUT,
    }
}

impl From<NvLegacyIndexHandle> for NvIndexHandle {
    fn from(index: NvLegacyIndexHandle) -> Self {
        Self::Legacy(index)
    }
}

impl From<NvLegacyIndexHandle> for NvDefinedIndexHandle {
    fn from(index: NvLegacyIndexHandle) -> Self {
        Self::Legacy(index)
    }
}

impl From<NvDefinedIndexHandle> for NvIndexHandle {
    fn from(index: NvDefinedIndexHandle) -> Self {
        match index {
            NvDefinedIndexHandle::Legacy(index) => Self::Legacy(index),
            NvDefinedIndexHandle::External(index) => Self::External(index),
        }
    }
}

impl From<BaseHierarchy> for Hierarchy {
    fn from(hierarchy: BaseHierarchy) -> Self {
        match hierarchy {
            BaseHierarchy::Owner => Self::Owner,
            BaseHierarchy::Platform => Self::Platform,
            BaseHierarchy::Endorsement => Self::Endorsement,
        }
    }
}

impl From<ProvisionHandle> for Hierarchy {
    fn from(handle: ProvisionHandle) -> Self {
        match handle {
            ProvisionHandle::Owner => Self::Owner,
            ProvisionHandle::Platform => Self::Platform,
        }
    }
}
