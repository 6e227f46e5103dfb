//! One module a command.
pub(crate) mod swtpm;
pub(crate) mod worker;
