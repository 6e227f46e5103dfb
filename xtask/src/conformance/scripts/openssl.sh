# The OpenSSL provider: keys in the TPM, everything public in OpenSSL's own provider, so each checks the other. It leaves
# objects loaded when a program ends, so a resource manager stands between.
abrmd
export TPM2OPENSSL_TCTI=$BROKER TPM2TOOLS_TCTI=$BROKER
# Hashing and bulk encryption stay outside the TPM unless a check asks for them.
TPM="-provider tpm2 -provider default -propquery ?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes"
echo "some data to sign" >data
openssl dgst -sha256 -binary data >digest

random() { [ "$(openssl rand $TPM -hex 32 | wc -c)" -ge 64 ]; }
genpkey() { out=$1; shift; openssl genpkey $TPM "$@" -out "$out.pem" && openssl pkey $TPM -in "$out.pem" -pubout -out "$out.pub"; }
sign() { key=$1; shift; openssl pkeyutl $TPM -sign -inkey "$key.pem" -in data -rawin -out "$key.sig" "$@" && [ -s "$key.sig" ]; }
verify() { key=$1; shift; openssl dgst "$@" -verify "$key.pub" -signature "$key.sig" data; }
sign_verify() { key=$1 hash=$2; shift 2; sign "$key" -digest "$hash" "$@" && verify "$key" "-$hash"; }
pss() {
  sign "$1" -digest "$2" -pkeyopt pad-mode:pss &&
    openssl dgst "-$2" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-2 -verify "$1.pub" -signature "$1.sig" data
}
decrypts() {
  openssl pkeyutl -encrypt -pubin -inkey "$1.pub" -in digest -out enc &&
    openssl pkeyutl $TPM -decrypt -inkey "$1.pem" -in enc -out dec && cmp digest dec
}
derives() {
  openssl genpkey -algorithm EC -pkeyopt "group:$2" -out peer.pem && openssl pkey -in peer.pem -pubout -out peer.pub &&
    openssl pkeyutl $TPM -derive -inkey "$1.pem" -peerkey peer.pub -out ours &&
    openssl pkeyutl -derive -inkey peer.pem -peerkey "$1.pub" -out theirs && cmp ours theirs
}
hashes() { [ "$(openssl dgst -provider tpm2 -provider default -propquery provider=tpm2 "-$1" -r data | cut -d' ' -f1)" = "$(openssl dgst "-$1" -r data | cut -d' ' -f1)" ]; }
ciphers() {
  local k=00112233445566778899aabbccddeeff
  [ "$1" = aes-256-cbc ] && k=$k$k
  openssl enc -provider tpm2 -provider default -propquery provider=tpm2 "-$1" -K $k -iv 000102030405060708090a0b0c0d0e0f -in data -out enc &&
    openssl enc "-$1" -d -K $k -iv 000102030405060708090a0b0c0d0e0f -in enc -out dec && cmp data dec
}
certificate() { openssl req $TPM -x509 -key "$1.pem" -subj "/CN=$1" -days 1 -out "$1.crt" && openssl verify -CAfile "$1.crt" "$1.crt"; }
request() { openssl req $TPM -new -key "$1.pem" -subj "/CN=$1" -out "$1.csr" && openssl req -in "$1.csr" -verify -noout; }
tls() {
  # What an earlier server said is not this one's.
  rm -f server.log
  openssl s_server $TPM -cert "$1.crt" -key "$1.pem" -accept "$TLS_PORT" -naccept 1 -www >server.log 2>&1 &
  local server=$! code=1
  # It says so once it listens.
  until grep -qs ACCEPT server.log; do
    kill -0 $server 2>/dev/null || break
    sleep 0.1
  done
  echo | openssl s_client -connect "127.0.0.1:$TLS_PORT" "-$2" -CAfile "$1.crt" -verify_return_error >client.log 2>&1 && code=0
  kill $server 2>/dev/null
  wait $server
  cat server.log client.log
  return $code
}
persist() { tpm2_createprimary -C o -G "$1" -c prim.ctx -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda' && tpm2_evictcontrol -C o -c prim.ctx "$2"; }
by_handle() {
  openssl pkeyutl $TPM -sign -inkey "handle:$1" -in data -rawin -digest sha256 -out h.sig &&
    openssl pkey $TPM -in "handle:$1" -pubout -out h.pub && openssl dgst -sha256 -verify h.pub -signature h.sig data
}
storage_parent() { tpm2_createprimary -C o -G "$1" -c srk.ctx && tpm2_evictcontrol -C o -c srk.ctx 0x81000001; }
child_of_handle() { genpkey child -algorithm RSA -pkeyopt bits:2048 -pkeyopt parent:0x81000001 && sign_verify child sha256; }
with_auth() {
  openssl genpkey $TPM -algorithm EC -pkeyopt group:P-256 -pkeyopt user-auth:abc -out locked.pem &&
openssl pkeyutl $TPM -sign -inkey locked.pem -passin pass:abc -in data -rawin -digest sha256 -out l.sig &&
    ! openssl pkeyutl $TPM -sign -inkey locked.pem -passin pass:wrong -in data -rawin -digest sha256 -out l.sig
}

t startup tpm2_getcap properties-fixed
t rand random
t rsa_genpkey genpkey rsa -algorithm RSA -pkeyopt bits:2048
t rsa_sign_sha1 sign_verify rsa sha1
t rsa_sign_sha256 sign_verify rsa sha256
t rsa_sign_sha384 sign_verify rsa sha384
t rsa_sign_sha512 sign_verify rsa sha512
t rsa_pss_sha256 pss rsa sha256
t rsa_pss_sha512 pss rsa sha512
t rsa_decrypt decrypts rsa
t rsa_certificate certificate rsa
t rsa_request request rsa
t rsa_tls12 tls rsa tls1_2
t rsa_tls13 tls rsa tls1_3
t rsapss_genpkey genpkey rsapss -algorithm RSA-PSS -pkeyopt bits:2048 -pkeyopt digest:sha256
t rsa3072_genpkey genpkey rsa3072 -algorithm RSA -pkeyopt bits:3072
t rsa3072_sign sign_verify rsa3072 sha256
for curve in P-224 P-256 P-384 P-521; do
  t "ec_genpkey_$curve" genpkey "ec-$curve" -algorithm EC -pkeyopt "group:$curve"
  t "ec_sign_sha256_$curve" sign_verify "ec-$curve" sha256
  t "ec_sign_sha512_$curve" sign_verify "ec-$curve" sha512
  t "ec_derive_$curve" derives "ec-$curve" "$curve"
done
t ec_certificate certificate ec-P-256
t ec_request request ec-P-384
t ec_tls13 tls ec-P-256 tls1_3
for hash in sha1 sha256 sha384 sha512; do t "digest_$hash" hashes $hash; done
for cipher in aes-128-cbc aes-256-cbc aes-128-cfb aes-128-ofb aes-128-ctr camellia-128-cbc; do
  t "cipher_$cipher" ciphers $cipher
done
t persist_rsa persist rsa2048 0x81000010
t handle_rsa by_handle 0x81000010
t persist_ecc persist ecc256 0x81000011
t handle_ecc by_handle 0x81000011
t storage_parent storage_parent rsa2048
t child_of_handle child_of_handle
t key_with_auth with_auth
