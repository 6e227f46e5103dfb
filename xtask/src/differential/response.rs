//! A reply taken apart, and what of it must be the same from both TPMs.

use super::{
    request::Request,
    run,
    sessions::{self, Acknowledgement, Known, PolicyAuth},
    values::name_of,
    world::{Both, Entity, Kind, Record, World, digest_size, long, sized_at, word},
};
use crate::spec::CommandRow;
use sigillo_types::{
    Unmarshal,
    attributes::TpmaNv,
    handles::{hc, rh},
    structures::{Attested, TpmsAttest, TpmsCreationData},
};
use std::collections::BTreeMap;

/// A successful reply.
pub(crate) struct Reply {
    pub(crate) handle: Option<u32>,
    pub(crate) fields: Vec<Vec<u8>>,
    /// nonceTPM of each entry of the authorization area.
    nonces: Vec<Vec<u8>>,
    /// How each entry's HMAC was made.
    made: Vec<&'static str>,
}

/// The response code; `None` if the reply has no header.
pub(crate) fn code(reply: &[u8]) -> Option<u32> {
    long(reply, 6)
}

/// Checks the sessions of a reply, decrypts it, and splits the parameters by the types of the table. `side` is whose it is.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(request: &Request, reply: &[u8], side: usize) -> Result<Reply, String> {
    let unfit = || "a reply does not fit its table".to_owned();
    let row = request.row;
    let (handle, mut parameters, said) = split(row, reply).ok_or_else(unfit)?;
    let made = sessions::accept(request, &said, &mut parameters, side)?;
    let fields = fields(row, &parameters).ok_or_else(unfit)?;
    Ok(Reply { handle, fields, nonces: said.into_iter().map(|entry| entry.nonce).collect(), made })
}

/// The handle, the parameter area and the authorization area.
fn split(row: &CommandRow, reply: &[u8]) -> Option<(Option<u32>, Vec<u8>, Vec<Acknowledgement>)> {
    let mut rest = reply.get(10..)?;
    let handle = if row.response_handles.is_empty() {
        None
    } else {
        let handle = long(rest, 0)?;
        rest = rest.get(4..)?;
        Some(handle)
    };
    if word(reply, 0)? != 0x8002 {
        return Some((handle, rest.to_vec(), Vec::new()));
    }
    let size = usize::try_from(long(rest, 0)?).ok()?;
    let area = sessions::acknowledgements(rest.get(4 + size..)?)?;
    Some((handle, rest.get(4..4 + size)?.to_vec(), area))
}

fn fields(row: &CommandRow, mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    for (index, field) in row.response_parameters.iter().enumerate() {
        let size =
            if index + 1 == row.response_parameters.len() { rest.len() } else { length(field.kind, rest)? };
        fields.push(rest.get(..size)?.to_vec());
        rest = rest.get(size..)?;
    }
    rest.is_empty().then_some(fields)
}

fn length(kind: &str, bytes: &[u8]) -> Option<usize> {
    Some(match kind {
        "TPMI_YES_NO" => 1,
        "UINT16" => 2,
        "UINT32" => 4,
        "TPMT_TK_CREATION" | "TPMT_TK_HASHCHECK" | "TPMT_TK_VERIFIED" | "TPMT_TK_AUTH" => {
            6 + 2 + usize::from(word(bytes, 6)?)
        }
        "TPML_PCR_SELECTION" => {
            let mut at = 4;
            for _ in 0..long(bytes, 0)? {
                at += 3 + usize::from(*bytes.get(at + 2)?);
            }
            at
        }
        _ => 2 + usize::from(word(bytes, 0)?),
    })
}

/// The response's handle is another one.
pub(crate) const OTHER_HANDLE: &str = "handle";

