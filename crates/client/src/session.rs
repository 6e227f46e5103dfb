//! Sessions as a caller keeps them. Part 1, 17.6 and 19.

use crate::{Client, Error, Transport, frame};
use sigillo_crypto::{
    ct_eq,
    ecc::{EcPoint, EcPrivate},
    hash::hash,
    hmac::hmac,
    kdf::{kdfa, kdfe},
    sym,
};
use sigillo_types::{
    HashAlg, Marshal, Reader, Unmarshal,
    attributes::TpmaSession,
    buffers::{Tpm2bEncryptedSecret, Tpm2bNonce},
    command::{Command, CommandSpec},
    commands::StartAuthSession,
    constants::SessionType,
    handles::{EntityHandle, ObjectHandle, rh},
    structures::{PublicId, PublicParms, SymDef, SymDefObject, TpmtPublic},
};
use zeroize::Zeroizing;

/// One entry of the authorization area.
#[derive(Debug)]
pub enum Auth<'a> {
    /// A password authorization.
    Password(&'a [u8]),
    /// A session.
    Session {
        /// The session, whose nonces roll.
        session: &'a mut Session,
        /// The authValue of the entity that the session authorizes; empty if it authorizes none.
        auth: &'a [u8],
        /// What the session is used for.
        attributes: TpmaSession,
    },
}

impl<'a> Auth<'a> {
    /// A password authorization.
    #[must_use]
    pub fn password(password: &'a [u8]) -> Self {
        Self::Password(password)
    }

    /// A session that authorizes an entity and stays.
    #[must_use]
    pub fn session(session: &'a mut Session, auth: &'a [u8]) -> Self {
        Self::Session { session, auth, attributes: TpmaSession::CONTINUE_SESSION }
    }

    /// The same, with attributes.
    #[must_use]
    pub fn session_with(session: &'a mut Session, auth: &'a [u8], attributes: TpmaSession) -> Self {
        Self::Session { session, auth, attributes }
    }
}

/// A session started on a TPM. A copy is what a snapshot of the caller would have.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its handle.
    pub handle: u32,
    /// Its hash algorithm.
    pub auth_hash: HashAlg,
    /// HMAC, policy or trial.
    pub kind: SessionType,
    symmetric: Option<SymDef>,
    key: Zeroizing<Vec<u8>>,
    nonce_caller: Vec<u8>,
    nonce_tpm: Vec<u8>,
    /// The entity's authValue is in the HMAC key: not for the bound entity, nor for a policy without PolicyAuthValue.
    pub includes_auth: bool,
    /// A policy session with PolicyPassword carries the password in the clear.
    pub sends_password: bool,
}

/// How to start a session.
#[derive(Debug)]
pub struct SessionOptions<'a> {
    /// HMAC, policy or trial.
    pub kind: SessionType,
    /// Its hash algorithm.
    pub auth_hash: HashAlg,
    /// The algorithm of parameter encryption.
    pub symmetric: Option<SymDef>,
    /// The entity it is bound to and its authValue.
    pub bind: Option<(EntityHandle, &'a [u8])>,
    /// The key that decrypts the salt, the salt, and the salt encrypted to it.
    pub salt: Option<(ObjectHandle, &'a [u8], Tpm2bEncryptedSecret)>,
}

impl SessionOptions<'_> {
    /// An unbound, unsalted session without parameter encryption.
    #[must_use]
    pub fn new(kind: SessionType, auth_hash: HashAlg) -> Self {
        Self { kind, auth_hash, symmetric: None, bind: None, salt: None }
    }
}

