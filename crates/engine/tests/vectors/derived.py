#!/usr/bin/env python3
"""A second implementation of object derivation (Part 1, 25) that wrote derived.txt.

It shares no code with the engine: HMAC comes from Python's standard library, curves from the "cryptography" package. swtpm 0.7.1 with
libtpms 0.9.2 derived the same public areas from the same parents when the vectors were made, but for the last two: libtpms makes `unique` of
a symmetric parent with an HMAC where Part 1, 24.5.3.2 has a hash, and has no EdDSA. Run it to print the vectors again; tests do not need it.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SHA256, SHA384 = 0x000B, 0x000C
HASHES = {SHA256: hashlib.sha256, SHA384: hashlib.sha384}
FIXED_PARENT, AUTH, NO_DA, RESTRICTED, DECRYPT, SIGN = 0x10, 0x40, 0x400, 0x10000, 0x20000, 0x40000
AES128 = struct.pack(">HHH", 0x0006, 128, 0x0043)
NULL = struct.pack(">H", 0x0010)
CURVES = {
    0x0003: (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    0x0004: (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}


def sized(data):
    return struct.pack(">H", len(data)) + data


def digest(alg, data):
    return HASHES[alg](data).digest()


def derivation(alg, key, label, context):
    """All the octets that an object is made of."""
    out, counter = b"", 0
    while len(out) < 1024:
        counter += 1
        message = struct.pack(">I", counter) + label
        message += b"" if label.endswith(b"\0") else b"\0"
        message += context + struct.pack(">I", 8192)
        out += hmac.new(key, message, HASHES[alg]).digest()
    return out[:1024]


def parent(scheme_hash):
    key, seed = digest(SHA256, b"derivation key"), digest(SHA256, b"parent seed")
    parameters = struct.pack(">HHH", 0x000A, scheme_hash, 0x0022)
    public = struct.pack(">HHI", 0x0008, SHA256, AUTH | NO_DA | RESTRICTED | DECRYPT) + sized(b"") + parameters
    public += sized(digest(SHA256, seed + key))
    sensitive = struct.pack(">H", 0x0008) + sized(b"") + sized(seed) + sized(key)
    return key, public, sensitive


def object_of(kind, alg, attributes, parameters, scheme_hash=SHA256, unique=(b"", b""), data=None, curve=None, size=0):
    key, public, sensitive = parent(scheme_hash)
    label, context = (own or other for own, other in zip(unique, data or (b"", b"")))
    stream = derivation(scheme_hash, key, label, context)
    attributes |= FIXED_PARENT
    start = struct.pack(">HHI", kind, alg, attributes) + sized(b"") + parameters
    template = start + sized(unique[0]) + sized(unique[1])
    if curve == 0x0040:
        size = 32
        secret = stream[:size]
        key = ed25519.Ed25519PrivateKey.from_private_bytes(secret).public_key()
        point = sized(key.public_bytes(Encoding.Raw, PublicFormat.Raw)) + sized(b"")
    elif curve:
        group, order = CURVES[curve]
        size = (order.bit_length() + 7) // 8 + 8
        d = int.from_bytes(stream[:size], "big") % (order - 1) + 1
        numbers = ec.derive_private_key(d, group).public_key().public_numbers()
        secret = d.to_bytes(size - 8, "big")
        point = sized(numbers.x.to_bytes(size - 8, "big")) + sized(numbers.y.to_bytes(size - 8, "big"))
    else:
        secret = stream[:size]
    seed = stream[size : size + len(digest(alg, b""))]
    if curve:
        seed = b""
    made = start + (point if curve else sized(digest(alg, seed + secret)))
    return {
        "parent": public,
        "parent_sensitive": sensitive,
        "template": template,
        "data": b"" if data is None else sized(data[0]) + sized(data[1]),
        "public": made,
        "sensitive": struct.pack(">H", kind) + sized(b"") + sized(seed) + sized(secret),
    }


def objects():
    cipher = lambda **more: object_of(0x0025, SHA256, AUTH | DECRYPT | SIGN, AES128, size=16, **more)
    ecdsa = lambda alg, curve: NULL + struct.pack(">HHH", 0x0018, alg, curve) + NULL
    hmac_key = struct.pack(">HH", 0x0005, SHA384)
    yield cipher(unique=(b"label", b"context"))
    yield cipher(data=(b"label", b"context"))
    yield cipher(unique=(b"label", b""), data=(b"ignored", b"other context"))
    yield cipher(unique=(b"ends in zero\0", b""), scheme_hash=SHA384)
    yield cipher()
    yield object_of(0x0023, SHA256, AUTH | SIGN, ecdsa(SHA256, 0x0003), unique=(b"p256", b"c"), curve=0x0003)
    yield object_of(0x0023, SHA384, AUTH | SIGN, ecdsa(SHA384, 0x0004), unique=(b"p384", b"c"), curve=0x0004)
    yield object_of(0x0008, SHA384, AUTH | SIGN, hmac_key, unique=(b"hmac", b"c"), size=48)
    derives = struct.pack(">HHH", 0x000A, SHA256, 0x0022)
    yield object_of(0x0008, SHA256, AUTH | NO_DA | RESTRICTED | DECRYPT, derives, unique=(b"parent", b"c"), size=32)
    eddsa = NULL + struct.pack(">HH", 0x0060, 0x0040) + NULL
    yield object_of(0x0023, SHA256, AUTH | SIGN, eddsa, unique=(b"ed25519", b"c"), curve=0x0040)


def main():
    print("# How objects are derived from a derivation parent. Written by derived.py; never changes.")
    for made in objects():
        print()
        for name, value in made.items():
            print(f"{name} = {value.hex()}")


if __name__ == "__main__":
    main()
