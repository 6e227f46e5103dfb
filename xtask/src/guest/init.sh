#!/bin/busybox sh
# Process 1 of the demo guest. The host says what to do in the file "mode" of the data disk:
#   first     use the TPM, seal a secret to PCRs 0-7, leave evidence on the data disk, power off
#   second    the same secret must unseal, the NV index must be there, power off
#   without   there is no TPM, and all else is as it was, power off
#   changed   the secret must not unseal, power off
#   idle      open things in the TPM that only its volatile state holds, wait for the power button, use them, power off
#   (no disk or no file) a shell for a person
# One line a check on the serial console, "T: name ok" or "T: name FAIL ...", and "G: done" at the end.
export PATH=/usr/bin:/bin HOME=/root TPM2TOOLS_TCTI=device:/dev/tpmrm0
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t securityfs sec /sys/kernel/security
while read -r module; do insmod "/mods/$module" || echo "G: insmod $module failed"; done </mods/order
mount -t efivarfs efi /sys/firmware/efi/efivars 2>/dev/null
# The disk may appear a moment after its driver.
for try in 1 2 3 4 5 6 7 8 9 10; do
  disk=$(findfs LABEL=SIGILLODATA 2>/dev/null) && break
  sleep 0.2
done
mode=shell
[ -n "$disk" ] && mount -t vfat "$disk" /data && [ -f /data/mode ] && mode=$(cat /data/mode)
cd /tmp

PCRS=sha256:0,1,2,3,4,5,6,7
SEALED=0x81000005 EK=0x81010001 AK=0x81010002 INDEX=0x1500016 COUNTER=0x1500018
LOG=/sys/kernel/security/tpm0/binary_bios_measurements

t() {
  name=$1
  shift
  if "$@" >/tmp/out 2>&1; then
    echo "T: $name ok"
  else
    echo "T: $name FAIL rc=$?"
    head -c 2000 /tmp/out
  fi
}
# The command has to fail, and with the code $1.
refused() {
  code=$1
  shift
  if "$@" >/tmp/refused 2>&1; then
    echo "it was not refused"
    return 1
  fi
  grep -qi "$code" /tmp/refused || { cat /tmp/refused; return 2; }
}
efi_flag() { [ "$(tail -c1 /sys/firmware/efi/efivars/"$1"-8be4df61-93ca-11d2-aa0d-00e098032b8c | od -An -tu1 | tr -d ' ')" = "$2" ]; }
driver() { readlink -f /sys/class/tpm/tpm0/device/driver | grep -q "tpm_$(cat /data/interface)"; }
pcrs() { tpm2 pcrread >/data/pcrs; }
event_log() { cat $LOG >/data/eventlog && [ -s /data/eventlog ]; }
policy() {
  tpm2 startauthsession -S s.ctx && tpm2 policypcr -S s.ctx -l $PCRS -L pol && tpm2 flushcontext s.ctx
}
quote() { tpm2 quote -c $AK -l $PCRS -q "$(cat /data/nonce)" -g sha256 -m q.msg -s q.sig -o q.pcrs; }
evidence() { cp q.msg q.sig q.pcrs /data/ && tpm2 readpublic -c $AK -f pem -o /data/ak.pem; }

tpm_side() {
  t secure_boot efi_flag SecureBoot 1
  t setup_mode_off efi_flag SetupMode 0
  t tpm_driver driver
  t pcr_read pcrs
  t event_log event_log
}

first() {
  tpm_side
  t getcap_fixed tpm2 getcap properties-fixed
  t getcap_algorithms tpm2 getcap algorithms
  t getcap_commands tpm2 getcap commands
  t self_test tpm2 selftest --fulltest
  t get_random tpm2 getrandom --hex 32
  t primary_ecc tpm2 createprimary -C o -g sha256 -G ecc -c prim.ctx
  t primary_rsa tpm2 createprimary -C o -g sha256 -G rsa2048 -c primr.ctx
  t policy policy
  t seal tpm2 create -C prim.ctx -L pol -i /data/secret -u seal.pub -r seal.priv
  t load tpm2 load -C prim.ctx -u seal.pub -r seal.priv -c seal.ctx
  t persist tpm2 evictcontrol -C o -c seal.ctx $SEALED
  t unseal tpm2 unseal -c $SEALED -p pcr:$PCRS -o got
  t unseal_value cmp /data/secret got
  t create_ek tpm2 createek -c $EK -G rsa -u ek.pub
  t create_ak tpm2 createak -C $EK -c ak.ctx -G rsa -s rsassa -g sha256 -u ak.pub -n ak.name
  t persist_ak tpm2 evictcontrol -C o -c ak.ctx $AK
  t quote quote
  t quote_evidence evidence
  t nv_define tpm2 nvdefine $INDEX -C o -s 32 -a "ownerread|ownerwrite|authread|authwrite"
  t nv_write tpm2 nvwrite $INDEX -C o -i /data/nv
  t nv_read tpm2 nvread $INDEX -C o -s 32 -o nv.got
  t nv_value cmp /data/nv nv.got
  t read_clock tpm2 readclock
  t extend_16 tpm2 pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
  t extend_7 tpm2 pcrextend 7:sha256=0101010101010101010101010101010101010101010101010101010101010101
  t unseal_after_extend refused 0x99d tpm2 unseal -c $SEALED -p pcr:$PCRS
}