impl<T: Transport> Client<T> {
    /// TPM2_StartAuthSession. Part 3, 11.1.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start_session(&mut self, options: SessionOptions<'_>) -> Result<Session, Error<T::Error>> {
        let nonce_caller = nonce(&mut self.transport, options.auth_hash).map_err(|_| Error::Entropy)?;
        let (tpm_key, salt, encrypted_salt) = match options.salt {
            Some((key, salt, encrypted)) => (Some(key), salt, encrypted),
            None => (None, [].as_slice(), Tpm2bEncryptedSecret::default()),
        };
        let (bind, bind_auth) =
            options.bind.map_or((None, [].as_slice()), |(entity, auth)| (Some(entity), auth));
        let answer = self.call(&StartAuthSession {
            tpm_key,
            bind,
            nonce_caller: Tpm2bNonce::new(&nonce_caller).map_err(|_| Error::Malformed("nonce"))?,
            encrypted_salt,
            session_type: options.kind,
            symmetric: options.symmetric,
            auth_hash: options.auth_hash,
        })?;
        let nonce_tpm = answer.nonce_tpm.to_vec();
        let key = if tpm_key.is_none() && bind.is_none() {
            Zeroizing::new(Vec::new())
        } else {
            let secret = Zeroizing::new([trimmed(bind_auth), salt].concat());
            let bits = u32::try_from(options.auth_hash.digest_size() * 8).unwrap_or(0);
            kdfa(options.auth_hash, &secret, b"ATH", &nonce_tpm, &nonce_caller, bits)
        };
        Ok(Session {
            handle: answer.session_handle,
            auth_hash: options.auth_hash,
            kind: options.kind,
            symmetric: options.symmetric,
            key,
            nonce_caller,
            nonce_tpm,
            includes_auth: options.kind == SessionType::Hmac,
            sends_password: false,
        })
    }
}

/// A salt agreed on with an ECC key of a TPM, and what the TPM needs to come to the same; `None` if the key is not an ECC key
/// or there is no entropy. Part 1, C.6.3.
pub fn ecc_salt(
    transport: &mut impl Transport,
    key: &TpmtPublic,
) -> Option<(Zeroizing<Vec<u8>>, Tpm2bEncryptedSecret)> {
    let mut drawn = Zeroizing::new([0; 80]);
    transport.entropy(drawn.as_mut()).ok()?;
    ecc_salt_of(drawn.as_ref(), key)
}

/// As [`ecc_salt`], with the octets of the ephemeral key, more than the curve's order has, from the caller.
#[must_use]
pub fn ecc_salt_of(drawn: &[u8], key: &TpmtPublic) -> Option<(Zeroizing<Vec<u8>>, Tpm2bEncryptedSecret)> {
    let (PublicParms::Ecc(parms), PublicId::Ecc(theirs)) = (&key.parameters, &key.unique) else {
        return None;
    };
    let (curve, name_alg) = (parms.curve_id, key.name_alg?);
    let ephemeral = EcPrivate::from_reduced(curve, drawn).ok()?;
    let ours = ephemeral.public().ok()?;
    let theirs = EcPoint::new(curve, &theirs.x, &theirs.y).ok()?;
    let z = ephemeral.ecdh(&theirs).ok()?;
    let bits = u32::try_from(name_alg.digest_size() * 8).ok()?;
    let salt = kdfe(name_alg, z.x(), b"SECRET", ours.x(), theirs.x(), bits);
    let mut point = Vec::new();
    sized(&mut point, ours.x());
    sized(&mut point, ours.y());
    Some((salt, Tpm2bEncryptedSecret::new(&point).ok()?))
}

/// An authValue without its trailing zero octets, which never count. Part 1, 17.6.4.3.
fn trimmed(auth: &[u8]) -> &[u8] {
    let end = auth.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    auth.get(..end).unwrap_or_default()
}

fn nonce(transport: &mut impl Transport, alg: HashAlg) -> Result<Vec<u8>, getrandom::Error> {
    let mut nonce = vec![0; alg.digest_size()];
    transport.entropy(&mut nonce)?;
    Ok(nonce)
}

impl Session {
    /// A session that somebody else started: `key` is the sessionKey, empty for one that is neither salted nor bound.
    #[must_use]
    pub fn known(
        handle: u32,
        kind: SessionType,
        auth_hash: HashAlg,
        symmetric: Option<SymDef>,
        key: &[u8],
        nonce_tpm: &[u8],
    ) -> Self {
        Self {
            handle,
            auth_hash,
            kind,
            symmetric,
            key: Zeroizing::new(key.to_vec()),
            nonce_caller: Vec::new(),
            nonce_tpm: nonce_tpm.to_vec(),
            includes_auth: kind == SessionType::Hmac,
            sends_password: false,
        }
    }

