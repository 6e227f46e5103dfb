//! A command for both TPMs, made of what they hold.

use super::{
    sessions::{self, Hmac, PolicyAuth},
    values::{self, sized},
    world::{Both, Entity, Kind, Record, World},
};
use crate::spec::CommandRow;
use sigillo_sample::Random;
use sigillo_types::{
    attributes::TpmaObject,
    command::CommandSpec,
    handles::{hc, rh},
};

/// One entry of the authorization area.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) session: u32,
    pub(crate) nonce: Vec<u8>,
    pub(crate) attributes: u8,
    pub(crate) hmac: Proof,
}

/// What stands in the field `hmac`.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A password, nothing, or a wrong HMAC.
    Octets(Vec<u8>),
    /// The HMAC of a session.
    Hmac(Box<Hmac>),
}

/// What is spoiled in a whole command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    /// Cut at this many octets from the end.
    Cut(usize),
    /// Octets behind the end, with the size field telling of them.
    Longer(usize),
    /// One bit of the octet this far from the end.
    Bit(usize, u8),
    Tag(u16),
    /// The size field alone.
    Size(i8),
}

/// A command.
pub(crate) struct Request {
    pub(crate) row: &'static CommandRow,
    pub(crate) spec: &'static CommandSpec,
    pub(crate) handles: Vec<u32>,
    pub(crate) authorizations: Vec<Authorization>,
    pub(crate) parameters: Vec<Both>,
    pub(crate) damage: Option<Damage>,
    /// Handles and parameters as they are sent, a turned bit in them.
    sent: (Vec<u32>, Vec<Both>),
    /// The authValue of what a donor made, for what this one makes of it.
    pub(crate) donated: Option<Record>,
    /// The salt of the session that it starts; `None` if nobody knows it.
    pub(crate) salt: Option<Both>,
}

/// A command's field and the field of the earlier command that it is taken from.
type Links = &'static [(&'static str, &'static str)];

/// Which field of an earlier command's result becomes which field of a command; `@n` is the n-th handle of the earlier command.
const DONORS: &[(&str, Links, &str)] = &[
    ("TPM2_Load", &[("@0", "@0"), ("inPrivate", "outPrivate"), ("inPublic", "outPublic")], "TPM2_Create"),
    ("TPM2_Load", &[("@0", "@0"), ("inPrivate", "outPrivate"), ("inPublic", "objectPublic")], "TPM2_Import"),
    (
        "TPM2_Load",
        &[("@0", "@1"), ("inPrivate", "outPrivate"), ("inPublic", "@public")],
        "TPM2_ObjectChangeAuth",
    ),
    (
        "TPM2_Load",
        &[("@0", "@0"), ("inPrivate", "outPrivate"), ("inPublic", "outPublic")],
        "TPM2_CreateLoaded",
    ),
    (
        "TPM2_CertifyCreation",
        &[("@1", "@made"), ("creationHash", "creationHash"), ("creationTicket", "creationTicket")],
        "TPM2_CreatePrimary",
    ),
    (
        "TPM2_ActivateCredential",
        &[("@1", "@0"), ("credentialBlob", "credentialBlob"), ("secret", "secret")],
        "TPM2_MakeCredential",
    ),
    ("TPM2_VerifySignature", &[("@0", "@0"), ("digest", "digest"), ("signature", "signature")], "TPM2_Sign"),
    (
        "TPM2_RSA_Decrypt",
        &[("@0", "@0"), ("cipherText", "outData"), ("inScheme", "inScheme"), ("label", "label")],
        "TPM2_RSA_Encrypt",
    ),
    ("TPM2_ECDH_ZGen", &[("@0", "@0"), ("inPoint", "pubPoint")], "TPM2_ECDH_KeyGen"),
    (
        "TPM2_EncryptDecrypt",
        &[("@0", "@0"), ("mode", "mode"), ("ivIn", "ivIn"), ("inData", "outData")],
        "TPM2_EncryptDecrypt",
    ),
    (
        "TPM2_EncryptDecrypt2",
        &[("@0", "@0"), ("mode", "mode"), ("ivIn", "ivIn"), ("inData", "outData")],
        "TPM2_EncryptDecrypt2",
    ),
    (
        "TPM2_Import",
        &[
            ("objectPublic", "@public"),
            ("duplicate", "duplicate"),
            ("inSymSeed", "outSymSeed"),
            ("encryptionKey", "encryptionKeyOut"),
            ("symmetricAlg", "symmetricAlg"),
            ("@0", "@1"),
        ],
        "TPM2_Duplicate",
    ),
    (
        "TPM2_Rewrap",
        &[("@0", "@1"), ("inDuplicate", "duplicate"), ("inSymSeed", "outSymSeed"), ("name", "@name")],
        "TPM2_Duplicate",
    ),
    ("TPM2_ContextLoad", &[("context", "context")], "TPM2_ContextSave"),
    ("TPM2_Sign", &[("digest", "outHash"), ("validation", "validation")], "TPM2_Hash"),
    ("TPM2_Sign", &[("digest", "result"), ("validation", "validation")], "TPM2_SequenceComplete"),
    (
        "TPM2_PolicyTicket",
        &[
            ("timeout", "timeout"),
            ("cpHashA", "cpHashA"),
            ("policyRef", "policyRef"),
            ("ticket", "policyTicket"),
        ],
        "TPM2_PolicySecret",
    ),
    ("TPM2_PolicyAuthorize", &[("checkTicket", "validation")], "TPM2_VerifySignature"),
];

