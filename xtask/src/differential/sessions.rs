//! Sessions as the caller of both TPMs keeps them: their keys, their HMACs, and the encryption of the first parameter. Part 1, 16.6 and 18.

use super::{
    request::{Authorization, Proof, Request},
    world::{Both, Entity, Kind, World, sized_at, word},
};
use sigillo_client::session::{crypt_parameter, ecc_salt_of};
use sigillo_crypto::{
    Rng,
    hash::hash,
    hmac::hmac,
    kdf::kdfa,
    rsa::{RsaPublic, oaep_encrypt},
};
use sigillo_sample::Random;
use sigillo_types::{
    HashAlg, Unmarshal,
    structures::{PublicId, PublicParms, RsaScheme, SymDef, TpmtPublic},
};

/// What a session's HMACs and encryption are made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// sessionKey in each of the TPMs; empty if it is neither salted nor bound.
    pub(crate) key: Both,
    pub(crate) symmetric: Option<SymDef>,
    /// The Names and the authValue of the entity it is bound to.
    pub(crate) bound: Option<(Both, Vec<u8>)>,
    /// What TPM2_PolicyAuthValue or TPM2_PolicyPassword ask for.
    pub(crate) policy_auth: PolicyAuth,
}

/// How a policy session uses the authValue of what it authorizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PolicyAuth {
    #[default]
    Not,
    InTheHmac,
    AsPassword,
}

/// An authValue without the zeros at its end.
pub(crate) fn trimmed(auth: &[u8]) -> &[u8] {
    let end = auth.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    auth.get(..end).unwrap_or_default()
}

pub(crate) fn hash_of(id: u16) -> Option<HashAlg> {
    HashAlg::ALL.into_iter().find(|alg| alg.id() == id)
}

struct Generator<'a>(&'a mut Random);

impl Rng for Generator<'_> {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }
}

/// A salt and its encryption to a key, which is another one in each TPM unless both loaded it; `None` if it cannot decrypt one.
pub(crate) fn salt(key: &Entity, r: &mut Random) -> Option<[(Vec<u8>, Vec<u8>); 2]> {
    let [ours, theirs] = &key.public;
    Some([salt_for(ours, r)?, salt_for(theirs, r)?])
}

fn salt_for(public: &[u8], r: &mut Random) -> Option<(Vec<u8>, Vec<u8>)> {
    let public = TpmtPublic::from_bytes(public).ok()?;
    let name_alg = public.name_alg?;
    match (&public.parameters, &public.unique) {
        (PublicParms::Rsa(parms), PublicId::Rsa(modulus)) => {
            let alg = match parms.scheme {
                Some(RsaScheme::Oaep { hash_alg }) => hash_alg,
                _ => name_alg,
            };
            let exponent = if parms.exponent == 0 { 65537 } else { parms.exponent };
            let key = RsaPublic::new(modulus, exponent).ok()?;
            let salt = r.octets(alg.digest_size());
            let sent = oaep_encrypt(&key, alg, alg, b"SECRET\0", &salt, &mut Generator(r)).ok()?;
            Some((salt, sent))
        }
        (PublicParms::Ecc(_), _) => {
            let (salt, sent) = ecc_salt_of(&r.octets(80), &public)?;
            Some((salt.to_vec(), sent.to_vec()))
        }
        _ => None,
    }
}

/// sessionKey of a session that TPM2_StartAuthSession has started: empty if it is neither salted nor bound.
pub(crate) fn session_key(
    alg: HashAlg,
    bind_auth: &[u8],
    salt: &Both,
    nonce_tpm: &Both,
    nonce_caller: &[u8],
) -> Both {
    let bits = u32::try_from(alg.digest_size() * 8).unwrap_or(0);
    let of = |salt: &[u8], nonce_tpm: &[u8]| {
        kdfa(alg, &[trimmed(bind_auth), salt].concat(), b"ATH", nonce_tpm, nonce_caller, bits).to_vec()
    };
    [of(&salt[0], &nonce_tpm[0]), of(&salt[1], &nonce_tpm[1])]
}

/// The octets of both, one after the other.
pub(crate) fn joined(parts: &[Both]) -> Both {
    let of =
        |side: usize| parts.iter().flat_map(|both| both.get(side).cloned().unwrap_or_default()).collect();
    [of(0), of(1)]
}

