#!/usr/bin/env python3
"""A second implementation of the elliptic-curve schemes, from their definitions in Part 1, 44 and 45, that wrote ecc.txt.

Python's integers alone, with the parameters and the chord and tangent of derive.py; where OpenSSL knows a scheme and a
curve, it has verified the signature. Nonces are digests of a counter. Run it to print the vectors again; tests do not
need it.
"""
import hashlib
import itertools

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from derive import ORDERS, add, multiply

PRIMES = {
    "NistP192": 2**192 - 2**64 - 1,
    "NistP224": 2**224 - 2**96 + 1,
    "NistP256": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "NistP384": 2**384 - 2**128 - 2**96 + 2**32 - 1,
    "NistP521": 2**521 - 1,
}
HASHES = {"Sha1": hashes.SHA1(), "Sha256": hashes.SHA256(), "Sha384": hashes.SHA384(), "Sha512": hashes.SHA512()}
COUNTER = itertools.count()


def digest(alg, *parts):
    return hashlib.new(alg.lower(), b"".join(parts)).digest()


class Curve:
    def __init__(self, name):
        self.name, (self.openssl, self.n) = name, ORDERS[name]
        if isinstance(self.openssl, tuple):
            self.p, self.a, self.g = self.openssl
            self.openssl = None
        else:
            one = ec.derive_private_key(1, self.openssl).public_key().public_numbers()
            self.p, self.a, self.g = PRIMES[name], -3, (one.x, one.y)
        self.bits = self.n.bit_length()
        self.width = (self.bits + 7) // 8

    def mul(self, k, point=None):
        return multiply(k, point or self.g, self.p, self.a)

    def add(self, left, right):
        return add(left, right, self.p, self.a)

    def scalar(self):
        return int.from_bytes(hashlib.shake_256(b"scalar %d" % next(COUNTER)).digest(100), "big") % (self.n - 1) + 1

    def octets(self, number):
        return number.to_bytes(self.width, "big")


def leftmost(curve, hashed):
    excess = max(0, len(hashed) * 8 - curve.bits)
    return int.from_bytes(hashed, "big") >> excess


def ecdsa(curve, alg, d, hashed):
    k = curve.scalar()
    r = curve.mul(k)[0] % curve.n
    s = pow(k, -1, curve.n) * (leftmost(curve, hashed) + r * d) % curve.n
    if curve.openssl:
        key = ec.derive_private_key(d, curve.openssl).public_key()
        key.verify(utils.encode_dss_signature(r, s), hashed, ec.ECDSA(utils.Prehashed(HASHES[alg])))
    return r, s


def schnorr(curve, alg, d, hashed):
    k = curve.scalar()
    r = int.from_bytes(digest(alg, curve.octets(curve.mul(k)[0]), hashed)[: curve.width], "big")
    return r, (k + r * d) % curve.n


def sm2(curve, alg, d, hashed):
    k = curve.scalar()
    r = (int.from_bytes(hashed, "big") + curve.mul(k)[0]) % curve.n
    return r, pow(1 + d, -1, curve.n) * (k - r * d) % curve.n


def kdf2(alg, key, size):
    blocks = [digest(alg, key, counter.to_bytes(4, "big")) for counter in range(1, size // 16 + 2)]
    return b"".join(blocks)[:size]


def encryption(curve, alg, d, message):
    k = curve.scalar()
    x, y = map(curve.octets, curve.mul(k, curve.mul(d)))
    data = bytes(m ^ t for m, t in zip(message, kdf2(alg, x + y, len(message))))
    values = dict(d=d, message=message, ephemeral=curve.mul(k), data=data, integrity=digest(alg, x, message, y))
    show("encryption", curve, hash=alg, **values)


def exchange(curve, f, first, second):
    """(first, second) of A with those of B; the second of each counts by the associated value of its ephemeral key."""

    def value(point):
        return 2**f + point[0] % 2**f

    (a1, a2, ephemeral_a), (b1, b2, ephemeral_b) = first, second
    t = (a1 + a2 * value(curve.mul(ephemeral_a))) % curve.n
    other = curve.add(curve.mul(b1), curve.mul(value(curve.mul(ephemeral_b)), curve.mul(b2)))
    return curve.mul(t, other)


def show(kind, curve, **values):
    print(f"\nkind = {curve.name}\nscheme = {kind}")
    for name, value in values.items():
        if isinstance(value, tuple):
            print(f"{name}_x = {curve.octets(value[0]).hex()}\n{name}_y = {curve.octets(value[1]).hex()}")
        elif isinstance(value, int):
            print(f"{name} = {curve.octets(value).hex()}")
        else:
            print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")


def main():
    print("# Elliptic-curve schemes. Written by ecc.py.")
    for name in ORDERS:
        curve = Curve(name)
        for alg in HASHES:
            for scheme in (ecdsa, schnorr, sm2):
                d, hashed = curve.scalar(), digest(alg, b"%d" % next(COUNTER))
                r, s = scheme(curve, alg, d, hashed)
                show(scheme.__name__, curve, hash=alg, public=curve.mul(d), digest=hashed, r=r, s=s)
        d, k, committed, value = curve.scalar(), curve.scalar(), curve.scalar(), digest("Sha256", b"%d" % next(COUNTER))
        t = int.from_bytes(digest("Sha256", curve.octets(k), value), "big")
        signed = dict(digest=value, committed=curve.mul(committed), r=k, s=(committed + t * d) % curve.n)
        show("ecdaa", curve, hash="Sha256", public=curve.mul(d), **signed)
        encryption(curve, "Sha1", curve.scalar(), b"encryption standard")
        encryption(curve, "Sha384", curve.scalar(), bytes(range(100)))
        ds, de, es, ee = (curve.scalar() for _ in range(4))
        half = (curve.bits + 1) // 2
        keys = dict(static=ds, ephemeral=de, other_static=curve.mul(es), other_ephemeral=curve.mul(ee))
        show("mqv", curve, **keys, z=exchange(curve, half, (de, ds, de), (ee, es, ee)))
        show("sm2_exchange", curve, **keys, z=exchange(curve, half - 1, (ds, de, de), (es, ee, ee)))


if __name__ == "__main__":
    main()
