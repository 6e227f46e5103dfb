#!/usr/bin/env python3
"""A second implementation of the derivation contract, level 16, that wrote derive.txt.

Independent of the crate: AES, HMAC and most curves come from OpenSSL through Python's standard library and
the "cryptography" package, primality and the two other curves from Python's integers. Run it to print the vectors again; tests do
not need it.
"""
import hashlib
import hmac
import math

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LEVEL = 16


def kdfa(key, label, context_u, context_v, bits):
    out, counter = b"", 0
    while len(out) * 8 < bits:
        counter += 1
        message = counter.to_bytes(4, "big") + label + b"\0" + context_u + context_v + bits.to_bytes(4, "big")
        out += hmac.new(key, message, hashlib.sha512).digest()
    assert bits % 8 == 0
    return out[: bits // 8]


def aes(key, data):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def derivation_function(data):
    s = len(data).to_bytes(4, "big") + (48).to_bytes(4, "big") + data + b"\x80"
    s += bytes(-len(s) % 16)
    key, temp = bytes(range(32)), b""
    for i in range(3):
        chain, message = bytes(16), i.to_bytes(4, "big") + bytes(12) + s
        for at in range(0, len(message), 16):
            chain = aes(key, xor(chain, message[at : at + 16]))
        temp += chain
    key, x, out = temp[:32], temp[32:], b""
    for _ in range(3):
        x = aes(key, x)
        out += x
    return out


class Drbg:
    def __init__(self, entropy):
        self.key, self.v = bytes(32), 0
        self.update(derivation_function(entropy))

    def keystream(self, count):
        out = b""
        while len(out) < count:
            self.v = (self.v + 1) % 2**128
            out += aes(self.key, self.v.to_bytes(16, "big"))
        return out[:count]

    def update(self, provided):
        temp = xor(self.keystream(48), provided)
        self.key, self.v = temp[:32], int.from_bytes(temp[32:], "big")

    def generate(self, count):
        out = self.keystream(count)
        self.update(bytes(48))
        return out


def seeded(seed, label, context):
    return Drbg(kdfa(seed, label, bytes([LEVEL]), context, 512))


SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]


def probably_prime(n, bases):
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for base in bases:
        x = pow(base, d, n)
        if x == 1 or x == n - 1:
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(drbg, bits, e, other):
    while True:
        c = int.from_bytes(drbg.generate(bits // 8), "big") | (3 << (bits - 2)) | 1
        if any(c % p == 0 for p in SMALL) or math.gcd(c - 1, e) != 1:
            continue
        if other is not None and abs(c - other) <= 2 ** (bits - 100):
            continue
        octets = c.to_bytes(bits // 8, "big")
        bases = [2]
        for i in range(5):
            base = int.from_bytes(kdfa(octets, b"MR BASE", bytes([i]), b"", bits), "big")
            bases.append(base & (2 ** (bits - 1) - 1) | 2)
        if c % 2**64 != 1 and probably_prime(c, bases):
            return c


def rsa(drbg, bits, e):
    p = prime(drbg, bits // 2, e, None)
    return p, prime(drbg, bits // 2, e, p)


ORDERS = {
    "NistP192": (ec.SECP192R1(), 0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831),
    "NistP224": (ec.SECP224R1(), 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D),
    "NistP256": (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "NistP384": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "NistP521": (
        ec.SECP521R1(),
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
    ),
    # Not in the package: the chord and tangent below, with (p, a, generator).
    "BnP256": (
        (0xFFFFFFFFFFFCF0CD46E5F25EEE71A49F0CDC65FB12980A82D3292DDBAED33013, 0, (1, 2)),
        0xFFFFFFFFFFFCF0CD46E5F25EEE71A49E0CDC65FB1299921AF62D536CD10B500D,
    ),
    "Sm2P256": (
        (
            0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF,
            -3,
            (
                0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
                0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
            ),
        ),
        0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
    ),
}


def add(left, right, p, a):
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % p == 0:
        return None
    slope = (3 * x1 * x1 + a) * pow(2 * y1, -1, p) if left == right else (y2 - y1) * pow(x2 - x1, -1, p)
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def multiply(k, point, p, a):
    out = None
    while k:
        if k & 1:
            out = add(out, point, p, a)
        point, k = add(point, point, p, a), k >> 1
    return out


def ecc(drbg, name):
    curve, n = ORDERS[name]
    width = (n.bit_length() + 7) // 8
    d = int.from_bytes(drbg.generate(width + 8), "big") % (n - 1) + 1
    if isinstance(curve, tuple):
        p, a, generator = curve
        x, y = multiply(d, generator, p, a)
    else:
        public = ec.derive_private_key(d, curve).public_key().public_numbers()
        x, y = public.x, public.y
    return [value.to_bytes(width, "big").hex() for value in (d, x, y)]


def eddsa(drbg):
    d = drbg.generate(32)
    public = ed25519.Ed25519PrivateKey.from_private_bytes(d).public_key()
    return [d.hex(), public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()]


def main():
    print("# Derivation contract, level 16. Written by derive.py; never changes.")
    for number in range(3):
        seed = hashlib.sha512(b"seed %d" % number).digest()
        context = hashlib.sha256(b"context %d" % number).digest() * number
        head = f"\nseed = {seed.hex()}\nlabel = PRIMARY\ncontext = {context.hex()}"
        fresh = lambda: seeded(seed, b"PRIMARY", context)
        print(f"{head}\nkind = octets\nvalue = {fresh().generate(100).hex()}")
        for name in ORDERS:
            d, x, y = ecc(fresh(), name)
            print(f"{head}\nkind = {name}\nd = {d}\nx = {x}\ny = {y}")
        for bits, e in [(2048, 65537), (3072, 65537)] + [(4096, 65537)] * (number == 0) + [(2048, 65539 * 3)] * (number == 1):
            p, q = rsa(fresh(), bits, e)
            print(f"{head}\nkind = rsa\nbits = {bits}\ne = {e}\np = {p:x}\nq = {q:x}")
    # Keys that a profile must ask for: later ones stand at the end.
    for number in range(3):
        seed = hashlib.sha512(b"seed %d" % number).digest()
        p, q = rsa(seeded(seed, b"PRIMARY", b""), 1024, 65537)
        print(f"\nseed = {seed.hex()}\nlabel = PRIMARY\ncontext = \nkind = rsa\nbits = 1024\ne = 65537\np = {p:x}\nq = {q:x}")
    for number in range(3):
        seed = hashlib.sha512(b"seed %d" % number).digest()
        context = hashlib.sha256(b"context %d" % number).digest() * number
        d, x = eddsa(seeded(seed, b"PRIMARY", context))
        print(f"\nseed = {seed.hex()}\nlabel = PRIMARY\ncontext = {context.hex()}\nkind = Ed25519\nd = {d}\nx = {x}")


if __name__ == "__main__":
    main()
