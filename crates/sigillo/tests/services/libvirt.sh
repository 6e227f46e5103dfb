#!/bin/bash
# As job.sh, for a VM of qemu:///system and its drop-in, under Debian's own units for libvirt.
exec > /mnt/said 2>&1
state() { systemctl show -p ActiveState --value "$1"; }
over() { while [ "$(state sigillo-vm@demo)" != "$1" ]; do sleep 0.1; done; }
from() { awk -v want="$1:" '$1 == want { $1 = ""; print substr($0, 2) }' "/proc/$2/status"; }
# libvirtd's, and nothing of the host's own libvirt.
for dir in /var/lib/libvirt /etc/libvirt/qemu /var/log/libvirt; do mount -t tmpfs -o mode=755 tmpfs $dir; done
printf 'security_driver = "none"\n' >> /etc/libvirt/qemu.conf
drop=/etc/systemd/system/sigillo-vm@demo.service.d
mkdir $drop
sed -n 's/--timeout 90/--timeout 1/; s/^ExecStop=.*/ExecStop=\n&/p' /etc/systemd/system/sigillo-vm@.service | sed '1i [Service]' > $drop/soon.conf
systemctl daemon-reload
systemctl start libvirtd; echo "libvirtd: $?"
sigillo vm create demo --accel tcg --memory 256 --network none --disk-size 1 --hypervisor libvirt > /dev/null
sigillo tpm add demo --no-recovery-code > /dev/null
systemctl start sigillo-vm@demo 2> /dev/null; echo "without drop-in: $?"
journalctl -q -u sigillo-vm@demo | grep -o SIG_ERR_IO
systemctl reset-failed sigillo-vm@demo
cp /mnt/sigillo-vm-libvirt.conf $drop/
systemctl daemon-reload
systemctl start sigillo-vm@demo; echo "vm start: $? $(state sigillo-vm@demo) $(virsh domstate demo)"
for pid in $(pgrep -x sigillo); do echo "process: $(from CapBnd "$pid") $(from NoNewPrivs "$pid") $(from Seccomp "$pid")"; done
stat -c 'disk: %U %a' /var/lib/sigillo/vms/demo.sigillo/disk0.img
systemctl stop sigillo-vm@demo; echo "vm stop: $? $(state sigillo-vm@demo) $(systemctl show -p Result --value sigillo-vm@demo) $(virsh domstate demo)"
stat -c 'disk: %U %a' /var/lib/sigillo/vms/demo.sigillo/disk0.img
systemctl start sigillo-vm@demo; echo "again: $? $(virsh domstate demo)"
sigillo vm suspend demo > /dev/null; over inactive
echo "vm suspend: $(virsh domstate demo) $(systemctl show -p Result --value sigillo-vm@demo)"
systemctl start sigillo-vm@demo; echo "vm resume: $? $(virsh domstate demo)"
# The guest and its TPM's process go on: a guest is suspended with its TPM's state, or not at all.
kill -9 "$(systemctl show -p MainPID --value sigillo-vm@demo)"; over failed
echo "killed: $(virsh domstate demo)"
systemctl start sigillo-vm@demo 2> /dev/null; echo "while it runs: $? $(systemctl show -p ExecMainStatus --value sigillo-vm@demo) $(virsh domstate demo)"
sigillo vm suspend demo > /dev/null; echo "suspended after that: $? $(pgrep -x -c sigillo)"
systemctl start sigillo-vm@demo; echo "resumed after that: $? $(virsh domstate demo)"
virsh destroy demo > /dev/null; over inactive; echo "ended by libvirt: $(systemctl show -p Result --value sigillo-vm@demo)"
pgrep -l 'sigillo$|qemu'
systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd virtlogd.socket virtlogd-admin.socket virtlogd
echo end