/// What differs between two successful replies that must not.
pub(crate) fn difference(request: &Request, world: &World, replies: &[Reply; 2]) -> Option<String> {
    let [ours, theirs] = replies;
    if ours.handle != theirs.handle {
        return Some(OTHER_HANDLE.into());
    }
    if ours.made != theirs.made {
        return Some(format!("HMAC made with {:?} here, {:?} there", ours.made, theirs.made));
    }
    let equal = request.is_same() && world.same(request.sent_handles());
    let fields = request.row.response_parameters.iter().zip(ours.fields.iter().zip(&theirs.fields));
    for (field, (mine, other)) in fields {
        if field.name == "capabilityData" {
            if let Some(what) = capability(mine, other) {
                return Some(format!("capabilityData: {what}"));
            }
        } else if !agree(request, field.name, field.kind, equal, mine, other) {
            return Some(format!("{} ({})", field.name, field.kind));
        }
    }
    None
}

fn agree(request: &Request, name: &str, kind: &str, equal: bool, mine: &[u8], other: &[u8]) -> bool {
    let command = request.row.name;
    let lengths = mine.len() == other.len();
    let head = |octets: usize| mine.get(..octets) == other.get(..octets);
    match (command, name) {
        // Random, or of a form of the TPM's own.
        ("TPM2_GetRandom" | "TPM2_StartAuthSession" | "TPM2_MakeCredential", _) | (_, "outSymSeed") => {
            return lengths;
        }
        ("TPM2_RSA_Encrypt" | "TPM2_ContextSave", _) => {
            return kind != "TPMS_CONTEXT" || mine.get(8..16) == other.get(8..16);
        }
        (
            _,
            "outPrivate" | "duplicate" | "outDuplicate" | "encryptionKeyOut" | "zPoint" | "pubPoint"
            | "toDoList",
        ) => return true,
        ("TPM2_GetTestResult", "outData") | ("TPM2_EC_Ephemeral" | "TPM2_Commit", _) => return true,
        // Decrypted or unsealed again: equal whatever the key.
        ("TPM2_RSA_Decrypt" | "TPM2_Unseal" | "TPM2_ActivateCredential", _) => return mine == other,
        ("TPM2_ReadClock", _) => return mine.get(16..24) == other.get(16..24),
        (_, "creationHash" | "timeout") => return lengths,
        ("TPM2_NV_Read", _) => return is_same_but_blank(mine, other),
        // How much room there is.
        ("TPM2_PCR_Allocate", "sizeNeeded" | "sizeAvailable") => return true,
        _ => {}
    }
    match kind {
        "TPMT_TK_CREATION" | "TPMT_TK_HASHCHECK" | "TPMT_TK_VERIFIED" | "TPMT_TK_AUTH" => lengths && head(6),
        "TPMT_SIGNATURE" => {
            let repeats = matches!(word(mine, 0), Some(0x0014 | 0x0005));
            if equal && repeats && command == "TPM2_Sign" { mine == other } else { head(4) }
        }
        "TPM2B_ATTEST" => attest(mine, other),
        "TPM2B_CREATION_DATA" => creation(mine, other),
        "TPM2B_PUBLIC" if !equal || command != "TPM2_ReadPublic" => public(mine, other),
        "TPM2B_NAME" if !equal || command != "TPM2_LoadExternal" => lengths && head(4),
        "TPM2B_ECC_POINT" if !equal => true,
        _ if !equal => lengths,
        _ => mine == other,
    }
}

/// Everything but `unique`.
fn public(mine: &[u8], other: &[u8]) -> bool {
    let parse = |bytes| {
        sigillo_types::structures::Tpm2bPublicPlus::from_bytes(bytes).map(|public| public.public_area)
    };
    match (parse(mine), parse(other)) {
        (Ok(mine), Ok(other)) => {
            mine.name_alg == other.name_alg
                && mine.object_attributes == other.object_attributes
                && mine.auth_policy == other.auth_policy
                && mine.parameters == other.parameters
        }
        _ => mine == other,
    }
}

