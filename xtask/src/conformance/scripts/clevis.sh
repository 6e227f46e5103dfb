# clevis: a secret bound to the TPM and to PCRs, as it binds LUKS passphrases. The disk itself is in the guest's suite.
abrmd
export TPM2TOOLS_TCTI=$BROKER
printf payload >plain

bound() {
  local name=$1
  shift
  clevis encrypt tpm2 "$1" <plain >"$name.jwe" && clevis decrypt <"$name.jwe" >"$name.out" && cmp plain "$name.out"
}
extend() { tpm2_pcrextend "$1:sha256=$(openssl dgst -sha256 -r plain | cut -d' ' -f1)"; }
decrypts() { clevis decrypt <"$1.jwe" >out && cmp plain out; }
# The policy's digest is given, so that the secret opens only once the PCR has got there.
foreseen() {
  local was now
  tpm2_pcrread -Q sha256:23 -o was || return
  { cat was; openssl dgst -sha256 -binary plain; } | openssl dgst -sha256 -binary >now
  clevis encrypt tpm2 "{\"pcr_bank\":\"sha256\",\"pcr_ids\":\"23\",\"pcr_digest\":\"$(jose b64 enc -I now)\"}" <plain >foreseen.jwe
}
large() {
  head -c 100000 /dev/urandom >plain2
  clevis encrypt tpm2 '{}' <plain2 >large.jwe && clevis decrypt <large.jwe >out2 && cmp plain2 out2
}
sss() {
  clevis encrypt sss '{"t":2,"pins":{"tpm2":[{"pcr_bank":"sha256","pcr_ids":"0"},{"key":"rsa"}]}}' <plain >sss.jwe && decrypts sss
}

t no_policy bound no_policy '{}'
t rsa bound rsa '{"key":"rsa"}'
t ecc bound ecc '{"key":"ecc"}'
t pcr_sha1 bound pcr_sha1 '{"pcr_bank":"sha1","pcr_ids":"7"}'
t pcr_sha256 bound pcr_sha256 '{"pcr_bank":"sha256","pcr_ids":"0,7,16"}'
t pcr_sha384 bound pcr_sha384 '{"pcr_bank":"sha384","pcr_ids":"7"}'
t hash_sha384 bound hash_sha384 '{"hash":"sha384"}'
t hash_sha1 bound hash_sha1 '{"hash":"sha1"}'
t large large
t shares sss
t extend_other extend 12
t still_decrypts decrypts pcr_sha256
t extend_bound extend 16
t refused_after_extend refused 'Unsealing jwk from TPM failed' sh -c "clevis decrypt <pcr_sha256.jwe"
t foreseen foreseen
t foreseen_too_early refused 'Unsealing jwk from TPM failed' sh -c "clevis decrypt <foreseen.jwe"
t foreseen_extend extend 23
t foreseen_decrypts decrypts foreseen
