//! Constants: structure tags, capabilities, properties, command codes and the small enumerations. Part 2, 6.

use crate::derive::{Marshal, Unmarshal};

/// TPM_GENERATED_VALUE: begins every structure the TPM signs about itself. Part 2, 6.2.
pub const TPM_GENERATED_VALUE: u32 = 0xFF54_4347;

/// TPM_ST: structure tags. Part 2, 6.9.
pub mod st {
    /// The tag of the answer to a command with an unknown tag.
    pub const RSP_COMMAND: u16 = 0x00C4;
    /// No structure.
    pub const NULL: u16 = 0x8000;
    /// A command or response without an authorization area.
    pub const NO_SESSIONS: u16 = 0x8001;
    /// A command or response with an authorization area.
    pub const SESSIONS: u16 = 0x8002;
    /// Attests the contents of an index.
    pub const ATTEST_NV: u16 = 0x8014;
    /// Attests the command audit digest.
    pub const ATTEST_COMMAND_AUDIT: u16 = 0x8015;
    /// Attests a session's audit digest.
    pub const ATTEST_SESSION_AUDIT: u16 = 0x8016;
    /// Attests that an object is loaded.
    pub const ATTEST_CERTIFY: u16 = 0x8017;
    /// Attests PCR.
    pub const ATTEST_QUOTE: u16 = 0x8018;
    /// Attests the time.
    pub const ATTEST_TIME: u16 = 0x8019;
    /// Attests the creation of an object.
    pub const ATTEST_CREATION: u16 = 0x801A;
    /// Attests the digest of an index.
    pub const ATTEST_NV_DIGEST: u16 = 0x801C;
    /// Creation ticket.
    pub const CREATION: u16 = 0x8021;
    /// Ticket of a verified signature.
    pub const VERIFIED: u16 = 0x8022;
    /// Ticket of PolicySecret.
    pub const AUTH_SECRET: u16 = 0x8023;
    /// Ticket of a digest that may be signed.
    pub const HASHCHECK: u16 = 0x8024;
    /// Ticket of PolicySigned.
    pub const AUTH_SIGNED: u16 = 0x8025;
    /// Ticket of a verified message.
    pub const MESSAGE_VERIFIED: u16 = 0x8026;
    /// Ticket of a verified digest.
    pub const DIGEST_VERIFIED: u16 = 0x8027;
    /// A structure describing a field upgrade.
    pub const FU_MANIFEST: u16 = 0x8029;
}

/// TPM_SU: how to start up or shut down. Part 2, 6.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE)]
pub enum StartupType {
    /// TPM_SU_CLEAR: forget, or prepare for a TPM Reset.
    Clear = 0x0000,
    /// TPM_SU_STATE: keep, or restore what was kept.
    State = 0x0001,
}

/// TPM_SE: what kind of session to start. Part 2, 6.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = u8, error = VALUE)]
pub enum SessionType {
    /// TPM_SE_HMAC.
    Hmac = 0x00,
    /// TPM_SE_POLICY.
    Policy = 0x01,
    /// TPM_SE_TRIAL: computes a policy digest and authorizes nothing.
    Trial = 0x03,
}

/// TPM_EO: how to compare two operands. Part 2, 6.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = u16, error = VALUE)]
pub enum Operation {
    /// TPM_EO_EQ: A = B.
    Eq = 0x0000,
    /// TPM_EO_NEQ: A is not B.
    Neq = 0x0001,
    /// TPM_EO_SIGNED_GT: A > B, signed.
    SignedGt = 0x0002,
    /// TPM_EO_UNSIGNED_GT: A > B.
    UnsignedGt = 0x0003,
    /// TPM_EO_SIGNED_LT: A < B, signed.
    SignedLt = 0x0004,
    /// TPM_EO_UNSIGNED_LT: A < B.
    UnsignedLt = 0x0005,
    /// TPM_EO_SIGNED_GE: A >= B, signed.
    SignedGe = 0x0006,
    /// TPM_EO_UNSIGNED_GE: A >= B.
    UnsignedGe = 0x0007,
    /// TPM_EO_SIGNED_LE: A <= B, signed.
    SignedLe = 0x0008,
    /// TPM_EO_UNSIGNED_LE: A <= B.
    UnsignedLe = 0x0009,
    /// TPM_EO_BITSET: every bit set in B is set in A.
    BitSet = 0x000A,
    /// TPM_EO_BITCLEAR: every bit set in B is clear in A.
    BitClear = 0x000B,
}

