//! Contexts, data that is enciphered, hashed and authenticated, and sealed data.

use super::{Target, Workload, child, coded, ecdsa, flush, object, primary, run, told, workload};
use sigillo_client::template;
use sigillo_types::attributes::TpmaObject;
use sigillo_types::{
    HashAlg,
    alg::{AesKeyBits, SymMode},
    buffers::{Tpm2bDigest, Tpm2bIv, Tpm2bMaxBuffer, Tpm2bSecretBuffer},
    commands::{ContextLoad, ContextSave, EncryptDecrypt, Hash, Hmac, Unseal},
    handles::{ContextHandle, Hierarchy},
    structures::{PublicId, PublicParms, SymDefObject, TpmsSymcipherParms, TpmtPublic},
};

const TARGET: Target = Target::AtMost(0.8);

pub(super) fn all() -> Vec<Workload> {
    vec![
        workload("ContextSave + Flush + ContextLoad", 1500, TARGET, |tpm| {
            let mut handle = primary(tpm, Hierarchy::Owner, ecdsa(false))?;
            Ok(Box::new(move |tpm| {
                let save_handle = ContextHandle::new(handle).map_err(coded)?;
                let context = tpm.call(&ContextSave { save_handle }).map_err(told)?.context;
                flush(tpm, handle)?;
                handle = tpm.call(&ContextLoad { context }).map_err(told)?.loaded_handle;
                Ok(())
            }))
        }),
        workload("EncryptDecrypt AES-128-CFB 1 KiB", 6000, TARGET, |tpm| {
            let key_handle = object(primary(tpm, Hierarchy::Owner, cipher_key())?)?;
            let in_data = Tpm2bSecretBuffer::new(&[5; 1024]).map_err(coded)?;
            let iv_in = Tpm2bIv::new(&[1; 16]).map_err(coded)?;
            let command = EncryptDecrypt { key_handle, decrypt: false, mode: None, iv_in, in_data };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Hash SHA-256 1 KiB", 6000, TARGET, |_| {
            let data = Tpm2bMaxBuffer::new(&[5; 1024]).map_err(coded)?;
            let command = Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("HMAC SHA-256 1 KiB", 6000, TARGET, |tpm| {
            let handle = object(primary(tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256))?)?;
            let buffer = Tpm2bMaxBuffer::new(&[5; 1024]).map_err(coded)?;
            let command = Hmac { handle, buffer, hash_alg: None };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("Unseal", 3000, Target::None, |tpm| {
            let sealed = template::sealed(Tpm2bDigest::default());
            let load = child(tpm, sealed, b"a disk key of 32 octets, sealed!")?;
            let loaded = tpm.call(&load).map_err(told)?;
            let command = Unseal { item_handle: object(loaded.object_handle)? };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
    ]
}

/// An AES-128 key for data.
fn cipher_key() -> TpmtPublic {
    let sym = SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) };
    let template = ecdsa(false);
    TpmtPublic {
        object_attributes: template.object_attributes | TpmaObject::DECRYPT,
        parameters: PublicParms::SymCipher(TpmsSymcipherParms { sym }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
        ..template
    }
}
