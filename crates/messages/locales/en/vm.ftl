# A virtual machine and its TPM: crates/vm.

io = cannot { $action } { $path }: { $source }
file-system-full = { $place } takes nothing more: its file system, { $mount }, is full. It was not done, and nothing that was there is lost. Free space there (`df -h { $mount }` tells how much there is) and give the command again
file-system-read-only = nothing can be written to { $place }: its file system, { $mount }, is mounted read-only. It was not done, and nothing that was there is lost. Mount it for writing (`mount -o remount,rw { $mount }`) and give the command again; where it was not mounted so, see the host's kernel log, for its disk may fail
vm-config = { $path }: { $what }. The VM was not touched; correct the file and try again
vm-not-found = there is no VM { $name } in { $home }. `sigillo vm list -a` shows what is there
vm-exists = { $path } is already there; choose another name or delete that VM first
vm-running = VM { $name } is running: { $action } needs it off. Shut the guest down or run `sigillo vm stop { $name }` first
vm-busy = another sigillo command is at work on VM { $name }; wait for it to end and try again
tpm-legacy-bios = VM { $name } starts from a legacy BIOS, and the TPM works only with UEFI firmware: the guest would not be measured and Secure Boot is impossible. A guest installed for BIOS does not start under UEFI, so the firmware of this VM cannot be changed; make a new VM with `sigillo vm create NAME --firmware uefi` and install the guest there
tpm-physical-disk = VM { $name } uses the host's disk { $disk }: the same system can be started outside the VM, where its TPM does not exist, so keys kept in the TPM would be lost to it. Import the disk into an ordinary VM and add the TPM there: `sigillo vm create NAME --import-disk { $disk }` copies it into an image and leaves it as it is
tpm-exists = VM { $name } already has a TPM; it was not touched
tpm-keychain-setup = the TPM of VM { $name } was not added: its password cannot be kept in the system keychain ({ $code }: { $why }). Nothing was changed. Mend the keychain as said (`sigillo doctor` tells more) and try again
tpm-record-missing =
    VM { $name } was not started: it is tied to the host it was made on, or ran on last, because the password of its TPM store is in the record { $record }, which the system keychain of this host does not have. The store was not touched. Two ways bring it:
      (1) in a keychain file, from that host or kept as a backup:
          there: sigillo keychain create carry.kdbx
          there: sigillo keychain copy { $quoted } --from system --to carry.kdbx
          here:  sigillo keychain copy { $quoted } --from carry.kdbx --to system
      (2) a new record, with the recovery code printed when the TPM was added, or a passphrase:
          here:  sigillo tpm key restore-record { $name }
    Without either the guest's keys cannot be recovered. A guest that uses BitLocker or LUKS with the TPM can still be opened with its recovery key; this keeps the store as a backup and gives the VM a new TPM:
          sigillo vm start { $name } --when-record-missing new
tpm-record-other = VM { $name } was not started: the record { $record } of this host's system keychain (key id { $key_id }) does not open its TPM store, which was made or re-keyed under another password. The store was not touched. { $hint }
vm-keychain = the system keychain cannot be used for VM { $name } ({ $code }: { $why }). That is not a missing record: the TPM store was not touched, and the VM not started
vm-store = the TPM store of VM { $name } cannot be used: { $why }
vm-store-gone = VM { $name } was not started: its TPM store { $store } is not there. { $hint }
tpm-rolled-back = VM { $name } was not started: its TPM store was rolled back by { $by ->
        [one] { $by } commit
       *[other] { $by } commits
    }, last seen { $seen }. Counters, failed tries and what the guest removed since then would be undone. Nothing was changed. Put the newest store back; if it is lost, or the VM was taken back on purpose, `sigillo vm start { $name } --when-rolled-back accept` goes on from the older one
