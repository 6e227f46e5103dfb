//! Quotes, certificates and credentials, with keys of both kinds.

use super::{
    Action, Result, Target, Tpm, Workload, coded, ecdsa, object, pcrs, primary, rsassa, run, told, workload,
};
use sigillo_client::template;
use sigillo_types::{
    buffers::{Tpm2bData, Tpm2bSecretDigest},
    commands::{ActivateCredential, Certify, MakeCredential, Quote, ReadPublic},
    handles::Hierarchy,
    structures::TpmtPublic,
};

const TARGET: Target = Target::AtMost(0.5);

pub(super) fn all() -> Vec<Workload> {
    vec![
        workload("Quote ECDSA P-256", 500, TARGET, |tpm| quote(tpm, ecdsa(true))),
        workload("Quote RSASSA-2048", 200, TARGET, |tpm| quote(tpm, rsassa(true))),
        workload("Certify ECDSA P-256", 500, TARGET, |tpm| certify(tpm, ecdsa(true))),
        workload("Certify RSASSA-2048", 200, TARGET, |tpm| certify(tpm, rsassa(true))),
        workload("ActivateCredential P-256", 400, TARGET, |tpm| activate(tpm, template::ecc_storage())),
        workload("ActivateCredential RSA-2048", 200, TARGET, |tpm| activate(tpm, template::rsa_storage())),
    ]
}

fn quote(tpm: &mut Tpm, public: TpmtPublic) -> Result<Action> {
    let sign_handle = Some(object(primary(tpm, Hierarchy::Endorsement, public)?)?);
    let qualifying_data = Tpm2bData::new(&[1; 16]).map_err(coded)?;
    let command = Quote { sign_handle, qualifying_data, in_scheme: None, pcr_select: pcrs()? };
    Ok(Box::new(move |tpm| run(tpm, &command)))
}

fn certify(tpm: &mut Tpm, public: TpmtPublic) -> Result<Action> {
    let object_handle = object(primary(tpm, Hierarchy::Endorsement, public)?)?;
    let qualifying_data = Tpm2bData::new(&[1; 16]).map_err(coded)?;
    let command =
        Certify { object_handle, sign_handle: Some(object_handle), qualifying_data, in_scheme: None };
    Ok(Box::new(move |tpm| run(tpm, &command)))
}

/// A credential for a P-256 attestation key, made to a storage key.
fn activate(tpm: &mut Tpm, storage: TpmtPublic) -> Result<Action> {
    let key_handle = object(primary(tpm, Hierarchy::Endorsement, storage)?)?;
    let activate_handle = object(primary(tpm, Hierarchy::Endorsement, ecdsa(true))?)?;
    let object_name = tpm.call(&ReadPublic { object_handle: activate_handle }).map_err(told)?.name;
    let credential = Tpm2bSecretDigest::from([6; 32]);
    let made = tpm.call(&MakeCredential { handle: key_handle, credential, object_name }).map_err(told)?;
    let command = ActivateCredential {
        activate_handle,
        key_handle,
        credential_blob: made.credential_blob,
        secret: made.secret,
    };
    Ok(Box::new(move |tpm| run(tpm, &command)))
}
