# A VM under libvirt: crates/vm/src/libvirt.

libvirt-unreachable = VM { $name } is libvirt's, and { $uri } does not answer: { $why }. { $guest }. Nothing was changed. Start libvirt's daemon (`systemctl start libvirtd`), or see `virsh -c { $uri } uri`
libvirt-qemu-lives = Its guest runs on without the daemon, in process { $pid }; libvirt finds it again once it answers
libvirt-qemu-none = It is off: no QEMU of it is there. Where libvirt is gone for good, hypervisor = "qemu" in vm.toml has the VM do without it
libvirt-qemu-hidden = What the VM does is not known, since not all processes of this host can be seen from here; as root, outside of any container, they can
libvirt-refused = VM { $name }: libvirt did not { $action }: { $why }. { $then }
libvirt-cannot = VM { $name } cannot run under libvirt: { $what }. Nothing was changed. { $way_out }, or have QEMU run it directly: hypervisor = "qemu" in vm.toml
libvirt-no-tpm = VM { $name } was not started: libvirt at { $uri } offers no TPM that is a process (its domcapabilities name: { $found }). libvirt offers it where it finds the programs swtpm, swtpm_setup and swtpm_ioctl, even if it runs none of them: install Debian's package swtpm-tools, or have QEMU run the VM directly: hypervisor = "qemu" in vm.toml
libvirt-not-root = VM { $name } was not started: under { $uri } QEMU runs as user { $uid }, and only root can let that user at the VM's files and its TPM, and nobody else. Nothing was changed. Run sigillo as root, or use libvirt_uri = "qemu:///session" in vm.toml, where QEMU runs as you
libvirt-foreign = VM { $name }: the domain { $domain } of libvirt is not this VM's: { $why }. It was not touched. Rename or undefine it (`virsh -c { $uri } undefine { $domain }`), if nobody needs it, and try again
libvirt-path = { $path } cannot be named in libvirt's XML, which holds text without control characters. Nothing was changed; give it another name
libvirt-answer = VM { $name }: what libvirt says is not understood ({ $why }). Nothing was changed; see `virsh -c { $uri } { $command }`
libvirt-uri = libvirt_uri = { $uri } is neither qemu:///system nor qemu:///session, with ?socket=/PATH or without; a VM runs on the host that its bundle and its TPM are on
libvirt-open-console = open the serial console
libvirt-no-terminal = The guest was not started; without --serial the console is in a file, which `sigillo vm info` names
no-terminal = this is no terminal
libvirt-path-too-long = its bundle's path is too long for the sockets in it, and QEMU's user cannot reach them elsewhere
libvirt-move = Move it to a shorter path (`sigillo vm move`)
libvirt-start-domain = start its domain
libvirt-take-domain = take its domain
libvirt-name-taken = The guest was not started. If another domain has the name { $name }, rename the VM (`sigillo vm rename`) or the domain (`virsh -c { $uri } domrename`)
libvirt-screen-at = { $kind } at { $place }
libvirt-screen-see = { $kind }; see `virsh -c { $uri } domdisplay { $name }`
libvirt-no-way = QEMU runs as user { $uid }, which cannot pass through { $dir }: allow that (chmod o+x), or move the VM (`sigillo vm move`)
libvirt-not-started = The guest was not started, and its TPM is as it was
libvirt-confined = { $model } confines QEMU here and may keep it from the TPM's socket: `sigillo doctor { $name }` says what is missing
libvirt-hold = hold its guest
libvirt-let-run = let its guest run
libvirt-info-shows = `sigillo vm info { $name }` shows what it does
libvirts-program = libvirt's program
libvirt-no-state = there is no state { $state }
libvirt-not-ours = it was not made by sigillo
libvirt-of-other = it was made of { $path }, a VM of the same UUID
libvirt-undefine = undefine its domain
libvirt-untouched = The VM was not touched; see `virsh -c { $uri } list --all`
libvirt-nvme = it has a disk on NVMe, for which libvirt's domains of this age have no place
libvirt-nvme-way = Attach the disk to virtio or SATA (`bus` in vm.toml)
libvirt-network = its network is restricted or forwards ports, which libvirt's user network does not do
libvirt-network-way = Take `restrict` and `forward` out of vm.toml
libvirt-console = the serial console of VM { $name } is libvirt's; `virsh -c { $uri } console { $name }` is at it. The guest is not affected
libvirt-guest-unknown = libvirt does not say what the guest does; see `sigillo vm info`
libvirt-memory-part = libvirt did not write it, or not to its end
libvirt-used-up = The saved state is used up, as the guest may have run; its disks and its TPM are as it left them
step-checking-memory = checking memory
libvirt-too-deep = it is deeper or longer than a domain's description
virsh-silent = it did not answer within { $seconds } s
program-signal = { $program } was ended by signal { $signal }
do-give-to-qemus-group = give to QEMU's group
do-give-to-qemus-user = give to QEMU's user
do-describe = describe
accel-libvirt = libvirt started the domain, and nobody said why
memory-changed-since = it was changed or damaged since it was written
program-ended = { $program } ended with status { $code }
