# A VM, its configuration and devices, when they cannot be: crates/vm.

config-too-many = { $found } { $key }; { $most } are possible
draft-identity = name and uuid are those of the VM that is being made: { $name }, { $uuid }
draft-removed-tpm = a new VM has no [removed_tpm]
draft-tpm = a new TPM has store = { $store } and encrypted = true
draft-format = { $disk } has format = { $format }
draft-no-disk = there will be no { $disk } in the bundle; `sigillo vm hardware add disk` adds more disks later
draft-no-cdrom = there is no { $path }
config-too-long = the file is longer than { $limit } bytes
config-not-text = line { $line }: this is not UTF-8 text
config-line = line { $line }: { $what }
config-version = schema version { $version } is not known here (known: { $known })
config-memory = memory_mib = { $memory } is not between 16 and 4194304
config-cpus = cpus = { $cpus } is not between 1 and 255
config-secure-boot = secure_boot needs firmware = "uefi"
config-bios-tpm = a VM with legacy BIOS cannot have a [tpm]
config-store = store = { $store } is not a file name
config-profile = profile = { $profile } is not the name of a profile
vm-name = { $name } cannot name a VM: letters, digits, spaces and . _ - beginning with a letter or digit, no space last, 64 bytes at most
display-port = { $kind } on 127.0.0.1:{ $port }
config-sata = { $sata } SATA disks and { $drives } CD-ROM drives; there are { $ports } SATA ports for both together
config-display-port = port = { $port } is too low: VNC begins at { $vnc }, SPICE at 1024
config-mac-twice = mac = { $mac } is another network card's
config-forwards = { $found } forwards; { $most } are possible
config-port-0 = 0 is not a port that can be forwarded
config-port-twice = port { $port } is forwarded twice
config-path = { $path } is neither a name in the bundle nor an absolute path
config-mac = mac = { $mac } is not the address of one card, as in 52:54:00:12:34:56
policy-writable = others than root and the user who runs sigillo can write it
policy-guests = lets only these guest types have one: { $guests }; this is { $guest }
policy-nobody = lets nobody add one (may_add = false in [tpm])
policy-hosts = names the hosts that may have one, and { $here } is not among them
policy-profile = wants the profile { $wanted }, and { $asked } was asked for
policy-cipher = wants its store sealed with aes-256, and a weaker cipher was asked for
config-libvirt-uri = libvirt_uri needs hypervisor = "libvirt"
config-parser-says = the TOML parser says: { $says }
config-key-unknown = there is no key { $key }; there are { $known }
config-key-missing = the key { $key } is missing
config-key-twice = { $key } is there twice
config-value-unknown = { $found } is none of { $known }
config-wanted = { $found } is not { $wanted }
config-wants-number = a whole number from 0 to { $most }
config-wants-boolean = true or false
config-wants-text = a text in quotes
config-wants-uuid = a UUID
config-wants-list = a list
config-wants-table = a table