/// What a command wants of a handle, where most objects would not do.
fn prefers(command: &str, index: usize, entity: &Entity) -> bool {
    let storage =
        |_, attributes: TpmaObject, _| attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT);
    let signs = |_, attributes: TpmaObject, _| attributes.contains(TpmaObject::SIGN);
    let algorithm = |wanted: u16| entity.is_object(|algorithm, _, _| algorithm == wanted);
    match (command, index) {
        ("TPM2_Create" | "TPM2_Load" | "TPM2_Import" | "TPM2_CreateLoaded", 0) => entity.is_object(storage),
        ("TPM2_ActivateCredential" | "TPM2_ObjectChangeAuth" | "TPM2_Duplicate" | "TPM2_Rewrap", 1) => {
            entity.is_object(storage)
        }
        ("TPM2_StartAuthSession", 0) => entity.is_object(|algorithm, attributes, _| {
            matches!(algorithm, 0x0001 | 0x0023) && attributes.contains(TpmaObject::DECRYPT)
        }),
        ("TPM2_MakeCredential", 0) => entity.is_object(storage),
        ("TPM2_Unseal", 0) => entity.is_object(|_, _, sealed| sealed),
        ("TPM2_RSA_Encrypt" | "TPM2_RSA_Decrypt", 0) => algorithm(0x0001),
        ("TPM2_ECDH_KeyGen" | "TPM2_ECDH_ZGen", 0) => algorithm(0x0023),
        ("TPM2_EncryptDecrypt" | "TPM2_EncryptDecrypt2", 0) => algorithm(0x0025),
        ("TPM2_HMAC" | "TPM2_HMAC_Start", 0) => algorithm(0x0008),
        (
            "TPM2_Quote"
            | "TPM2_CertifyCreation"
            | "TPM2_Sign"
            | "TPM2_VerifySignature"
            | "TPM2_NV_Certify"
            | "TPM2_PolicySigned",
            0,
        )
        | (
            "TPM2_Certify" | "TPM2_GetTime" | "TPM2_GetCommandAuditDigest" | "TPM2_GetSessionAuditDigest",
            1,
        ) => entity.is_object(signs),
        ("TPM2_SequenceUpdate" | "TPM2_SequenceComplete", 0) | ("TPM2_EventSequenceComplete", 1) => {
            matches!(entity.kind, Kind::Sequence)
        }
        _ => true,
    }
}