fn creation(mine: &[u8], other: &[u8]) -> bool {
    let parse = |bytes: &[u8]| TpmsCreationData::from_bytes(bytes.get(2..).unwrap_or_default());
    match (parse(mine), parse(other)) {
        (Ok(mine), Ok(other)) => {
            mine.pcr_select == other.pcr_select
                && mine.pcr_digest == other.pcr_digest
                && mine.locality == other.locality
                && mine.parent_name_alg == other.parent_name_alg
                && mine.parent_name.len() == other.parent_name.len()
                && mine.parent_qualified_name.len() == other.parent_qualified_name.len()
                && mine.outside_info == other.outside_info
        }
        _ => mine == other,
    }
}

fn attest(mine: &[u8], other: &[u8]) -> bool {
    let parse = |bytes: &[u8]| TpmsAttest::from_bytes(bytes.get(2..).unwrap_or_default());
    let (Ok(mine), Ok(other)) = (parse(mine), parse(other)) else { return false };
    let attested = match (&mine.attested, &other.attested) {
        (Attested::Quote(mine), Attested::Quote(other)) => mine == other,
        (Attested::Nv(mine), Attested::Nv(other)) => {
            mine.index_name == other.index_name && is_same_but_blank(&mine.nv_contents, &other.nv_contents)
        }
        (Attested::NvDigest(mine), Attested::NvDigest(other)) => mine.index_name == other.index_name,
        (mine, other) => std::mem::discriminant(mine) == std::mem::discriminant(other),
    };
    attested
        && mine.extra_data == other.extra_data
        && mine.qualified_signer.len() == other.qualified_signer.len()
}

/// The same octets, but for those of an index that nobody has written: zeros here, ones there. Part 1, 34.2.6.2 allows both.
fn is_same_but_blank(mine: &[u8], other: &[u8]) -> bool {
    mine.len() == other.len()
        && mine.iter().zip(other).all(|(mine, other)| mine == other || (*mine == 0 && *other == 0xFF))
}

/// Properties that say who made the TPM, how large its contexts are, how many commands it has, and how much room.
const OWN_PROPERTIES: &[u32] = &[
    0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109, 0x10A, 0x10B, 0x10C, 0x121, 0x122, 0x129,
    0x12A, 0x209, 0x20B,
];

/// How two lists of capabilities differ.
fn capability(mine: &[u8], other: &[u8]) -> Option<String> {
    let entries = |bytes: &[u8]| -> BTreeMap<u32, u32> {
        let pairs = bytes.get(8..).unwrap_or_default().as_chunks::<8>().0;
        pairs.iter().filter_map(|pair| Some((long(pair, 0)?, long(pair, 4)?))).collect()
    };
    match (long(mine, 0), long(other, 0)) {
        (Some(6), Some(6)) => {
            let (mine, other) = (entries(mine), entries(other));
            let wrong = mine.iter().find(|(property, value)| {
                !OWN_PROPERTIES.contains(property)
                    && other.get(property).is_some_and(|theirs| theirs != *value)
            });
            wrong.map(|(property, _)| format!("property {property:#x}"))
        }
        // sigillo has commands that libtpms 0.9.2 has not.
        (Some(2), Some(2)) => None,
        // Neither audits swtpm one of those.
        (Some(4), Some(4)) => {
            let codes = |bytes: &[u8]| -> Vec<u32> {
                let list = bytes.get(8..).unwrap_or_default().as_chunks::<4>().0;
                list.iter()
                    .map(|code| u32::from_be_bytes(*code))
                    .filter(|code| run::is_there(*code))
                    .collect()
            };
            (codes(mine) != codes(other)).then(|| "of 4".to_owned())
        }
        (capability, _) => (mine != other)
            .then(|| format!("of {}", capability.map_or(String::new(), |number| number.to_string()))),
    }
}