tpm-twin = VM { $name } was not started: its TPM store is a twin: at commit { $generation } or before it left the history that this host saw last { $seen }, so a copy of the VM went on by itself elsewhere. Nothing was changed. Find out which of the two the guest shall go on with and put that store here; `sigillo vm start { $name } --when-rolled-back accept` goes on with this one
tpm-other-store = VM { $name } was not started: its TPM store is another one than the VM ran with last on this host: another TPM to the guest. Nothing was changed. Put the VM's own store back (`sigillo tpm restore-backup` does that with a backup); if this one is right, `sigillo vm start { $name } --when-rolled-back accept`
tpm-anchor = VM { $name } was not started: what this host remembers of its TPM store is damaged, so it cannot be told whether the store was rolled back. Nothing was changed. If you are sure of the store, `sigillo vm start { $name } --when-rolled-back accept` begins to remember anew
tpm-in-use = VM { $name } was not started: { $holder } on this host runs a copy of its TPM store. One TPM may not run twice: the guests would undo each other's changes. Nothing was changed. Stop the other VM; a copied VM needs a TPM of its own
host-config = { $path }: { $what }. It says what is done when a TPM's record is missing or its store was rolled back, so no VM is started without it; correct the file and try again
tpm-backup = no backup of the TPM of VM { $name } was restored: { $why }. Nothing was changed; `sigillo tpm restore-backup { $name } --list` shows them
tpm-backup-record = no backup of the TPM of VM { $name } was restored: the system keychain has no record with key { $key_ids }. Nothing was changed, and the VM keeps the TPM it has. Bring the record from the host the VM came from and try again
host-part = { $what } is not there: { $path }. Install Debian's package { $package }
vm-worker = VM { $name } was not started: its TPM did not come up: { $why }
vm-serial-log = VM { $name } was not started: the process that writes its serial log did not come up: { $why }
vm-qemu = VM { $name } was not started: QEMU did not come up: { $why }
vm-variables = VM { $name } was not started: its firmware's variables { $path } are not whole: { $why }. Nothing was changed. Put the file back from a copy of the bundle; without one, `cp { $template } { $path }` makes a fresh one: the guest's boot entries and other keys are not in it, and what was sealed to the old ones asks for its recovery key
vm-no-kvm = VM { $name } was not started: it asks for KVM, and this host's KVM does not do: { $why }. Set accel = "auto"
vm-monitor = QEMU's monitor: { $why }
vm-stop-timeout = VM { $name } did not shut down within { $seconds } s. The guest may be ignoring the power button; `sigillo vm stop { $name } --force` ends it at once, as pulling the plug would
vm-run-directory = no private directory for the VM's sockets: { $why }
secure-boot-keys = Secure Boot keys: { $why }
vm-import-disk = { $disk } was not imported, and it was not changed: { $why }
vm-draft = no VM was made: { $why }
vm-disk-size = the disk { $disk } was not made larger: { $why }
vm-not-started = VM { $name } was not started: { $why }
vm-hardware = the hardware of VM { $name } was not changed: { $why }
tpm-none = VM { $name } has no TPM; nothing was changed. `sigillo tpm add { $name }` gives it one
tpm-policy = VM { $name } gets no TPM: the policy of this host ({ $file }) { $why }. Nothing was changed. Ask the host's administrator, who can change that file
tpm-unavailable = VM { $name } gets no TPM: this host cannot run one: { $why }. Nothing was changed; `sigillo availability` shows what is needed
do-copy = copy
do-create = create
do-find = find
do-follow = follow
do-grow = grow
do-import = import
do-keep = keep
do-listen-on = listen on
do-lock = lock
do-look-at = look at
do-make-a-password-for = make a password for
do-make = make
do-measure = measure
do-move = move
do-open = open
do-protect = protect
do-read-the-anchor-of = read the anchor of
do-read = read
do-remove = remove
do-rename = rename
do-replace = replace
do-run = run
do-set-aside = set aside
do-size = size
do-sync = sync
do-use = use
do-wait-for = wait for
do-write = write
do-connect-to = connect to
and = { $first } and { $second }
console-elsewhere = VM { $name } has its serial console on the terminal it was started from with --serial; shut it down there and start it without --serial to reach its console from anywhere
console-taken = another terminal is at the serial console of VM { $name }; leave it there with Ctrl-] first. The guest is not affected
doing-tpm-removal = removing the TPM
part-outside-not-there = { $path }, which lies outside of it, is not there (bring it back, or take it out with `sigillo vm hardware remove`)
image-cut = { $path } has { $bytes ->
        [one] { $bytes } byte
       *[other] { $bytes } bytes
    }, and a raw image has whole sectors of 512 bytes (if nothing of it is missing, `truncate -s %512` rounds it up)
