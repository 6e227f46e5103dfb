//! The command execution pipeline, in the order of Part 3, 5: one file a step.

mod audit;
mod authorization;
mod handles;
mod hashes;
mod header;
mod mode;
mod parameters;
mod policy;
mod read_only;
mod response;
mod sessions;

pub(crate) use sessions::MAX_SESSIONS;

use crate::{Host, Pending, Tpm, dispatch::Entry, few::Few, tpm::Call};
use alloc::vec::Vec;
use handles::Handles;
use sessions::Sessions;
use sigillo_crypto::hash::Digest;
use sigillo_types::{HashAlg, Marshal, Rc, buffers::Tpm2bName, constants::st, rc};
use zeroize::Zeroizing;

impl Tpm {
    /// Executes a command that came from `locality` (0 to 4, or 32 to 255).
    ///
    /// Every command has a reply, be it a response code. Nothing is answered, and nothing has happened, before [`Pending::stored`]. A command
    /// that is canceled while it runs comes to its end, is undone, and answers `TPM_RC_CANCELED`.
    pub fn execute(&mut self, locality: u8, command: &[u8], host: &mut dyn Host) -> Pending<'_> {
        let now_ms = host.monotonic_ms();
        self.call = Call { locality, physical_presence: host.physical_presence(), ..Call::default() };
        if self.powered {
            self.tick(now_ms);
        }
        if self.rng.reseed_due() {
            self.take_entropy(host);
        }
        let before = self.state.clone();
        let was_failing = self.failure.is_some();
        let result = match self.run(command).map(Zeroizing::new) {
            Ok(_) if self.failure.is_some() && !was_failing => Err(rc::FAILURE),
            // Undone as if it had never come: the caller may send it again.
            Ok(_) if host.canceled() => Err(rc::CANCELED),
            result => result,
        };
        match result {
            Ok(reply) => self.pending(before, reply),
            Err(code) => {
                self.state = before.clone();
                // An error shows nothing of what the command would have shown.
                self.call.code = 0;
                self.call.nonces = Few::default();
                if let Some(wrong) = self.call.wrong_try.take() {
                    self.count_wrong_try(wrong);
                }
                let permanent = self.settle(&before);
                // A wrong try counts even while it cannot be stored.
                let before = self.state.clone();
                Pending::new(self, before, Zeroizing::new(error_reply(code)), permanent)
            }
        }
    }

    /// The steps of Part 3, 5.
    fn run(&mut self, command: &[u8]) -> Result<Vec<u8>, Rc> {
        mode::require_power(self)?;
        let header = header::read(&self.profile, command, self.buffer_size)?;
        let entry = header.entry;
        self.call.code = entry.spec.code;
        mode::check(self, &header)?;
        let (handles, rest) = handles::read(entry.spec, header.rest)?;
        handles::check(self, &handles)?;
        read_only::check(self, entry.spec.code, &handles)?;
        self.require_tested(entry.spec.code, &handles)?;
        let (sessions, parameters) = sessions::read(self, &header, &handles, rest)?;
        let mut request = Request::new(self, entry, handles, sessions, parameters);
        authorization::check(self, &mut request)?;
        let parameters = parameters::decrypt(self, &request)?;
        let answer = (entry.run)(self, &request.handles, &parameters, header.has_sessions)?;
        response::build(self, &mut request, header.has_sessions, answer)
    }
}

/// A command on its way through the pipeline.
struct Request<'a> {
    entry: &'static Entry,
    handles: Handles,
    /// The Names of the handles, while the entities are there; empty if nothing needs them.
    names: Few<Tpm2bName, { handles::MAX_HANDLES }>,
    sessions: Sessions<'a>,
    /// As they came, perhaps encrypted.
    parameters: &'a [u8],
    /// The cpHash for each algorithm that was asked for: those of the sessions and that of the command audit.
    cp_hashes: Few<Option<(HashAlg, Digest)>, { MAX_SESSIONS + 1 }>,
}

impl<'a> Request<'a> {
    fn new(
        tpm: &Tpm,
        entry: &'static Entry,
        handles: Handles,
        sessions: Sessions<'a>,
        parameters: &'a [u8],
    ) -> Self {
        let mut request =
            Self { entry, handles, names: Few::default(), sessions, parameters, cp_hashes: Few::default() };
        let audited = audit::is_audited(tpm, entry.spec.code);
        if audited || request.sessions.iter().any(|session| !session.is_password()) {
            for handle in request.handles.iter() {
                let fits = request.names.push(tpm.name_of(*handle));
                debug_assert!(fits);
            }
        }
        if audited {
            request.cp_hash(tpm.state.persistent.audit_hash_alg);
        }
        request
    }

    /// The command parameter hash. Part 1, 15.7.
    fn cp_hash(&mut self, alg: HashAlg) -> Digest {
        if let Some((_, digest)) = self.cp_hashes.iter().flatten().find(|(known, _)| *known == alg) {
            return digest.clone();
        }
        let digest = hashes::cp_hash(alg, self.entry.spec.code, &self.names, self.parameters);
        let fits = self.cp_hashes.push(Some((alg, digest.clone())));
        debug_assert!(fits);
        digest
    }
}

/// The response to a command that failed: a header without sessions. Part 3, 6.1.
pub(crate) fn error_reply(code: Rc) -> Vec<u8> {
    let tag = if code == rc::BAD_TAG { st::RSP_COMMAND } else { st::NO_SESSIONS };
    let mut reply = Vec::with_capacity(10);
    tag.marshal(&mut reply);
    10_u32.marshal(&mut reply);
    code.raw().marshal(&mut reply);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_tag_is_answered_as_a_tpm_1_2_would() {
        assert_eq!(error_reply(rc::BAD_TAG), [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0x1E]);
        assert_eq!(error_reply(rc::FAILURE), [0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 1]);
    }
}
