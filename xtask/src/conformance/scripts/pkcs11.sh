# The PKCS#11 module with OpenSC's program, through the resource manager.
abrmd
export TPM2_PKCS11_TCTI=$BROKER TPM2TOOLS_TCTI=$BROKER TPM2_PKCS11_STORE=$PWD/store
mkdir store
MODULE=/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
tool() { pkcs11-tool --module $MODULE "$@"; }
# Signing and decrypting choose a key by its id alone.
id() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
user() { tool --login --pin userpin --token-label token "$@"; }
echo "some data to sign" >data
openssl dgst -sha256 -binary data >digest

says() { local what=$1; shift; "$@" >said.log 2>&1; local code=$?; cat said.log; [ $code = 0 ] && grep -q -- "$what" said.log; }
public() { tool --read-object --type pubkey --id "$(id "$1")" -o "$1.der" && openssl pkey -pubin -inform DER -in "$1.der" -out "$1.pub"; }
sign() { user --sign --mechanism "$2" --id "$(id "$1")" --input-file data --output-file "$1.sig" ${3:-}; }
rsa_hash() { sign "$1" "$2-RSA-PKCS" && public "$1" && openssl dgst "-$3" -verify "$1.pub" -signature "$1.sig" data; }
rsa_raw() {
  # PKCS#1 v1.5 wants the DigestInfo.
  { printf '\060\061\060\015\006\011\140\206\110\001\145\003\004\002\001\005\000\004\040'; cat digest; } >info
  user --sign --mechanism RSA-PKCS --id "$(id "$1")" --input-file info --output-file "$1.sig" && public "$1" &&
    openssl dgst -sha256 -verify "$1.pub" -signature "$1.sig" data
}
rsa_pss() {
  user --sign --mechanism RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA256 --id "$(id "$1")" --input-file digest --output-file "$1.sig" &&
    public "$1" && openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-2 -verify "$1.pub" -signature "$1.sig" data
}
rsa_decrypt() {
  public "$1" && openssl pkeyutl -encrypt -pubin -inkey "$1.pub" -in digest -out enc -pkeyopt "rsa_padding_mode:$2" ${4:+-pkeyopt rsa_oaep_md:$4} &&
    user --decrypt --mechanism "$3" ${4:+--hash-algorithm SHA256 --mgf MGF1-SHA256} --id "$(id "$1")" --input-file enc --output-file dec && cmp digest dec
}
ecdsa() {
  user --sign --mechanism "$2" --signature-format openssl --id "$(id "$1")" --input-file "$3" --output-file "$1.sig" &&
    public "$1" && openssl dgst -sha256 -verify "$1.pub" -signature "$1.sig" data
}
# The program does not convert this curve's signatures, so the module itself verifies.
ecdsa_by_module() {
  user --sign --mechanism ECDSA --id "$(id "$1")" --input-file digest --output-file "$1.sig" &&
    user --verify --mechanism ECDSA --id "$(id "$1")" --input-file digest --signature-file "$1.sig"
}
aes() {
  head -c 64 /dev/urandom >blocks
  user --encrypt --mechanism "$2" --iv 000102030405060708090a0b0c0d0e0f --id "$(id "$1")" --input-file blocks --output-file enc &&
    user --decrypt --mechanism "$2" --iv 000102030405060708090a0b0c0d0e0f --id "$(id "$1")" --input-file enc --output-file dec && cmp blocks dec
}
imported() {
  openssl genpkey -algorithm "$2" -pkeyopt "$3" -out "$1.key" &&
    tpm2_ptool import --label token --userpin userpin --privkey "$1.key" --algorithm "$4" --key-label "$1" --id "$1"
}
certificate() {
  openssl req -new -x509 -newkey rsa:2048 -nodes -keyout c.key -subj "/CN=$1" -days 1 -out "$1.crt" 2>&1 &&
    tpm2_ptool addcert --label token --key-label "$1" "$1.crt" && tool --read-object --type cert --label "$1" -o cert.der && [ -s cert.der ]
}

t init tpm2_ptool init
t addtoken tpm2_ptool addtoken --pid 1 --sopin sopin --userpin userpin --label token
t slots says token tool -L
t mechanisms says ECDSA tool -M
t random user --generate-random 32 --output-file random
t login user -O
t wrong_pin refused CKR_PIN_INCORRECT tool --login --pin wrong --token-label token -O
t login_after_wrong_pin user -O
for key in rsa2048 ecc256 ecc384 aes128 aes256 hmac:sha256; do
  t "addkey_${key%:*}" tpm2_ptool addkey --label token --userpin userpin --algorithm $key --key-label "${key%:*}" --id "${key%:*}"
done
t objects says ecc384 user -O
t rsa_sha256 rsa_hash rsa2048 SHA256 sha256
t rsa_sha384 rsa_hash rsa2048 SHA384 sha384
t rsa_sha512 rsa_hash rsa2048 SHA512 sha512
t rsa_pkcs rsa_raw rsa2048
t rsa_pss rsa_pss rsa2048
t rsa_decrypt_pkcs1 rsa_decrypt rsa2048 pkcs1 RSA-PKCS
t rsa_decrypt_oaep rsa_decrypt rsa2048 oaep RSA-PKCS-OAEP sha256
t ecdsa_256 ecdsa ecc256 ECDSA digest
t ecdsa_384 ecdsa_by_module ecc384
t ecdsa_sha256 ecdsa ecc256 ECDSA-SHA256 data
t aes_cbc_128 aes aes128 AES-CBC
t aes_cbc_256 aes aes256 AES-CBC
t keygen_rsa user --keypairgen --key-type rsa:2048 --label fresh-rsa --id "$(id fresh-rsa)" --usage-sign
t keygen_rsa_signs rsa_hash fresh-rsa SHA256 sha256
t keygen_ec user --keypairgen --key-type EC:secp256r1 --label fresh-ec --id "$(id fresh-ec)" --usage-sign
t keygen_ec_signs ecdsa fresh-ec ECDSA digest
t import_rsa imported old-rsa RSA rsa_keygen_bits:2048 rsa
t import_rsa_signs rsa_hash old-rsa SHA256 sha256
t import_ec imported old-ec EC ec_paramgen_curve:P-256 ecc
t import_ec_signs ecdsa old-ec ECDSA digest
t certificate certificate rsa2048
t change_pin tpm2_ptool changepin --label token --user user --old userpin --new otherpin
t other_pin tool --login --pin otherpin --token-label token -O
t old_pin refused CKR_PIN_INCORRECT tool --login --pin userpin --token-label token -O