/// What a successful command has changed.
pub(crate) fn apply(request: &Request, world: &mut World, replies: &[Reply; 2]) {
    let row = request.row;
    let mut fields: BTreeMap<&'static str, Both> = BTreeMap::new();
    for (field, both) in row.parameters.iter().zip(request.sent_parameters()) {
        fields.insert(field.name, both.clone());
    }
    for (index, field) in row.response_parameters.iter().enumerate() {
        let both = [0, 1].map(|side| {
            replies.get(side).and_then(|reply: &Reply| reply.fields.get(index)).cloned().unwrap_or_default()
        });
        fields.insert(field.name, both);
    }
    let mut handles = request.sent_handles().to_vec();
    handles.extend(replies[0].handle);
    let given = |name: &str| fields.get(name).and_then(|both| sized_at(&both[0], 0)).map(<[u8]>::to_vec);
    let contents = |name: &str| {
        fields
            .get(name)
            .map(|both| both.clone().map(|bytes| sized_at(&bytes, 0).unwrap_or_default().to_vec()))
    };
    let equal = request.is_same() && world.same(request.sent_handles());
    let first = request.sent_handles().first().copied().unwrap_or(rh::NULL);
    let auth = match row.name {
        "TPM2_Create" | "TPM2_CreatePrimary" | "TPM2_CreateLoaded" => given("inSensitive")
            .and_then(|sensitive| sized_at(&sensitive, 0).map(<[u8]>::to_vec))
            .unwrap_or_default(),
        "TPM2_LoadExternal" => given("inPrivate")
            .and_then(|private| sized_at(&private, 2).map(<[u8]>::to_vec))
            .unwrap_or_default(),
        "TPM2_Load" | "TPM2_Import" => {
            request.donated.as_ref().map(|record| record.auth.clone()).unwrap_or_default()
        }
        "TPM2_ObjectChangeAuth" => given("newAuth").unwrap_or_default(),
        "TPM2_Duplicate" => world.entities.get(&first).map(|entity| entity.auth.clone()).unwrap_or_default(),
        _ => given("auth").unwrap_or_default(),
    };
    let public = match row.name {
        "TPM2_Load" | "TPM2_LoadExternal" => contents("inPublic"),
        "TPM2_CreatePrimary" | "TPM2_CreateLoaded" => contents("outPublic"),
        _ => world.entities.get(&first).map(|entity| entity.public.clone()),
    }
    .unwrap_or_default();

    let used_since_shutdown = std::mem::replace(&mut world.used_since_shutdown, true);
    let entity = world.entities.get(&first).cloned();
    let [mine, other] = replies;
    for (index, entry) in request.authorizations.iter().enumerate() {
        let nonce = |reply: &Reply| reply.nonces.get(index).cloned().unwrap_or_default();
        if let Some(entity) = world.entities.get_mut(&entry.session) {
            entity.public = [nonce(mine), nonce(other)];
        }
    }
    for entry in
        request.authorizations.iter().filter(|entry| entry.attributes & 1 == 0 && entry.session != rh::PW)
    {
        world.entities.remove(&entry.session);
    }
    if !equal && row.name.starts_with("TPM2_Policy") {
        for handle in request.sent_handles() {
            if let Some(entity) = world.entities.get_mut(handle)
                && matches!(entity.kind, Kind::Session { .. })
            {
                entity.same = false;
            }
        }
    }
    match (row.name, replies[0].handle) {
        ("TPM2_CreatePrimary" | "TPM2_CreateLoaded" | "TPM2_Load" | "TPM2_LoadExternal", Some(made)) => {
            let same = row.name == "TPM2_LoadExternal";
            let mut entity = Entity::object(public.clone(), auth.clone(), same);
            if let Kind::Object { public_only, .. } = &mut entity.kind {
                *public_only = same && given("inPrivate").is_none_or(|private| private.is_empty());
            }
            world.entities.insert(made, entity);
        }
        ("TPM2_HashSequenceStart" | "TPM2_HMAC_Start", Some(made)) => {
            let same = world.same(request.sent_handles());
            world.entities.insert(made, Entity { auth: auth.clone(), same, ..Entity::new(Kind::Sequence) });
        }
        ("TPM2_StartAuthSession", Some(made)) => {
            let octet = |name: &str| fields.get(name).and_then(|both| both[0].last().copied()).unwrap_or(0);
            let hash = fields.get("authHash").and_then(|both| word(&both[0], 0)).unwrap_or(0);
            let public = contents("nonceTPM").unwrap_or_default();
            let kind = Kind::Session {
                hmac: octet("sessionType") == 0,
                trial: octet("sessionType") == 3,
                hash,
                known: known_session(
                    request,
                    world,
                    hash,
                    &public,
                    &given("nonceCaller").unwrap_or_default(),
                ),
            };
            world.entities.insert(made, Entity { public, ..Entity::new(kind) });
        }
        ("TPM2_ContextLoad", Some(made)) => {
            if let Some(entity) = request.donated.as_ref().and_then(|record| record.entity.clone()) {
                world.entities.insert(made, entity);
            }
        }
        ("TPM2_FlushContext", _) => {
            if let Some(handle) = fields.get("flushHandle").and_then(|both| long(&both[0], 0)) {
                world.entities.remove(&handle);
            }
        }
        ("TPM2_SequenceComplete", _) => {
            world.entities.remove(&first);
        }
        ("TPM2_EventSequenceComplete", _) => {
            if let Some(sequence) = request.sent_handles().get(1) {
                world.entities.remove(sequence);
            }
        }
        ("TPM2_EvictControl", _) => {
            let persistent = fields.get("persistentHandle").and_then(|both| long(&both[0], 0)).unwrap_or(0);
            let object = request.sent_handles().get(1).and_then(|handle| world.entities.get(handle)).cloned();
            if request.sent_handles().get(1).is_some_and(|handle| *handle >= hc::PERSISTENT) {
                world.entities.remove(&persistent);
            } else if let Some(object) = object {
                world.entities.insert(persistent, object);
            }
        }
        ("TPM2_NV_DefineSpace", _) => {
            if let Some([area, _]) = contents("publicInfo")
                && let (Some(index), Some(bits)) = (long(&area, 0), long(&area, 6))
            {
                let size = word(&area, area.len().saturating_sub(2)).unwrap_or(0);
                let kind = Kind::Nv { attributes: TpmaNv::from_bits_truncate(bits), size };
                world.written.remove(&index);
                world.entities.insert(index, Entity { auth: auth.clone(), ..Entity::new(kind) });
            }
        }
        ("TPM2_NV_Write", _) => {
            if let Some(index) = request.sent_handles().get(1)
                && let Some(Entity { kind: Kind::Nv { size, .. }, .. }) = world.entities.get(index)
            {
                let whole = given("data").map_or(0, |data| data.len()) == usize::from(*size);
                *world.written.entry(*index).or_default() |= whole;
            }
        }
        ("TPM2_NV_UndefineSpace", _) => {
            if let Some(index) = request.sent_handles().get(1) {
                world.entities.remove(index);
                world.written.remove(index);
            }
        }
        ("TPM2_NV_UndefineSpaceSpecial", _) => {
            world.entities.remove(&first);
            world.written.remove(&first);
        }
        ("TPM2_HierarchyChangeAuth" | "TPM2_NV_ChangeAuth", _) => {
            let changed = given("newAuth").unwrap_or_default();
            if let Some(entity) = world.entities.get_mut(&first) {
                entity.auth = changed;
            }
        }
        ("TPM2_Clear", _) => {
            // libtpms forgets what PCR_Allocate has stored; Part 3, 24.6 does not count that among what Clear does.
            world.apart = world.allocation_pending;
            for handle in [rh::OWNER, rh::ENDORSEMENT, rh::LOCKOUT] {
                if let Some(entity) = world.entities.get_mut(&handle) {
                    entity.auth.clear();
                }
            }
        }
        ("TPM2_ChangeEPS", _) => {
            if let Some(entity) = world.entities.get_mut(&rh::ENDORSEMENT) {
                entity.auth.clear();
            }
        }
        ("TPM2_PolicyAuthValue" | "TPM2_PolicyPassword" | "TPM2_PolicyRestart", _) => {
            if let Some(Kind::Session { known: Some(known), .. }) =
                world.entities.get_mut(&first).map(|entity| &mut entity.kind)
            {
                known.policy_auth = match row.name {
                    "TPM2_PolicyAuthValue" => PolicyAuth::InTheHmac,
                    "TPM2_PolicyPassword" => PolicyAuth::AsPassword,
                    _ => PolicyAuth::Not,
                };
            }
        }
        ("TPM2_PCR_Allocate", _) => (world.pcr_allocated, world.allocation_pending) = (true, true),
        ("TPM2_SetAlgorithmSet", _) => world.algorithm_set = true,
        ("TPM2_Shutdown", _) => {
            world.state_saved = fields.get("shutdownType").is_some_and(|both| both[0] == [0, 1]);
            world.shut_down = true;
            world.used_since_shutdown = false;
        }
        ("TPM2_Startup", _) => {
            world.started = true;
            world.algorithm_set = false;
            world.apart = std::mem::take(&mut world.state_saved) && used_since_shutdown;
            world.shutdown_was_used = std::mem::take(&mut world.shut_down) && used_since_shutdown;
        }
        _ => {}
    }
    world.record(Record { command: row.name, handles, fields, auth, public, entity });
}