image-empty = { $path } is an empty file, and no disk
store-not-encrypted = { $path } is not encrypted, and the VM's store was; it is another one and was not touched; put the VM's own store back
store-gone-backup-with-record = A backup of it whose record is here is in the bundle: `sigillo tpm restore-backup` brings it back
store-gone-backup = There are backups of it in the bundle, without their records: see `sigillo tpm restore-backup --list`
store-gone = The guest's keys are not lost if the file was only moved: put it back. Nothing was changed, and no other TPM was made; if it is lost, `sigillo tpm remove` and then `sigillo tpm add` give the VM a new one
record-opens-backup = The record opens the backup { $backup }: `sigillo tpm restore-backup { $vm }` makes it the VM's store again
record-bring = Bring the record from the host where the VM ran last
doing-restore = restoring a backup of its TPM
backup-none = there is none in its bundle
backup-no-such = none is called so; there are: { $listed }
backup-several = more than one fits; name one of: { $listed }
backup-unreadable = the backup { $backup } cannot be read; nothing was changed
backup-foreign = the backup { $backup } is of another VM or holds no TPM; nothing was changed
tpm-loss = what the guest sealed to the old TPM stays closed: BitLocker asks for its recovery key, LUKS for its passphrase; keys, NV contents and counters in the TPM are not there; Windows Hello and certificates bound to it have to be set up anew; who attests the guest sees another endorsement key
doing-start = starting it
hypervisor = the hypervisor
link-not-file = it is not a file; name what a link leads to by its own absolute path
step-loading-memory = loading memory
qemu-said = { $why }; QEMU said: { $said }
guest-internal-error = the guest stopped with an internal error
qemu-ended-early = QEMU ended before its monitor answered
import-file = it is a file and not a disk of this host; `--disk` takes image files
import-device = it is a disk of this host, and no exported VM. `sigillo vm create NAME --import-disk { $disk }` makes a VM with a copy of it
import-no-disk = it is not a disk or partition of this host
import-in-use = this host uses it, so what is read could be half written; unmount it (or swap it off) first
import-only-root = only root may read it; run the command with sudo
disk-host-size = it is a disk of this host, which is as large as it is
not-a-file = it is not a file
qcow2-program = the program that grows qcow2 images
said-nothing = it said nothing
qcow2-none = it is no qcow2 image
qcow2-backing = it has a backing file; `qemu-img convert` makes one image of both
qcow2-data-file = its data lie in another file; `qemu-img convert` makes one image of both
behind-symlink = it is, or lies behind, a symbolic link
vm-has-none = the VM has none
said-nothing-for = it said nothing for { $seconds } s
qmp-descriptor = a descriptor could not be handed over
qmp-takes-nothing = it takes nothing more
qmp-failed = it failed
qmp-no-status = query-status names no status
qmp-no-answer = it did not answer in time
qmp-closed = the connection was closed
qmp-not-json = not JSON: { $error }
qmp-endless-line = a line has no end
doing-tpm-addition = adding the TPM
no-spice = the QEMU installed here has no SPICE. Nothing was changed; take `--display vnc`
seconds-after-1970 = { $seconds } s after 1970
doing-announce = taking its TPM back to a snapshot
nothing-changed = Nothing was changed
belongs-to-other-vm = { $path } belongs to another VM
run-path-too-long = { $path } is too long as well; set XDG_RUNTIME_DIR to a shorter one
dir-not-own = { $path } is not a directory of yours that only you can write
dir-not-private = { $path } is not a directory of yours alone (0700)
it-dir-not-own = it is not a directory of yours that only you can write
copy-not-whole = it is a copy of a VM that is not whole
doing-deletion = deleting it
keys-choices = microsoft, snakeoil, or the path of a variable store
keys-microsoft = Microsoft's keys
keys-snakeoil = the snakeoil test keys
keys-of-file = the keys of { $path }
vars-size = { $size } bytes; a variable store for this firmware has { $wanted }
vars-no-volume = not a firmware volume
uefi-firmware = the UEFI firmware
new-tpm-question = The system keychain of this host has no record { $record }, which holds the password of the TPM store of VM { $vm }.
    A new TPM can be made. Then { $loss }.
    The store found is kept as a backup, and `sigillo tpm restore-backup` brings it back once its record is here.
    Make a new TPM?
older-state-question = { $why }
    Starting it all the same gives the guest the older TPM: counters and failed tries since then are forgotten, and what was sealed since then may not open.
    Start it?
event-new-tpm = VM { $vm } has a NEW TPM, because the keychain had no record { $record }: { $loss }.
    The store found is kept as { $backup }.
    To undo it: bring the old record (`sigillo keychain copy`), then `sigillo tpm restore-backup { $vm }`
event-finished = VM { $vm }: a change of its TPM's store that was interrupted was brought to its end
event-moved-on = VM { $vm }: its TPM has { $by ->
        [one] { $by } commit
       *[other] { $by } commits
    } that this host did not see, as after running on another host
event-not-remembered = VM { $vm }: this host could not remember the newest state of its TPM's store ({ $why }); until the VM starts again, a copy of the state before that is not recognised as older
accel-configuration = the configuration asks for it
accel-trial = this host's KVM ran the firmware in a trial
accel-no-kvm = this host's KVM does not do: { $why }
accel-suspended = as when it was suspended
accel-unknown = whoever started it was ended before it could say
kvm-firmware-stopped = the firmware stopped: { $status }
display-socket = { $kind } on the Unix socket { $path }
display-port-password = { $kind } on 127.0.0.1:{ $port }, with the password in { $path }