/// How an entry of the authorization area proves itself with a session.
#[derive(Clone, Debug)]
pub(crate) struct Hmac {
    pub(crate) alg: HashAlg,
    pub(crate) known: Known,
    /// The authValue of what it authorizes: empty if nothing.
    pub(crate) auth: Vec<u8>,
    /// It authorizes something.
    authorizes: bool,
    /// The authValue is part of the HMAC's key.
    includes_auth: bool,
    /// Of the command's handles, one after the other.
    pub(crate) names: Both,
    pub(crate) nonce_tpm: Both,
}

impl Hmac {
    /// What the session's HMAC proves with, for the entity of `target` with this authValue; `None` if not all of it is known.
    pub(crate) fn new(
        session: u32,
        target: Option<(u32, &[u8])>,
        handles: &[u32],
        world: &World,
    ) -> Option<Self> {
        let entity = world.entities.get(&session)?;
        let Kind::Session { hmac, hash, known: Some(known), .. } = &entity.kind else { return None };
        let alg = hash_of(*hash)?;
        let names: Vec<Both> = handles.iter().map(|handle| world.names(*handle)).collect::<Option<_>>()?;
        let auth = target.map_or(&[][..], |(_, auth)| auth);
        let is_bound = match (&known.bound, target) {
            (Some((bound, bound_auth)), Some((handle, auth))) => {
                world.names(handle).as_ref() == Some(bound) && trimmed(bound_auth) == trimmed(auth)
            }
            _ => false,
        };
        let includes_auth =
            if *hmac { target.is_some() && !is_bound } else { known.policy_auth == PolicyAuth::InTheHmac };
        Some(Self {
            alg,
            known: known.clone(),
            auth: auth.to_vec(),
            authorizes: target.is_some(),
            includes_auth,
            names: joined(&names),
            nonce_tpm: entity.public.clone(),
        })
    }

    fn key(&self, side: usize, auth: &[u8]) -> Vec<u8> {
        let key = self.known.key.get(side).map_or(&[][..], Vec::as_slice);
        [key, trimmed(auth)].concat()
    }

    /// The authValue that is part of the HMAC's key.
    fn included_auth(&self) -> &[u8] {
        if self.includes_auth { &self.auth } else { &[] }
    }

    /// The HMAC of a command whose parameters are as they are sent.
    pub(crate) fn of_command(
        &self,
        code: u32,
        entry: &Authorization,
        parameters: &[u8],
        more_nonces: &[u8],
        side: usize,
    ) -> Vec<u8> {
        let of = |both: &Both| both.get(side).cloned().unwrap_or_default();
        let key = self.key(side, self.included_auth());
        // Without a key the HMAC may be left out, and of a policy session it must.
        if key.is_empty() && self.known.policy_auth == PolicyAuth::Not && self.is_policy(entry) {
            return Vec::new();
        }
        let cp_hash = hash(self.alg, &[&code.to_be_bytes(), &of(&self.names), parameters]);
        let parts: [&[u8]; 5] =
            [&cp_hash, &entry.nonce, &of(&self.nonce_tpm), more_nonces, &[entry.attributes]];
        hmac(self.alg, &key, &parts).to_vec()
    }

    fn is_policy(&self, entry: &Authorization) -> bool {
        entry.session >> 24 == 3
    }

    fn crypt(&self, side: usize, newer: &[u8], older: &[u8], parameters: &mut [u8], encrypt: bool) {
        let Some(symmetric) = self.known.symmetric else { return };
        let key = self.known.key.get(side).map_or(&[][..], Vec::as_slice);
        let key = [key, trimmed(&self.auth)].concat();
        crypt_parameter((self.alg, symmetric), &key, newer, older, parameters, encrypt);
    }
}

/// Encrypts the first parameter if an entry asks for it and its session's secrets are known.
pub(crate) fn encrypt(area: &[Authorization], side: usize, parameters: &mut [u8]) {
    for entry in area.iter().filter(|entry| entry.attributes & 0x20 != 0) {
        if let Proof::Hmac(proof) = &entry.hmac {
            let nonce_tpm = proof.nonce_tpm.get(side).map_or(&[][..], Vec::as_slice);
            proof.crypt(side, &entry.nonce, nonce_tpm, parameters, true);
        }
    }
}