/// The secrets of a session that was started, if they are known.
fn known_session(
    request: &Request,
    world: &World,
    hash: u16,
    nonce_tpm: &Both,
    nonce_caller: &[u8],
) -> Option<Known> {
    let salt = request.salt.as_ref()?;
    let alg = sessions::hash_of(hash)?;
    let bind = request.sent_handles().get(1).copied().filter(|bind| *bind != rh::NULL);
    let symmetric = request.parameter("symmetric").and_then(sessions::symmetric);
    let Some(bind) = bind else {
        let key = if request.sent_handles().first() == Some(&rh::NULL) {
            Both::default()
        } else {
            sessions::session_key(alg, &[], salt, nonce_tpm, nonce_caller)
        };
        return Some(Known { key, symmetric, ..Known::default() });
    };
    let auth = world.entities.get(&bind)?.auth.clone();
    let key = sessions::session_key(alg, &auth, salt, nonce_tpm, nonce_caller);
    Some(Known { key, symmetric, bound: Some((world.names(bind)?, auth)), ..Known::default() })
}

/// For the report: a Name is more telling than a handle.
pub(crate) fn describe(world: &World, handle: u32) -> String {
    match world.entities.get(&handle) {
        Some(entity) => match entity.kind {
            Kind::Object { algorithm, attributes, .. } => {
                let name = name_of(&entity.public[0]);
                format!(
                    "{handle:#010x} (object {algorithm:#06x} {attributes:?}, Name of {} octets)",
                    name.len()
                )
            }
            Kind::Nv { attributes, size } => {
                format!("{handle:#010x} (index of {size} octets, {attributes:?})")
            }
            Kind::Session { hmac, trial, hash, .. } => {
                let kind = if hmac {
                    "HMAC"
                } else if trial {
                    "trial"
                } else {
                    "policy"
                };
                format!("{handle:#010x} ({kind} session, digests of {} octets)", digest_size(hash))
            }
            Kind::Sequence => format!("{handle:#010x} (sequence)"),
            Kind::Permanent => format!("{handle:#010x}"),
        },
        None => format!("{handle:#010x} (nothing)"),
    }
}