second() {
  tpm_side
  t nv_read tpm2 nvread $INDEX -C o -s 32 -o /data/nv.got
  t unseal tpm2 unseal -c $SEALED -p pcr:$PCRS -o /data/unsealed
  t quote quote
  t quote_evidence evidence
}

no_tpm() { [ ! -e /dev/tpm0 ] && [ ! -e /dev/tpmrm0 ] && [ -z "$(ls /sys/class/tpm)" ]; }
no_event_log() { [ ! -e $LOG ]; }
without() {
  t secure_boot efi_flag SecureBoot 1
  t setup_mode_off efi_flag SetupMode 0
  t no_tpm no_tpm
  t no_event_log no_event_log
}

changed() {
  tpm_side
  t nv_read tpm2 nvread $INDEX -C o -s 32 -o /data/nv.got
  t unseal_refused refused 0x99d tpm2 unseal -c $SEALED -p pcr:$PCRS
}

# Without the resource manager, which would flush what is open when a program ends.
bare() { TPM2TOOLS_TCTI=device:/dev/tpm0 "$@"; }
counter() { bare tpm2 nvread -C o -s 8 $COUNTER | od -An -v -tx1 | tr -d ' \n'; }
open_key() {
  bare tpm2 createprimary -Q -C o -g sha256 -G ecc -c key.ctx && bare tpm2 readpublic -Q -c 0x80000000 -n key.name
}
open_session() { bare tpm2 startauthsession -Q --policy-session -S open.ctx; }
open_pcr() {
  bare tpm2 pcrextend 23:sha256=0101010101010101010101010101010101010101010101010101010101010101 &&
    bare tpm2 pcrread -Q -o pcr.before sha256:23
}
open_counter() {
  bare tpm2 nvdefine -Q -C o -s 8 -a 0x2020012 $COUNTER && bare tpm2 nvincrement -Q -C o $COUNTER && counter >count.before
}
same_key() { bare tpm2 readpublic -Q -c 0x80000000 -n key.now && cmp key.name key.now; }
same_pcr() { bare tpm2 pcrread -Q -o pcr.now sha256:23 && cmp pcr.before pcr.now; }
same_counter() { counter >count.now && cmp count.before count.now; }
# The session that was begun before authorizes.
same_session() {
  bare tpm2 policypcr -Q -S open.ctx -l $PCRS && bare tpm2 unseal -Q -c $SEALED -p session:open.ctx -o /data/session
}
# As it was, and not as it became later.
disk_then() { [ -f /data/mode ] && [ ! -e /data/changed ]; }
change() { bare tpm2 nvincrement -Q -C o $COUNTER && counter >/data/changed && sync; }

# Does $1 when the power button is pressed.
power_button() {
  mkdir -p /etc/acpi/PWRF
  printf '#!/bin/sh\necho "G: power button"\n%s\n' "$1" >/etc/acpi/PWRF/00000080
  chmod +x /etc/acpi/PWRF/00000080
  acpid -f -c /etc/acpi -l /dev/null -p /run/acpid.pid &
}

idle() {
  power_button "touch /run/pressed"
  t open_key open_key
  t open_session open_session
  t open_pcr open_pcr
  t open_counter open_counter
  sleep 1
  echo "G: idle"
  while [ ! -e /run/pressed ]; do sleep 1; done
  t same_key same_key
  t same_pcr same_pcr
  t same_counter same_counter
  t disk_then disk_then
  t same_session same_session
  t change change
  sync
  umount /data
  echo "G: done"
  poweroff -f
}

echo "G: start mode=$mode kernel=$(uname -r)"
[ -e /dev/tpmrm0 ] || echo "G: there is no /dev/tpmrm0"
case $mode in
  first | second | without | changed)
    $mode
    sync
    umount /data
    echo "G: done"
    sync
    poweroff -f
    ;;
  idle) idle ;;
  *)
    echo "G: shell; tpm2 is there, 'poweroff -f' ends the machine"
    power_button "sync; poweroff -f"
    export PS1='guest# ' TERM=dumb
    setsid -c sh -i </dev/ttyS0 >/dev/ttyS0 2>&1
    sync
    poweroff -f
    ;;
esac