/// TPM_CLOCK_ADJUST: by how much to change the rate of Clock. Part 2, 6.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = i8, error = VALUE)]
pub enum ClockAdjust {
    /// TPM_CLOCK_COARSE_SLOWER.
    CoarseSlower = -3,
    /// TPM_CLOCK_MEDIUM_SLOWER.
    MediumSlower = -2,
    /// TPM_CLOCK_FINE_SLOWER.
    FineSlower = -1,
    /// TPM_CLOCK_NO_CHANGE.
    NoChange = 0,
    /// TPM_CLOCK_FINE_FASTER.
    FineFaster = 1,
    /// TPM_CLOCK_MEDIUM_FASTER.
    MediumFaster = 2,
    /// TPM_CLOCK_COARSE_FASTER.
    CoarseFaster = 3,
}

/// TPM_CAP: what GetCapability can be asked. Public keys, SPDM sessions and vendor properties are not there, so asking for them
/// answers `VALUE` as any unknown number does. Part 2, 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = u32, error = VALUE)]
pub enum Capability {
    /// TPM_CAP_ALGS.
    Algs = 0x0000_0000,
    /// TPM_CAP_HANDLES.
    Handles = 0x0000_0001,
    /// TPM_CAP_COMMANDS.
    Commands = 0x0000_0002,
    /// TPM_CAP_PP_COMMANDS.
    PpCommands = 0x0000_0003,
    /// TPM_CAP_AUDIT_COMMANDS.
    AuditCommands = 0x0000_0004,
    /// TPM_CAP_PCRS.
    Pcrs = 0x0000_0005,
    /// TPM_CAP_TPM_PROPERTIES.
    TpmProperties = 0x0000_0006,
    /// TPM_CAP_PCR_PROPERTIES.
    PcrProperties = 0x0000_0007,
    /// TPM_CAP_ECC_CURVES.
    EccCurves = 0x0000_0008,
    /// TPM_CAP_AUTH_POLICIES.
    AuthPolicies = 0x0000_0009,
    /// TPM_CAP_ACT.
    Act = 0x0000_000A,
}

