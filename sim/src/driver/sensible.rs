//! Commands as drivers send them: about what is there, with parameters that fit.

use super::{Driver, Order, REMEMBERED};
use crate::saved::Look;
use sigillo_client::{Parts, template};
use sigillo_types::{
    EccCurve, HashAlg,
    alg::{AesKeyBits, SymMode},
    attributes::{NvType, TpmaLocality, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bMaxNvBuffer, Tpm2bNonce, Tpm2bSensitiveData},
    cc,
    command::{CommandSpec, Response},
    commands::*,
    constants::{Capability, ClockAdjust, SessionType, StartupType},
    handles::{
        ActHandle, BaseHierarchy, ClearHandle, ContextHandle, EnablesHandle, EndorsementHandle, Hierarchy,
        HierarchyAuthHandle, LockoutHandle, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle,
        PcrHandle, PersistentHandle, PlatformHandle, PolicySessionHandle, ProvisionHandle, rh,
    },
    structures::{
        EccScheme, PcrSelect, SigScheme, SymDef, Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlCc,
        TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic, TpmsPcrSelection, TpmsSensitiveCreate, TpmtHa,
        TpmtPublic, TpmtTkHashcheck,
    },
};

/// Persistent objects and NV indices have a few places, so that they are met again.
const PLACES: u32 = 6;

impl Driver {
    /// A sensible command, or `None` if what was chosen has nothing to work on.
    pub(super) fn sensible(&mut self, look: &Look) -> Option<Order> {
        match self.random.below(20) {
            0..4 => self.about_objects(look),
            4..6 => self.about_sequences(look),
            6..8 => self.about_sessions(look),
            8..13 => self.about_nv(look),
            13..15 => self.about_pcr(),
            15 => self.about_hierarchies(),
            16 | 17 => self.about_contexts(look),
            _ => self.about_the_rest(),
        }
    }

    /// Keeps what later commands can use.
    pub(super) fn remember(&mut self, spec: &CommandSpec, handles: &[u32], parts: &Parts) {
        match spec.code {
            cc::CONTEXT_SAVE => {
                if let Ok(saved) = ContextSaveResponse::from_parts(None, &parts.parameters) {
                    self.contexts.push(saved.context);
                }
            }
            cc::CREATE => {
                if let (Some(parent), Ok(made)) =
                    (handles.first(), CreateResponse::from_parts(None, &parts.parameters))
                {
                    self.made.push((*parent, made));
                }
            }
            _ => {}
        }
        let drop_first = |count: usize| count.saturating_sub(REMEMBERED);
        self.contexts.drain(..drop_first(self.contexts.len()));
        self.made.drain(..drop_first(self.made.len()));
    }

    fn auth(&mut self) -> Tpm2bAuth {
        // Long enough to be told from anything else, or none.
        let count = self.random.pick(&[0, 0, 16, 20]);
        Tpm2bAuth::new(&self.random.octets(count)).unwrap_or_default()
    }

    fn hash_alg(&mut self) -> HashAlg {
        self.random.pick(&[HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha256, HashAlg::Sha384])
    }

    fn hierarchy(&mut self) -> Hierarchy {
        self.random.pick(&[
            Hierarchy::Owner,
            Hierarchy::Owner,
            Hierarchy::Endorsement,
            Hierarchy::Platform,
            Hierarchy::Null,
        ])
    }

    fn provision(&mut self) -> ProvisionHandle {
        self.random.pick(&[ProvisionHandle::Owner, ProvisionHandle::Owner, ProvisionHandle::Platform])
    }

    fn pcrs(&mut self) -> TpmlPcrSelection {
        let hash = self.hash_alg();
        let bits = self.random.next_u64();
        let chosen = (0..24).filter(|pcr| bits & (1 << pcr) != 0).filter_map(|pcr| PcrHandle::new(pcr).ok());
        TpmlPcrSelection::new(vec![TpmsPcrSelection { hash, pcr_select: PcrSelect::of(chosen) }])
            .unwrap_or_default()
    }

