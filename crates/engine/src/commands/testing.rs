//! Self-tests. Part 3, 10.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    tpm::Failure,
};
use sigillo_types::{
    Rc,
    buffers::Tpm2bMaxBuffer,
    command::Done,
    commands::{
        GetTestResult, GetTestResultResponse, IncrementalSelfTest, IncrementalSelfTestResponse, SelfTest,
    },
    rc,
    structures::TpmlAlg,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    SelfTest => self_test,
    IncrementalSelfTest => incremental_self_test,
    GetTestResult => get_test_result,
];

/// TPM2_SelfTest: the tests are over when it answers. Part 3, 10.2.
///
/// # Response codes
/// - `FAILURE`: a test failed; the TPM is in failure mode.
pub(crate) fn self_test(tpm: &mut Tpm, cmd: SelfTest) -> Result<Done, Rc> {
    tpm.self_test(cmd.full_test, |_| true);
    if tpm.failure.is_some() { Err(rc::FAILURE) } else { Ok(Done {}) }
}

/// TPM2_IncrementalSelfTest: the tests asked for are over when it answers. Part 3, 10.3.
///
/// # Response codes
/// - `VALUE` (toTest): an algorithm that is not implemented.
/// - `FAILURE`: a test failed; the TPM is in failure mode.
pub(crate) fn incremental_self_test(
    tpm: &mut Tpm,
    cmd: IncrementalSelfTest,
) -> Result<IncrementalSelfTestResponse, Rc> {
    if !cmd.to_test.iter().all(|id| tpm.algorithms().any(|algorithm| algorithm.id == *id)) {
        return Err(rc::VALUE.at(IncrementalSelfTest::TO_TEST));
    }
    tpm.self_test(false, |id| cmd.to_test.contains(&id));
    if tpm.failure.is_some() {
        return Err(rc::FAILURE);
    }
    let to_do_list = TpmlAlg::new(tpm.algorithms_tested(false)).map_err(|_| rc::FAILURE)?;
    Ok(IncrementalSelfTestResponse { to_do_list })
}

/// TPM2_GetTestResult. What was not tested yet is tested now: a TPM may test at any time, nothing here takes long, and clients take
/// every other answer than SUCCESS for a broken TPM. In failure mode outData tells the reason in one octet: 1, the host had no entropy;
/// 2, a self-test failed; 3, an internal error. Part 3, 10.4.
pub(crate) fn get_test_result(tpm: &mut Tpm, _: GetTestResult) -> Result<GetTestResultResponse, Rc> {
    if tpm.failure.is_none() {
        tpm.self_test(false, |_| true);
    }
    let (out_data, test_result) = match tpm.failure {
        Some(Failure::Entropy) => (Tpm2bMaxBuffer::from([1]), rc::FAILURE),
        Some(Failure::SelfTest) => (Tpm2bMaxBuffer::from([2]), rc::FAILURE),
        Some(Failure::Internal) => (Tpm2bMaxBuffer::from([3]), rc::FAILURE),
        None => (Tpm2bMaxBuffer::default(), rc::SUCCESS),
    };
    Ok(GetTestResultResponse { out_data, test_result })
}