/// TPM_PT: properties in GetCapability(TPM_CAP_TPM_PROPERTIES). Part 2, 6.13.
pub mod pt {
    /// Properties that change only with the firmware begin here (`PT_FIXED`).
    pub const FIXED: u32 = 0x100;
    /// Properties that change begin here (`PT_VAR`).
    pub const VAR: u32 = 0x200;
    /// The specification family, four characters.
    pub const FAMILY_INDICATOR: u32 = 0x100;
    /// The level of the specification.
    pub const LEVEL: u32 = 0x101;
    /// The version of the specification.
    pub const REVISION: u32 = 0x102;
    /// The errata version of the specification.
    pub const ERRATA: u32 = 0x103;
    /// Historical: zero.
    pub const YEAR: u32 = 0x104;
    /// The vendor, four characters.
    pub const MANUFACTURER: u32 = 0x105;
    /// The first four characters of the vendor string.
    pub const VENDOR_STRING_1: u32 = 0x106;
    /// The next four characters of the vendor string.
    pub const VENDOR_STRING_2: u32 = 0x107;
    /// The next four characters of the vendor string.
    pub const VENDOR_STRING_3: u32 = 0x108;
    /// The last four characters of the vendor string.
    pub const VENDOR_STRING_4: u32 = 0x109;
    /// The model, in the numbering of the vendor.
    pub const VENDOR_TPM_TYPE: u32 = 0x10A;
    /// The upper half of the firmware version.
    pub const FIRMWARE_VERSION_1: u32 = 0x10B;
    /// The lower half of the firmware version.
    pub const FIRMWARE_VERSION_2: u32 = 0x10C;
    /// Octets in a TPM2B_MAX_BUFFER.
    pub const INPUT_BUFFER: u32 = 0x10D;
    /// Transient objects that always fit.
    pub const HR_TRANSIENT_MIN: u32 = 0x10E;
    /// Persistent objects that always fit.
    pub const HR_PERSISTENT_MIN: u32 = 0x10F;
    /// Sessions that can be loaded at a time.
    pub const HR_LOADED_MIN: u32 = 0x110;
    /// Sessions that can exist, loaded or saved.
    pub const ACTIVE_SESSIONS_MAX: u32 = 0x111;
    /// PCR in a bank.
    pub const PCR_COUNT: u32 = 0x112;
    /// Octets in the smallest PCR selection.
    pub const PCR_SELECT_MIN: u32 = 0x113;
    /// The greatest distance between saved sessions.
    pub const CONTEXT_GAP_MAX: u32 = 0x114;
    /// The most NV counters; zero for no limit but space.
    pub const NV_COUNTERS_MAX: u32 = 0x116;
    /// Octets in the largest index.
    pub const NV_INDEX_MAX: u32 = 0x117;
    /// TPMA_MEMORY.
    pub const MEMORY: u32 = 0x118;
    /// Milliseconds between saves of Clock.
    pub const CLOCK_UPDATE: u32 = 0x119;
    /// The hash that protects contexts.
    pub const CONTEXT_HASH: u32 = 0x11A;
    /// The cipher that protects contexts.
    pub const CONTEXT_SYM: u32 = 0x11B;
    /// Bits in the key of that cipher.
    pub const CONTEXT_SYM_SIZE: u32 = 0x11C;
    /// The mask of orderly counter values between saves.
    pub const ORDERLY_COUNT: u32 = 0x11D;
    /// Octets in the largest command.
    pub const MAX_COMMAND_SIZE: u32 = 0x11E;
    /// Octets in the largest response.
    pub const MAX_RESPONSE_SIZE: u32 = 0x11F;
    /// Octets in the largest digest.
    pub const MAX_DIGEST: u32 = 0x120;
    /// Octets in the largest context of an object.
    pub const MAX_OBJECT_CONTEXT: u32 = 0x121;
    /// Octets in the largest context of a session.
    pub const MAX_SESSION_CONTEXT: u32 = 0x122;
    /// The platform specification (TPM_PS).
    pub const PS_FAMILY_INDICATOR: u32 = 0x123;
    /// The level of the platform specification.
    pub const PS_LEVEL: u32 = 0x124;
    /// The revision of the platform specification.
    pub const PS_REVISION: u32 = 0x125;
    /// The day of the platform specification.
    pub const PS_DAY_OF_YEAR: u32 = 0x126;
    /// The year of the platform specification.
    pub const PS_YEAR: u32 = 0x127;
    /// Split signing operations that can be open.
    pub const SPLIT_MAX: u32 = 0x128;
    /// Commands implemented.
    pub const TOTAL_COMMANDS: u32 = 0x129;
    /// Commands implemented from the library specification.
    pub const LIBRARY_COMMANDS: u32 = 0x12A;
    /// Commands implemented of the vendor.
    pub const VENDOR_COMMANDS: u32 = 0x12B;
    /// Octets one NV command can move.
    pub const NV_BUFFER_MAX: u32 = 0x12C;
    /// TPMA_MODES.
    pub const MODES: u32 = 0x12D;
    /// Octets in the largest capability answer.
    pub const MAX_CAP_BUFFER: u32 = 0x12E;
    /// The security version of the firmware.
    pub const FIRMWARE_SVN: u32 = 0x12F;
    /// The highest security version the firmware ever had.
    pub const FIRMWARE_MAX_SVN: u32 = 0x130;
    /// TPMA_ML_PARAMETER_SET.
    pub const ML_PARAMETER_SETS: u32 = 0x131;
    /// TPMA_PERMANENT.
    pub const PERMANENT: u32 = 0x200;
    /// TPMA_STARTUP_CLEAR.
    pub const STARTUP_CLEAR: u32 = 0x201;
    /// NV indices defined.
    pub const HR_NV_INDEX: u32 = 0x202;
    /// Sessions loaded.
    pub const HR_LOADED: u32 = 0x203;
    /// Sessions that can still be loaded.
    pub const HR_LOADED_AVAIL: u32 = 0x204;
    /// Sessions that exist, loaded or saved.
    pub const HR_ACTIVE: u32 = 0x205;
    /// Sessions that can still be started.
    pub const HR_ACTIVE_AVAIL: u32 = 0x206;
    /// Transient objects that can still be loaded.
    pub const HR_TRANSIENT_AVAIL: u32 = 0x207;
    /// Persistent objects.
    pub const HR_PERSISTENT: u32 = 0x208;
    /// Persistent objects that still fit.
    pub const HR_PERSISTENT_AVAIL: u32 = 0x209;
    /// NV counters defined.
    pub const NV_COUNTERS: u32 = 0x20A;
    /// NV counters that still fit.
    pub const NV_COUNTERS_AVAIL: u32 = 0x20B;
    /// The algorithm set in use.
    pub const ALGORITHM_SET: u32 = 0x20C;
    /// Curves loaded.
    pub const LOADED_CURVES: u32 = 0x20D;
    /// failedTries.
    pub const LOCKOUT_COUNTER: u32 = 0x20E;
    /// maxTries.
    pub const MAX_AUTH_FAIL: u32 = 0x20F;
    /// recoveryTime, in seconds.
    pub const LOCKOUT_INTERVAL: u32 = 0x210;
    /// lockoutRecovery, in seconds.
    pub const LOCKOUT_RECOVERY: u32 = 0x211;
    /// Milliseconds until NV can be written again.
    pub const NV_WRITE_RECOVERY: u32 = 0x212;
    /// The upper half of the command audit counter.
    pub const AUDIT_COUNTER_0: u32 = 0x213;
    /// The lower half of the command audit counter.
    pub const AUDIT_COUNTER_1: u32 = 0x214;
}

