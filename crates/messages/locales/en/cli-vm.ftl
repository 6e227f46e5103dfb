# What the commands about VMs say: crates/cli/src/cmd.

check-hopeless = VM { $vm } cannot be made ready for Windows 11, and nothing was changed: { $what }: { $why }
check-no-tpm = VM { $vm } gets no TPM, and nothing was changed: { $why }
check-disk-grown = the disk is larger now; the guest's own tool (diskmgmt.msc) makes the partition larger
check-disk-made = it has an empty disk now
check-secure-boot = Secure Boot is on, with Microsoft's keys in fresh firmware variables: other keys and boot entries that were in the old ones are gone, and a guest that sealed to its TPM asks for its recovery key once
check-mends = { $what }: `sigillo vm check { $vm } --windows-11 --fix` mends it
check-ready = { $vm } has what Windows 11 needs
cloned = { $clone } {"{"}{ $uuid }{"}"} is a clone of { $vm }
cloned-without-tpm = { $vm } has no TPM, and neither has the clone
cloned-no-tpm = it has no TPM: BitLocker asks for its recovery key, LUKS for its passphrase; Windows 11 needs a TPM
cloned-add-tpm = `sigillo tpm add { $clone }` gives it one of its own
cloned-new-tpm = it has a new TPM, another identity than { $vm }'s; so in the clone { $loss }
cloned-record = the password of its store is record { $record } in this host's system keychain
cloned-same-tpm = WARNING: it has the same TPM as { $vm }: two VMs of one identity
cloned-same-attestation = who attests one of them cannot tell it from the other: endorsement key, keys and certificates are the same
cloned-same-counters = counters, failed tries and NV contents go apart from here on: what relies on them is undone by using both
cloned-same-advice = keep one of them off, or give the clone a TPM of its own
not-taken-along = not taken along: { $name ->
        [snapshots] its snapshots
       *[other] { $name }
    }
console-failed = the console of { $vm }: { $error }
console-entered = at the serial console of { $vm }; Ctrl-] leaves it
console-left = left the console; { $vm } runs on
console-ended = { $vm } has ended
create-no-tpm-yet = this VM gets no TPM yet; give --tpm-profile to `sigillo vm tpm add`; nothing was made
step-copying-disks = copying disks
created = created { $name } {"{"}{ $uuid }{"}"} in { $bundle }
import-no-esp = { $device }: no EFI system partition is on it, so UEFI firmware will not start a system from it. A system installed for legacy BIOS starts with --firmware bios, without a TPM; a single partition has no boot loader of its own
cannot-find = cannot find { $path }: { $error }
create-adds-tpm = Windows 11 needs a TPM: adding it
create-lacks = it lacks something that Windows 11 needs: `sigillo vm check { $vm } --windows-11`
create-screen = its screen: { $kind }; `sigillo vm start` says where
delete-no-tpm = It has no TPM.
delete-keeps-tpm = Its TPM is kept, and can be brought back.
delete-with-tpm = Its TPM and its keychain record go as well: what a guest sealed to it, here or in a copy elsewhere, can be opened with recovery keys only.
delete-question = This deletes VM { $name } in { $path } with its disks. { $tpm }
    Delete it?
deleted = { $name } is deleted
deleted-tpm-kept = its TPM is kept in { $path }, and its keychain record where it was
deleted-tpm-back = `sigillo vm undelete` makes it a VM again, without disks; where a VM of its UUID is here again, by `sigillo vm import`, `sigillo tpm restore-backup NAME` gives that one this TPM
deleted-for-good = to delete it for good: sigillo vm delete --with-tpm { $path }
deleted-record-kept = its keychain record was kept: it opens no store of this VM, or another VM here needs it
deleted-record = its keychain record { $record } is deleted
draft-head = # What the new VM will be made of. Save and leave the editor to make it; empty the file to make nothing.
    # name and uuid stay. docs/vm.md explains every key; a [tpm] table gives the VM its TPM and turns Secure Boot on:
    #   [tpm]
    #   interface = "crb"
    #   store = "tpm.store"
    #   encrypted = true
    
    
draft-not-written = the draft could not be written: { $error }
draft-refused = no VM was made: { $why }. What you wrote is kept in { $path }
draft-unreadable = no VM was made: the draft cannot be read: { $error }
draft-emptied = no VM was made: the draft was emptied
draft-again = { $why }
    Edit it again?
editor-ended = the editor { $editor } ended with { $status }; set VISUAL or EDITOR to another
editor-not-started = the editor { $editor } cannot be started: { $error }; set VISUAL or EDITOR
draft-too-long = it is longer than { $limit } bytes
display-choices = none, vnc, spice, or with a port as in vnc:5901
forward-example = two ports, as in 2222:22
hardware-removed = { $vm } has no { $device } any more: { $what }
hardware-file-kept = its file was kept: { $kept }
display-none = none is no display; `sigillo vm hardware remove VM display` takes one away
step-copying-the-disk = copying the disk
hardware-added = { $vm } has { $device } now
record-of-other-store = of another store
record-state-missing = missing: the VM does not start on this host
not-encrypted = not encrypted
renamed = { $old } is { $new } now; its UUID, and so its keychain record, are what they were
moved = { $vm } is in { $path } now; its name goes on to be known here
discard-question = The memory of the suspended guest of VM { $name } will be gone: what it had not written to its disks is lost, as after pulling the plug. Its disks and its TPM stay.
    Give the saved state up?
