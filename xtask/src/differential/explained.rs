//! Differences that are known: the command, when, both answers, the clause and the reason, in `explained.tsv`.

use super::{
    request::{Authorization, Damage, Request},
    world::{Kind, World, long, sized_at, word},
};
use crate::{report::hex, sh::Result};
use sigillo_types::{
    Rc, Unmarshal,
    attributes::NvType,
    handles::rh,
    rc::Position,
    structures::{PublicParms, Tpm2bPublicPlus},
};
use std::sync::OnceLock;

const LIST: &str = include_str!("explained.tsv");

static LINES: OnceLock<Vec<Line>> = OnceLock::new();

/// A known difference.
pub(crate) struct Line {
    /// In the file, counted from 1.
    pub(crate) number: usize,
    commands: Vec<&'static str>,
    /// Our answers, one of them.
    ours: Vec<&'static str>,
    theirs: Vec<&'static str>,
    conditions: Vec<&'static str>,
    /// An hour may pass without it.
    pub(crate) rare: bool,
    /// The whole line.
    pub(crate) text: &'static str,
}

/// Every line of the file.
///
/// # Errors
/// When a line has not six columns.
pub(crate) fn lines() -> Result<&'static [Line]> {
    if let Some(lines) = LINES.get() {
        return Ok(lines);
    }
    let mut lines = Vec::new();
    for (text, number) in LIST.lines().zip(1..) {
        if text.starts_with('#') || text.is_empty() {
            continue;
        }
        let columns: Vec<&str> = text.split('\t').collect();
        let [commands, ours, theirs, condition, _clause, _reason] = columns.as_slice() else {
            return Err(format!("explained.tsv:{number}: not a line of six columns: {text}"));
        };
        let conditions: Vec<&str> = condition.split(' ').collect();
        lines.push(Line {
            number,
            rare: conditions.contains(&"rare"),
            commands: commands.split(' ').collect(),
            ours: ours.split('|').collect(),
            theirs: theirs.split('|').collect(),
            conditions,
            text,
        });
    }
    Ok(LINES.get_or_init(|| lines))
}

/// The first line that explains what was found. `codes` are ours and theirs.
pub(crate) fn covers(
    request: &Request,
    world: &World,
    codes: [u32; 2],
    what: &str,
) -> Result<Option<&'static Line>> {
    Ok(lines()?.iter().find(|line| {
        let command = line.commands.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => request.row.name.starts_with(start),
            None => *name == request.row.name,
        });
        let answers = if line.ours == ["field"] {
            line.theirs.iter().any(|field| what.starts_with(field))
        } else {
            let one_is = |patterns: &[&str], code| patterns.iter().any(|pattern| is(pattern, code));
            one_is(&line.ours, codes[0]) && one_is(&line.theirs, codes[1])
        };
        command && answers && line.conditions.iter().all(|part| holds(part, request, world, codes[0]))
    }))
}

/// A code as a line names it.
pub(crate) fn name(code: u32) -> String {
    let code = Rc::from_raw(code);
    let said = format!("{code:?}");
    let word = said.split(' ').nth(1).and_then(|word| word.strip_prefix("TPM_RC_"));
    let name = word.unwrap_or(&said);
    match code.position() {
        Some(Position::Handle(n)) => format!("{name}/h{n}"),
        Some(Position::Parameter(n)) => format!("{name}/p{n}"),
        Some(Position::Session(n)) => format!("{name}/s{n}"),
        None => name.to_owned(),
    }
}

/// `SUCCESS`, `TYPE`, `VALUE/p2` for the second parameter, `h1` and `s1` likewise, `/s?` for any session; without a place any place or none;
/// `0x095` for a number; `*` for any.
fn is(pattern: &str, code: u32) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Some(digits) = pattern.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16) == Ok(code);
    }
    let said = name(code);
    match pattern.contains('/') {
        true => glob(&said, pattern),
        false => said.split('/').next() == Some(pattern),
    }
}

/// A condition: `-` always; `locality=4`; `handle1=40000007`, `handle2=sequence`, `handle1=public`; `name=0008*` where the parameter begins
/// so; or one of [`is_so`].
fn holds(part: &str, request: &Request, world: &World, ours: u32) -> bool {
    let Some((name, value)) = part.split_once('=') else { return is_so(part, request, world, ours) };
    if name == "locality" {
        return value.parse() == Ok(world.locality);
    }
    if let Some(number) = name.strip_prefix("handle") {
        let index = number.parse::<usize>().unwrap_or(0).wrapping_sub(1);
        return request.sent_handles().get(index).is_some_and(|handle| match value {
            "sequence" => {
                world.entities.get(handle).is_some_and(|entity| matches!(entity.kind, Kind::Sequence))
            }
            "public" => world
                .entities
                .get(handle)
                .is_some_and(|entity| matches!(entity.kind, Kind::Object { public_only: true, .. })),
            _ => glob(&format!("{handle:08x}"), value),
        });
    }
    let found = request.sent_parameter(name).map(hex);
    found.is_some_and(|found| glob(&found, value))
}

/// Transient slots of both.
const SLOTS: usize = 3;

fn is_trial(world: &World, session: u32) -> bool {
    let entity = world.entities.get(&session);
    entity.is_some_and(|entity| matches!(entity.kind, Kind::Session { trial: true, .. }))
}

/// Whether the entry of the authorization area that our code is about is so.
fn blamed(request: &Request, ours: u32, is_so: impl Fn(usize, &Authorization) -> bool) -> bool {
    let Some(Position::Session(number)) = Rc::from_raw(ours).position() else { return false };
    let index = usize::from(number).wrapping_sub(1);
    request.authorizations.get(index).is_some_and(|entry| is_so(index, entry))
}

