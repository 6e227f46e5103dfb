//! Properties of every type: a value reads back as it was written; what is cut short is refused; no octets panic, and octets that are
//! accepted are the only ones of their value.

mod support;

use proptest::prelude::*;
use sigillo_types::{alg::*, attributes::*, buffers::*, constants::*, handles::*, structures::*, *};
use std::fmt::Debug;
use support::{Sample, Source};

/// A value reads back, and a part of it or more than it does not.
fn reads_back<T: Sample + Marshal + Unmarshal + PartialEq + Debug>(entropy: &[u8]) {
    let value = T::sample(&mut Source::new(entropy));
    let octets = value.to_bytes();
    assert_eq!(T::from_bytes(&octets).as_ref(), Ok(&value));
    for end in cuts(octets.len()) {
        assert!(T::from_bytes(&octets[..end]).is_err(), "{end} of {octets:02x?}");
    }
    let longer = [octets.as_slice(), &[0]].concat();
    assert_eq!(T::from_bytes(&longer), Err(rc::SIZE));
}

/// Where to cut: everywhere near the front, where sizes and selectors stand, and here and there behind it.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |end| *end < 96 || end % 61 == 0 || end + 3 > length)
}

/// Octets that differ a little from a value's, and any octets at all: refused, or read as a value with just these octets.
fn any_octets_are_safe<T: Sample + Marshal + Unmarshal>(entropy: &[u8], place: usize, octet: u8) {
    let mut octets = T::sample(&mut Source::new(entropy)).to_bytes();
    let place = place % octets.len().max(1);
    if let Some(changed) = octets.get_mut(place) {
        *changed = octet;
    }
    for octets in [octets.as_slice(), entropy] {
        if let Ok(value) = T::from_bytes(octets) {
            assert_eq!(value.to_bytes(), octets);
        }
    }
}

macro_rules! properties {
    ($($test:ident: $type:ty,)+) => {
        mod a_value_reads_back_and_a_part_of_it_does_not {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    reads_back::<$type>(&entropy);
                })+
            }
        }

        mod octets_are_refused_or_are_the_only_ones_of_their_value {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(
                    entropy in prop::collection::vec(any::<u8>(), 0..200),
                    place in any::<usize>(),
                    octet in any::<u8>(),
                ) {
                    any_octets_are_safe::<$type>(&entropy, place, octet);
                })+
            }
        }
    };
}

