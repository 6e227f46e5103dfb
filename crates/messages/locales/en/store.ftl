# The store of a TPM: crates/store.

store-open-wrong-key = the { $given } does not open this TPM store, { $count ->
        [0] which has no { $given }
       *[other] which needs that of key { $keys }
    }; the guest's TPM is unchanged and cannot start with it; { $kind ->
        [password] bring the keychain record with that key id to this host
       *[other] `sigillo tpm key list` shows what else opens it
    }
store-damage-headers = both header copies are damaged ({ $first }; { $second })
store-damage-headers-differ = the two header copies contradict each other
store-damage-header-mac = the header was changed by something that does not know the store's key
store-damage-key-slot = the wrapped data key { $key } was changed
store-damage-length = the file is { $actual } bytes long and should be { $expected }
store-damage-slots = neither copy of the state verifies
store-damage-twins = both copies of the state claim generation { $generation }
store-damage-contents = slot { $slot } verifies but its contents make no sense
store-open-not-found = there is no TPM store at this path; the guest's keys are not lost if the file was only moved; put it back; if it is lost, `sigillo tpm remove` and then `sigillo tpm add` give the VM a new TPM, which the guest will meet as a different chip
store-open-locked = the TPM store is in use by { $holder }; one TPM may not run twice, so the guest was not started; stop the VM (or whatever holds the file) first
store-open-damaged = the TPM store is damaged: { $damage }; the guest's TPM cannot start from it and the file was left as it is; keep it, and see what `sigillo tpm salvage` recovers from it into a new one, or restore a backup
store-open-not-a-store = the file is not a TPM store ({ $what }); the guest was not started and the file was left as it is; check the path
store-open-too-new = the TPM store has format { $version }, which a later sigillo wrote; this one reads up to format { $newest }; the file was left as it is; start the VM with that later release
store-open-needs-key = the TPM store is encrypted under key { $keys } and no password was given; the guest's TPM is unchanged and cannot start; bring the keychain record with that key id to this host
store-open-unencrypted = the TPM store is not encrypted although a password was given; someone may have put another file in its place, so the guest was not started; check where the file comes from, or open it without a password
store-open-unsafe = the TPM store is not safe to open: { $what }; the guest was not started and nothing was changed; put the store itself, as a plain file with one name, in the VM's directory
store-open-replaced = the TPM store was replaced while it was being opened; the guest was not started; see what else writes to the VM's directory and try again
store-open-io = the TPM store cannot be read or written ({ $error }); the guest was not started; check the disk and the file's owner and mode, and try again
store-create-exists = there is already a file where the new TPM store should go; it may hold the guest's keys, so it was left as it is; use that store, or move it away under another name first
store-create-bad-path = the path of the new TPM store names no file; nothing was made; give a path that ends in a file name
store-create-empty-password = the password for the new TPM store is empty; nothing was made, because anyone could open the guest's TPM; give a password, or ask for an unencrypted store
store-create-io = the new TPM store could not be written ({ $error }); the guest has no TPM yet and nothing was left behind; check the directory and the free space, and try again
store-commit-too-large = the TPM's state of { $len } bytes is longer than a store holds ({ $limit }); the change was not stored and the guest gets an error; the state stored before is intact; free objects or NV indices in the guest
store-commit-cannot-grow = the TPM store has to grow and could not ({ $error }); the change was not stored and the guest gets an error; the state stored before is intact; free space on the disk, or check that the VM's directory may be written to
store-commit-cannot-reencrypt = the TPM store could not be encrypted anew ({ $error }); it is as it was, under the keys it had; free space on the disk, or check that the VM's directory may be written to, and try again
store-commit-keys = the store's keys were not changed: { $what }; the guest's TPM is unchanged; run the command again with another key
store-commit-io = writing the TPM store failed ({ $error }); the last change is not known to be on the disk, so the TPM stops and the guest gets no answer; the state before it is intact; check the disk, then stop and start the VM
store-commit-poisoned = an earlier write of the TPM store failed, so it takes no more changes: after such a failure the system may report success for data that is not on the disk; check the disk, then stop and start the VM
another-process = another process
process-pid = process { $pid }
key-id-digits = a key id is 32 hexadecimal digits
key-kind-password = password
key-kind-recovery-code = recovery code
key-kind-passphrase = passphrase
key-kind-other = kind { $number }
store-header-short = the header is cut short
store-header-magic = the header does not begin as a store's does
store-header-checksum = the header's checksum does not match
store-header-too-new = the header has format { $version }
store-header-field = the header's field "{ $field }" has a value no store has
file-symlink = it is a symbolic link
file-directory = it is a directory
file-special = it is a pipe, socket or device
store-staged-published = the staged file was already published
store-hard-link = it has a second name (a hard link), so two VMs could share it
store-keys-none-given = no key was given
store-keys-empty-password = an empty password protects nothing
store-keys-short-passphrase = a passphrase of fewer than 12 characters is guessed too soon
store-keys-unencrypted = the store is not encrypted, so it has no keys
store-keys-same-id = the store already has a key with this key id
store-keys-full = all eight places for keys are taken
store-keys-unknown = the store has no key with this key id
store-keys-last = it is the last way into the store, and without it the TPM is lost
store-keys-none-in-unencrypted = a store that is not encrypted has no keys
store-keys-count = a store has one to eight keys
store-handed-over = the store's state was handed over to someone else
store-keys-twice = two keys have one key id
store-path-no-file = the path names no file
store-sealing-failed = sealing failed inside the program
entropy = the operating system gave no random bytes ({ $error }); nothing was written and the guest's TPM is unchanged; try again, and look at the kernel's log if it happens again
recovery-code-length = a recovery code has { $len } letters and digits, and this has { $given }
recovery-code-character = no recovery code has the character { $character }; it is in group { $group }
salvage-header-copy = header copy { $copy } was damaged: { $why }
salvage-other-keys = the header does not prove itself, so only the key used here opens the new file; { $count ->
        [one] 1 other key was left out and has to be added again
       *[other] { $count } other keys were left out and have to be added again
    }
salvage-vm-unproved = the header's word for which VM the store is of cannot be proved, and was taken over
salvage-slot = state slot { $index } was damaged; if it held the newer state, the last change the guest made is lost
salvage-twins = both state slots claim the same generation; the state that was committed later was taken
salvage-length = the file is { $len } bytes long, which its header does not say
file-empty = it is empty
store-not-a-store = it does not begin as a store's file does
store-without-directory = the store was opened without its directory
store-moved = the store's file was moved or replaced
either = { $first } or { $second }
recovery-code-mistyped = the recovery code is mistyped{ $group ->
        [0] {""}
       *[other] , probably in group { $group }
    }
algorithm-unencrypted = unencrypted
