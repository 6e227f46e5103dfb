//! Self-tests. Part 3, 10.

use crate::{
    Rc,
    buffers::Tpm2bMaxBuffer,
    command::Done,
    derive::{Command, Response},
    structures::TpmlAlg,
};

/// TPM2_SelfTest: tests what is not tested yet, or everything. Part 3, 10.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0143, name = "TPM2_SelfTest", clause = "10.2", nv, response = Done)]
pub struct SelfTest {
    /// Whether to test again what is tested already.
    pub full_test: bool,
}

/// TPM2_IncrementalSelfTest: tests some algorithms. Part 3, 10.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0142, name = "TPM2_IncrementalSelfTest", clause = "10.3", nv, response = IncrementalSelfTestResponse)]
pub struct IncrementalSelfTest {
    /// The algorithms to test.
    pub to_test: TpmlAlg,
}

/// What [`IncrementalSelfTest`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct IncrementalSelfTestResponse {
    /// What is still to be tested.
    pub to_do_list: TpmlAlg,
}

/// TPM2_GetTestResult: says how the self-test went. Part 3, 10.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017C, name = "TPM2_GetTestResult", clause = "10.4", response = GetTestResultResponse)]
pub struct GetTestResult {}

/// What [`GetTestResult`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetTestResultResponse {
    /// What the vendor says about the test.
    pub out_data: Tpm2bMaxBuffer,
    /// `SUCCESS`, `NEEDS_TEST`, `TESTING` or `FAILURE`.
    pub test_result: Rc,
}
