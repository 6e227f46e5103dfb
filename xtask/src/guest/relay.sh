#!/bin/busybox sh
# Process 1 of the guest that snapshots and migrations are tried on. It uses the TPM in two ways at once, so that both
# always have something open in it:
#   - the host's commands come over the second serial port, one a line, as printf escapes, and go to /dev/tpm0, where
#     nothing is flushed or saved behind their back; the answers go back in hexadecimal. "TICK" starts what follows,
#     "SLEEP" suspends the guest to memory and answers "awake" after it, "OFF" powers off;
#   - after "TICK", through the kernel's resource manager, as fast as it goes: an extend of PCR 23, an increment of the
#     counter at $COUNTER, and a line "G: tick N PCR" on the console.
export PATH=/usr/bin:/bin HOME=/root TPM2TOOLS_TCTI=device:/dev/tpmrm0
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
cd /tmp
COUNTER=0x1500020
ONES=0101010101010101010101010101010101010101010101010101010101010101

ticks() {
  n=0
  while :; do
    n=$((n + 1))
    tpm2 pcrextend 23:sha256=$ONES >/tmp/said 2>&1 &&
      tpm2 nvincrement -C o $COUNTER >/tmp/said 2>&1 &&
      tpm2 pcrread -Q -o /tmp/pcr sha256:23 >/tmp/said 2>&1 ||
      echo "G: tick $n FAIL $(head -c 300 /tmp/said | tr '\n' ';')"
    echo "G: tick $n $(od -An -v -tx1 /tmp/pcr | tr -d ' \n')"
  done
}

stty -F /dev/ttyS1 raw -echo 115200
exec 3<>/dev/tpm0 4<>/dev/ttyS1
echo "G: ready"
while read -r line <&4; do
  case $line in
    TICK) ticks & echo ticking >&4 ;;
    SLEEP) echo mem >/sys/power/state && echo awake >&4 ;;
    OFF) echo off >&4; poweroff -f ;;
    *)
      printf "$line" >&3
      dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n' >&4
      echo >&4
      ;;
  esac
done
echo "G: the relay ended"
