//! Ephemeral EC keys. Part 3, 19.

use crate::{
    Tpm,
    commit::Purpose,
    dispatch::{Entry, entries},
    object::key::{self, PrivateKey},
};
use alloc::sync::Arc;
use sigillo_crypto::{
    ecc::{EcPoint, EcPrivate, point_of_digest},
    hash::hash,
};
use sigillo_types::{
    EccCurve, Rc,
    commands::{Commit, CommitResponse, EcEphemeral, EcEphemeralResponse},
    rc,
    structures::{EccScheme, PublicParms, Tpm2bEccPoint},
};

pub(crate) const COMMANDS: &[Entry] = entries![Commit => commit, EcEphemeral => ec_ephemeral];

/// TPM2_Commit. Part 3, 19.2; Part 1, 44.2.3.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
/// - `SCHEME` (handle 1): the key's scheme is not ECDAA.
/// - `HASH` (handle 1): the key has no nameAlg.
/// - `SIZE` (y2): only one of s2 and y2 is there.
/// - `ECC_POINT` (s2): the digest of s2 and y2 are no point of the key's curve; (P1): not a point of it.
///
/// `NO_RESULT`, for a point at infinity or an ephemeral key of zero, nobody will see: all curves have prime order.
pub(crate) fn commit(tpm: &mut Tpm, cmd: Commit) -> Result<CommitResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.sign_handle.raw()).map_err(|code| code.at(Commit::SIGN_HANDLE))?);
    let PublicParms::Ecc(parms) = &key.public.parameters else {
        return Err(rc::KEY.at(Commit::SIGN_HANDLE));
    };
    if !matches!(parms.scheme, Some(EccScheme::Ecdaa { .. })) {
        return Err(rc::SCHEME.at(Commit::SIGN_HANDLE));
    }
    let private = key.private();
    let Some(PrivateKey::Ecc(private)) = private.as_deref() else {
        return Err(rc::KEY.at(Commit::SIGN_HANDLE));
    };
    let alg = key.name_alg().ok_or(rc::HASH.at(Commit::SIGN_HANDLE))?;
    if cmd.s2.is_empty() != cmd.y2.is_empty() {
        return Err(rc::SIZE.at(Commit::Y2));
    }
    let base = if cmd.s2.is_empty() {
        None
    } else {
        let point = point_of_digest(parms.curve_id, &hash(alg, &[&cmd.s2]), &cmd.y2);
        Some(point.map_err(|_| rc::ECC_POINT.at(Commit::S2))?)
    };
    let p1 = if cmd.p1 == Tpm2bEccPoint::default() {
        None
    } else {
        Some(key::point(parms.curve_id, &cmd.p1).map_err(|code| code.at(Commit::P1))?)
    };
    let (r, counter) = tpm.begin_commit(parms.curve_id, Purpose::Signing(alg, &key))?;
    let times = |key: &EcPrivate, point: &Option<EcPoint>| match point {
        Some(point) => Ok(key::sized_point(&key.ecdh(point).map_err(|_| rc::NO_RESULT)?)?),
        None => Ok::<_, Rc>(Tpm2bEccPoint::default()),
    };
    let e = if base.is_none() && p1.is_none() {
        key::sized_point(&r.public().map_err(|_| rc::NO_RESULT)?)?
    } else {
        times(&r, &p1)?
    };
    Ok(CommitResponse { k: times(private, &base)?, l: times(&r, &base)?, e, counter })
}

/// TPM2_EC_Ephemeral: a curve that is not implemented is refused when it is read. Part 3, 19.3.
///
/// # Response codes
/// - `CURVE` (curveID): curve 25519, on which nothing agrees on keys.
pub(crate) fn ec_ephemeral(tpm: &mut Tpm, cmd: EcEphemeral) -> Result<EcEphemeralResponse, Rc> {
    if cmd.curve_id == EccCurve::Curve25519 {
        return Err(rc::CURVE.at(EcEphemeral::CURVE_ID));
    }
    let (r, counter) = tpm.begin_commit(cmd.curve_id, Purpose::Agreement)?;
    let q = key::sized_point(&r.public().map_err(|_| rc::NO_RESULT)?)?;
    Ok(EcEphemeralResponse { q, counter })
}
