//! Properties of every command and response, with `tpm2-protocol` as an encoder and decoder that is not ours.

use proptest::prelude::*;
use sigillo_sample::{Sample, Source};
use sigillo_types::{
    Fmt1, Position, Rc, Reader,
    command::{Command, Response},
    commands::*,
    rc,
};
use std::fmt::Debug;
use tpm2_protocol::{
    TpmWriter,
    frame::{self, TpmMarshalBody, TpmUnmarshalBody},
};

/// The handle and parameter areas of a body of the other crate.
fn areas<T: TpmMarshalBody>(body: &T) -> (Vec<u8>, Vec<u8>) {
    let write = |area: &dyn Fn(&mut TpmWriter<'_>) -> tpm2_protocol::TpmResult<()>| {
        let mut buffer = vec![0; 8192];
        let mut writer = TpmWriter::new(&mut buffer);
        area(&mut writer).unwrap();
        let length = writer.len();
        buffer.truncate(length);
        buffer
    };
    (write(&|w| body.marshal_handles(w)), write(&|w| body.marshal_parameters(w)))
}

fn command_reads_back<C: Command + Sample + PartialEq + Debug>(entropy: &[u8]) {
    let command = C::sample(&mut Source::new(entropy));
    let handles = command.handles();
    let mut parameters = Vec::new();
    command.marshal_parameters(&mut parameters);
    assert_eq!(C::from_parts(&handles, Reader::new(&parameters)).as_ref(), Ok(&command));
    for (handle, spec) in handles.iter().zip(C::SPEC.handles) {
        assert_eq!((spec.check)(*handle), Ok(()), "{}", spec.name);
    }

    for end in (0..parameters.len()).filter(|end| *end < 96 || end % 61 == 0) {
        let refused = C::from_parts(&handles, Reader::new(&parameters[..end])).unwrap_err();
        assert!(matches!(refused.position(), Some(Position::Parameter(_))), "{refused:?}");
    }
    parameters.push(0);
    assert_eq!(C::from_parts(&handles, Reader::new(&parameters)), Err(Rc::from(rc::SIZE)));
    if let Some((_, fewer)) = handles.split_last() {
        let position = Position::Handle(u8::try_from(handles.len()).unwrap());
        assert_eq!(C::from_parts(fewer, Reader::new(&parameters)), Err(rc::INSUFFICIENT.at(position)));
    }
}

/// The other crate reads our octets and writes the same ones.
fn command_agrees<C: Command + Sample, Other: TpmUnmarshalBody + TpmMarshalBody + Debug>(entropy: &[u8]) {
    assert_eq!(Other::CC.value(), C::SPEC.code);
    assert_eq!(Other::HANDLES, C::SPEC.handles.len());
    let command = C::sample(&mut Source::common(entropy));
    let handles: Vec<u8> = command.handles().iter().flat_map(|handle| handle.to_be_bytes()).collect();
    let mut parameters = Vec::new();
    command.marshal_parameters(&mut parameters);
    let other = Other::unmarshal_body(&handles, &parameters)
        .unwrap_or_else(|error| panic!("{}: {error:?}: {parameters:02x?}", C::SPEC.name));
    assert_eq!(areas(&other), (handles, parameters));
}

fn response_parts<R: Response>(response: &R) -> (Option<u32>, Vec<u8>) {
    let mut parameters = Vec::new();
    response.marshal_parameters(&mut parameters);
    (response.handle(), parameters)
}

fn response_reads_back<R: Response + Sample + PartialEq + Debug>(entropy: &[u8]) {
    let response = R::sample(&mut Source::new(entropy));
    let (handle, parameters) = response_parts(&response);
    assert_eq!(handle.is_some(), R::HANDLE);
    assert_eq!(R::from_parts(handle, &parameters).as_ref(), Ok(&response));
    for end in (0..parameters.len()).filter(|end| *end < 96 || end % 61 == 0) {
        let _: Fmt1 = R::from_parts(handle, &parameters[..end]).unwrap_err();
    }
}

fn response_agrees<R: Response + Sample, Other: TpmUnmarshalBody + TpmMarshalBody + Debug>(entropy: &[u8]) {
    assert_eq!(Other::HANDLES, usize::from(R::HANDLE));
    let (handle, parameters) = response_parts(&R::sample(&mut Source::common(entropy)));
    let handle: Vec<u8> = handle.map(u32::to_be_bytes).into_iter().flatten().collect();
    let other = Other::unmarshal_body(&handle, &parameters)
        .unwrap_or_else(|error| panic!("{error:?}: {parameters:02x?}"));
    assert_eq!(areas(&other), (handle, parameters));
}

type ResponseOf<C> = <C as Command>::Response;