discarded = { $name } is off; its saved state is gone
runs = { $vm } runs
snapshot-suspends = { $vm }: the guest runs, so it is suspended, copied with its memory, and resumed
revert-loses-memory = What is there now, the memory of its suspended guest included, will be gone.
revert-loses = What is there now will be gone.
revert-keeps = What is there now is kept as a snapshot.
revert-tpm = The TPM goes back as well: its counters, its count of failed tries and its clock are those of then, and keys and NV contents that were added since are not in it. Keys removed since are back. What the guest sealed since may not open.
reverted-tpm = its TPM went back with it: counters and failed tries since then are forgotten
reverted-kept-for-tpm = its TPM is not in that snapshot, so what was there was kept in spite of --discard-current
reverted-kept = what was there before is the snapshot { $kept }
snapshot-delete-question = The snapshot { $snapshot } of VM { $vm } will be gone for good. Delete it?
snapshot-deleted = snapshot { $snapshot } is deleted
start-accelerator = { $vm }: accelerator { $accel } ({ $reason })
started = { $vm } is running; serial console in { $log }
its-screen = its screen: { $address }
ended-status = status { $code }
ended-signal = signal { $signal }
qemu-ended = QEMU ended with { $status }
cannot-find-myself = cannot find myself: { $error }
doing-shutdown = shutting it down
stopped-by-guest = { $name } has shut down
stopped = { $name } was ended
stopped-after = { $name } did not shut down within { $seconds } s and was ended
stopped-by-kill = { $name } did not answer and was killed
suspended = { $vm } is suspended: { $mib } MiB in { $path }; `sigillo vm resume { $quoted }` goes on from there
paused = { $vm } is paused; `sigillo vm unpause { $quoted }` lets it run
exported = { $vm } is exported to { $file }
exported-record = the password of its TPM is not in it: on another host the VM starts only with the record { $record }
exported-bring = to bring it: sigillo keychain create carry.kdbx
exported-once = start it on one host only from now on: two copies of one TPM drift apart
imported = { $name } {"{"}{ $uuid }{"}"} is in { $path }
imported-record-here = its keychain record is here (key { $key_id }): `sigillo vm start { $quoted }`
imported-record-other = this host's keychain record { $record } (key { $key_id }) is of another store, and does not open its TPM
imported-replace = `sigillo keychain copy` with `--replace { $key_id }` puts the right one in its place
imported-record-missing = it starts once the record { $record } is here:
worker-anchor = SIG_ERR_ANCHOR_IO: the anchor of the store cannot be used: { $error }
worker-foreign-store = the TPM store belongs to another VM than { $uuid }; the guest was not started and nothing was changed; put the VM's own store back
worker-empty-store = the TPM store holds no TPM: it is a copy from before its TPM was made, and a new TPM would be another one to the guest; the guest was not started and nothing was changed; put the VM's own store back
worker-saved-store = SIG_ERR_VM_SAVED_STORE: the TPM store is not the one that the saved state belongs to
head-needs = NEEDS
head-has = HAS
check-mended = mended
check-ok = ok
check-lacks = lacks
head-device = DEVICE
head-to-add = TO ADD
device-not-offered = not: { $why }
firmware-secure-boot = { $firmware }, Secure Boot { $state }
list-unreadable = { $count ->
        [one] { $count } bundle could not be read
       *[other] { $count } bundles could not be read
    }
head-ip = IP_ADDR
status-running = running
status-paused = paused
status-suspended = suspended
status-stopped = stopped
status-failed = failed
tpm-encrypted = encrypted
step-cloning = cloning
step-moving = moving
step-exporting = exporting
step-importing = importing
snapshot-made = snapshot { $name } ({ $id }) of { $vm }: { $mib } MiB
snapshot-made-memory = snapshot { $name } ({ $id }) of { $vm }: { $mib } MiB, with the guest's memory
snapshot-damaged-word = damaged
snapshot-off = off
snapshot-with-tpm = with TPM
revert-question = VM { $name } is taken back to { $snapshot }: disks, firmware variables and configuration are those of then. { $kept }
revert-confirm = Take it back?
reverted = { $name } is as it was at { $snapshot }
reverted-suspended = { $name } is as it was at { $snapshot }; it is suspended as it was then
doing-inspection = looking into its TPM
undeleted = { $name } { "{" }{ $uuid }{ "}" } is in { $bundle } again, with its TPM and firmware variables
undeleted-disks = its disks are gone; an image of one comes in by `sigillo vm hardware add disk { $name } --image FILE`
