# The process of a TPM, what of it a person reads: crates/server.

volatile-not-used = the stored volatile state is not used: { $why }
tpm-not-started = the TPM did not start from its state; its state was not changed; the log says why
process-not-set-up = the process cannot be set up: { $error }
seccomp-not-set = the seccomp filter cannot be set ({ $error }); nothing was started; --seccomp action=none runs without it
passphrase-not-stretched = the passphrase could not be turned into a key; is there memory left?
blob-not-whole = this is not a whole state blob of sigillo
blob-version = this state blob has a version that a later sigillo wrote
blob-other-key = this state blob is sealed under another key
blob-not-sealed = this state blob is not sealed, and a migration key was given
blob-sealing-failed = the state blob could not be sealed
profile-unknown = there is no TPM profile { $name }; there are { $names }
descriptor-unusable = descriptor { $number } cannot be used: { $error }
key-is-empty = the key is empty (1 to { $limit } bytes are)
key-is-too-long = the key is too long (1 to { $limit } bytes are)
startup-failed = TPM2_Startup failed with response code { $code }
