//! The commands, one file for each clause of Part 3.

pub mod act;
pub mod asymmetric;
pub mod attestation;
pub mod audit;
pub mod capability;
pub mod clock;
pub mod context;
pub mod dictionary_attack;
pub mod duplication;
pub mod ephemeral;
pub mod hierarchy;
pub mod management;
pub mod nv;
pub mod object;
pub mod pcr;
pub mod policy;
pub mod random;
pub mod sequence;
pub mod session;
pub mod signature;
pub mod startup;
pub mod symmetric;
pub mod testing;

use crate::command::{Command, CommandSpec};

pub use act::*;
pub use asymmetric::*;
pub use attestation::*;
pub use audit::*;
pub use capability::*;
pub use clock::*;
pub use context::*;
pub use dictionary_attack::*;
pub use duplication::*;
pub use ephemeral::*;
pub use hierarchy::*;
pub use management::*;
pub use nv::*;
pub use object::*;
pub use pcr::*;
pub use policy::*;
pub use random::*;
pub use sequence::*;
pub use session::*;
pub use signature::*;
pub use startup::*;
pub use symmetric::*;
pub use testing::*;

/// Every command that is declared, in the order of Part 3. A declaration is not an implementation.
pub const ALL: &[&CommandSpec] = &[
    Startup::SPEC,
    Shutdown::SPEC,
    SelfTest::SPEC,
    IncrementalSelfTest::SPEC,
    GetTestResult::SPEC,
    StartAuthSession::SPEC,
    PolicyRestart::SPEC,
    Create::SPEC,
    Load::SPEC,
    LoadExternal::SPEC,
    ReadPublic::SPEC,
    ActivateCredential::SPEC,
    MakeCredential::SPEC,
    Unseal::SPEC,
    ObjectChangeAuth::SPEC,
    CreateLoaded::SPEC,
    Duplicate::SPEC,
    Rewrap::SPEC,
    Import::SPEC,
    RsaEncrypt::SPEC,
    RsaDecrypt::SPEC,
    EcdhKeyGen::SPEC,
    EcdhZGen::SPEC,
    EccParameters::SPEC,
    ZGen2Phase::SPEC,
    EccEncrypt::SPEC,
    EccDecrypt::SPEC,
    EncryptDecrypt::SPEC,
    EncryptDecrypt2::SPEC,
    Hash::SPEC,
    Hmac::SPEC,
    Mac::SPEC,
    GetRandom::SPEC,
    StirRandom::SPEC,
    HmacStart::SPEC,
    MacStart::SPEC,
    HashSequenceStart::SPEC,
    SignSequenceStart::SPEC,
    VerifySequenceStart::SPEC,
    SequenceUpdate::SPEC,
    SequenceComplete::SPEC,
    EventSequenceComplete::SPEC,
    Certify::SPEC,
    CertifyCreation::SPEC,
    Quote::SPEC,
    GetSessionAuditDigest::SPEC,
    GetCommandAuditDigest::SPEC,
    GetTime::SPEC,
    CertifyX509::SPEC,
    Commit::SPEC,
    EcEphemeral::SPEC,
    VerifySignature::SPEC,
    VerifySequenceComplete::SPEC,
    VerifyDigestSignature::SPEC,
    Sign::SPEC,
    SignSequenceComplete::SPEC,
    SignDigest::SPEC,
    SetCommandCodeAuditStatus::SPEC,
    PcrExtend::SPEC,
    PcrEvent::SPEC,
    PcrRead::SPEC,
    PcrAllocate::SPEC,
    PcrSetAuthPolicy::SPEC,
    PcrSetAuthValue::SPEC,
    PcrReset::SPEC,
    PolicySigned::SPEC,
    PolicySecret::SPEC,
    PolicyTicket::SPEC,
    PolicyOr::SPEC,
    PolicyPcr::SPEC,
    PolicyLocality::SPEC,
    PolicyNv::SPEC,
    PolicyCounterTimer::SPEC,
    PolicyCommandCode::SPEC,
    PolicyPhysicalPresence::SPEC,
    PolicyCpHash::SPEC,
    PolicyNameHash::SPEC,
    PolicyDuplicationSelect::SPEC,
    PolicyAuthorize::SPEC,
    PolicyAuthValue::SPEC,
    PolicyPassword::SPEC,
    PolicyGetDigest::SPEC,
    PolicyNvWritten::SPEC,
    PolicyTemplate::SPEC,
    PolicyAuthorizeNv::SPEC,
    PolicyCapability::SPEC,
    PolicyParameters::SPEC,
    PolicyTransportSpdm::SPEC,
    CreatePrimary::SPEC,
    HierarchyControl::SPEC,
    SetPrimaryPolicy::SPEC,
    ChangePps::SPEC,
    ChangeEps::SPEC,
    Clear::SPEC,
    ClearControl::SPEC,
    HierarchyChangeAuth::SPEC,
    ReadOnlyControl::SPEC,
    DictionaryAttackLockReset::SPEC,
    DictionaryAttackParameters::SPEC,
    PpCommands::SPEC,
    SetAlgorithmSet::SPEC,
    ContextSave::SPEC,
    ContextLoad::SPEC,
    FlushContext::SPEC,
    EvictControl::SPEC,
    ReadClock::SPEC,
    ClockSet::SPEC,
    ClockRateAdjust::SPEC,
    GetCapability::SPEC,
    TestParms::SPEC,
    SetCapability::SPEC,
    NvDefineSpace::SPEC,
    NvUndefineSpace::SPEC,
    NvUndefineSpaceSpecial::SPEC,
    NvReadPublic::SPEC,
    NvWrite::SPEC,
    NvIncrement::SPEC,
    NvExtend::SPEC,
    NvSetBits::SPEC,
    NvWriteLock::SPEC,
    NvGlobalWriteLock::SPEC,
    NvRead::SPEC,
    NvReadLock::SPEC,
    NvChangeAuth::SPEC,
    NvCertify::SPEC,
    NvDefineSpace2::SPEC,
    NvReadPublic2::SPEC,
    ActSetTimeout::SPEC,
];
