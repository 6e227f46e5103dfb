//! The small commands in an HMAC session: it authorizes where there is something to authorize, else it encrypts the answer, and where that is
//! no TPM2B it audits.
//!
//! The client's half of the HMACs is in both peers' times.

use super::{Action, Result, Target, Tpm, Workload, object, pcrs, primary, small, told, workload};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_types::{
    HashAlg,
    alg::{AesKeyBits, SymMode},
    attributes::TpmaSession,
    command::Command,
    commands::{GetRandom, PcrRead, ReadPublic},
    constants::SessionType,
    handles::Hierarchy,
    structures::SymDef,
};

const TARGET: Target = Target::AtMost(0.8);
const ROUNDS: u32 = 8000;

pub(super) fn all() -> Vec<Workload> {
    vec![
        workload("session: GetRandom 32", ROUNDS, TARGET, |tpm| {
            inside(tpm, GetRandom { bytes_requested: 32 }, TpmaSession::ENCRYPT)
        }),
        workload("session: PCR_Read", ROUNDS, TARGET, |tpm| {
            inside(tpm, PcrRead { pcr_selection_in: pcrs()? }, TpmaSession::AUDIT)
        }),
        workload("session: PCR_Extend", ROUNDS, TARGET, |tpm| {
            inside(tpm, small::extend()?, TpmaSession::empty())
        }),
        workload("session: GetCapability", ROUNDS, TARGET, |tpm| {
            inside(tpm, small::properties(), TpmaSession::AUDIT)
        }),
        workload("session: ReadPublic", ROUNDS, TARGET, |tpm| {
            let object_handle = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            inside(tpm, ReadPublic { object_handle }, TpmaSession::ENCRYPT)
        }),
        workload("session: NV_Read 64", ROUNDS, TARGET, |tpm| {
            let command = small::nv_read(tpm)?;
            inside(tpm, command, TpmaSession::ENCRYPT)
        }),
    ]
}

/// The command in one session that stays. The Names are asked for once.
fn inside<C: Command + 'static>(tpm: &mut Tpm, command: C, attributes: TpmaSession) -> Result<Action> {
    let mut session = start(tpm)?;
    let names: Vec<Vec<u8>> = command
        .handles()
        .iter()
        .map(|handle| tpm.name_of(*handle))
        .collect::<std::result::Result<_, _>>()
        .map_err(told)?;
    let attributes = attributes | TpmaSession::CONTINUE_SESSION;
    Ok(Box::new(move |tpm| {
        let mut auths = [Auth::session_with(&mut session, b"", attributes)];
        tpm.call_named(&command, &names, &mut auths).map(drop).map_err(told)
    }))
}

fn start(tpm: &mut Tpm) -> Result<Session> {
    let symmetric = Some(SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) });
    let options = SessionOptions { symmetric, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
    tpm.start_session(options).map_err(told)
}