/// TPM_PT_PCR: properties in GetCapability(TPM_CAP_PCR_PROPERTIES); each answers with a selection. Part 2, 6.14.
pub mod pt_pcr {
    /// Kept by Shutdown(STATE).
    pub const SAVE: u32 = 0x00;
    /// Can be extended from locality 0.
    pub const EXTEND_L0: u32 = 0x01;
    /// Can be reset from locality 0.
    pub const RESET_L0: u32 = 0x02;
    /// Can be extended from locality 1.
    pub const EXTEND_L1: u32 = 0x03;
    /// Can be reset from locality 1.
    pub const RESET_L1: u32 = 0x04;
    /// Can be extended from locality 2.
    pub const EXTEND_L2: u32 = 0x05;
    /// Can be reset from locality 2.
    pub const RESET_L2: u32 = 0x06;
    /// Can be extended from locality 3.
    pub const EXTEND_L3: u32 = 0x07;
    /// Can be reset from locality 3.
    pub const RESET_L3: u32 = 0x08;
    /// Can be extended from locality 4.
    pub const EXTEND_L4: u32 = 0x09;
    /// Can be reset from locality 4.
    pub const RESET_L4: u32 = 0x0A;
    /// A change does not count in the PCR update counter.
    pub const NO_INCREMENT: u32 = 0x11;
    /// Reset by a D-RTM event.
    pub const DRTM_RESET: u32 = 0x12;
    /// Has a policy.
    pub const POLICY: u32 = 0x13;
    /// Has an authValue.
    pub const AUTH: u32 = 0x14;
    /// The last property.
    pub const LAST: u32 = 0x14;
}

/// TPM_PS: whose platform specification is followed. Part 2, 6.15.
pub mod ps {
    /// The PC Client profile.
    pub const PC: u32 = 0x0000_0001;
}