    /// sessionKey || authValue, as the HMAC of this use has it.
    fn hmac_key(&self, auth: &[u8]) -> Zeroizing<Vec<u8>> {
        let auth = if self.includes_auth { trimmed(auth) } else { &[] };
        Zeroizing::new([self.key.as_slice(), auth].concat())
    }

    /// Encrypts or decrypts the first parameter in place: everything behind its size. Part 1, 19.
    fn crypt(&self, auth: &[u8], newer: &[u8], older: &[u8], parameters: &mut [u8], encrypt: bool) {
        let Some(symmetric) = self.symmetric else { return };
        let key = Zeroizing::new([self.key.as_slice(), trimmed(auth)].concat());
        crypt_parameter((self.auth_hash, symmetric), &key, newer, older, parameters, encrypt);
    }
}

/// Encrypts or decrypts the first of `parameters` in place, if it is a TPM2B: everything behind its size. `algorithms` are those of the
/// session, `key` is sessionKey || authValue, and `newer` is the nonce of whoever encrypts. Part 1, 18.
pub fn crypt_parameter(
    algorithms: (HashAlg, SymDef),
    key: &[u8],
    newer: &[u8],
    older: &[u8],
    parameters: &mut [u8],
    encrypt: bool,
) {
    let Some(size) = parameters.first_chunk::<2>().map(|size| usize::from(u16::from_be_bytes(*size))) else {
        return;
    };
    let Some(data) = parameters.get_mut(2..2 + size) else { return };
    let (auth_hash, symmetric) = algorithms;
    // The hash is the session's, whatever hash the XOR names. Part 1, 18.2.
    if matches!(symmetric, SymDef::Xor(_)) {
        sym::xor_obfuscate(auth_hash, key, newer, older, data);
        return;
    }
    let Some(cipher) = symmetric.block_cipher().map(SymDefObject::cipher) else { return };
    // A key and a block have at most 384 bits.
    let bits = u32::try_from((cipher.key_size() + cipher.block_size()) * 8).unwrap_or(0);
    let material = kdfa(auth_hash, key, b"CFB", newer, older, bits);
    let Some((key, iv)) = material.split_at_checked(cipher.key_size()) else { return };
    let crypt = if encrypt { sym::cfb_encrypt } else { sym::cfb_decrypt };
    let done = crypt(cipher, key, iv, data);
    debug_assert!(done.is_ok(), "the sizes are those of the cipher");
}

