//! Keys: made, loaded and used.

use super::{
    Action, Result, Target, Tpm, Workload, child, creation, ecdsa, flush, object, primary, rsassa, run, told,
    workload,
};
use sigillo_client::template;
use sigillo_types::{
    EccCurve, HashAlg,
    alg::RsaKeyBits,
    buffers::Tpm2bData,
    commands::{EcdhKeyGen, EcdhZGen, RsaDecrypt, RsaEncrypt, Sign, VerifySignature},
    handles::{Hierarchy, ObjectHandle},
    structures::{
        PublicId, PublicParms, RsaDecryptScheme, SigScheme, Tpm2bEccPoint, TpmtPublic, TpmtTkHashcheck,
    },
};

const P256: Target = Target::AtMost(0.5);
const RSA_PRIVATE: Target = Target::AtMost(0.4);
const RSA_PRIMARY: Target = Target::ByVectors([0.25, 0.8, 1.4]);
const RSA_CREATE: Target = Target::ByVectors([0.05, 0.15, 0.3]);

pub(super) fn all() -> Vec<Workload> {
    vec![
        workload("CreatePrimary RSA-2048", 160, RSA_PRIMARY, |_| {
            let mut seed = 0_u8;
            Ok(Box::new(move |tpm| {
                // Another template every round: the time of a search varies with the key.
                seed = seed.wrapping_add(1);
                let mut public = template::rsa_storage();
                public.unique = PublicId::Rsa([seed; 256].into());
                let handle = primary(tpm, Hierarchy::Owner, public)?;
                flush(tpm, handle)
            }))
        }),
        workload("Create RSA-2048", 120, RSA_CREATE, |tpm| create(tpm, template::rsa_signing(None, false))),
        workload("Create RSA-3072", 40, RSA_CREATE, |tpm| {
            let mut public = template::rsa_signing(None, false);
            if let PublicParms::Rsa(parms) = &mut public.parameters {
                parms.key_bits = RsaKeyBits::Rsa3072;
            }
            create(tpm, public)
        }),
        workload("CreatePrimary P-256", 200, P256, |_| {
            Ok(Box::new(|tpm| {
                let handle = primary(tpm, Hierarchy::Owner, template::ecc_storage())?;
                flush(tpm, handle)
            }))
        }),
        workload("Create P-256", 300, P256, |tpm| {
            create(tpm, template::ecc_signing(EccCurve::NistP256, None, false))
        }),
        workload("Load + Flush P-256", 1000, P256, |tpm| {
            let command = child(tpm, template::ecc_signing(EccCurve::NistP256, None, false), &[])?;
            Ok(Box::new(move |tpm| {
                let loaded = tpm.call(&command).map_err(told)?;
                flush(tpm, loaded.object_handle)
            }))
        }),
        workload("Load + Flush RSA-2048", 300, Target::None, |tpm| {
            let command = child(tpm, template::rsa_signing(None, false), &[])?;
            Ok(Box::new(move |tpm| {
                let loaded = tpm.call(&command).map_err(told)?;
                flush(tpm, loaded.object_handle)
            }))
        }),
        workload("Sign ECDSA P-256", 600, P256, |tpm| {
            let key = object(primary(tpm, Hierarchy::Owner, ecdsa(false))?)?;
            let command = signing(key);
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Verify ECDSA P-256", 600, P256, |tpm| verify(tpm, ecdsa(false))),
        workload("Sign RSASSA-2048", 200, RSA_PRIVATE, |tpm| {
            let key = object(primary(tpm, Hierarchy::Owner, rsassa(false))?)?;
            let command = signing(key);
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Verify RSASSA-2048", 600, Target::None, |tpm| verify(tpm, rsassa(false))),
        workload("RSA_Decrypt OAEP-2048", 200, RSA_PRIVATE, |tpm| {
            let key_handle = object(primary(tpm, Hierarchy::Owner, template::rsa_decryption(None))?)?;
            let in_scheme = Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha256 });
            let message = [3; 32].into();
            let label = Tpm2bData::default();
            let sealed = tpm
                .call(&RsaEncrypt { key_handle, message, in_scheme, label: label.clone() })
                .map_err(told)?;
            let command = RsaDecrypt { key_handle, cipher_text: sealed.out_data, in_scheme, label };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("ECDH_ZGen P-256", 500, Target::None, |tpm| {
            let handle = primary(tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256))?;
            let key_handle = object(handle)?;
            let generated = tpm.call(&EcdhKeyGen { key_handle }).map_err(told)?;
            let in_point = Tpm2bEccPoint { point: generated.pub_point.point };
            let command = EcdhZGen { key_handle, in_point };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
    ]
}

fn create(tpm: &mut Tpm, public: TpmtPublic) -> Result<Action> {
    let parent = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
    let command = creation(parent, public, &[])?;
    Ok(Box::new(move |tpm| run(tpm, &command)))
}

fn signing(key_handle: ObjectHandle) -> Sign {
    Sign {
        key_handle,
        digest: [4; 32].into(),
        in_scheme: None::<SigScheme>,
        validation: TpmtTkHashcheck::null(),
    }
}

fn verify(tpm: &mut Tpm, public: TpmtPublic) -> Result<Action> {
    let key_handle = object(primary(tpm, Hierarchy::Owner, public)?)?;
    let signed = tpm.call(&signing(key_handle)).map_err(told)?;
    let signature = signed.signature;
    let command = VerifySignature { key_handle, digest: [4; 32].into(), signature };
    Ok(Box::new(move |tpm| run(tpm, &command)))
}