/// The nonces of the sessions behind the first that decrypt and encrypt: they go into the first one's HMAC if it authorizes something.
/// Part 1, 16.6.3.4.
pub(crate) fn more_nonces(area: &[Authorization], index: usize, side: usize) -> Vec<u8> {
    let authorizes =
        area.get(index).is_some_and(|entry| matches!(&entry.hmac, Proof::Hmac(proof) if proof.authorizes));
    if index != 0 || !authorizes {
        return Vec::new();
    }
    let find = |bit: u8| {
        let others = area.iter().enumerate().skip(1);
        others.clone().find(|(_, entry)| entry.attributes & bit != 0)
    };
    let decrypts = find(0x20);
    let encrypts = find(0x40).filter(|(at, _)| decrypts.is_none_or(|(other, _)| other != *at));
    let nonce = |found: Option<(usize, &Authorization)>| match found.map(|(_, entry)| &entry.hmac) {
        Some(Proof::Hmac(proof)) => proof.nonce_tpm.get(side).cloned().unwrap_or_default(),
        _ => Vec::new(),
    };
    [nonce(decrypts), nonce(encrypts)].concat()
}

/// One entry of a response's authorization area.
pub(crate) struct Acknowledgement {
    pub(crate) nonce: Vec<u8>,
    pub(crate) attributes: u8,
    pub(crate) hmac: Vec<u8>,
}

/// Reads the authorization area of a response; `None` if it is none.
pub(crate) fn acknowledgements(mut area: &[u8]) -> Option<Vec<Acknowledgement>> {
    let mut all = Vec::new();
    while !area.is_empty() {
        let nonce = sized_at(area, 0)?.to_vec();
        let attributes = *area.get(2 + nonce.len())?;
        let hmac = sized_at(area, 3 + nonce.len())?.to_vec();
        area = area.get(5 + nonce.len() + hmac.len()..)?;
        all.push(Acknowledgement { nonce, attributes, hmac });
    }
    Some(all)
}

/// Which authValue a response's HMAC was made with: what the entity had before the command, what the command has given it, or none.
/// `Left out` if there is no HMAC. `None` if it is no such HMAC.
fn made_with(
    request: &Request,
    entry: &Authorization,
    said: &Acknowledgement,
    parameters: &[u8],
    side: usize,
) -> Option<&'static str> {
    let Proof::Hmac(proof) = &entry.hmac else { return Some("unknown") };
    if said.hmac.is_empty() {
        return Some("left out");
    }
    let given = request.parameter("newAuth").or_else(|| request.parameter("auth"));
    let given = given.and_then(|auth| sized_at(auth, 0)).unwrap_or_default();
    let rp_hash = hash(proof.alg, &[&[0; 4], &request.spec.code.to_be_bytes(), parameters]);
    // A session is no longer bound to what has got another authValue.
    let candidates = [("its authValue", proof.included_auth()), ("the new authValue", given), ("none", &[])];
    let made = candidates.into_iter().find(|(_, auth)| {
        let parts: [&[u8]; 4] = [&rp_hash, &said.nonce, &entry.nonce, &[said.attributes]];
        *hmac(proof.alg, &proof.key(side, auth), &parts) == *said.hmac
    });
    made.map(|(with, _)| with)
}

/// Checks the HMACs of a response and decrypts its first parameter. Says how each HMAC was made.
///
/// # Errors
/// What is wrong.
pub(crate) fn accept(
    request: &Request,
    said: &[Acknowledgement],
    parameters: &mut [u8],
    side: usize,
) -> Result<Vec<&'static str>, String> {
    if said.len() != request.authorizations.len() {
        return Err("another number of sessions".into());
    }
    let mut made = Vec::new();
    for (entry, said) in request.authorizations.iter().zip(said) {
        made.push(made_with(request, entry, said, parameters, side).ok_or("the HMAC of a response")?);
    }
    for (entry, said) in request.authorizations.iter().zip(said) {
        if let Proof::Hmac(proof) = &entry.hmac
            && entry.attributes & 0x40 != 0
        {
            proof.crypt(side, &said.nonce, &entry.nonce, parameters, false);
        }
    }
    Ok(made)
}

/// The algorithm of parameter encryption that TPM2_StartAuthSession was told; `None` for none.
pub(crate) fn symmetric(field: &[u8]) -> Option<SymDef> {
    (word(field, 0) != Some(0x0010)).then(|| SymDef::from_bytes(field).ok()).flatten()
}
