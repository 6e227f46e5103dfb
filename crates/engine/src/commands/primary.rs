//! Primary objects. Part 3, 24.1.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    object::create::CreationParent,
};
use sigillo_types::{
    Rc,
    commands::{CreatePrimary, CreatePrimaryResponse},
};

pub(crate) const COMMANDS: &[Entry] = entries![CreatePrimary => create_primary];

/// TPM2_CreatePrimary. Part 3, 24.1.
///
/// # Response codes
/// - `OBJECT_MEMORY`: no slot is free.
/// - as TPM2_Create for the template and the sensitive data; data is allowed for an asymmetric key, and makes it another key.
/// - `NO_RESULT`: the hierarchy's seed came from a TPM that derived in another way.
pub(crate) fn create_primary(tpm: &mut Tpm, cmd: CreatePrimary) -> Result<CreatePrimaryResponse, Rc> {
    tpm.require_free_slot()?;
    let object = tpm
        .create_primary(cmd.primary_handle, cmd.in_public.public_area, &cmd.in_sensitive.sensitive)
        .map_err(|refused| refused.at(CreatePrimary::IN_SENSITIVE, CreatePrimary::IN_PUBLIC))?;
    let under = CreationParent::Hierarchy(cmd.primary_handle);
    let record = tpm.creation_record(&object.public, &under, cmd.outside_info, &cmd.creation_pcr)?;
    let out_public = object.public.clone().into();
    let name = object.name.clone();
    let object_handle = tpm.add_object(object)?.raw();
    Ok(CreatePrimaryResponse {
        object_handle,
        out_public,
        creation_data: record.data,
        creation_hash: record.hash,
        creation_ticket: record.ticket,
        name,
    })
}
