# IBM's TSS: its programs keep sessions in files and check every HMAC of a response themselves. The runner says how they
# reach the TPM. Handles are what a TPM without a resource manager gives: the lowest free one.
# Session files are plain: by default each program encrypts them under a key that only itself knows.
export TPM_INTERFACE_TYPE=socsim TPM_ENCRYPT_SESSIONS=0
# Its programs overrun their own buffers when this path is long.
TPM_DATA_DIR=$(mktemp -d /tmp/tss2.XXXXXX) && export TPM_DATA_DIR || exit
trap 'rm -rf "$TPM_DATA_DIR"' EXIT
printf 'some data' >data
head -c 16 /dev/urandom >bytes16
head -c 32 /dev/urandom >bytes32

says() { local what=$1; shift; "$@" >said.log 2>&1; local code=$?; cat said.log; [ $code = 0 ] && grep -qi -- "$what" said.log; }
flush() { for h in "$@"; do tssflushcontext -ha "$h" >/dev/null || return; done; }
# A check that failed may have left something loaded.
check() {
  local handle
  for handle in 80000001 80000002 02000000 02000001 02000002 03000000 03000001 03000002; do
    tssflushcontext -ha $handle >flush.log 2>&1
  done
  t "$@"
}
# A fresh HMAC session, always the first one.
session() { tssstartauthsession -se h "$@"; }
policy() { tssstartauthsession -se p "$@"; }
trial() { tssstartauthsession -se t "$@"; }
# A fresh HMAC session with parameter encryption, for one command.
encrypted() { session -hs 80000000 -sym "$1" && shift && "$@" -se0 02000000 41 && flush 02000000; }

primary() { tsscreateprimary -hi o -st "$@" -opu prim.pub -tk prim.tk -ch prim.ch; }
child() { local name=$1; shift; tsscreate -hp 80000000 -opu "$name.pub" -opr "$name.prv" "$@"; }
load() { tssload -hp 80000000 -ipu "$1.pub" -ipr "$1.prv" ${2:-}; }