/// Makes the authorization area, encrypting the first parameter if a session asks for it; `None` if there are no sessions.
pub(crate) fn authorize(
    transport: &mut impl Transport,
    spec: &CommandSpec,
    names: &[Vec<u8>],
    parameters: &mut [u8],
    auths: &mut [Auth<'_>],
) -> Result<Option<Zeroizing<Vec<u8>>>, getrandom::Error> {
    if auths.is_empty() {
        return Ok(None);
    }
    for entry in auths.iter_mut() {
        if let Auth::Session { session, .. } = entry {
            session.nonce_caller = nonce(transport, session.auth_hash)?;
        }
    }
    for entry in auths.iter() {
        if let Auth::Session { session, auth, attributes } = entry
            && attributes.contains(TpmaSession::DECRYPT)
        {
            session.crypt(auth, &session.nonce_caller, &session.nonce_tpm, parameters, true);
        }
    }
    let extra = extra_nonces(auths);
    let mut area = Zeroizing::new(Vec::new());
    for (index, entry) in auths.iter().enumerate() {
        match entry {
            Auth::Password(password) => {
                entry_bytes(&mut area, rh::PW, &[], TpmaSession::CONTINUE_SESSION, password);
            }
            Auth::Session { session, auth, attributes } => {
                let hmac_value = if session.sends_password {
                    auth.to_vec()
                } else if session.kind == SessionType::Policy
                    && session.key.is_empty()
                    && !session.includes_auth
                {
                    Vec::new()
                } else {
                    let mut hashed: Vec<&[u8]> = vec![];
                    let code = spec.code.to_be_bytes();
                    hashed.push(&code);
                    hashed.extend(names.iter().map(Vec::as_slice));
                    hashed.push(parameters);
                    let cp_hash = hash(session.auth_hash, &hashed);
                    let extra = if index == 0 { extra.as_slice() } else { &[] };
                    hmac(
                        session.auth_hash,
                        &session.hmac_key(auth),
                        &[&cp_hash, &session.nonce_caller, &session.nonce_tpm, extra, &[attributes.bits()]],
                    )
                    .to_vec()
                };
                entry_bytes(&mut area, session.handle, &session.nonce_caller, *attributes, &hmac_value);
            }
        }
    }
    Ok(Some(area))
}

/// nonceTPM of the decrypt and encrypt sessions when they are not the first session: they go into the first session's HMAC.
fn extra_nonces(auths: &[Auth<'_>]) -> Vec<u8> {
    let find = |flag: TpmaSession| {
        auths.iter().enumerate().find_map(|(index, entry)| match entry {
            Auth::Session { session, attributes, .. } if attributes.contains(flag) => Some((index, session)),
            _ => None,
        })
    };
    let decrypt = find(TpmaSession::DECRYPT).filter(|(index, _)| *index != 0);
    let encrypt = find(TpmaSession::ENCRYPT)
        .filter(|(index, _)| *index != 0)
        .filter(|(index, _)| decrypt.as_ref().is_none_or(|(other, _)| other != index));
    [decrypt, encrypt].into_iter().flatten().flat_map(|(_, session)| session.nonce_tpm.clone()).collect()
}

fn entry_bytes(area: &mut Vec<u8>, handle: u32, nonce: &[u8], attributes: TpmaSession, hmac: &[u8]) {
    handle.marshal(area);
    sized(area, nonce);
    area.push(attributes.bits());
    sized(area, hmac);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    sigillo_types::marshal::marshal_sized(out, |out| out.extend_from_slice(bytes));
}

/// The response's HMAC is wrong.
#[derive(Debug)]
pub(crate) struct WrongHmac;

/// Checks every session's acknowledgement, rolls its nonces and decrypts the first parameter.
pub(crate) fn check_response(
    spec: &CommandSpec,
    response: &mut frame::Response,
    auths: &mut [Auth<'_>],
) -> Result<(), WrongHmac> {
    let mut r = Reader::new(&response.sessions);
    let mut encrypted = None;
    for (index, entry) in auths.iter_mut().enumerate() {
        let nonce_tpm = r.sized(64).map_err(|_| WrongHmac)?.to_vec();
        let attributes = u8::unmarshal(&mut r).map_err(|_| WrongHmac)?;
        let received = r.sized(64).map_err(|_| WrongHmac)?;
        let Auth::Session { session, auth, attributes: asked } = entry else { continue };
        session.nonce_tpm = nonce_tpm;
        let unsigned = session.sends_password
            || (session.kind == SessionType::Policy && session.key.is_empty() && !session.includes_auth);
        if !unsigned {
            let rp_hash = hash(
                session.auth_hash,
                &[&0_u32.to_be_bytes(), &spec.code.to_be_bytes(), &response.parameters],
            );
            let expected = hmac(
                session.auth_hash,
                &session.hmac_key(auth),
                &[&rp_hash, &session.nonce_tpm, &session.nonce_caller, &[attributes]],
            );
            if !ct_eq(&expected, received) {
                return Err(WrongHmac);
            }
        }
        if asked.contains(TpmaSession::ENCRYPT) {
            encrypted = Some(index);
        }
    }
    r.finish().map_err(|_| WrongHmac)?;
    if let Some(Auth::Session { session, auth, .. }) = encrypted.and_then(|index| auths.get(index)) {
        session.crypt(auth, &session.nonce_tpm, &session.nonce_caller, &mut response.parameters, false);
    }
    Ok(())
}

/// The cpHash of a command for the entities' Names, as PolicyCpHash and auditors compute it. Part 1, 16.7.
#[must_use]
pub fn cp_hash<C: Command>(alg: HashAlg, command: &C, names: &[Vec<u8>]) -> Vec<u8> {
    let mut parameters = Vec::new();
    command.marshal_parameters(&mut parameters);
    let code = C::SPEC.code.to_be_bytes();
    let mut hashed: Vec<&[u8]> = vec![&code];
    hashed.extend(names.iter().map(Vec::as_slice));
    hashed.push(&parameters);
    hash(alg, &hashed).to_vec()
}