fn is_of(kind: &str, handle: u32, entity: &Entity) -> bool {
    let object = matches!(entity.kind, Kind::Object { .. } | Kind::Sequence);
    let nv = matches!(entity.kind, Kind::Nv { .. });
    match kind.trim_end_matches('+') {
        "TPMI_DH_OBJECT" => object,
        "TPMI_DH_PARENT" => object || handle == rh::OWNER,
        "TPMI_DH_ENTITY" => object || nv || matches!(entity.kind, Kind::Permanent),
        "TPMI_DH_CONTEXT" => {
            (handle >> 24) != 0x81 && (object || matches!(entity.kind, Kind::Session { .. }))
        }
        "TPMI_SH_POLICY" => matches!(entity.kind, Kind::Session { hmac: false, .. }),
        "TPMI_SH_HMAC" => matches!(entity.kind, Kind::Session { hmac: true, .. }),
        "TPMI_RH_NV_INDEX" | "TPMI_RH_NV_DEFINED_INDEX" => nv,
        "TPMI_RH_NV_AUTH" => nv || matches!(handle, rh::OWNER | rh::PLATFORM),
        _ => false,
    }
}

fn handle(row: &CommandRow, index: usize, kind: &str, world: &World, chosen: &[u32], r: &mut Random) -> u32 {
    let odd = r.chance(4);
    if odd {
        let strange = [
            rh::NULL,
            rh::OWNER,
            rh::PLATFORM,
            rh::ENDORSEMENT,
            rh::LOCKOUT,
            rh::PW,
            0,
            16,
            23,
            24,
            0x8000_0000,
            0x8000_0002,
            0x8000_0007,
            0x8100_0001,
            0x8100_0005,
            0x0150_0001,
            0x0150_0007,
            0x0200_0000,
            0x0200_0001,
            0x0300_0000,
            0x0300_0001,
            0x0300_0040,
            0x9000_0000,
            rh::ACT_0,
        ];
        return r.pick_any(&strange).unwrap_or(rh::NULL);
    }
    // The index that authorizes itself.
    if kind == "TPMI_RH_NV_INDEX"
        && index > 0
        && r.chance(85)
        && let Some(before) = chosen.get(index - 1).filter(|before| *before >> 24 == 1)
    {
        return *before;
    }
    let known: Vec<u32> = world
        .entities
        .iter()
        .filter(|(handle, entity)| is_of(kind, **handle, entity))
        .map(|(handle, _)| *handle)
        .collect();
    let wanted: Vec<u32> = known
        .iter()
        .copied()
        .filter(|handle| world.entities.get(handle).is_some_and(|entity| prefers(row.name, index, entity)))
        .collect();
    let pick = |list: &[u32], r: &mut Random| r.pick_any(list);
    if let Some(handle) = pick(if wanted.is_empty() || r.chance(12) { &known } else { &wanted }, r) {
        if kind.ends_with('+') && r.chance(25) {
            return rh::NULL;
        }
        return handle;
    }
    let of = |list: &[u32], r: &mut Random| r.pick_any(list).unwrap_or(rh::NULL);
    match kind.trim_end_matches('+') {
        "TPMI_DH_PCR" => of(&[0, 7, 16, 16, 17, 20, 23, 23], r),
        "TPMI_RH_PLATFORM" => rh::PLATFORM,
        "TPMI_RH_ENDORSEMENT" => rh::ENDORSEMENT,
        "TPMI_RH_LOCKOUT" => rh::LOCKOUT,
        "TPMI_RH_PROVISION" => of(&[rh::OWNER, rh::OWNER, rh::PLATFORM], r),
        "TPMI_RH_CLEAR" => of(&[rh::LOCKOUT, rh::PLATFORM], r),
        "TPMI_RH_BASE_HIERARCHY" => of(&[rh::OWNER, rh::ENDORSEMENT, rh::PLATFORM], r),
        "TPMI_RH_HIERARCHY" => of(&[rh::OWNER, rh::OWNER, rh::ENDORSEMENT, rh::PLATFORM, rh::NULL], r),
        "TPMI_RH_HIERARCHY_AUTH" | "TPMI_RH_HIERARCHY_POLICY" => {
            of(&[rh::OWNER, rh::ENDORSEMENT, rh::PLATFORM, rh::LOCKOUT], r)
        }
        "TPMI_RH_NV_INDEX" | "TPMI_RH_NV_DEFINED_INDEX" => 0x0150_0000,
        "TPMI_SH_POLICY" => hc::POLICY_SESSION,
        "TPMI_SH_HMAC" => hc::HMAC_SESSION,
        _ if kind.ends_with('+') => rh::NULL,
        _ => hc::TRANSIENT,
    }
}

