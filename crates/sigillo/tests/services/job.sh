#!/bin/bash
# What is done under that systemd; what it says is compared by the test. The guest is firmware alone, which no power button ends: it gets
# a second in place of a minute and a half.
exec > /mnt/said 2>&1
state() { systemctl show -p ActiveState --value "$1"; }
from() { awk -v want="$1:" '$1 == want { $1 = ""; print substr($0, 2) }' "/proc/$2/status"; }
for unit in vm tpm; do systemctl cat "sigillo-$unit@.service" > /dev/null || echo "no sigillo-$unit@.service"; done
mkdir /etc/systemd/system/sigillo-vm@.service.d
sed -n 's/--timeout 90/--timeout 1/; s/^ExecStop=.*/ExecStop=\n&/p' /etc/systemd/system/sigillo-vm@.service |
  sed '1i [Service]' > /etc/systemd/system/sigillo-vm@.service.d/soon.conf
systemctl daemon-reload

sigillo vm create demo --accel tcg --memory 256 --network none > /dev/null
sigillo tpm add demo --no-recovery-code > /dev/null
systemctl start sigillo-vm@demo; echo "vm start: $? $(state sigillo-vm@demo)"
sigillo vm list --json
for pid in $(pgrep -x sigillo) $(pgrep -f ^qemu-system); do
  echo "process: $(from CapBnd "$pid") $(from CapPrm "$pid") $(from NoNewPrivs "$pid") $(from Seccomp "$pid")"
done
worker=$(pgrep -f '^/usr/bin/sigillo worker')
echo "worker: $(awk '/Max core/ { print $5, $6 }' "/proc/$worker/limits")"
systemctl stop sigillo-vm@demo; echo "vm stop: $? $(state sigillo-vm@demo) $(systemctl show -p Result --value sigillo-vm@demo)"
sigillo vm list -a --json
pgrep -l sigillo\|qemu

systemctl start sigillo-vm@demo
sigillo vm suspend demo > /dev/null; while [ "$(state sigillo-vm@demo)" != inactive ]; do sleep 0.1; done
systemctl start sigillo-vm@demo; echo "vm resume: $? $(state sigillo-vm@demo)"
sigillo vm list --json
kill -9 "$(systemctl show -p MainPID --value sigillo-vm@demo)"
while [ "$(state sigillo-vm@demo)" != failed ]; do sleep 0.1; done
echo "killed: $(sigillo vm list -a --json) $(pgrep -c qemu)"
systemctl start sigillo-vm@nobody 2> /dev/null; echo "vm nobody: $? $(systemctl show -p ExecMainStatus --value sigillo-vm@nobody)"
sigillo keychain delete demo --yes > /dev/null
systemctl start sigillo-vm@demo 2> /dev/null; echo "vm without record: $?"
journalctl -q -u sigillo-vm@demo | grep -o SIG_ERR_TPM_RECORD_MISSING

head -c 32 /dev/urandom | systemd-creds encrypt --name=sigillo-tpm - /etc/sigillo/tpm/other.cred 2> /dev/null
ask() { printf '\0\0\0\1' | socat -t5 - UNIX-CONNECT:/run/sigillo-tpm/other/ctrl | od -An -tx1; }
systemctl start sigillo-tpm@other; echo "tpm start: $? $(state sigillo-tpm@other)"
tpm=$(systemctl show -p MainPID --value sigillo-tpm@other)
echo "tpm: $(from CapBnd "$tpm") $(from CapPrm "$tpm") $(from NoNewPrivs "$tpm") $(from Seccomp "$tpm")"
[ "$(stat -c %u /proc/"$tpm")" = 0 ] && echo "tpm: not dumpable"
awk '{ print $2 }' "/proc/$tpm/uid_map" | grep -vx 0 | head -1 | sed 's/.*/tpm: a user namespace of its own/'
stat -c 'tpm socket: %a %G' /run/sigillo-tpm/other/ctrl
echo "tpm says:$(ask)"
grep -c 'sigillo\|^ *lo:' "/proc/$tpm/net/dev" | sed 's/^/tpm interfaces: /'
systemctl restart sigillo-tpm@other; echo "tpm again: $?$(ask)"
systemctl stop sigillo-tpm@other; echo "tpm stop: $? $(state sigillo-tpm@other)"
systemctl start sigillo-tpm@nokey 2> /dev/null; echo "tpm without key: $?"
[ -e /var/lib/sigillo-tpm/nokey/tpm2-00.sigillo ] && echo "a TPM without a key"
systemctl stop sigillo-tpm@nokey
echo end