macro_rules! properties {
    ($($test:ident: $command:ident, $other_command:ident, $other_response:ident;)+) => {
        mod a_command_reads_back_and_a_part_of_it_does_not {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    command_reads_back::<$command>(&entropy);
                })+
            }
        }

        mod a_response_reads_back_and_a_part_of_it_does_not {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    response_reads_back::<ResponseOf<$command>>(&entropy);
                })+
            }
        }

        mod another_implementation_reads_and_writes_the_same_command {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    command_agrees::<$command, frame::$other_command>(&entropy);
                })+
            }
        }

        mod another_implementation_reads_and_writes_the_same_response {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    response_agrees::<ResponseOf<$command>, frame::$other_response>(&entropy);
                })+
            }
        }
    };
}

properties! {
    startup: Startup, TpmStartupCommand, TpmStartupResponse;
    shutdown: Shutdown, TpmShutdownCommand, TpmShutdownResponse;
    self_test: SelfTest, TpmSelfTestCommand, TpmSelfTestResponse;
    incremental_self_test: IncrementalSelfTest, TpmIncrementalSelfTestCommand, TpmIncrementalSelfTestResponse;
    get_test_result: GetTestResult, TpmGetTestResultCommand, TpmGetTestResultResponse;
    start_auth_session: StartAuthSession, TpmStartAuthSessionCommand, TpmStartAuthSessionResponse;
    policy_restart: PolicyRestart, TpmPolicyRestartCommand, TpmPolicyRestartResponse;
    create: Create, TpmCreateCommand, TpmCreateResponse;
    load: Load, TpmLoadCommand, TpmLoadResponse;
    load_external: LoadExternal, TpmLoadExternalCommand, TpmLoadExternalResponse;
    read_public: ReadPublic, TpmReadPublicCommand, TpmReadPublicResponse;
    activate_credential: ActivateCredential, TpmActivateCredentialCommand, TpmActivateCredentialResponse;
    make_credential: MakeCredential, TpmMakeCredentialCommand, TpmMakeCredentialResponse;
    unseal: Unseal, TpmUnsealCommand, TpmUnsealResponse;
    object_change_auth: ObjectChangeAuth, TpmObjectChangeAuthCommand, TpmObjectChangeAuthResponse;
    create_loaded: CreateLoaded, TpmCreateLoadedCommand, TpmCreateLoadedResponse;
    duplicate: Duplicate, TpmDuplicateCommand, TpmDuplicateResponse;
    rewrap: Rewrap, TpmRewrapCommand, TpmRewrapResponse;
    import: Import, TpmImportCommand, TpmImportResponse;
    rsa_encrypt: RsaEncrypt, TpmRsaEncryptCommand, TpmRsaEncryptResponse;
    rsa_decrypt: RsaDecrypt, TpmRsaDecryptCommand, TpmRsaDecryptResponse;
    ecdh_key_gen: EcdhKeyGen, TpmEcdhKeyGenCommand, TpmEcdhKeyGenResponse;
    ecdh_zgen: EcdhZGen, TpmEcdhZGenCommand, TpmEcdhZGenResponse;
    ecc_parameters: EccParameters, TpmEccParametersCommand, TpmEccParametersResponse;
    ecc_encrypt: EccEncrypt, TpmEccEncryptCommand, TpmEccEncryptResponse;
    ecc_decrypt: EccDecrypt, TpmEccDecryptCommand, TpmEccDecryptResponse;
    encrypt_decrypt: EncryptDecrypt, TpmEncryptDecryptCommand, TpmEncryptDecryptResponse;
    encrypt_decrypt2: EncryptDecrypt2, TpmEncryptDecrypt2Command, TpmEncryptDecrypt2Response;
    hash: Hash, TpmHashCommand, TpmHashResponse;
    hmac: Hmac, TpmHmacCommand, TpmHmacResponse;
    get_random: GetRandom, TpmGetRandomCommand, TpmGetRandomResponse;
    stir_random: StirRandom, TpmStirRandomCommand, TpmStirRandomResponse;
    hmac_start: HmacStart, TpmHmacStartCommand, TpmHmacStartResponse;
    hash_sequence_start: HashSequenceStart, TpmHashSequenceStartCommand, TpmHashSequenceStartResponse;
    sequence_update: SequenceUpdate, TpmSequenceUpdateCommand, TpmSequenceUpdateResponse;
    sequence_complete: SequenceComplete, TpmSequenceCompleteCommand, TpmSequenceCompleteResponse;
    event_sequence_complete: EventSequenceComplete, TpmEventSequenceCompleteCommand, TpmEventSequenceCompleteResponse;
    certify: Certify, TpmCertifyCommand, TpmCertifyResponse;
    certify_creation: CertifyCreation, TpmCertifyCreationCommand, TpmCertifyCreationResponse;
    quote: Quote, TpmQuoteCommand, TpmQuoteResponse;
    get_session_audit_digest: GetSessionAuditDigest, TpmGetSessionAuditDigestCommand, TpmGetSessionAuditDigestResponse;
    get_command_audit_digest: GetCommandAuditDigest, TpmGetCommandAuditDigestCommand, TpmGetCommandAuditDigestResponse;
    get_time: GetTime, TpmGetTimeCommand, TpmGetTimeResponse;
    verify_signature: VerifySignature, TpmVerifySignatureCommand, TpmVerifySignatureResponse;
    sign: Sign, TpmSignCommand, TpmSignResponse;
    set_command_code_audit_status: SetCommandCodeAuditStatus, TpmSetCommandCodeAuditStatusCommand, TpmSetCommandCodeAuditStatusResponse;
    pcr_extend: PcrExtend, TpmPcrExtendCommand, TpmPcrExtendResponse;
    pcr_event: PcrEvent, TpmPcrEventCommand, TpmPcrEventResponse;
    pcr_read: PcrRead, TpmPcrReadCommand, TpmPcrReadResponse;
    pcr_allocate: PcrAllocate, TpmPcrAllocateCommand, TpmPcrAllocateResponse;
    pcr_set_auth_policy: PcrSetAuthPolicy, TpmPcrSetAuthPolicyCommand, TpmPcrSetAuthPolicyResponse;
    pcr_set_auth_value: PcrSetAuthValue, TpmPcrSetAuthValueCommand, TpmPcrSetAuthValueResponse;
    pcr_reset: PcrReset, TpmPcrResetCommand, TpmPcrResetResponse;
    policy_signed: PolicySigned, TpmPolicySignedCommand, TpmPolicySignedResponse;
    policy_secret: PolicySecret, TpmPolicySecretCommand, TpmPolicySecretResponse;
    policy_ticket: PolicyTicket, TpmPolicyTicketCommand, TpmPolicyTicketResponse;
    policy_or: PolicyOr, TpmPolicyOrCommand, TpmPolicyOrResponse;
    policy_pcr: PolicyPcr, TpmPolicyPcrCommand, TpmPolicyPcrResponse;
    policy_locality: PolicyLocality, TpmPolicyLocalityCommand, TpmPolicyLocalityResponse;
    policy_nv: PolicyNv, TpmPolicyNvCommand, TpmPolicyNvResponse;
    policy_counter_timer: PolicyCounterTimer, TpmPolicyCounterTimerCommand, TpmPolicyCounterTimerResponse;
    policy_command_code: PolicyCommandCode, TpmPolicyCommandCodeCommand, TpmPolicyCommandCodeResponse;
    policy_physical_presence: PolicyPhysicalPresence, TpmPolicyPhysicalPresenceCommand, TpmPolicyPhysicalPresenceResponse;
    policy_cp_hash: PolicyCpHash, TpmPolicyCpHashCommand, TpmPolicyCpHashResponse;
    policy_name_hash: PolicyNameHash, TpmPolicyNameHashCommand, TpmPolicyNameHashResponse;
    policy_duplication_select: PolicyDuplicationSelect, TpmPolicyDuplicationSelectCommand, TpmPolicyDuplicationSelectResponse;
    policy_authorize: PolicyAuthorize, TpmPolicyAuthorizeCommand, TpmPolicyAuthorizeResponse;
    policy_auth_value: PolicyAuthValue, TpmPolicyAuthValueCommand, TpmPolicyAuthValueResponse;
    policy_password: PolicyPassword, TpmPolicyPasswordCommand, TpmPolicyPasswordResponse;
    policy_get_digest: PolicyGetDigest, TpmPolicyGetDigestCommand, TpmPolicyGetDigestResponse;
    policy_nv_written: PolicyNvWritten, TpmPolicyNvWrittenCommand, TpmPolicyNvWrittenResponse;
    policy_template: PolicyTemplate, TpmPolicyTemplateCommand, TpmPolicyTemplateResponse;
    policy_authorize_nv: PolicyAuthorizeNv, TpmPolicyAuthorizeNvCommand, TpmPolicyAuthorizeNvResponse;
    policy_parameters: PolicyParameters, TpmPolicyParametersCommand, TpmPolicyParametersResponse;
    create_primary: CreatePrimary, TpmCreatePrimaryCommand, TpmCreatePrimaryResponse;
    hierarchy_control: HierarchyControl, TpmHierarchyControlCommand, TpmHierarchyControlResponse;
    set_primary_policy: SetPrimaryPolicy, TpmSetPrimaryPolicyCommand, TpmSetPrimaryPolicyResponse;
    change_pps: ChangePps, TpmChangePpsCommand, TpmChangePpsResponse;
    change_eps: ChangeEps, TpmChangeEpsCommand, TpmChangeEpsResponse;
    clear: Clear, TpmClearCommand, TpmClearResponse;
    clear_control: ClearControl, TpmClearControlCommand, TpmClearControlResponse;
    hierarchy_change_auth: HierarchyChangeAuth, TpmHierarchyChangeAuthCommand, TpmHierarchyChangeAuthResponse;
    read_only_control: ReadOnlyControl, TpmReadOnlyControlCommand, TpmReadOnlyControlResponse;
    dictionary_attack_lock_reset: DictionaryAttackLockReset, TpmDictionaryAttackLockResetCommand, TpmDictionaryAttackLockResetResponse;
    dictionary_attack_parameters: DictionaryAttackParameters, TpmDictionaryAttackParametersCommand, TpmDictionaryAttackParametersResponse;
    pp_commands: PpCommands, TpmPpCommandsCommand, TpmPpCommandsResponse;
    set_algorithm_set: SetAlgorithmSet, TpmSetAlgorithmSetCommand, TpmSetAlgorithmSetResponse;
    context_save: ContextSave, TpmContextSaveCommand, TpmContextSaveResponse;
    context_load: ContextLoad, TpmContextLoadCommand, TpmContextLoadResponse;
    flush_context: FlushContext, TpmFlushContextCommand, TpmFlushContextResponse;
    evict_control: EvictControl, TpmEvictControlCommand, TpmEvictControlResponse;
    read_clock: ReadClock, TpmReadClockCommand, TpmReadClockResponse;
    clock_set: ClockSet, TpmClockSetCommand, TpmClockSetResponse;
    clock_rate_adjust: ClockRateAdjust, TpmClockRateAdjustCommand, TpmClockRateAdjustResponse;
    get_capability: GetCapability, TpmGetCapabilityCommand, TpmGetCapabilityResponse;
    test_parms: TestParms, TpmTestParmsCommand, TpmTestParmsResponse;
    nv_define_space: NvDefineSpace, TpmNvDefineSpaceCommand, TpmNvDefineSpaceResponse;
    nv_undefine_space: NvUndefineSpace, TpmNvUndefineSpaceCommand, TpmNvUndefineSpaceResponse;
    nv_undefine_space_special: NvUndefineSpaceSpecial, TpmNvUndefineSpaceSpecialCommand, TpmNvUndefineSpaceSpecialResponse;
    nv_read_public: NvReadPublic, TpmNvReadPublicCommand, TpmNvReadPublicResponse;
    nv_write: NvWrite, TpmNvWriteCommand, TpmNvWriteResponse;
    nv_increment: NvIncrement, TpmNvIncrementCommand, TpmNvIncrementResponse;
    nv_extend: NvExtend, TpmNvExtendCommand, TpmNvExtendResponse;
    nv_set_bits: NvSetBits, TpmNvSetBitsCommand, TpmNvSetBitsResponse;
    nv_write_lock: NvWriteLock, TpmNvWriteLockCommand, TpmNvWriteLockResponse;
    nv_global_write_lock: NvGlobalWriteLock, TpmNvGlobalWriteLockCommand, TpmNvGlobalWriteLockResponse;
    nv_read: NvRead, TpmNvReadCommand, TpmNvReadResponse;
    nv_read_lock: NvReadLock, TpmNvReadLockCommand, TpmNvReadLockResponse;
    nv_change_auth: NvChangeAuth, TpmNvChangeAuthCommand, TpmNvChangeAuthResponse;
    nv_certify: NvCertify, TpmNvCertifyCommand, TpmNvCertifyResponse;
    act_set_timeout: ActSetTimeout, TpmActSetTimeoutCommand, TpmActSetTimeoutResponse;
}

proptest! {
    /// The other crate has other parameters than Part 3, 23.23.
    #[test]
    fn policy_capability_reads_back(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
        command_reads_back::<PolicyCapability>(&entropy);
    }

    /// The other crate does not know these commands.
    #[test]
    fn the_latest_commands_read_back(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
        command_reads_back::<PolicyTransportSpdm>(&entropy);
        command_reads_back::<SetCapability>(&entropy);
    }

    /// The other crate does not know this command.
    #[test]
    fn certify_x509_reads_back(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
        command_reads_back::<CertifyX509>(&entropy);
        response_reads_back::<CertifyX509Response>(&entropy);
    }

    /// The other crate does not know external indices.
    #[test]
    fn nv_define_space2_and_nv_read_public2_read_back(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
        command_reads_back::<NvDefineSpace2>(&entropy);
        command_reads_back::<NvReadPublic2>(&entropy);
        response_reads_back::<NvReadPublic2Response>(&entropy);
    }
}