# Sign in the TPM and verify in the TPM; for the key that the programs can write as PEM, outside as well.
signs() {
  child "$1" -si "${@:3}" && load "$1" && tsssign -hk 80000001 "$2" -if data -os sig && tssverifysignature -hk 80000001 "$2" -if data -is sig -tk verified.tk
}
signs_pem() { child pem -si -rsa -opem pem.pem && load pem && tsssign -hk 80000001 -if data -os sig -ipu pem.pub && tssverifysignature -ipem pem.pem -if data -is sig; }
rsa_encrypts() { child "$1" "$1" && load "$1" && tssrsaencrypt -hk 80000001 -id bytes16 -oe enc && tssrsadecrypt -hk 80000001 -ie enc -od dec && tail -c 16 dec | cmp - bytes16 && flush 80000001; }
aes_encrypts() {
  child -des -des && load -des && tssencryptdecrypt -hk 80000001 -if data -of enc ${1:-} &&
    tssencryptdecrypt -hk 80000001 -d -if enc -of dec ${1:-} && cmp data dec && flush 80000001
}
hmac_key() {
  child hmac -kh -pwdk secret && load hmac && tsshmac -hk 80000001 -pwdk secret -if data -os one &&
    tsshmacstart -hk 80000001 -pwdk secret -pwda seq && tsssequencecomplete -hs 80000002 -pwds seq -if data -of two && cmp one two && flush 80000001
}
hash_sequence() {
  tsshashsequencestart -halg sha256 -pwda seq && tsssequenceupdate -hs 80000001 -pwds seq -if data &&
    tsssequencecomplete -hs 80000001 -pwds seq -if bytes32 -of one && cat data bytes32 | openssl dgst -sha256 -binary >two && cmp one two
}
hashed() { tsshash -hi o -halg "$1" -if data -oh one -tk hash.tk && openssl dgst "-$1" -binary data >two && cmp one two; }
seals() {
  child sealed -bl -if data -pwdk pw && load sealed && tssunseal -ha 80000001 -pwd pw -of got && cmp data got &&
    refused 'authorization failure' tssunseal -ha 80000001 -pwd no && flush 80000001
}
seals_in_session() { load sealed && encrypted "$1" tssunseal -ha 80000001 -pwd pw -of got && cmp data got && flush 80000001; }
changes_auth() {
  load sealed && tssobjectchangeauth -hp 80000000 -ho 80000001 -pwdo pw -pwdn new -opr sealed2.prv && flush 80000001 &&
    tssload -hp 80000000 -ipu sealed.pub -ipr sealed2.prv && tssunseal -ha 80000001 -pwd new -of got && cmp data got && flush 80000001
}
makes_credential() {
  child dec -st -rsa && load dec && child att -sir && load att && cp "$TPM_DATA_DIR/h80000002.bin" att.name &&
    tssmakecredential -ha 80000001 -icred bytes16 -in att.name -ocred cred -os secret &&
    tssactivatecredential -ha 80000002 -hk 80000001 -icred cred -is secret -ocred got && cmp bytes16 got && flush 80000002 80000001
}
attests() {
  child att -sir "${@:2}" && load att && tssquote -hp 16 -hk 80000001 -salg "$1" -qd bytes16 -os sig -oa att.out && tssverifysignature -hk 80000001 "-$1" -if att.out -is sig -tk t &&
    tsscertify -ho 80000000 -hk 80000001 -salg "$1" -qd bytes16 -os sig -oa att.out && tssverifysignature -hk 80000001 "-$1" -if att.out -is sig -tk t &&
    tssgettime -hk 80000001 -salg "$1" -qd bytes16 -os sig -oa att.out && tssverifysignature -hk 80000001 "-$1" -if att.out -is sig -tk t &&
    tsscertifycreation -ho 80000000 -hk 80000001 -salg "$1" -tk prim.tk -ch prim.ch -os sig -oa att.out && tssverifysignature -hk 80000001 "-$1" -if att.out -is sig -tk t &&
    tssgetcommandauditdigest -hk 80000001 -salg "$1" -os sig -oa att.out && tssverifysignature -hk 80000001 "-$1" -if att.out -is sig -tk t && flush 80000001
}
audits_session() {
  child att -sir && load att && session && tsspcrread -ha 16 -se0 02000000 81 && tsspcrread -ha 17 -se0 02000000 81 &&
    tssgetsessionauditdigest -hk 80000001 -hs 02000000 -os sig -oa att.out -od digest && tssverifysignature -hk 80000001 -rsa -if att.out -is sig -tk t && flush 02000000 80000001
}
nv_ordinary() {
  tssnvdefinespace -ha 01000001 -hi o -sz 16 -pwdn pw && refused 'uninitialized\|NV Index' tssnvread -ha 01000001 -pwdn pw -sz 9 && tssnvwrite -ha 01000001 -pwdn pw -if data -off 2 &&
    tssnvread -ha 01000001 -pwdn pw -sz 9 -off 2 -of got && cmp data got && tssnvreadpublic -ha 01000001
}
nv_session() { session && tssnvread -ha 01000001 -pwdn pw -sz 9 -off 2 -of got -se0 02000000 41 && cmp data got && flush 02000000; }
nv_changeauth() {
  policy_of 13b && tssnvdefinespace -ha 01000002 -hi o -sz 9 -pwdn pw -pol policy &&
    policy && tsspolicycommandcode -ha 03000000 -cc 13b && tsspolicyauthvalue -ha 03000000 && tssnvchangeauth -ha 01000002 -pwdo pw -pwdn new -se0 03000000 1 &&
    flush 03000000 && tssnvwrite -ha 01000002 -pwdn new -if data && tssnvundefinespace -ha 01000002 -hi o
}
# The policy that a command code and an authValue give, from a trial session.
policy_of() { trial && tsspolicycommandcode -ha 03000000 -cc "$1" && tsspolicyauthvalue -ha 03000000 && tsspolicygetdigest -ha 03000000 -of policy && flush 03000000; }
nv_locks() {
  tssnvdefinespace -ha 01000002 -hi o -sz 9 +at wst +at rst && tssnvwrite -ha 01000002 -if data && tssnvwritelock -ha 01000002 && refused 'locked' tssnvwrite -ha 01000002 -if data &&
    tssnvreadlock -ha 01000002 && refused 'locked' tssnvread -ha 01000002 -sz 9 && tssnvundefinespace -ha 01000002 -hi o
}
nv_global() { tssnvdefinespace -ha 01000002 -hi o -sz 9 +at gl && tssnvwrite -ha 01000002 -if data && tssnvglobalwritelock -hia o && refused locked tssnvwrite -ha 01000002 -if data && tssnvundefinespace -ha 01000002 -hi o; }
nv_counter() { tssnvdefinespace -ha 01000002 -hi o -ty c && tssnvincrement -ha 01000002 && tssnvread -ha 01000002 -sz 8 && tssnvincrement -ha 01000002 && tssnvundefinespace -ha 01000002 -hi o; }
nv_bits() { tssnvdefinespace -ha 01000002 -hi o -ty b && tssnvsetbits -ha 01000002 -bit 0 -bit 63 && tssnvread -ha 01000002 -sz 8 -of got && [ "$(od -An -tx1 got | tr -d ' ')" = 8000000000000001 ] && tssnvundefinespace -ha 01000002 -hi o; }
nv_extend() {
  tssnvdefinespace -ha 01000002 -hi o -ty e && tssnvextend -ha 01000002 -if data && tssnvread -ha 01000002 -sz 32 -of got &&
    { head -c 32 /dev/zero; cat data; } | openssl dgst -sha256 -binary >want && cmp got want && tssnvundefinespace -ha 01000002 -hi o
}
nv_pin() {
  tssnvdefinespace -ha 01000002 -hi o -ty "$1" -hia o -pwdn pin && tssnvwrite -ha 01000002 -hia o -id 0 2 && tssnvread -ha 01000002 -hia o -sz 8 && tssnvundefinespace -ha 01000002 -hi o
}
nv_special() {
  trial && tsspolicycommandcode -ha 03000000 -cc 11f && tsspolicygetdigest -ha 03000000 -of policy && flush 03000000 && tssnvdefinespace -ha 01000002 -hi p -hia p -sz 9 -pol policy +at pold &&
    policy && tsspolicycommandcode -ha 03000000 -cc 11f && tssnvundefinespacespecial -ha 01000002 -se0 03000000 0
}
nv_certify() { child att -si && load att && tssnvcertify -ha 01000001 -pwdn pw -hk 80000001 -sz 9 -off 2 -os sig -oa att.out && tssverifysignature -hk 80000001 -rsa -if att.out -is sig -tk t && flush 80000001; }
# A secret under the policy that "$@" makes in session 03000000, unsealed under the same and refused without.
under_policy() {
  trial && "$@" && tsspolicygetdigest -ha 03000000 -of policy && flush 03000000 && child bound -bl -if data -pol policy -uwa && load bound &&
    policy -on nonce && "$@" && tssunseal -ha 80000001 -of got -se0 03000000 1 && cmp data got && tsspolicyrestart -ha 03000000 &&
    refused 'policy\|authorization' tssunseal -ha 80000001 -of got -se0 03000000 1 && flush 03000000 80000001
}
p_pcr() { tsspolicypcr -ha 03000000 -halg sha256 -bm 010000; }
p_commandcode() { tsspolicycommandcode -ha 03000000 -cc 15e; }
p_or() { tsspolicycommandcode -ha 03000000 -cc 15e && tsspolicygetdigest -ha 03000000 -of branch && tsspolicyor -ha 03000000 -if branch -if bytes32; }
p_secret() { tsspolicysecret -ha 40000001 -hs 03000000; }
p_password() { tsspolicypassword -ha 03000000; }
p_countertimer() { printf '\000\000\000\000\000\000\000\000' >zero && tsspolicycountertimer -ha 03000000 -if zero -op 7; }
p_nvwritten() { tsspolicynvwritten -hs 03000000 -ws n; }
p_nv() { tsspolicynv -ha 01000001 -pwda pw -hs 03000000 -if data -off 2 -op 0; }
p_template() { tsspolicytemplate -ha 03000000 -te bytes32; }
p_cphash() { tsspolicycphash -ha 03000000 -cp bytes32; }
only_trial() { trial && "$@" && tsspolicygetdigest -ha 03000000 -of policy && flush 03000000; }
p_signed() {
  openssl genrsa -traditional -out signer.pem 2048 2>/dev/null && openssl rsa -in signer.pem -pubout -out signer.pub 2>/dev/null &&
    tssloadexternal -rsa -ipem signer.pub && policy -on nonce && tsspolicysigned -hk 80000001 -ha 03000000 -in nonce -sk signer.pem -exp -200 -tk signed.tk -to signed.to &&
    cp "$TPM_DATA_DIR/h80000001.bin" signer.name && flush 03000000 80000001 && policy && tsspolicyticket -ha 03000000 -to signed.to -na signer.name -tk signed.tk && flush 03000000
}
p_authorize() {
  tssloadexternal -rsa -ipem signer.pub -hi o && cp "$TPM_DATA_DIR/h80000001.bin" signer.name && trial && p_pcr && tsspolicygetdigest -ha 03000000 -of approved && flush 03000000 &&
    openssl dgst -sha256 -sign signer.pem -out approved.sig approved && tssverifysignature -hk 80000001 -if approved -is approved.sig -raw -tk approved.tk && flush 80000001 &&
    policy && p_pcr && tsspolicyauthorize -ha 03000000 -appr approved -skn signer.name -tk approved.tk && flush 03000000
}
p_authorizenv() {
  trial && p_pcr && tsspolicygetdigest -ha 03000000 -of approved && flush 03000000 && { printf '\000\013'; cat approved; } >approved.ha &&
    tssnvdefinespace -ha 01000002 -hi o -sz 34 -pwdn pw && tssnvwrite -ha 01000002 -pwdn pw -if approved.ha &&
    policy && p_pcr && tsspolicyauthorizenv -ha 01000002 -pwda pw -hs 03000000 && flush 03000000 && tssnvundefinespace -ha 01000002 -hi o
}
duplicates() {
  trial && tsspolicycommandcode -ha 03000000 -cc 14b && tsspolicygetdigest -ha 03000000 -of policy && flush 03000000 &&
    child moving -si -kt nf -kt np -pol policy && load moving && child newparent -st && load newparent &&
    policy && tsspolicycommandcode -ha 03000000 -cc 14b && tssduplicate -ho 80000001 -hp 80000002 -salg aes -ik bytes16 -od dup -oss seed -se0 03000000 0 &&
    cp "$TPM_DATA_DIR/h80000001.bin" moving.name && flush 80000001 && tssimport -hp 80000002 -ipu moving.pub -id dup -iss seed -salg aes -ik bytes16 -opr moved.prv &&
    tssload -hp 80000002 -ipu moving.pub -ipr moved.prv && tsssign -hk 80000001 -if data -os sig && flush 80000001 80000002
}
rewraps() {
  load moving && load newparent && policy && tsspolicycommandcode -ha 03000000 -cc 14b && tssduplicate -ho 80000001 -hp 80000002 -od dup -oss seed -se0 03000000 0 && flush 80000001 &&
    tssrewrap -ho 80000002 -hn 80000000 -id dup -in moving.name -iss seed -od dup2 -oss seed2 && tssimport -hp 80000000 -ipu moving.pub -id dup2 -iss seed2 -opr moved.prv &&
    tssload -hp 80000000 -ipu moving.pub -ipr moved.prv && flush 80000001 80000002
}
imports_pem() {
  openssl genrsa -traditional -out own-rsa.pem 2048 && openssl ecparam -name prime256v1 -genkey -noout -out own-ecc.pem &&
    tssimportpem -hp 80000000 -ipem "own-$1.pem" "-$1" -opu own.pub -opr own.prv && tssload -hp 80000000 -ipu own.pub -ipr own.prv && tsssign -hk 80000001 "-$1" -if data -os sig && tssverifysignature -hk 80000001 "-$1" -if data -is sig -tk t && flush 80000001
}
creates_loaded() { tsscreateloaded -hp "$1" "${@:2}" -opu cl.pub; }
contexts() { child sig -si && load sig && tsscontextsave -ha 80000001 -of saved && flush 80000001 && tsscontextload -if saved && tsssign -hk 80000001 -if data -os sig && flush 80000001; }
session_contexts() { session && tsscontextsave -ha 02000000 -of saved && tsscontextload -if saved && tsspcrread -ha 16 -se0 02000000 81 && flush 02000000; }
persists() { tssevictcontrol -hi o -ho 80000000 -hp 81000000 && tssreadpublic -ho 81000000 && tssevictcontrol -hi o -ho 81000000 -hp 81000000; }
hierarchy_auth() { tsshierarchychangeauth -hi o -pwdn pw && refused authorization tssnvundefinespace -ha 01000001 -hi o && tsshierarchychangeauth -hi o -pwda pw; }
hierarchy_auth_session() { session && tsshierarchychangeauth -hi o -pwdn pw -se0 02000000 21 && tsshierarchychangeauth -hi o -pwda pw -se0 02000000 21 && flush 02000000; }
hierarchy_control() { tsshierarchycontrol -hi p -he e -state 0 && refused hierarchy tsscreateprimary -hi e -st && tsshierarchycontrol -hi p -he e -state 1; }
primary_policy() { tsssetprimarypolicy -hi o -pol bytes32 -halg sha256 && tsssetprimarypolicy -hi o; }
pcrs() {
  tsspcrextend -ha 16 -halg sha256 -halg sha1 -if data && tsspcrread -ha 16 -halg sha256 -of got &&
    { head -c 32 /dev/zero; cat data; head -c 23 /dev/zero; } | openssl dgst -sha256 -binary >want && cmp got want
}
ephemeral() { tssecephemeral -ecc "$1" -oq q && [ -s q ]; }
commits() { child daa "$@" && load daa && tsscommit -hk 80000001 -Kf k -Lf l -Ef e && [ -s e ] && flush 80000001; }
clears() { tssclear -hi p && refused handle tssreadpublic -ho 80000000; }
clear_control() { tssclearcontrol -hi p -state 1 && refused disabled tssclear -hi l && tssclearcontrol -hi p -state 0 && tssclear -hi l; }
clock_set() { tssreadclock && tssclockset -hi o -time 3600000000 && refused 'out of range' tssclockset -hi o -time 1; }
state() { tssshutdown -s && [ "$TPM_SERVER_TYPE" = raw ] || { tsspowerup && tssstartup -s; }; }
changes_seeds() { tsschangeeps && tsschangepps; }