fn donor(row: &CommandRow, world: &World, r: &mut Random) -> Option<(Links, Record)> {
    let able: Vec<_> = world
        .records
        .iter()
        .flat_map(|record| {
            DONORS
                .iter()
                .filter(|(command, _, from)| *command == row.name && *from == record.command)
                .map(move |(_, links, _)| (*links, record))
        })
        .collect();
    if able.is_empty() || r.chance(12) {
        return None;
    }
    // What came last is most likely still loaded.
    let from_end = r.below(able.len().min(4));
    able.get(able.len() - 1 - from_end).map(|(links, record)| (*links, (*record).clone()))
}

fn donated(record: &Record, from: &str) -> Option<Both> {
    match from {
        "@public" => Some(record.public.clone().map(|public| sized(&public))),
        "@name" => Some(record.public.clone().map(|public| sized(&values::name_of(&public)))),
        field => record.fields.get(field).cloned(),
    }
}

impl Request {
    pub(crate) fn new(
        row: &'static CommandRow,
        spec: &'static CommandSpec,
        world: &World,
        r: &mut Random,
    ) -> Self {
        let donor = donor(row, world, r);
        let link = |to: &str| {
            donor.as_ref().and_then(|(links, record)| {
                links.iter().find(|(target, _)| *target == to).map(|(_, from)| (*from, record))
            })
        };
        let mut handles = Vec::new();
        for (index, declared) in row.handles.iter().enumerate() {
            let given = link(&format!("@{index}")).and_then(|(from, record)| match from {
                "@0" => record.handles.first(),
                "@1" => record.handles.get(1),
                _ => record.handles.last(),
            });
            let chosen = given.copied().filter(|_| r.chance(95));
            handles.push(chosen.unwrap_or_else(|| handle(row, index, declared.kind, world, &handles, r)));
        }
        let mut parameters: Vec<Both> = row
            .parameters
            .iter()
            .map(|field| {
                link(field.name)
                    .and_then(|(from, record)| donated(record, from))
                    .filter(|_| r.chance(95))
                    .unwrap_or_else(|| values::value(field.kind, field.name, world, r))
            })
            .collect();
        shape(row, world, &mut parameters, r);
        let salt = salted(row, &handles, world, &mut parameters, r);
        let authorizations = authorize(spec, world, &handles, r);
        let damage = if r.chance(6) { Some(damage(r)) } else { None };
        let sent = (handles.clone(), parameters.clone());
        let mut request = Self {
            row,
            spec,
            handles,
            authorizations,
            parameters,
            damage,
            sent,
            donated: donor.map(|(_, record)| record),
            salt,
        };
        if let Some(Damage::Bit(from_end, mask)) = damage {
            request.turn(from_end, mask);
        }
        request
    }

    /// Turns a bit of what is sent, if it is one of a handle or a parameter.
    fn turn(&mut self, from_end: usize, mask: u8) {
        let whole = self.whole(0).len();
        let Some(at) = whole.checked_sub(1 + from_end).and_then(|at| at.checked_sub(10)) else { return };
        let (handles, parameters) = &mut self.sent;
        if let Some(handle) = handles.get_mut(at / 4) {
            *handle ^= u32::from(mask) << (8 * (3 - at % 4));
            return;
        }
        for side in [0, 1] {
            let mut behind = from_end;
            for parameter in parameters.iter_mut().rev().filter_map(|both| both.get_mut(side)) {
                if let Some(at) = parameter.len().checked_sub(1 + behind) {
                    if let Some(octet) = parameter.get_mut(at) {
                        *octet ^= mask;
                    }
                    break;
                }
                behind -= parameter.len();
            }
        }
    }

