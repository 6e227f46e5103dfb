#!/usr/bin/env python3
"""A second implementation of how primary objects are made from a seed, that wrote primary.txt.

It stands on the second implementation of the derivation contract beside the cryptography crate's vectors and shares no code with the
engine. Run it to print the vectors again; tests do not need it.
"""
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../crypto/tests/vectors"))
import derive

OWNER, ENDORSEMENT, PLATFORM = 0x40000001, 0x4000000B, 0x4000000C
SHA256, SHA384 = 0x000B, 0x000C
FIXED, ORIGIN, AUTH, NO_DA, RESTRICTED, DECRYPT, SIGN = 0x12, 0x20, 0x40, 0x400, 0x10000, 0x20000, 0x40000
STORAGE = FIXED | ORIGIN | AUTH | NO_DA | RESTRICTED | DECRYPT
AES128 = struct.pack(">HHH", 0x0006, 128, 0x0043)
NULL = struct.pack(">H", 0x0010)
SEED = hashlib.sha512(b"primary seed").digest()
SH_PROOF = hashlib.sha512(b"shProof").digest()
EH_PROOF = hashlib.sha512(b"ehProof").digest()


def sized(data):
    return struct.pack(">H", len(data)) + data


def public(kind, name_alg, attributes, parameters, unique, policy=b""):
    return struct.pack(">HHI", kind, name_alg, attributes) + sized(policy) + parameters + unique


def rsa_unique(n=b""):
    return sized(n)


def ecc_unique(x=b"", y=b""):
    return sized(x) + sized(y)


def digest(name_alg, data):
    return {SHA256: hashlib.sha256, SHA384: hashlib.sha384}[name_alg](data).digest()


def make(hierarchy, template, data, key, finish, name_alg):
    """`key` draws the private part, `finish` makes the public area of it and seedValue."""
    context = struct.pack(">I", hierarchy) + sized(template) + sized(data)
    drbg = derive.seeded(SEED, b"PRIMARY OBJECT", context)
    private = key(drbg)
    if hierarchy == ENDORSEMENT:
        drbg.update(derive.derivation_function(SH_PROOF + EH_PROOF))
    seed_value = drbg.generate(len(digest(name_alg, b"")))
    out = finish(private, seed_value)
    print(f"\nhierarchy = {hierarchy:08x}\ntemplate = {template.hex()}\ndata = {data.hex()}")
    print(f"public = {out.hex()}\nseed_value = {seed_value.hex()}")


def main():
    print("# How primary objects are made of a seed, level 16. Written by primary.py; never changes.")
    print(f"\nseed = {SEED.hex()}\nsh_proof = {SH_PROOF.hex()}\neh_proof = {EH_PROOF.hex()}")

    parms = AES128 + NULL + struct.pack(">H", 0x0003) + NULL
    ecc = lambda unique: public(0x0023, SHA256, STORAGE, parms, unique)
    point = lambda key, _: ecc(ecc_unique(*(bytes.fromhex(v) for v in key[1:])))
    for hierarchy, template, data in [
        (OWNER, ecc(ecc_unique()), b""),
        (OWNER, ecc(ecc_unique(bytes(32), bytes(32))), b""),
        (OWNER, ecc(ecc_unique()), b"personal"),
        (PLATFORM, ecc(ecc_unique()), b""),
        (ENDORSEMENT, ecc(ecc_unique()), b""),
    ]:
        make(hierarchy, template, data, lambda drbg: derive.ecc(drbg, "NistP256"), point, SHA256)

    parms384 = struct.pack(">H", 0x0010) + struct.pack(">HH", 0x0018, SHA384) + struct.pack(">H", 0x0004) + NULL
    signing = lambda unique: public(0x0023, SHA384, FIXED | ORIGIN | AUTH | RESTRICTED | SIGN, parms384, unique)
    point384 = lambda key, _: signing(ecc_unique(*(bytes.fromhex(v) for v in key[1:])))
    make(OWNER, signing(ecc_unique()), b"", lambda drbg: derive.ecc(drbg, "NistP384"), point384, SHA384)

    parms_rsa = AES128 + NULL + struct.pack(">HI", 2048, 0)
    rsa = lambda unique: public(0x0001, SHA256, STORAGE, parms_rsa, unique)
    modulus = lambda key, _: rsa(rsa_unique((key[0] * key[1]).to_bytes(256, "big")))
    for hierarchy, unique in [(OWNER, rsa_unique()), (ENDORSEMENT, rsa_unique(bytes(256)))]:
        make(hierarchy, rsa(unique), b"", lambda drbg: derive.rsa(drbg, 2048, 65537), modulus, SHA256)

    sym = lambda unique: public(0x0025, SHA256, STORAGE, AES128, sized(unique))
    keyed = lambda attributes, unique: public(
        0x0008, SHA256, attributes, struct.pack(">HH", 0x0005, SHA256), sized(unique)
    )
    made, given = FIXED | ORIGIN | AUTH | SIGN, FIXED | AUTH | SIGN
    unique = lambda key, seed_value: digest(SHA256, seed_value + key)
    make(OWNER, sym(b""), b"", lambda drbg: drbg.generate(16), lambda k, s: sym(unique(k, s)), SHA256)
    make(ENDORSEMENT, sym(b""), b"", lambda drbg: drbg.generate(16), lambda k, s: sym(unique(k, s)), SHA256)
    make(OWNER, keyed(made, b""), b"", lambda drbg: drbg.generate(32), lambda k, s: keyed(made, unique(k, s)), SHA256)
    make(OWNER, keyed(given, b""), b"hmac key", lambda drbg: b"hmac key", lambda k, s: keyed(given, unique(k, s)), SHA256)

    # Later ones stand at the end.
    for scheme, hierarchy in [(0x0060, OWNER), (0x0061, ENDORSEMENT)]:
        parms_ed = struct.pack(">HHH", 0x0010, scheme, 0x0040) + NULL
        signer = lambda unique: public(0x0023, SHA256, FIXED | ORIGIN | AUTH | RESTRICTED | SIGN, parms_ed, unique)
        encoded = lambda key, _: signer(ecc_unique(bytes.fromhex(key[1])))
        make(hierarchy, signer(ecc_unique()), b"", derive.eddsa, encoded, SHA256)


if __name__ == "__main__":
    main()