properties! {
    hash_alg: HashAlg,
    ecc_curve: EccCurve,
    object_type: ObjectType,
    sym_mode: SymMode,
    kdf_alg: KdfAlg,
    aes_key_bits: AesKeyBits,
    rsa_key_bits: RsaKeyBits,
    startup_type: StartupType,
    session_type: SessionType,
    operation: Operation,
    clock_adjust: ClockAdjust,
    capability: Capability,
    tpma_algorithm: TpmaAlgorithm,
    tpma_object: TpmaObject,
    tpma_session: TpmaSession,
    tpma_locality: TpmaLocality,
    tpma_permanent: TpmaPermanent,
    tpma_startup_clear: TpmaStartupClear,
    tpma_memory: TpmaMemory,
    tpma_modes: TpmaModes,
    tpma_nv: TpmaNv,
    tpma_cc: TpmaCc,
    tpm2b_digest: Tpm2bDigest,
    tpm2b_data: Tpm2bData,
    tpm2b_nonce: Tpm2bNonce,
    tpm2b_auth: Tpm2bAuth,
    tpm2b_secret_digest: Tpm2bSecretDigest,
    tpm2b_operand: Tpm2bOperand,
    tpm2b_event: Tpm2bEvent,
    tpm2b_max_buffer: Tpm2bMaxBuffer,
    tpm2b_max_nv_buffer: Tpm2bMaxNvBuffer,
    tpm2b_timeout: Tpm2bTimeout,
    tpm2b_iv: Tpm2bIv,
    tpm2b_name: Tpm2bName,
    tpm2b_attest: Tpm2bAttest,
    tpm2b_sym_key: Tpm2bSymKey,
    tpm2b_label: Tpm2bLabel,
    tpm2b_sensitive_data: Tpm2bSensitiveData,
    tpm2b_public_key_rsa: Tpm2bPublicKeyRsa,
    tpm2b_rsa_message: Tpm2bRsaMessage,
    tpm2b_private_key_rsa: Tpm2bPrivateKeyRsa,
    tpm2b_ecc_parameter: Tpm2bEccParameter,
    tpm2b_ecc_private: Tpm2bEccPrivate,
    tpm2b_encrypted_secret: Tpm2bEncryptedSecret,
    tpm2b_private: Tpm2bPrivate,
    tpm2b_id_object: Tpm2bIdObject,
    tpm2b_context_data: Tpm2bContextData,
    tpm2b_template: Tpm2bTemplate,
    pcr_handle: PcrHandle,
    transient_handle: TransientHandle,
    persistent_handle: PersistentHandle,
    hmac_session_handle: HmacSessionHandle,
    policy_session_handle: PolicySessionHandle,
    nv_index_handle: NvIndexHandle,
    object_handle: ObjectHandle,
    parent_handle: ParentHandle,
    entity_handle: EntityHandle,
    auth_session_handle: AuthSessionHandle,
    context_handle: ContextHandle,
    saved_handle: SavedHandle,
    hierarchy: Hierarchy,
    enables_handle: EnablesHandle,
    hierarchy_auth_handle: HierarchyAuthHandle,
    hierarchy_policy_handle: HierarchyPolicyHandle,
    base_hierarchy: BaseHierarchy,
    platform_handle: PlatformHandle,
    endorsement_handle: EndorsementHandle,
    provision_handle: ProvisionHandle,
    clear_handle: ClearHandle,
    lockout_handle: LockoutHandle,
    nv_auth_handle: NvAuthHandle,
    tpmt_ha: TpmtHa,
    pcr_select: PcrSelect,
    tpms_pcr_selection: TpmsPcrSelection,
    tpml_cc: TpmlCc,
    tpml_cca: TpmlCca,
    tpml_alg: TpmlAlg,
    tpml_handle: TpmlHandle,
    tpml_digest: TpmlDigest,
    tpml_digest_min2: TpmlDigestMin2,
    tpml_digest_values: TpmlDigestValues,
    tpml_pcr_selection: TpmlPcrSelection,
    tpml_alg_property: TpmlAlgProperty,
    tpml_tagged_tpm_property: TpmlTaggedTpmProperty,
    tpml_tagged_pcr_property: TpmlTaggedPcrProperty,
    tpml_ecc_curve: TpmlEccCurve,
    tpml_tagged_policy: TpmlTaggedPolicy,
    tpml_act_data: TpmlActData,
    tpmt_tk_creation: TpmtTkCreation,
    tpmt_tk_hashcheck: TpmtTkHashcheck,
    tpmt_tk_verified: TpmtTkVerified,
    tpmt_tk_auth: TpmtTkAuth,
    sym_def: SymDef,
    sym_def_object: SymDefObject,
    keyed_hash_scheme: KeyedHashScheme,
    sig_scheme: SigScheme,
    kdf_scheme: KdfScheme,
    rsa_scheme: RsaScheme,
    rsa_decrypt_scheme: RsaDecryptScheme,
    ecc_scheme: EccScheme,
    public_parms: PublicParms,
    tpmt_public: TpmtPublic,
    tpm2b_public: Tpm2bPublic,
    tpm2b_public_plus: Tpm2bPublicPlus,
    tpm2b_ecc_point: Tpm2bEccPoint,
    tpms_derive: TpmsDerive,
    tpms_algorithm_detail_ecc: TpmsAlgorithmDetailEcc,
    tpm2b_sensitive_create: Tpm2bSensitiveCreate,
    tpmt_sensitive: TpmtSensitive,
    tpm2b_sensitive: Tpm2bSensitive,
    tpmt_signature: TpmtSignature,
    tpms_time_info: TpmsTimeInfo,
    tpms_attest: TpmsAttest,
    tpm2b_creation_data: Tpm2bCreationData,
    capability_data: CapabilityData,
    tpms_auth_command: TpmsAuthCommand,
    tpms_auth_response: TpmsAuthResponse,
    tpms_context: TpmsContext,
    tpms_nv_public: TpmsNvPublic,
    tpm2b_nv_public: Tpm2bNvPublic,
    tpms_nv_pin_counter_parameters: TpmsNvPinCounterParameters,
    hash_alg_or_null: Option<HashAlg>,
    ecc_curve_or_null: Option<EccCurve>,
    sym_mode_or_null: Option<SymMode>,
    kdf_alg_or_null: Option<KdfAlg>,
    object_handle_or_null: Option<ObjectHandle>,
    pcr_handle_or_null: Option<PcrHandle>,
    entity_handle_or_null: Option<EntityHandle>,
    auth_session_handle_or_null: Option<AuthSessionHandle>,
    enables_handle_or_null: Option<EnablesHandle>,
    hierarchy_auth_handle_or_null: Option<HierarchyAuthHandle>,
    endorsement_handle_or_null: Option<EndorsementHandle>,
    tpmt_ha_or_null: Option<TpmtHa>,
    sym_def_or_null: Option<SymDef>,
    sym_def_object_or_null: Option<SymDefObject>,
    keyed_hash_scheme_or_null: Option<KeyedHashScheme>,
    sig_scheme_or_null: Option<SigScheme>,
    kdf_scheme_or_null: Option<KdfScheme>,
    rsa_scheme_or_null: Option<RsaScheme>,
    rsa_decrypt_scheme_or_null: Option<RsaDecryptScheme>,
    ecc_scheme_or_null: Option<EccScheme>,
    tpmt_signature_or_null: Option<TpmtSignature>,
    tpm2b_sensitive_or_null: Option<Tpm2bSensitive>,
}