    /// The bytes for one of the TPMs.
    pub(crate) fn bytes(&self, side: usize) -> Vec<u8> {
        let whole = self.whole(side);
        match self.damage {
            Some(damage) => spoiled(whole, damage),
            None => whole,
        }
    }

    /// The same before anything is spoiled.
    fn whole(&self, side: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for handle in &self.handles {
            body.extend(handle.to_be_bytes());
        }
        let mut parameters: Vec<u8> =
            self.parameters.iter().flat_map(|both| both.get(side).cloned().unwrap_or_default()).collect();
        sessions::encrypt(&self.authorizations, side, &mut parameters);
        if !self.authorizations.is_empty() {
            let mut area = Vec::new();
            for (index, entry) in self.authorizations.iter().enumerate() {
                let proof = match &entry.hmac {
                    Proof::Octets(octets) => octets.clone(),
                    Proof::Hmac(proof) => {
                        let more = sessions::more_nonces(&self.authorizations, index, side);
                        proof.of_command(self.spec.code, entry, &parameters, &more, side)
                    }
                };
                area.extend(entry.session.to_be_bytes());
                area.extend(sized(&entry.nonce));
                area.push(entry.attributes);
                area.extend(sized(&proof));
            }
            body.extend(u32::try_from(area.len()).unwrap_or(u32::MAX).to_be_bytes());
            body.extend(area);
        }
        body.extend(parameters);
        let tag: u16 = if self.authorizations.is_empty() { 0x8001 } else { 0x8002 };
        let size = u32::try_from(10 + body.len()).unwrap_or(u32::MAX);
        [&tag.to_be_bytes()[..], &size.to_be_bytes(), &self.spec.code.to_be_bytes(), &body].concat()
    }

    /// The handles as they are sent.
    pub(crate) fn sent_handles(&self) -> &[u32] {
        &self.sent.0
    }

    /// The parameters as they are sent.
    pub(crate) fn sent_parameters(&self) -> &[Both] {
        &self.sent.1
    }

    /// Our value of a parameter as it is sent.
    pub(crate) fn sent_parameter(&self, name: &str) -> Option<&[u8]> {
        let index = self.row.parameters.iter().position(|field| field.name == name)?;
        self.sent.1.get(index).map(|[ours, _]| ours.as_slice())
    }

    /// Whether a bit is turned among the sessions, which are not the same octets for both TPMs.
    pub(crate) fn is_area_shifted(&self) -> bool {
        let Some(Damage::Bit(from_end, _)) = self.damage else { return false };
        let whole = self.whole(0);
        let parameters: usize = self.sent.1.iter().map(|[ours, _]| ours.len()).sum();
        let area = 10 + 4 * self.handles.len()..whole.len().saturating_sub(parameters);
        whole.len().checked_sub(1 + from_end).is_some_and(|at| area.contains(&at)) && whole != self.whole(1)
    }

    /// Whether a session encrypts a parameter, and nobody but the TPMs knows with which key, or sends it as if it did not.
    pub(crate) fn is_opaque(&self) -> bool {
        self.authorizations.iter().any(|entry| {
            entry.session != rh::PW && entry.attributes & 0x60 != 0 && matches!(entry.hmac, Proof::Octets(_))
        })
    }

    /// Our value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&[u8]> {
        let index = self.row.parameters.iter().position(|field| field.name == name)?;
        self.parameters.get(index).map(|[ours, _]| ours.as_slice())
    }

    /// Whether a command that one TPM did and the other refused leaves them in different states.
    pub(crate) fn changes_state(&self) -> bool {
        let spec = self.spec;
        let sessions = self.authorizations.iter().any(|entry| entry.session != rh::PW);
        spec.nv
            || spec.response_handle
            || spec.extensive
            || spec.flushed
            || sessions
            || ["TPM2_Policy", "TPM2_Sequence", "TPM2_Context", "TPM2_PCR", "TPM2_Flush"]
                .iter()
                .any(|start| spec.name.starts_with(start))
    }

    /// Whether both TPMs get the same bytes.
    pub(crate) fn is_same(&self) -> bool {
        self.parameters.iter().all(|[ours, theirs]| ours == theirs)
    }
}

