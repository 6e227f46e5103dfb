//! Values of every command and response, and the list of them.

use crate::{Sample, Source};
use core::marker::PhantomData;
use sigillo_types::{
    Rc, Reader,
    command::{Command, CommandSpec, Done},
    commands::*,
};

/// A way to make well-formed commands of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What kind.
    pub spec: &'static CommandSpec,
    /// The handles and the parameter area that the octets choose. Each is of the type the declaration says; whether it makes sense
    /// together is left to chance.
    pub make: fn(&mut Source<'_>) -> Areas,
    /// Reads areas, and gives them as they would be written.
    pub read: fn(&[u32], &[u8]) -> Result<Areas, Rc>,
}

/// A command's handles and its parameter area.
pub type Areas = (Vec<u32>, Vec<u8>);

fn areas(command: &impl Command) -> Areas {
    let mut parameters = Vec::new();
    command.marshal_parameters(&mut parameters);
    (command.handles(), parameters)
}

/// A shape for every command.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    EVERY.iter().filter_map(|shape| shape()).collect()
}

/// Tells the commands of the list below from the responses: method lookup takes [`IsCommand`] where it applies.
struct Probe<T>(PhantomData<T>);

trait IsCommand {
    fn shape(&self) -> Option<Shape>;
}

trait IsNot {
    fn shape(&self) -> Option<Shape>;
}

impl<C: Command + Sample> IsCommand for Probe<C> {
    fn shape(&self) -> Option<Shape> {
        Some(Shape {
            spec: C::SPEC,
            make: |s| areas(&C::sample(s)),
            read: |handles, parameters| {
                C::from_parts(handles, Reader::new(parameters)).map(|command| areas(&command))
            },
        })
    }
}

impl<T> IsNot for &Probe<T> {
    fn shape(&self) -> Option<Shape> {
        None
    }
}

macro_rules! every {
    ($($name:ident { $($field:ident),* $(,)? })+) => {
        crate::values::structures! { $($name { $($field),* })+ }
        static EVERY: &[fn() -> Option<Shape>] = &[$(|| (&Probe::<$name>(PhantomData)).shape()),+];
    };
}