/// TPM_CC: the codes of every command of v185, implemented or not. Part 2, 6.5.2.
pub mod cc {
    /// The first code of the library specification.
    pub const FIRST: u32 = 0x0000_011F;
    /// The last code of the library specification.
    pub const LAST: u32 = 0x0000_01AA;
    /// TPM2_NV_UndefineSpaceSpecial.
    pub const NV_UNDEFINE_SPACE_SPECIAL: u32 = 0x0000_011F;
    /// TPM2_EvictControl.
    pub const EVICT_CONTROL: u32 = 0x0000_0120;
    /// TPM2_HierarchyControl.
    pub const HIERARCHY_CONTROL: u32 = 0x0000_0121;
    /// TPM2_NV_UndefineSpace.
    pub const NV_UNDEFINE_SPACE: u32 = 0x0000_0122;
    /// TPM2_ChangeEPS.
    pub const CHANGE_EPS: u32 = 0x0000_0124;
    /// TPM2_ChangePPS.
    pub const CHANGE_PPS: u32 = 0x0000_0125;
    /// TPM2_Clear.
    pub const CLEAR: u32 = 0x0000_0126;
    /// TPM2_ClearControl.
    pub const CLEAR_CONTROL: u32 = 0x0000_0127;
    /// TPM2_ClockSet.
    pub const CLOCK_SET: u32 = 0x0000_0128;
    /// TPM2_HierarchyChangeAuth.
    pub const HIERARCHY_CHANGE_AUTH: u32 = 0x0000_0129;
    /// TPM2_NV_DefineSpace.
    pub const NV_DEFINE_SPACE: u32 = 0x0000_012A;
    /// TPM2_PCR_Allocate.
    pub const PCR_ALLOCATE: u32 = 0x0000_012B;
    /// TPM2_PCR_SetAuthPolicy.
    pub const PCR_SET_AUTH_POLICY: u32 = 0x0000_012C;
    /// TPM2_PP_Commands.
    pub const PP_COMMANDS: u32 = 0x0000_012D;
    /// TPM2_SetPrimaryPolicy.
    pub const SET_PRIMARY_POLICY: u32 = 0x0000_012E;
    /// TPM2_FieldUpgradeStart.
    pub const FIELD_UPGRADE_START: u32 = 0x0000_012F;
    /// TPM2_ClockRateAdjust.
    pub const CLOCK_RATE_ADJUST: u32 = 0x0000_0130;
    /// TPM2_CreatePrimary.
    pub const CREATE_PRIMARY: u32 = 0x0000_0131;
    /// TPM2_NV_GlobalWriteLock.
    pub const NV_GLOBAL_WRITE_LOCK: u32 = 0x0000_0132;
    /// TPM2_GetCommandAuditDigest.
    pub const GET_COMMAND_AUDIT_DIGEST: u32 = 0x0000_0133;
    /// TPM2_NV_Increment.
    pub const NV_INCREMENT: u32 = 0x0000_0134;
    /// TPM2_NV_SetBits.
    pub const NV_SET_BITS: u32 = 0x0000_0135;
    /// TPM2_NV_Extend.
    pub const NV_EXTEND: u32 = 0x0000_0136;
    /// TPM2_NV_Write.
    pub const NV_WRITE: u32 = 0x0000_0137;
    /// TPM2_NV_WriteLock.
    pub const NV_WRITE_LOCK: u32 = 0x0000_0138;
    /// TPM2_DictionaryAttackLockReset.
    pub const DICTIONARY_ATTACK_LOCK_RESET: u32 = 0x0000_0139;
    /// TPM2_DictionaryAttackParameters.
    pub const DICTIONARY_ATTACK_PARAMETERS: u32 = 0x0000_013A;
    /// TPM2_NV_ChangeAuth.
    pub const NV_CHANGE_AUTH: u32 = 0x0000_013B;
    /// TPM2_PCR_Event.
    pub const PCR_EVENT: u32 = 0x0000_013C;
    /// TPM2_PCR_Reset.
    pub const PCR_RESET: u32 = 0x0000_013D;
    /// TPM2_SequenceComplete.
    pub const SEQUENCE_COMPLETE: u32 = 0x0000_013E;
    /// TPM2_SetAlgorithmSet.
    pub const SET_ALGORITHM_SET: u32 = 0x0000_013F;
    /// TPM2_SetCommandCodeAuditStatus.
    pub const SET_COMMAND_CODE_AUDIT_STATUS: u32 = 0x0000_0140;
    /// TPM2_FieldUpgradeData.
    pub const FIELD_UPGRADE_DATA: u32 = 0x0000_0141;
    /// TPM2_IncrementalSelfTest.
    pub const INCREMENTAL_SELF_TEST: u32 = 0x0000_0142;
    /// TPM2_SelfTest.
    pub const SELF_TEST: u32 = 0x0000_0143;
    /// TPM2_Startup.
    pub const STARTUP: u32 = 0x0000_0144;
    /// TPM2_Shutdown.
    pub const SHUTDOWN: u32 = 0x0000_0145;
    /// TPM2_StirRandom.
    pub const STIR_RANDOM: u32 = 0x0000_0146;
    /// TPM2_ActivateCredential.
    pub const ACTIVATE_CREDENTIAL: u32 = 0x0000_0147;
    /// TPM2_Certify.
    pub const CERTIFY: u32 = 0x0000_0148;
    /// TPM2_PolicyNV.
    pub const POLICY_NV: u32 = 0x0000_0149;
    /// TPM2_CertifyCreation.
    pub const CERTIFY_CREATION: u32 = 0x0000_014A;
    /// TPM2_Duplicate.
    pub const DUPLICATE: u32 = 0x0000_014B;
    /// TPM2_GetTime.
    pub const GET_TIME: u32 = 0x0000_014C;
    /// TPM2_GetSessionAuditDigest.
    pub const GET_SESSION_AUDIT_DIGEST: u32 = 0x0000_014D;
    /// TPM2_NV_Read.
    pub const NV_READ: u32 = 0x0000_014E;
    /// TPM2_NV_ReadLock.
    pub const NV_READ_LOCK: u32 = 0x0000_014F;
    /// TPM2_ObjectChangeAuth.
    pub const OBJECT_CHANGE_AUTH: u32 = 0x0000_0150;
    /// TPM2_PolicySecret.
    pub const POLICY_SECRET: u32 = 0x0000_0151;
    /// TPM2_Rewrap.
    pub const REWRAP: u32 = 0x0000_0152;
    /// TPM2_Create.
    pub const CREATE: u32 = 0x0000_0153;
    /// TPM2_ECDH_ZGen.
    pub const ECDH_ZGEN: u32 = 0x0000_0154;
    /// TPM2_HMAC.
    pub const HMAC: u32 = 0x0000_0155;
    /// TPM2_MAC.
    pub const MAC: u32 = 0x0000_0155;
    /// TPM2_Import.
    pub const IMPORT: u32 = 0x0000_0156;
    /// TPM2_Load.
    pub const LOAD: u32 = 0x0000_0157;
    /// TPM2_Quote.
    pub const QUOTE: u32 = 0x0000_0158;
    /// TPM2_RSA_Decrypt.
    pub const RSA_DECRYPT: u32 = 0x0000_0159;
    /// TPM2_HMAC_Start.
    pub const HMAC_START: u32 = 0x0000_015B;
    /// TPM2_MAC_Start.
    pub const MAC_START: u32 = 0x0000_015B;
    /// TPM2_SequenceUpdate.
    pub const SEQUENCE_UPDATE: u32 = 0x0000_015C;
    /// TPM2_Sign.
    pub const SIGN: u32 = 0x0000_015D;
    /// TPM2_Unseal.
    pub const UNSEAL: u32 = 0x0000_015E;
    /// TPM2_PolicySigned.
    pub const POLICY_SIGNED: u32 = 0x0000_0160;
    /// TPM2_ContextLoad.
    pub const CONTEXT_LOAD: u32 = 0x0000_0161;
    /// TPM2_ContextSave.
    pub const CONTEXT_SAVE: u32 = 0x0000_0162;
    /// TPM2_ECDH_KeyGen.
    pub const ECDH_KEYGEN: u32 = 0x0000_0163;
    /// TPM2_EncryptDecrypt.
    pub const ENCRYPT_DECRYPT: u32 = 0x0000_0164;
    /// TPM2_FlushContext.
    pub const FLUSH_CONTEXT: u32 = 0x0000_0165;
    /// TPM2_LoadExternal.
    pub const LOAD_EXTERNAL: u32 = 0x0000_0167;
    /// TPM2_MakeCredential.
    pub const MAKE_CREDENTIAL: u32 = 0x0000_0168;
    /// TPM2_NV_ReadPublic.
    pub const NV_READ_PUBLIC: u32 = 0x0000_0169;
    /// TPM2_PolicyAuthorize.
    pub const POLICY_AUTHORIZE: u32 = 0x0000_016A;
    /// TPM2_PolicyAuthValue.
    pub const POLICY_AUTH_VALUE: u32 = 0x0000_016B;
    /// TPM2_PolicyCommandCode.
    pub const POLICY_COMMAND_CODE: u32 = 0x0000_016C;
    /// TPM2_PolicyCounterTimer.
    pub const POLICY_COUNTER_TIMER: u32 = 0x0000_016D;
    /// TPM2_PolicyCpHash.
    pub const POLICY_CP_HASH: u32 = 0x0000_016E;
    /// TPM2_PolicyLocality.
    pub const POLICY_LOCALITY: u32 = 0x0000_016F;
    /// TPM2_PolicyNameHash.
    pub const POLICY_NAME_HASH: u32 = 0x0000_0170;
    /// TPM2_PolicyOR.
    pub const POLICY_OR: u32 = 0x0000_0171;
    /// TPM2_PolicyTicket.
    pub const POLICY_TICKET: u32 = 0x0000_0172;
    /// TPM2_ReadPublic.
    pub const READ_PUBLIC: u32 = 0x0000_0173;
    /// TPM2_RSA_Encrypt.
    pub const RSA_ENCRYPT: u32 = 0x0000_0174;
    /// TPM2_StartAuthSession.
    pub const START_AUTH_SESSION: u32 = 0x0000_0176;
    /// TPM2_VerifySignature.
    pub const VERIFY_SIGNATURE: u32 = 0x0000_0177;
    /// TPM2_ECC_Parameters.
    pub const ECC_PARAMETERS: u32 = 0x0000_0178;
    /// TPM2_FirmwareRead.
    pub const FIRMWARE_READ: u32 = 0x0000_0179;
    /// TPM2_GetCapability.
    pub const GET_CAPABILITY: u32 = 0x0000_017A;
    /// TPM2_GetRandom.
    pub const GET_RANDOM: u32 = 0x0000_017B;
    /// TPM2_GetTestResult.
    pub const GET_TEST_RESULT: u32 = 0x0000_017C;
    /// TPM2_Hash.
    pub const HASH: u32 = 0x0000_017D;
    /// TPM2_PCR_Read.
    pub const PCR_READ: u32 = 0x0000_017E;
    /// TPM2_PolicyPCR.
    pub const POLICY_PCR: u32 = 0x0000_017F;
    /// TPM2_PolicyRestart.
    pub const POLICY_RESTART: u32 = 0x0000_0180;
    /// TPM2_ReadClock.
    pub const READ_CLOCK: u32 = 0x0000_0181;
    /// TPM2_PCR_Extend.
    pub const PCR_EXTEND: u32 = 0x0000_0182;
    /// TPM2_PCR_SetAuthValue.
    pub const PCR_SET_AUTH_VALUE: u32 = 0x0000_0183;
    /// TPM2_NV_Certify.
    pub const NV_CERTIFY: u32 = 0x0000_0184;
    /// TPM2_EventSequenceComplete.
    pub const EVENT_SEQUENCE_COMPLETE: u32 = 0x0000_0185;
    /// TPM2_HashSequenceStart.
    pub const HASH_SEQUENCE_START: u32 = 0x0000_0186;
    /// TPM2_PolicyPhysicalPresence.
    pub const POLICY_PHYSICAL_PRESENCE: u32 = 0x0000_0187;
    /// TPM2_PolicyDuplicationSelect.
    pub const POLICY_DUPLICATION_SELECT: u32 = 0x0000_0188;
    /// TPM2_PolicyGetDigest.
    pub const POLICY_GET_DIGEST: u32 = 0x0000_0189;
    /// TPM2_TestParms.
    pub const TEST_PARMS: u32 = 0x0000_018A;
    /// TPM2_Commit.
    pub const COMMIT: u32 = 0x0000_018B;
    /// TPM2_PolicyPassword.
    pub const POLICY_PASSWORD: u32 = 0x0000_018C;
    /// TPM2_ZGen_2Phase.
    pub const ZGEN_2PHASE: u32 = 0x0000_018D;
    /// TPM2_EC_Ephemeral.
    pub const EC_EPHEMERAL: u32 = 0x0000_018E;
    /// TPM2_PolicyNvWritten.
    pub const POLICY_NV_WRITTEN: u32 = 0x0000_018F;
    /// TPM2_PolicyTemplate.
    pub const POLICY_TEMPLATE: u32 = 0x0000_0190;
    /// TPM2_CreateLoaded.
    pub const CREATE_LOADED: u32 = 0x0000_0191;
    /// TPM2_PolicyAuthorizeNV.
    pub const POLICY_AUTHORIZE_NV: u32 = 0x0000_0192;
    /// TPM2_EncryptDecrypt2.
    pub const ENCRYPT_DECRYPT2: u32 = 0x0000_0193;
    /// TPM2_AC_GetCapability.
    pub const AC_GET_CAPABILITY: u32 = 0x0000_0194;
    /// TPM2_AC_Send.
    pub const AC_SEND: u32 = 0x0000_0195;
    /// TPM2_Policy_AC_SendSelect.
    pub const POLICY_AC_SEND_SELECT: u32 = 0x0000_0196;
    /// TPM2_CertifyX509.
    pub const CERTIFY_X509: u32 = 0x0000_0197;
    /// TPM2_ACT_SetTimeout.
    pub const ACT_SET_TIMEOUT: u32 = 0x0000_0198;
    /// TPM2_ECC_Encrypt.
    pub const ECC_ENCRYPT: u32 = 0x0000_0199;
    /// TPM2_ECC_Decrypt.
    pub const ECC_DECRYPT: u32 = 0x0000_019A;
    /// TPM2_PolicyCapability.
    pub const POLICY_CAPABILITY: u32 = 0x0000_019B;
    /// TPM2_PolicyParameters.
    pub const POLICY_PARAMETERS: u32 = 0x0000_019C;
    /// TPM2_NV_DefineSpace2.
    pub const NV_DEFINE_SPACE2: u32 = 0x0000_019D;
    /// TPM2_NV_ReadPublic2.
    pub const NV_READ_PUBLIC2: u32 = 0x0000_019E;
    /// TPM2_SetCapability.
    pub const SET_CAPABILITY: u32 = 0x0000_019F;
    /// TPM2_ReadOnlyControl.
    pub const READ_ONLY_CONTROL: u32 = 0x0000_01A0;
    /// TPM2_PolicyTransportSPDM.
    pub const POLICY_TRANSPORT_SPDM: u32 = 0x0000_01A1;
    /// TPM2_VerifySequenceComplete.
    pub const VERIFY_SEQUENCE_COMPLETE: u32 = 0x0000_01A3;
    /// TPM2_SignSequenceComplete.
    pub const SIGN_SEQUENCE_COMPLETE: u32 = 0x0000_01A4;
    /// TPM2_VerifyDigestSignature.
    pub const VERIFY_DIGEST_SIGNATURE: u32 = 0x0000_01A5;
    /// TPM2_SignDigest.
    pub const SIGN_DIGEST: u32 = 0x0000_01A6;
    /// TPM2_Encapsulate.
    pub const ENCAPSULATE: u32 = 0x0000_01A7;
    /// TPM2_Decapsulate.
    pub const DECAPSULATE: u32 = 0x0000_01A8;
    /// TPM2_VerifySequenceStart.
    pub const VERIFY_SEQUENCE_START: u32 = 0x0000_01A9;
    /// TPM2_SignSequenceStart.
    pub const SIGN_SEQUENCE_START: u32 = 0x0000_01AA;
    /// TPM2_Vendor_TCG_Test.
    pub const VENDOR_TCG_TEST: u32 = 0x2000_0000;
}