/// Parameters that depend on each other.
fn shape(row: &CommandRow, world: &World, parameters: &mut [Both], r: &mut Random) {
    let put = |parameters: &mut [Both], name: &str, value: Vec<u8>| {
        if let Some(index) = row.parameters.iter().position(|field| field.name == name)
            && let Some(parameter) = parameters.get_mut(index)
        {
            *parameter = super::world::same(&value);
        }
    };
    match row.name {
        "TPM2_LoadExternal" => {
            let (public, private) = values::external(r);
            let hierarchy = if private.len() > 2 && r.chance(90) { rh::NULL } else { rh::OWNER };
            put(parameters, "inPrivate", private);
            put(parameters, "inPublic", public);
            put(parameters, "hierarchy", hierarchy.to_be_bytes().to_vec());
        }
        "TPM2_FlushContext" => {
            let known: Vec<u32> = world
                .entities
                .keys()
                .copied()
                .filter(|handle| matches!(handle >> 24, 0x80 | 0x02 | 0x03))
                .collect();
            if let Some(handle) = r.pick_any(&known).filter(|_| r.chance(95)) {
                put(parameters, "flushHandle", handle.to_be_bytes().to_vec());
            }
        }
        _ => {}
    }
}

/// Mostly a salt that the key decrypts, where a session is started with a key; and where none is named, mostly no salt.
fn salted(
    row: &CommandRow,
    handles: &[u32],
    world: &World,
    parameters: &mut [Both],
    r: &mut Random,
) -> Option<Both> {
    if row.name != "TPM2_StartAuthSession" {
        return None;
    }
    let index = row.parameters.iter().position(|field| field.name == "encryptedSalt")?;
    let sent = parameters.get_mut(index)?;
    if handles.first() == Some(&rh::NULL) {
        if r.chance(97) {
            *sent = [vec![0, 0], vec![0, 0]];
        }
        return (sent[0] == [0, 0]).then(Both::default);
    }
    let [ours, theirs] =
        handles.first().and_then(|key| world.entities.get(key)).and_then(|key| sessions::salt(key, r))?;
    if r.chance(5) {
        return None;
    }
    *sent = [sized(&ours.1), sized(&theirs.1)];
    Some([ours.0, theirs.0])
}

/// Passwords that are known, or sometimes a policy session or a wrong password.
fn authorize(spec: &CommandSpec, world: &World, handles: &[u32], r: &mut Random) -> Vec<Authorization> {
    let mut area = Vec::new();
    let sessions: Vec<u32> = world
        .entities
        .iter()
        .filter(|(_, entity)| matches!(entity.kind, Kind::Session { .. }))
        .map(|(handle, _)| *handle)
        .collect();
    for (declared, handle) in spec.handles.iter().zip(handles) {
        if declared.auth.is_none() {
            continue;
        }
        let auth = world.entities.get(handle).map_or_else(Vec::new, |entity| entity.auth.clone());
        let attributes = r.pick_any(&[1, 1, 1, 1, 1, 0, 1, 1, 0x21, 0x41, 0x81, 0x02]);
        match r.pick_any(&sessions) {
            Some(session) if r.chance(40) && is_free(session, &area) => {
                area.push(with_session(session, Some((*handle, &auth)), spec, world, handles, r));
            }
            Some(session) if r.chance(8) => area.push(Authorization {
                session,
                nonce: if r.chance(50) { vec![1; 16] } else { Vec::new() },
                attributes: attributes.unwrap_or(1),
                hmac: Proof::Octets(if r.chance(20) { vec![1; 32] } else { Vec::new() }),
            }),
            _ => area.push(Authorization {
                session: if r.chance(99) { rh::PW } else { 0x0300_0002 },
                nonce: if r.chance(99) { Vec::new() } else { vec![1; 16] },
                attributes: if r.chance(97) { r.pick(&[0, 1]) } else { attributes.unwrap_or(1) },
                hmac: Proof::Octets(if r.chance(4) { b"wrong".to_vec() } else { auth }),
            }),
        }
    }
    // One that authorizes nothing: it audits or encrypts. A policy session would start anew in libtpms, though it authorizes nothing.
    let hmac_sessions: Vec<u32> = sessions.into_iter().filter(|session| session >> 24 == 2).collect();
    if let Some(session) = r.pick_any(&hmac_sessions).filter(|session| is_free(*session, &area))
        && r.chance(8)
    {
        area.push(with_session(session, None, spec, world, handles, r));
    }
    match r.below(60) {
        0 => {
            area.pop();
        }
        1 => area.push(Authorization {
            session: rh::PW,
            nonce: Vec::new(),
            attributes: 1,
            hmac: Proof::Octets(Vec::new()),
        }),
        _ => {}
    }
    area
}

