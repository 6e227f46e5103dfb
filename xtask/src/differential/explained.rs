//! Differences that are known: the command, when, both answers, the clause and the reason, in `explained.tsv`.

use super::{
    request::Request,
    world::{Kind, World, long, sized_at, word},
};
use crate::sh::Result;
use sigillo_types::{
    Rc, Unmarshal,
    handles::rh,
    rc::Position,
    structures::{PublicParms, Tpm2bPublicPlus},
};

const LIST: &str = include_str!("explained.tsv");

/// Whether a line explains what was found. `codes` are ours and theirs.
pub(crate) fn covers(request: &Request, world: &World, codes: [u32; 2], what: &str) -> Result<bool> {
    for line in LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [command, ours, theirs, condition, _clause, _reason] = columns.as_slice() else {
            return Err(format!("explained.tsv: not a line of six columns: {line}"));
        };
        let command = command.split(' ').any(|name| match name.strip_suffix('*') {
            Some(start) => request.row.name.starts_with(start),
            None => name == request.row.name,
        });
        let answers = if *ours == "field" {
            what.starts_with(theirs)
        } else {
            is(ours, codes[0]) && is(theirs, codes[1])
        };
        if command && answers && condition.split(' ').all(|part| holds(part, request, world)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `SUCCESS`, `TYPE`, `VALUE/p2` for the second parameter, `h1` and `s1` likewise; without a place any place; `0x9a2` for a number; `*` for any.
fn is(pattern: &str, code: u32) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Some(digits) = pattern.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16) == Ok(code);
    }
    let code = Rc::from_raw(code);
    let (name, place) = pattern.split_once('/').map_or((pattern, None), |(name, place)| (name, Some(place)));
    let said = format!("{code:?}");
    let named = said.split(' ').nth(1).and_then(|word| word.strip_prefix("TPM_RC_")) == Some(name);
    let at = match code.position() {
        Some(Position::Handle(n)) => format!("h{n}"),
        Some(Position::Parameter(n)) => format!("p{n}"),
        Some(Position::Session(n)) => format!("s{n}"),
        None => String::new(),
    };
    named && place.is_none_or(|place| place == at)
}

/// A condition: `-` always; `spoiled`; `locality=4`; `handle1=40000007`, `handle2=sequence`, `handle1=public`; `name=0008*` where the parameter begins so; or one of [`is_so`].
fn holds(part: &str, request: &Request, world: &World) -> bool {
    let Some((name, value)) = part.split_once('=') else { return is_so(part, request, world) };
    if name == "locality" {
        return value.parse() == Ok(world.locality);
    }
    if let Some(number) = name.strip_prefix("handle") {
        let index = number.parse::<usize>().unwrap_or(0).wrapping_sub(1);
        return request.handles.get(index).is_some_and(|handle| match value {
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
    let found = request
        .parameter(name)
        .map(|octets| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    found.is_some_and(|found| glob(&found, value))
}

/// Conditions with names.
fn is_so(name: &str, request: &Request, world: &World) -> bool {
    let public =
        request.parameter("inPublic").or_else(|| request.parameter("objectPublic")).unwrap_or_default();
    let template = sized_at(public, 0).unwrap_or_default();
    let attributes = long(template, 4).unwrap_or(0);
    match name {
        "-" => true,
        "spoiled" => request.damage.is_some(),
        "trial" => request.handles.iter().any(|handle| {
            world
                .entities
                .get(handle)
                .is_some_and(|entity| matches!(entity.kind, Kind::Session { trial: true, .. }))
        }),
        // A password for no handle.
        "spare-password" => {
            let needed = request.spec.authorizations();
            request.authorizations.iter().skip(needed).any(|entry| entry.session == rh::PW)
        }
        // A session that does not audit says how it audits.
        "audit-bits" => request
            .authorizations
            .iter()
            .any(|entry| entry.attributes & 0x80 == 0 && entry.attributes & 0x06 != 0),
        // Data for a key that the TPM shall make.
        "data-and-origin" => {
            let sensitive =
                request.parameter("inSensitive").and_then(|area| sized_at(area, 0)).unwrap_or_default();
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
        "power-lost" => world.power_lost,
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