    fn new_object(&mut self) -> (Tpm2bSensitiveCreate, Tpm2bPublic) {
        let hash_alg = self.hash_alg();
        let mut data = Tpm2bSensitiveData::default();
        let public_area: TpmtPublic = match self.random.below(24) {
            0..6 => template::ecc_storage(),
            6..10 => template::hmac_key(hash_alg),
            10..14 => {
                data = Tpm2bSensitiveData::new(&self.random.octets(32)).unwrap_or_default();
                template::sealed(Tpm2bDigest::default())
            }
            14..18 => template::ecc_signing(EccCurve::NistP256, None, false),
            18 => {
                let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha384 };
                template::ecc_signing(EccCurve::NistP384, Some(scheme), false)
            }
            19 => template::ecc_decryption(EccCurve::NistP256),
            20..22 => template::ecc_endorsement(),
            22 if self.random.one_in(6) => template::rsa_storage(),
            _ => template::hmac_key(HashAlg::Sha256),
        };
        let sensitive = TpmsSensitiveCreate { user_auth: self.auth(), data };
        (Tpm2bSensitiveCreate { sensitive }, Tpm2bPublic { public_area })
    }

    fn object(
        &mut self,
        look: &Look,
        fits: impl Fn(&crate::saved::LiveObject) -> bool,
    ) -> Option<ObjectHandle> {
        let fitting: Vec<u32> =
            look.objects().iter().filter(|object| fits(object)).map(|object| object.handle).collect();
        if fitting.is_empty() { None } else { ObjectHandle::new(self.random.pick(&fitting)).ok() }
    }

    fn parent(&mut self, look: &Look) -> Option<ObjectHandle> {
        use sigillo_types::attributes::TpmaObject;
        let both = TpmaObject::RESTRICTED | TpmaObject::DECRYPT | TpmaObject::USER_WITH_AUTH;
        self.object(look, |object| object.public.object_attributes.contains(both))
    }

    fn signer(&mut self, look: &Look) -> Option<ObjectHandle> {
        self.object(look, |object| {
            object.public.object_attributes.contains(sigillo_types::attributes::TpmaObject::SIGN)
        })
    }

    fn create_primary(&mut self) -> Order {
        let (in_sensitive, in_public) = self.new_object();
        let primary_handle = self.hierarchy();
        let creation_pcr = self.pcrs();
        Order::of(&CreatePrimary {
            primary_handle,
            in_sensitive,
            in_public,
            outside_info: Default::default(),
            creation_pcr,
        })
    }

    fn about_objects(&mut self, look: &Look) -> Option<Order> {
        if look.objects().is_empty() {
            return Some(self.create_primary());
        }
        Some(match self.random.below(18) {
            0 => self.create_primary(),
            1..4 => {
                let parent_handle = self.parent(look)?;
                let (in_sensitive, in_public) = self.new_object();
                let creation_pcr = self.pcrs();
                Order::of(&Create {
                    parent_handle,
                    in_sensitive,
                    in_public,
                    outside_info: Default::default(),
                    creation_pcr,
                })
            }
            4..7 if !self.made.is_empty() => {
                let (parent, made) = &self.made[self.random.below(self.made.len())];
                let (in_private, in_public) = (made.out_private.clone(), made.out_public.clone());
                Order::of(&Load { parent_handle: ObjectHandle::new(*parent).ok()?, in_private, in_public })
            }
            7 => {
                let objects = look.objects();
                let public = objects.get(self.random.below(objects.len()))?.public.clone();
                let hierarchy = self.hierarchy();
                Order::of(&LoadExternal { in_private: None, in_public: public.into(), hierarchy })
            }
            8 => Order::of(&ReadPublic { object_handle: self.object(look, |_| true)? }),
            9 => Order::of(&Unseal {
                item_handle: self.object(look, |object| {
                    object
                        .public
                        .object_attributes
                        .contains(sigillo_types::attributes::TpmaObject::USER_WITH_AUTH)
                })?,
            }),
            10..12 => {
                let key_handle = self.signer(look)?;
                let hash_alg = self.hash_alg();
                let digest = Tpm2bDigest::new(&self.random.octets(hash_alg.digest_size())).ok()?;
                let scheme = self.random.pick(&[
                    None,
                    Some(SigScheme::Ecdsa { hash_alg }),
                    Some(SigScheme::Hmac { hash_alg }),
                ]);
                Order::of(&Sign {
                    key_handle,
                    digest,
                    in_scheme: scheme,
                    validation: TpmtTkHashcheck::null(),
                })
            }
            12 => {
                let sign_handle = self.signer(look);
                let pcr_select = self.pcrs();
                let in_scheme = sign_handle.map(|_| SigScheme::Ecdsa { hash_alg: HashAlg::Sha256 });
                Order::of(&Quote { sign_handle, qualifying_data: Default::default(), in_scheme, pcr_select })
            }
            13 => {
                let in_scheme = Some(SigScheme::Ecdsa { hash_alg: HashAlg::Sha256 });
                Order::of(&GetTime {
                    privacy_admin_handle: EndorsementHandle::Endorsement,
                    sign_handle: self.signer(look),
                    qualifying_data: Default::default(),
                    in_scheme,
                })
            }
            14 => {
                let (object_handle, parent_handle) = (self.object(look, |_| true)?, self.parent(look)?);
                Order::of(&ObjectChangeAuth { object_handle, parent_handle, new_auth: self.auth() })
            }
            15 => {
                let auth = self.provision();
                let object_handle = self.object(look, |_| true)?;
                let persistent_handle = match object_handle {
                    ObjectHandle::Persistent(handle) => handle,
                    ObjectHandle::Transient(_) => {
                        let base = if auth == ProvisionHandle::Owner { 0x8100_0000 } else { 0x8180_0000 };
                        PersistentHandle::new(base + self.random.next_u64() as u32 % PLACES).ok()?
                    }
                };
                Order::of(&EvictControl { auth, object_handle, persistent_handle })
            }
            16 => {
                let key_handle = self.object(look, |_| true)?;
                Order::of(&EcdhKeyGen { key_handle })
            }
            _ => {
                let flush_handle =
                    ContextHandle::new(0x8000_0000 + self.random.next_u64() as u32 % 3).ok()?;
                Order::of(&FlushContext { flush_handle })
            }
        })
    }

    fn about_sequences(&mut self, look: &Look) -> Option<Order> {
        let sequences: Vec<u32> = look.sequences().iter().map(|(handle, _)| *handle).collect();
        let count = self.random.pick(&[0, 1, 63, 64, 65, 200]);
        let buffer = Tpm2bMaxBuffer::new(&self.random.octets(count)).ok()?;
        if sequences.is_empty() {
            let hash_alg = Some(self.hash_alg()).filter(|_| !self.random.one_in(3));
            return Some(match self.random.below(6) {
                0 => Order::of(&sigillo_types::commands::Hash {
                    data: buffer,
                    hash_alg: self.hash_alg(),
                    hierarchy: self.hierarchy(),
                }),
                1 => {
                    let handle = self.signer(look)?;
                    Order::of(&HmacStart { handle, auth: self.auth(), hash_alg: None })
                }
                2 => {
                    let (key_handle, auth) = (self.signer(look)?, self.auth());
                    Order::of(&SignSequenceStart { key_handle, auth, context: Default::default() })
                }
                3 => Order::of(&VerifySequenceStart {
                    key_handle: self.signer(look)?,
                    auth: self.auth(),
                    hint: Default::default(),
                    context: Default::default(),
                }),
                _ => Order::of(&HashSequenceStart { auth: self.auth(), hash_alg }),
            });
        }
        let sequence_handle = ObjectHandle::new(self.random.pick(&sequences)).ok()?;
        Some(match self.random.below(8) {
            0 => Order::of(&SequenceComplete { sequence_handle, buffer, hierarchy: self.hierarchy() }),
            1 => {
                let pcr_handle = PcrHandle::new(self.random.next_u64() as u32 % 24).ok();
                Order::of(&EventSequenceComplete { pcr_handle, sequence_handle, buffer })
            }
            2 => {
                let key_handle = self.signer(look)?;
                Order::of(&SignSequenceComplete { sequence_handle, key_handle, buffer })
            }
            _ => Order::of(&SequenceUpdate { sequence_handle, buffer }),
        })
    }

    fn about_sessions(&mut self, look: &Look) -> Option<Order> {
        let sessions = look.sessions();
        let policies: Vec<u32> = sessions
            .iter()
            .filter(|session| session.kind != SessionType::Hmac)
            .map(|session| session.handle)
            .collect();
        if sessions.len() < 2 || policies.is_empty() || self.random.one_in(6) {
            let auth_hash = self.hash_alg();
            let symmetric = self.random.pick(&[
                None,
                Some(SymDef::Xor(auth_hash)),
                Some(SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) }),
            ]);
            let session_type = self.random.pick(&[
                SessionType::Hmac,
                SessionType::Hmac,
                SessionType::Policy,
                SessionType::Trial,
            ]);
            let nonce_caller = Tpm2bNonce::new(&self.random.octets(16)).ok()?;
            return Some(Order::of(&StartAuthSession {
                tpm_key: None,
                bind: None,
                nonce_caller,
                encrypted_salt: Default::default(),
                session_type,
                symmetric,
                auth_hash,
            }));
        }
        if self.random.one_in(8) {
            let handle = sessions.get(self.random.below(sessions.len()))?.handle;
            return Some(Order::of(&FlushContext { flush_handle: ContextHandle::new(handle).ok()? }));
        }
        let policy_session = PolicySessionHandle::new(self.random.pick(&policies)).ok()?;
        Some(match self.random.below(8) {
            0 => Order::of(&PolicyRestart { session_handle: policy_session }),
            1 => Order::of(&PolicyAuthValue { policy_session }),
            2 => Order::of(&PolicyPassword { policy_session }),
            3 => Order::of(&PolicyCommandCode {
                policy_session,
                code: self.random.pick(&[cc::UNSEAL, cc::NV_READ, cc::NV_WRITE]),
            }),
            4 => Order::of(&PolicyLocality {
                policy_session,
                locality: self.random.pick(&[TpmaLocality::ZERO, TpmaLocality::ONE | TpmaLocality::ZERO]),
            }),
            5 => {
                let pcrs = self.pcrs();
                Order::of(&PolicyPcr { policy_session, pcr_digest: Default::default(), pcrs })
            }
            _ => Order::of(&PolicyGetDigest { policy_session }),
        })
    }

    fn about_nv(&mut self, look: &Look) -> Option<Order> {
        let indices = look.indices();
        if indices.len() < 2 || self.random.one_in(8) {
            return self.define();
        }
        let index = &indices[self.random.below(indices.len())];
        let legacy = index.public.nv_index;
        let nv_index = NvIndexHandle::from(legacy);
        let auth_handle = match self.random.below(4) {
            0 => NvAuthHandle::Owner,
            1 if self.random.one_in(3) => NvAuthHandle::Platform,
            _ => NvAuthHandle::NvIndex(legacy),
        };
        if self.random.one_in(3) {
            let size = index.public.data_size;
            return Some(Order::of(&NvRead { auth_handle, nv_index, size, offset: 0 }));
        }
        Some(match self.random.below(24) {
            0 => Order::of(&NvReadPublic { nv_index: legacy }),
            1 if self.random.one_in(3) => {
                Order::of(&NvUndefineSpace { auth_handle: self.provision(), nv_index: legacy.into() })
            }
            2 if self.random.one_in(3) => Order::of(&NvWriteLock { auth_handle, nv_index }),
            3 if self.random.one_in(3) => Order::of(&NvReadLock { auth_handle, nv_index }),
            4 if self.random.one_in(6) => Order::of(&NvGlobalWriteLock { auth_handle: self.provision() }),
            _ => match index.public.attributes.nt()? {
                NvType::Counter => Order::of(&NvIncrement { auth_handle, nv_index }),
                NvType::Bits => {
                    Order::of(&NvSetBits { auth_handle, nv_index, bits: 1 << self.random.below(64) })
                }
                NvType::Extend => {
                    let data = Tpm2bMaxNvBuffer::new(&self.random.octets(20)).ok()?;
                    Order::of(&NvExtend { auth_handle, nv_index, data })
                }
                NvType::PinFail | NvType::PinPass => {
                    let data = Tpm2bMaxNvBuffer::new(&[0, 0, 0, 0, 0, 0, 0, 3]).ok()?;
                    Order::of(&NvWrite { auth_handle, nv_index, data, offset: 0 })
                }
                NvType::Ordinary => {
                    let offset = self.random.below(usize::from(index.public.data_size));
                    let count = self.random.below(usize::from(index.public.data_size) - offset + 1).min(900);
                    let data = Tpm2bMaxNvBuffer::new(&self.random.octets(count)).ok()?;
                    Order::of(&NvWrite { auth_handle, nv_index, data, offset: u16::try_from(offset).ok()? })
                }
            },
        })
    }

    fn define(&mut self) -> Option<Order> {
        let nt = self.random.pick(&[
            NvType::Ordinary,
            NvType::Ordinary,
            NvType::Counter,
            NvType::Counter,
            NvType::Bits,
            NvType::Extend,
            NvType::PinFail,
            NvType::PinPass,
        ]);
        let auth_handle = self.provision();
        let mut attributes =
            TpmaNv::AUTHREAD | TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE | TpmaNv::PPREAD | TpmaNv::PPWRITE;
        if nt != NvType::PinFail && nt != NvType::PinPass {
            attributes |= TpmaNv::AUTHWRITE;
        }
        if auth_handle == ProvisionHandle::Platform {
            attributes |= TpmaNv::PLATFORMCREATE;
        }
        for (attribute, times) in [
            (TpmaNv::NO_DA, 2),
            (TpmaNv::ORDERLY, 3),
            (TpmaNv::WRITE_STCLEAR, 4),
            (TpmaNv::READ_STCLEAR, 4),
            (TpmaNv::CLEAR_STCLEAR, 6),
            (TpmaNv::GLOBALLOCK, 8),
        ] {
            if self.random.one_in(times) {
                attributes |= attribute;
            }
        }
        if nt == NvType::PinFail {
            attributes |= TpmaNv::NO_DA;
        }
        let data_size = match nt {
            NvType::Ordinary => self.random.pick(&[1, 8, 64, 700, 2048, 8000]),
            NvType::Extend => 32,
            NvType::Counter | NvType::Bits | NvType::PinFail | NvType::PinPass => 8,
        };
        let base = if auth_handle == ProvisionHandle::Owner { 0x0150_0000 } else { 0x0140_0000 };
        let nv_public = TpmsNvPublic {
            nv_index: NvLegacyIndexHandle::new(base + self.random.next_u64() as u32 % PLACES).ok()?,
            name_alg: HashAlg::Sha256,
            attributes: attributes.with_nt(nt),
            auth_policy: Tpm2bDigest::default(),
            data_size,
        };
        Some(Order::of(&NvDefineSpace {
            auth_handle,
            auth: self.auth(),
            public_info: Tpm2bNvPublic { nv_public },
        }))
    }

    fn about_pcr(&mut self) -> Option<Order> {
        let pcr_handle = PcrHandle::new(self.random.next_u64() as u32 % 24).ok();
        Some(match self.random.below(8) {
            0..3 => {
                let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([self.random.octet(); 32])]).ok()?;
                Order::of(&PcrExtend { pcr_handle, digests })
            }
            3 => {
                let event_data = sigillo_types::buffers::Tpm2bEvent::new(&self.random.octets(40)).ok()?;
                Order::of(&PcrEvent { pcr_handle, event_data })
            }
            4 => Order::of(&PcrReset { pcr_handle: pcr_handle? }),
            5 if self.random.one_in(8) => {
                let pcr_allocation = self.pcrs();
                Order::of(&PcrAllocate { auth_handle: PlatformHandle::Platform, pcr_allocation })
            }
            _ => Order::of(&PcrRead { pcr_selection_in: self.pcrs() }),
        })
    }

    fn about_hierarchies(&mut self) -> Option<Order> {
        let rare = self.random.one_in(8);
        Some(match self.random.below(10) {
            0 if rare => Order::of(&Clear {
                auth_handle: self.random.pick(&[ClearHandle::Lockout, ClearHandle::Platform]),
            }),
            1 if rare => Order::of(&ChangeEps { auth_handle: PlatformHandle::Platform }),
            2 if rare => Order::of(&ChangePps { auth_handle: PlatformHandle::Platform }),
            3 if rare => Order::of(&HierarchyControl {
                auth_handle: BaseHierarchy::Platform,
                enable: self.random.pick(&[EnablesHandle::Owner, EnablesHandle::Endorsement]),
                state: self.random.one_in(2),
            }),
            4 => Order::of(&ClearControl { auth: ClearHandle::Platform, disable: self.random.one_in(4) }),
            5 => Order::of(&DictionaryAttackLockReset { lock_handle: LockoutHandle::Lockout }),
            6 => Order::of(&DictionaryAttackParameters {
                lock_handle: LockoutHandle::Lockout,
                new_max_tries: self.random.pick(&[1, 5, 32, 1000]),
                new_recovery_time: self.random.pick(&[0, 10, 1000, 86_400]),
                lockout_recovery: self.random.pick(&[0, 10, 1000]),
            }),
            _ => {
                let auth_handle = self.random.pick(&[
                    HierarchyAuthHandle::Owner,
                    HierarchyAuthHandle::Endorsement,
                    HierarchyAuthHandle::Platform,
                    HierarchyAuthHandle::Lockout,
                ]);
                Order::of(&HierarchyChangeAuth { auth_handle, new_auth: self.auth() })
            }
        })
    }

    fn about_contexts(&mut self, look: &Look) -> Option<Order> {
        if !self.contexts.is_empty() && self.random.one_in(2) {
            let at = self.random.below(self.contexts.len());
            let context =
                if self.random.one_in(2) { self.contexts.swap_remove(at) } else { self.contexts[at].clone() };
            return Some(Order::of(&ContextLoad { context }));
        }
        let mut handles: Vec<u32> = look.objects().iter().map(|object| object.handle).collect();
        handles.extend(look.sequences().iter().map(|(handle, _)| *handle));
        handles.extend(look.sessions().iter().map(|session| session.handle));
        if handles.is_empty() {
            return None;
        }
        Some(Order::of(&ContextSave { save_handle: ContextHandle::new(self.random.pick(&handles)).ok()? }))
    }

    fn about_the_rest(&mut self) -> Option<Order> {
        Some(match self.random.below(13) {
            0 => Order::of(&GetRandom { bytes_requested: self.random.pick(&[0, 1, 32, 64, 65_535]) }),
            1 => Order::of(&ReadClock {}),
            2 => Order::of(&ClockSet {
                auth: self.provision(),
                new_time: self.random.next_u64() % 10_000_000_000,
            }),
            3 => Order::of(&ClockRateAdjust {
                auth: self.provision(),
                rate_adjust: self.random.pick(&[
                    ClockAdjust::CoarseFaster,
                    ClockAdjust::FineSlower,
                    ClockAdjust::NoChange,
                ]),
            }),
            4 => Order::of(&SelfTest { full_test: self.random.one_in(4) }),
            5 => Order::of(&GetTestResult {}),
            6 => Order::of(&sigillo_types::commands::Shutdown {
                shutdown_type: self.random.pick(&[StartupType::Clear, StartupType::State]),
            }),
            7 => Order::of(&ActSetTimeout {
                act_handle: ActHandle::new(rh::ACT_0).ok()?,
                start_timeout: self.random.pick(&[0, 1, 30, 100_000, u32::MAX]),
            }),
            8 => Order::of(&SetCommandCodeAuditStatus {
                auth: self.provision(),
                audit_alg: None,
                set_list: TpmlCc::new(vec![self.random.pick(&[cc::NV_READ, cc::GET_RANDOM, cc::PCR_EXTEND])])
                    .ok()?,
                clear_list: Default::default(),
            }),
            _ => Order::of(&GetCapability {
                capability: self.random.pick(&[
                    Capability::Handles,
                    Capability::TpmProperties,
                    Capability::Commands,
                    Capability::Pcrs,
                    Capability::Algs,
                    Capability::Act,
                ]),
                property: self.random.pick(&[
                    0,
                    0x100,
                    0x200,
                    0x0100_0000,
                    rh::FIRST,
                    0x8000_0000,
                    0x8100_0000,
                ]),
                property_count: self.random.pick(&[1, 20, 1000]),
            }),
        })
    }
}
