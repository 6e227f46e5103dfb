# The keys to a TPM: crates/vm/src/keys.rs.

keys-foreign = the TPM store { $store } belongs to another VM than { $name }; nothing was changed; put the VM's own store back
keys-record-missing = the keys to the TPM of VM { $name } were not changed: the system keychain has no record { $record }, which opens the store; bring the record from the host the VM came from, or make a new one with the recovery code or the passphrase: `sigillo tpm key restore-record { $name }`
keys-record-other = the keys to the TPM of VM { $name } were not changed: the record { $record } (key id { $key_id }) does not open its store; it may be the key of another store of this VM, such as a backup, so it was left as it is. Bring the right record, or put a new one in its place with the recovery code or the passphrase: `sigillo tpm key restore-record { $name } --replace`
keys-record-there = nothing was changed: the record { $record } is in the system keychain and names a key of the store, so VM { $name } should start. If it does not open the store all the same, `--replace` puts a new record in its place
keys-suspended = the keys to the TPM of VM { $name } were not changed: the TPM is suspended, and its suspended state ({ $file }) could not be read under another key; start the VM, shut the guest down, and try again
keys-not-newest = the TPM store of VM { $name } was not encrypted anew: it is not the newest state that this host saw, or that cannot be told, and the VM would not start with it. Nothing was changed. `sigillo vm start { $name }` says what is the matter and the ways out; encrypt it anew after that
keys-in-use = key { $key_id } is the password that this host's keychain record holds, without which VM { $name } does not start; nothing was removed; `sigillo tpm key rotate { $name }` puts a new password in its place
doing-reencrypt = encrypting its TPM store anew
doing-new-record = making a new record for its TPM
doing-keys = changing the keys to its TPM
