# What the commands about the host and its keychain say: crates/cli/src/cmd.

audit-last-hash = last hash { $hash }
audit-says-torn = a crash left the beginning of one more line, which stands for nothing that was done
audit-says-whole = { $path }: { $lines ->
        [one] { $lines } line
       *[other] { $lines } lines
    }, whole and in order
availability-keychain = the system keychain can be used; records: { $count }
availability-together = --product-version, --edition and --chip go together, as in `sigillo availability --product-version 17.1.0 --edition pro --chip intel`; without them it is about sigillo on this host
availability-not-here = no VM with a TPM can run on this host until what is missing is here
not-confirmed = nothing was changed, because nobody said yes; without a terminal, --yes says it
doctor-count = { $errors ->
        [one] { $errors } error
       *[other] { $errors } errors
    }, { $warnings ->
        [one] { $warnings } warning
       *[other] { $warnings } warnings
    }
keychain-file-made = { $file } is made; it holds no record yet
keychain-file-opens = { $path } opens with this password ({ $kdf })
keychain-file-holds = records: { $records }; other entries: { $others }
keychain-nothing-stays-open = nothing stays open: every command that needs the file asks for its password
keychain-copy-which = one of --from and --to has to be this host's `system` or `secret-service`, and the other one another keychain; no record was copied; name them so
keychain-copied = { $name } (key { $key_id }, made { $created }) is copied
keychain-copy-there = on the other host: sigillo keychain copy '{ $name }' --from { $file } --to system
keychain-copied-here = the VM with the UUID in its name can start on this host now
secret-service-not-built = this sigillo was built without it (cargo build -p sigillo --features secret-service)
keychain-not-sealed = the records of this host are in the Secret Service, as its host.toml says; it has its own key and its own lock, and nothing was done; lock and unlock it with the desktop's program
record-needed = VM { $vm } needs this record: without it the guest loses its TPM and does not start;
record-needed-set-aside = { $path }, kept of VM { $vm }, needs this record:
record-needed-unread = the store { $path } of { $vm } cannot be read, and may need this record: `sigillo tpm salvage` takes its key from it, and without it what is left of that TPM is lost.
record-needed-elsewhere = the VM of this record ran on this host with a TPM whose store is not in { $home }, and nowhere else was looked: it may lie in another directory (`--home`) or on a disk that is not there now, and need this record.
record-needed-twin = the record { $twin }, which stays, has the same password.
record-needed-other-way = only a recovery code or a passphrase opens that store then.
record-needed-only-way = nothing else opens that store: BitLocker asks for its recovery key, LUKS for its passphrase, and keys in the TPM are gone.
record-keep-copy = To keep a copy first: `sigillo keychain create copy.kdbx`, then `sigillo keychain copy '{ $name }' --from { $from } --to copy.kdbx`.
record-give-up = Give up the record { $name }?
record-deleted = { $name } is deleted
keychain-now-locked = { $path } is locked: TPMs that need it do not start
keychain-now-unlocked = { $path } is unlocked; its key ({ $provider }) opens it; records: { $records }
keychain-not-there-yet = { $path } is not there yet: it is made with the first record
ask-password = Password of { $path }:{" "}
ask-new-password = New password for { $path }:{" "}
ask-again = The same again:{" "}
passwords-differ = the two passwords differ
no-terminal-for-password = there is no terminal to ask on ({ $error }); give --password-file or --password-fd
keychain-no-password = no password for the keychain file: { $why }; no record was read or copied; try again
old-key-left = the old key is of no use any more and could not be removed: { $why }
provider-had-it = { $path } had a { $kind } already
provider-has-now = { $path } has a { $kind } now; it had a { $before }
provider-made = { $path } is made; its key is a { $kind }
keychain-sealed-by = { $path } is sealed; its key is a { $provider }
keychain-first-provider = { $path } is not there yet; the first provider below that works will seal it
keychain-how-to-unlock = it is locked; `sigillo keychain unlock` ends that
provider-state-absent = not here
records-in-secret-service = the records are in the Secret Service of this session
password-for-root = the password of { $name } is shown to root alone; nothing was shown and the VM's TPM is unchanged; run the command as root
store-needs-no-record = not encrypted: it needs no record
store-opened-by-record = opened by this record
store-under-other-password = made or re-keyed under another password
record-not-printed = the record could not be printed: { $error }
report-not-written = what was asked for is done, and its report could not be written: { $why }
man-pages = { $count } pages in { $dir }
man-not-written = { $path } cannot be written: { $error }
host-tpm-none = no TPM 2.0 at { $path }: { $error }
host-tpm-no-key = its owner hierarchy made no storage key: { $error }
host-tpm-no-handle = its storage key has no handle
host-tpm-no-salt = no salt for its storage key
host-tpm-no-session = it started no session: { $error }
host-tpm-silent = { $path } is not a TPM 2.0 that answers: { $error }
host-tpm-strange = { $path } answers something else than was asked
host-tpm-would-seal = would seal to the TPM 2.0 at { $path } (made by { $maker })
host-tpm-key-too-long = the key is too long to be sealed
host-tpm-not-sealed = it did not seal the key
host-tpm-damaged = it is damaged, or no key sealed to a TPM
host-tpm-other = this TPM has another storage key: it was cleared, or it is not the TPM the key was sealed to
host-tpm-not-loaded = it does not load the key
host-tpm-loaded-no-handle = the loaded key has no handle
host-tpm-not-unsealed = it does not unseal the key
head-this-host = THIS HOST
head-feature = FEATURE
head-available = AVAILABLE
head-why = WHY
need-not-needed = not needed
availability-unsaid = unsaid
head-about = ABOUT
head-provider = PROVIDER
head-state = STATE
provider-state-works = works
provider-state-broken = broken
keychain-sealed-by-locked = { $path } is sealed; its key is a { $provider }; it is locked
head-host = HOST
head-comment = COMMENT
severity-note = note
severity-warning = warning
severity-error = error
doctor-host = host
doctor-vm = VM { $vm }
doctor-means = means: { $text }
doctor-do = do: { $text }
doctor-command = command: { $text }