every! {
    Done {}
    Startup { startup_type }
    Shutdown { shutdown_type }
    SelfTest { full_test }
    IncrementalSelfTest { to_test }
    IncrementalSelfTestResponse { to_do_list }
    GetTestResult {}
    GetTestResultResponse { out_data, test_result }
    StartAuthSession { tpm_key, bind, nonce_caller, encrypted_salt, session_type, symmetric, auth_hash }
    StartAuthSessionResponse { session_handle, nonce_tpm }
    PolicyRestart { session_handle }
    Create { parent_handle, in_sensitive, in_public, outside_info, creation_pcr }
    CreateResponse { out_private, out_public, creation_data, creation_hash, creation_ticket }
    Load { parent_handle, in_private, in_public }
    LoadResponse { object_handle, name }
    LoadExternal { in_private, in_public, hierarchy }
    LoadExternalResponse { object_handle, name }
    ReadPublic { object_handle }
    ReadPublicResponse { out_public, name, qualified_name }
    ActivateCredential { activate_handle, key_handle, credential_blob, secret }
    ActivateCredentialResponse { cert_info }
    MakeCredential { handle, credential, object_name }
    MakeCredentialResponse { credential_blob, secret }
    Unseal { item_handle }
    UnsealResponse { out_data }
    ObjectChangeAuth { object_handle, parent_handle, new_auth }
    ObjectChangeAuthResponse { out_private }
    CreateLoaded { parent_handle, in_sensitive, in_public }
    CreateLoadedResponse { object_handle, out_private, out_public, name }
    Duplicate { object_handle, new_parent_handle, encryption_key_in, symmetric_alg }
    DuplicateResponse { encryption_key_out, duplicate, out_sym_seed }
    Rewrap { old_parent, new_parent, in_duplicate, name, in_sym_seed }
    RewrapResponse { out_duplicate, out_sym_seed }
    Import { parent_handle, encryption_key, object_public, duplicate, in_sym_seed, symmetric_alg }
    ImportResponse { out_private }
    RsaEncrypt { key_handle, message, in_scheme, label }
    RsaEncryptResponse { out_data }
    RsaDecrypt { key_handle, cipher_text, in_scheme, label }
    RsaDecryptResponse { message }
    EcdhKeyGen { key_handle }
    EcdhKeyGenResponse { z_point, pub_point }
    EcdhZGen { key_handle, in_point }
    EcdhZGenResponse { out_point }
    EccParameters { curve_id }
    EccParametersResponse { parameters }
    ZGen2Phase { key_a, in_qs_b, in_qe_b, in_scheme, counter }
    ZGen2PhaseResponse { out_z1, out_z2 }
    EccEncrypt { key_handle, plain_text, in_scheme }
    EccEncryptResponse { c1, c2, c3 }
    EccDecrypt { key_handle, c1, c2, c3, in_scheme }
    EccDecryptResponse { plain_text }
    EncryptDecrypt { key_handle, decrypt, mode, iv_in, in_data }
    EncryptDecryptResponse { out_data, iv_out }
    EncryptDecrypt2 { key_handle, in_data, decrypt, mode, iv_in }
    EncryptDecrypt2Response { out_data, iv_out }
    Hash { data, hash_alg, hierarchy }
    HashResponse { out_hash, validation }
    Hmac { handle, buffer, hash_alg }
    HmacResponse { out_hmac }
    Mac { handle, buffer, in_scheme }
    MacResponse { out_mac }
    GetRandom { bytes_requested }
    GetRandomResponse { random_bytes }
    StirRandom { in_data }
    HmacStart { handle, auth, hash_alg }
    HmacStartResponse { sequence_handle }
    MacStart { handle, auth, in_scheme }
    MacStartResponse { sequence_handle }
    HashSequenceStart { auth, hash_alg }
    HashSequenceStartResponse { sequence_handle }
    SignSequenceStart { key_handle, auth, context }
    SignSequenceStartResponse { sequence_handle }
    VerifySequenceStart { key_handle, auth, hint, context }
    VerifySequenceStartResponse { sequence_handle }
    SequenceUpdate { sequence_handle, buffer }
    SequenceComplete { sequence_handle, buffer, hierarchy }
    SequenceCompleteResponse { result, validation }
    EventSequenceComplete { pcr_handle, sequence_handle, buffer }
    EventSequenceCompleteResponse { results }
    Certify { object_handle, sign_handle, qualifying_data, in_scheme }
    CertifyResponse { certify_info, signature }
    CertifyCreation { sign_handle, object_handle, qualifying_data, creation_hash, in_scheme, creation_ticket }
    CertifyCreationResponse { certify_info, signature }
    Quote { sign_handle, qualifying_data, in_scheme, pcr_select }
    QuoteResponse { quoted, signature }
    GetSessionAuditDigest { privacy_admin_handle, sign_handle, session_handle, qualifying_data, in_scheme }
    GetSessionAuditDigestResponse { audit_info, signature }
    GetCommandAuditDigest { privacy_handle, sign_handle, qualifying_data, in_scheme }
    GetCommandAuditDigestResponse { audit_info, signature }
    GetTime { privacy_admin_handle, sign_handle, qualifying_data, in_scheme }
    GetTimeResponse { time_info, signature }
    CertifyX509 { object_handle, sign_handle, reserved, in_scheme, partial_certificate }
    CertifyX509Response { added_to_certificate, tbs_digest, signature }
    Commit { sign_handle, p1, s2, y2 }
    CommitResponse { k, l, e, counter }
    EcEphemeral { curve_id }
    EcEphemeralResponse { q, counter }
    VerifySignature { key_handle, digest, signature }
    VerifySignatureResponse { validation }
    VerifySequenceComplete { sequence_handle, key_handle, signature }
    VerifySequenceCompleteResponse { validation }
    VerifyDigestSignature { key_handle, context, digest, signature }
    VerifyDigestSignatureResponse { validation }
    Sign { key_handle, digest, in_scheme, validation }
    SignResponse { signature }
    SignSequenceComplete { sequence_handle, key_handle, buffer }
    SignSequenceCompleteResponse { signature }
    SignDigest { key_handle, context, digest, validation }
    SignDigestResponse { signature }
    SetCommandCodeAuditStatus { auth, audit_alg, set_list, clear_list }
    PcrExtend { pcr_handle, digests }
    PcrEvent { pcr_handle, event_data }
    PcrEventResponse { digests }
    PcrRead { pcr_selection_in }
    PcrReadResponse { pcr_update_counter, pcr_selection_out, pcr_values }
    PcrAllocate { auth_handle, pcr_allocation }
    PcrAllocateResponse { allocation_success, max_pcr, size_needed, size_available }
    PcrSetAuthPolicy { auth_handle, auth_policy, hash_alg, pcr_num }
    PcrSetAuthValue { pcr_handle, auth }
    PcrReset { pcr_handle }
    PolicySigned { auth_object, policy_session, nonce_tpm, cp_hash_a, policy_ref, expiration, auth }
    PolicySignedResponse { timeout, policy_ticket }
    PolicySecret { auth_handle, policy_session, nonce_tpm, cp_hash_a, policy_ref, expiration }
    PolicySecretResponse { timeout, policy_ticket }
    PolicyTicket { policy_session, timeout, cp_hash_a, policy_ref, auth_name, ticket }
    PolicyOr { policy_session, p_hash_list }
    PolicyPcr { policy_session, pcr_digest, pcrs }
    PolicyLocality { policy_session, locality }
    PolicyNv { auth_handle, nv_index, policy_session, operand_b, offset, operation }
    PolicyCounterTimer { policy_session, operand_b, offset, operation }
    PolicyCommandCode { policy_session, code }
    PolicyPhysicalPresence { policy_session }
    PolicyCpHash { policy_session, cp_hash_a }
    PolicyNameHash { policy_session, name_hash }
    PolicyDuplicationSelect { policy_session, object_name, new_parent_name, include_object }
    PolicyAuthorize { policy_session, approved_policy, policy_ref, key_sign, check_ticket }
    PolicyAuthValue { policy_session }
    PolicyPassword { policy_session }
    PolicyGetDigest { policy_session }
    PolicyGetDigestResponse { policy_digest }
    PolicyNvWritten { policy_session, written_set }
    PolicyTemplate { policy_session, template_hash }
    PolicyAuthorizeNv { auth_handle, nv_index, policy_session }
    PolicyCapability { policy_session, operand_b, offset, operation, capability, property }
    PolicyParameters { policy_session, p_hash }
    PolicyTransportSpdm { policy_session, req_key_name, tpm_key_name }
    CreatePrimary { primary_handle, in_sensitive, in_public, outside_info, creation_pcr }
    CreatePrimaryResponse { object_handle, out_public, creation_data, creation_hash, creation_ticket, name }
    HierarchyControl { auth_handle, enable, state }
    SetPrimaryPolicy { auth_handle, auth_policy, hash_alg }
    ChangePps { auth_handle }
    ChangeEps { auth_handle }
    Clear { auth_handle }
    ClearControl { auth, disable }
    HierarchyChangeAuth { auth_handle, new_auth }
    ReadOnlyControl { auth_handle, state }
    DictionaryAttackLockReset { lock_handle }
    DictionaryAttackParameters { lock_handle, new_max_tries, new_recovery_time, lockout_recovery }
    PpCommands { auth, set_list, clear_list }
    SetAlgorithmSet { auth_handle, algorithm_set }
    ContextSave { save_handle }
    ContextSaveResponse { context }
    ContextLoad { context }
    ContextLoadResponse { loaded_handle }
    FlushContext { flush_handle }
    EvictControl { auth, object_handle, persistent_handle }
    ReadClock {}
    ReadClockResponse { current_time }
    ClockSet { auth, new_time }
    ClockRateAdjust { auth, rate_adjust }
    GetCapability { capability, property, property_count }
    GetCapabilityResponse { more_data, capability_data }
    TestParms { parameters }
    SetCapability { auth_handle, set_capability_data }
    NvDefineSpace { auth_handle, auth, public_info }
    NvUndefineSpace { auth_handle, nv_index }
    NvUndefineSpaceSpecial { nv_index, platform }
    NvReadPublic { nv_index }
    NvReadPublicResponse { nv_public, nv_name }
    NvWrite { auth_handle, nv_index, data, offset }
    NvIncrement { auth_handle, nv_index }
    NvExtend { auth_handle, nv_index, data }
    NvSetBits { auth_handle, nv_index, bits }
    NvWriteLock { auth_handle, nv_index }
    NvGlobalWriteLock { auth_handle }
    NvRead { auth_handle, nv_index, size, offset }
    NvReadResponse { data }
    NvReadLock { auth_handle, nv_index }
    NvChangeAuth { nv_index, new_auth }
    NvCertify { sign_handle, auth_handle, nv_index, qualifying_data, in_scheme, size, offset }
    NvCertifyResponse { certify_info, signature }
    NvDefineSpace2 { auth_handle, auth, public_info }
    NvReadPublic2 { nv_index }
    NvReadPublic2Response { nv_public, nv_name }
    ActSetTimeout { act_handle, start_timeout }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_command_has_a_shape() {
        let shapes = shapes();
        for spec in ALL {
            assert!(shapes.iter().any(|shape| shape.spec.code == spec.code), "{}", spec.name);
        }
    }
}