/// Whether all transient slots are in use while libtpms runs the command: each persistent object takes one, and so does what is
/// made below a parent.
fn is_full(request: &Request, world: &World) -> bool {
    let persistent = request.sent_handles().iter().filter(|handle| **handle >> 24 == 0x81).count();
    let made = usize::from(matches!(
        request.row.name,
        "TPM2_Create" | "TPM2_CreateLoaded" | "TPM2_Load" | "TPM2_HMAC_Start" | "TPM2_MAC_Start"
    ));
    world.transient() + persistent + made > SLOTS
}

/// Whether a list of digests or of selected PCR has more entries than libtpms has hashes.
fn has_many_banks(request: &Request) -> bool {
    let lists = ["pcrSelectionIn", "digests", "pcrs", "PCRselect", "creationPCR", "pcrAllocation"];
    lists
        .iter()
        .any(|name| request.sent_parameter(name).and_then(|list| long(list, 0)).is_some_and(|n| n > 4))
}

/// Whether the data end in the middle of a block of AES.
fn has_short_block(request: &Request) -> bool {
    let size = request.sent_parameter("inData").and_then(|data| word(data, 0)).unwrap_or(0);
    !size.is_multiple_of(16)
}

fn is_pin_index(world: &World, handle: u32) -> bool {
    world.entities.get(&handle).is_some_and(|entity| match entity.kind {
        Kind::Nv { attributes, .. } => matches!(attributes.nt(), Some(NvType::PinFail | NvType::PinPass)),
        _ => false,
    })
}

/// Conditions with names.
fn is_so(name: &str, request: &Request, world: &World, ours: u32) -> bool {
    let public = request
        .sent_parameter("inPublic")
        .or_else(|| request.sent_parameter("objectPublic"))
        .unwrap_or_default();
    // A size that is turned is above what there is.
    let template = sized_at(public, 0).or_else(|| public.get(2..)).unwrap_or_default();
    let attributes = long(template, 4).unwrap_or(0);
    match name {
        // `rare` says only that an hour may pass without the line.
        "-" | "rare" => true,
        "spoiled" => request.damage.is_some(),
        // A bit is turned among the sessions, and HMACs may be read as sizes.
        "area-shifted" => request.is_area_shifted(),
        "many-banks" => has_many_banks(request),
        "tag" => matches!(request.damage, Some(Damage::Tag(_))),
        // The policy session is a trial session.
        "trial" => request.sent_handles().iter().any(|handle| is_trial(world, *handle)),
        // A password for no handle.
        "spare-password" => {
            let needed = request.spec.authorizations();
            blamed(request, ours, |index, entry| index >= needed && entry.session == rh::PW)
        }
        // A session that does not audit says how it audits.
        "audit-bits" => {
            blamed(request, ours, |_, entry| entry.attributes & 0x80 == 0 && entry.attributes & 0x06 != 0)
        }
        // It is a trial session, or one that neither authorizes, audits nor encrypts.
        "no-purpose" => {
            let needed = request.spec.authorizations();
            blamed(request, ours, |index, entry| {
                is_trial(world, entry.session) || index >= needed && entry.attributes & 0xE0 == 0
            })
        }
        // Data for a key that the TPM shall make.
        "data-and-origin" => {
            let sensitive =
                request.sent_parameter("inSensitive").and_then(|area| sized_at(area, 0)).unwrap_or_default();
            let auth = sized_at(sensitive, 0).map_or(0, <[u8]>::len);
            sized_at(sensitive, 2 + auth).is_some_and(|data| !data.is_empty()) && attributes & 0x20 != 0
        }
        "keyedhash-null-scheme" => {
            let policy = sized_at(template, 8).map_or(0, <[u8]>::len);
            word(template, 0) == Some(0x0008) && word(template, 10 + policy) == Some(0x0010)
        }
        // An RSA key with another exponent than the one that every TPM has.
        "exponent" => {
            Tpm2bPublicPlus::from_bytes(public).is_ok_and(|public| match public.public_area.parameters {
                PublicParms::Rsa(parms) => !matches!(parms.exponent, 0 | 65537),
                _ => false,
            })
        }
        "da-used-and-power-lost" => world.da_used_and_power_lost,
        "algorithm-set" => world.algorithm_set,
        "used-since-shutdown" => world.used_since_shutdown,
        "shutdown-was-used" => world.shutdown_was_used,
        // An index that no write has reached all of.
        "partly-written" => {
            request.sent_handles().iter().any(|handle| world.written.get(handle) == Some(&false))
        }
        "pcr-allocated" => world.pcr_allocated,
        // What authorizes is a PIN index.
        "pin-index" => request.sent_handles().first().is_some_and(|handle| is_pin_index(world, *handle)),
        "full" => is_full(request, world),
        "short-block" => has_short_block(request),
        "property-above-16-bits" => {
            request.sent_parameter("property").is_some_and(|property| !property.starts_with(&[0, 0]))
        }
        "x509sign" => attributes & 1 << 19 != 0,
        // firmwareLimited or svnLimited.
        "limited" => attributes & 3 << 8 != 0,
        _ => false,
    }
}

/// `?` is any one letter; a `*` at the end is any rest.
fn glob(text: &str, pattern: &str) -> bool {
    let (pattern, open) = pattern.strip_suffix('*').map_or((pattern, false), |start| (start, true));
    let enough = if open { text.len() >= pattern.len() } else { text.len() == pattern.len() };
    enough && pattern.chars().zip(text.chars()).all(|(wanted, found)| wanted == '?' || wanted == found)
}
