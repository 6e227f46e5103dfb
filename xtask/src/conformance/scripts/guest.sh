#!/bin/busybox sh
# Process 1 of a guest that runs one suite, which follows. "T: name ok" or "T: name FAIL" on the console for each check.
export PATH=/usr/bin:/usr/sbin:/bin HOME=/root TPM2TOOLS_TCTI=device:/dev/tpmrm0
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
while read -r module; do insmod "/mods/$module" || echo "G: insmod $module failed"; done </mods/order
cd /tmp
t() {
  name=$1
  shift
  if "$@" >"/tmp/$name.log" 2>&1; then
    echo "T: $name ok"
  else
    echo "T: $name FAIL"
    tail -n 20 "/tmp/$name.log"
  fi
}
end() {
  echo "G: done"
  poweroff -f
}
echo "G: start kernel=$(uname -r)"