# No check: there is no such command where the TPM is reached without the simulator's protocol.
[ "$TPM_SERVER_TYPE" = raw ] || tsspowerup || exit
check startup tssstartup -c
check selftest tssstartup -sto
check getcapability_algorithms says sha256 tssgetcapability -cap 0
check getcapability_commands says '17b' tssgetcapability -cap 2 -pc 200
check getcapability_properties says 'TPM_PT' tssgetcapability -cap 6
check getcapability_curves tssgetcapability -cap 8
check getrandom tssgetrandom -by 32
check stirrandom tssstirrandom -if data
check eccparameters_nistp256 tsseccparameters -cv nistp256
check eccparameters_nistp384 tsseccparameters -cv nistp384
check eccparameters_bnp256 tsseccparameters -cv bnp256
check pcr_extend_read pcrs
check pcr_reset tsspcrreset -ha 16
for hash in sha1 sha256 sha384; do check "hash_$hash" hashed $hash; done
check primary_rsa primary -rsa
check sign_rsa signs rsa -rsa -rsa
check sign_ecc_nistp256 signs ecc256 -ecc -ecc nistp256
check sign_ecc_nistp384 signs ecc384 -ecc -ecc nistp384
check sign_rsa_pem signs_pem
check rsa_oaep rsa_encrypts -deo
check rsa_null rsa_encrypts -den
check encryptdecrypt aes_encrypts
check encryptdecrypt2 aes_encrypts -2
check hmac hmac_key
check hash_sequence hash_sequence
check seal seals
check unseal_xor_session seals_in_session xor
check unseal_aes_session seals_in_session aes
check objectchangeauth changes_auth
check credential makes_credential
check attest_rsa attests rsa -rsa
check attest_ecc attests ecc -ecc nistp256
check session_audit audits_session
check nv_ordinary nv_ordinary
check nv_session nv_session
check nv_changeauth nv_changeauth
check nv_locks nv_locks
check nv_globalwritelock nv_global
check nv_counter nv_counter
check nv_bits nv_bits
check nv_extend nv_extend
check nv_pinpass nv_pin p
check nv_pinfail nv_pin f
check nv_undefinespacespecial nv_special
check nv_certify nv_certify
check policy_pcr under_policy p_pcr
check policy_commandcode under_policy p_commandcode
check policy_or under_policy p_or
check policy_secret under_policy p_secret
check policy_countertimer under_policy p_countertimer
check policy_nv under_policy p_nv
check policy_template only_trial p_template
check policy_cphash only_trial p_cphash
check policy_nvwritten only_trial p_nvwritten
check policy_password only_trial p_password
check policy_signed_ticket p_signed
check policy_authorize p_authorize
check policy_authorizenv p_authorizenv
check duplicate_import duplicates
check rewrap rewraps
check importpem_rsa imports_pem rsa
check importpem_ecc imports_pem ecc
check createloaded_primary creates_loaded 40000001 -st -rsa
check createloaded_child creates_loaded 80000000 -si -ecc nistp256
check context_object contexts
check context_session session_contexts
check evictcontrol persists
check ephemeral_nistp256 ephemeral nistp256
check ephemeral_bnp256 ephemeral bnp256
check commit_ecdaa commits -dau -ecc bnp256
check hierarchychangeauth hierarchy_auth
check hierarchychangeauth_session hierarchy_auth_session
check hierarchycontrol hierarchy_control
check setprimarypolicy primary_policy
check clockset clock_set
check clockrateadjust tssclockrateadjust -adj 1
check dictionaryattack_parameters tssdictionaryattackparameters -nmt 5 -nrt 10 -lr 20
check dictionaryattack_lockreset tssdictionaryattacklockreset
check state state
check clear clears
check clearcontrol clear_control
check changeseeds changes_seeds
check pcrallocate tsspcrallocate -sha256 -sha1
check shutdown tssshutdown -c
