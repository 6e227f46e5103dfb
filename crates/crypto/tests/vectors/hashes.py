#!/usr/bin/env python3
"""Wrote hashes.txt: HMAC, KDFa and RSASSA-PKCS1-v1_5 over SM3 and SHA-3.

Independent of the crate: the hashes are OpenSSL's through Python's hashlib, the signatures those of the "cryptography"
package (48.0.0). Of SM3 the signature is made here, from the OID of the hash: OpenSSL puts that of the signature
(1.2.156.10197.1.504) into its DigestInfo. Run it to print vectors of the same kind again; the RSA key is new each time.
Tests do not need it.
"""
import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGS = [
    ("Sm3_256", "sm3", hashes.SM3),
    ("Sha3_256", "sha3_256", hashes.SHA3_256),
    ("Sha3_384", "sha3_384", hashes.SHA3_384),
    ("Sha3_512", "sha3_512", hashes.SHA3_512),
]


def octets(seed, size):
    return hashlib.shake_256(seed.encode()).digest(size)


def kdfa(name, key, label, u, v, bits):
    out, counter = b"", 0
    while len(out) * 8 < bits:
        counter += 1
        message = counter.to_bytes(4, "big") + label + b"\0" + u + v + bits.to_bytes(4, "big")
        out += hmac.new(key, message, name).digest()
    return out[: bits // 8]


def sign_sm3(private, digest):
    """EMSA-PKCS1-v1_5 with the OID 1.2.156.10197.1.401, encoded from its numbers."""
    oid = bytes([1 * 40 + 2])
    for number in [156, 10197, 1, 401]:
        base128 = [number & 0x7F]
        while number := number >> 7:
            base128.append(number & 0x7F | 0x80)
        oid += bytes(reversed(base128))
    tlv = lambda tag, value: bytes([tag, len(value)]) + value
    info = tlv(0x30, tlv(0x30, tlv(6, oid) + tlv(5, b"")) + tlv(4, digest))
    block = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
    numbers = private.private_numbers()
    return pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")


def show(**fields):
    for name, value in fields.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")
    print()


print("# HMAC, KDFa and RSASSA-PKCS1-v1_5 over SM3 and SHA-3, written by hashes.py with OpenSSL's hashes.\n")
private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
n = private.public_key().public_numbers().n.to_bytes(256, "big")
for alg, name, signing in ALGS:
    block = hashlib.new(name).block_size
    for size in [1, 32, block - 1, block, block + 1, 200]:
        key, message = octets(f"{alg} key {size}", size), octets(f"{alg} message {size}", 3 * size)
        show(kind="hmac", hash=alg, key=key, message=message, out=hmac.new(key, message, name).digest())
    for size in [16, 100]:
        key, u, v = (octets(f"{alg} {what} {size}", size) for what in ["kdf", "u", "v"])
        show(kind="kdfa", hash=alg, key=key, label="LABEL", u=u, v=v, out=kdfa(name, key, b"LABEL", u, v, 8 * size))
    message = octets(f"{alg} signed", 50)
    if alg == "Sm3_256":
        signature = sign_sm3(private, hashlib.new(name, message).digest())
    else:
        signature = private.sign(message, padding.PKCS1v15(), signing())
    show(kind="rsassa", hash=alg, n=n, message=message, out=signature)
