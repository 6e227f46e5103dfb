# Read before every script of this directory. The runner gives TCTI, a D-Bus session and an empty directory. One line a check on standard output: "T: name ok" or "T: name FAIL"; what the check printed follows a failure.
set -u

t() {
  local name=$1 code=0
  shift
  "$@" >"$name.log" 2>&1 || code=$?
  if [ $code = 0 ]; then
    echo "T: $name ok"
  else
    echo "T: $name FAIL"
    echo "   exit $code of: $*"
    tail -n 20 "$name.log" | sed 's/^/   /'
  fi
}

# The command has to fail and to say $1.
refused() {
  local why=$1
  shift
  if "$@" >refused.log 2>&1; then
    echo "it was not refused"
    return 1
  fi
  cat refused.log
  grep -qi -- "$why" refused.log
}

# A resource manager in front of the TPM; programs reach it as $BROKER.
abrmd() {
  tpm2-abrmd --session --allow-root --tcti="$TCTI" >abrmd.log 2>&1 &
  trap "kill $!" EXIT
  BROKER=tabrmd:bus_type=session
  # As long as it takes, unless it has ended.
  while kill -0 $! 2>/dev/null; do
    TPM2TOOLS_TCTI=$BROKER tpm2_getrandom 1 >abrmd-ready.log 2>&1 && return
    sleep 0.2
  done
  cat abrmd.log abrmd-ready.log
  exit 1
}