/// Whether no entry has the session yet.
fn is_free(session: u32, area: &[Authorization]) -> bool {
    area.iter().all(|entry| entry.session != session)
}

/// An entry for a session as it should be: a policy that needs no proof, or the HMAC or password, if what goes into it is known.
fn with_session(
    session: u32,
    target: Option<(u32, &[u8])>,
    spec: &CommandSpec,
    world: &World,
    handles: &[u32],
    r: &mut Random,
) -> Authorization {
    let nonce = r.octets(16);
    let mut attributes = r.pick(&[0, 1, 1, 1, 0x81]);
    let proof = Hmac::new(session, target, handles, world);
    let can_encrypt = proof.as_ref().is_some_and(|proof| proof.known.symmetric.is_some());
    if can_encrypt || r.chance(2) {
        if r.chance(if spec.can_decrypt() { 60 } else { 2 }) {
            attributes |= 0x20;
        }
        if r.chance(if spec.can_encrypt() { 60 } else { 2 }) {
            attributes |= 0x40;
        }
    }
    let hmac = match (proof, target) {
        (Some(proof), Some((_, auth))) if proof.known.policy_auth == PolicyAuth::AsPassword => {
            Proof::Octets(auth.to_vec())
        }
        (Some(proof), _) => Proof::Hmac(Box::new(proof)),
        (None, _) => Proof::Octets(Vec::new()),
    };
    Authorization { session, nonce, attributes, hmac }
}

fn damage(r: &mut Random) -> Damage {
    match r.below(10) {
        0..3 => Damage::Cut(1 + r.below(12)),
        3 => Damage::Longer(1 + r.below(4)),
        4 => Damage::Tag(r.pick(&[0x8001, 0x8002, 0x00C1, 0x8000, 0])),
        5 => Damage::Size(r.pick(&[-1, 1, 2])),
        _ => Damage::Bit(r.below(60), 1 << r.below(8)),
    }
}

fn spoiled(mut whole: Vec<u8>, damage: Damage) -> Vec<u8> {
    let mut sized = true;
    match damage {
        Damage::Cut(octets) => whole.truncate(whole.len().saturating_sub(octets).max(10)),
        Damage::Longer(octets) => whole.extend(vec![0; octets]),
        Damage::Bit(from_end, mask) => {
            let at = whole.len().saturating_sub(1 + from_end);
            // The header has damages of its own.
            if at >= 10
                && let Some(octet) = whole.get_mut(at)
            {
                *octet ^= mask;
            }
        }
        Damage::Tag(tag) => {
            if let Some(field) = whole.get_mut(0..2) {
                field.copy_from_slice(&tag.to_be_bytes());
            }
        }
        Damage::Size(by) => {
            sized = false;
            let length = i64::try_from(whole.len()).unwrap_or(0) + i64::from(by);
            if let Some(field) = whole.get_mut(2..6) {
                field.copy_from_slice(&u32::try_from(length).unwrap_or(0).to_be_bytes());
            }
        }
    }
    let length = u32::try_from(whole.len()).unwrap_or(u32::MAX);
    if sized && let Some(field) = whole.get_mut(2..6) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    whole
}
