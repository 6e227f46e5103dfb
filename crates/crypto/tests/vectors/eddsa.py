#!/usr/bin/env python3
"""A second implementation of Ed25519 and Ed25519ph, that checks eddsa.txt and adds to it.

Independent of the crate: Ed25519 is OpenSSL's through the "cryptography" package, Ed25519ph RFC 8032 in Python's integers. Run it to print
the vectors again; tests do not need it.
"""
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
DOM2 = b"SigEd25519 no Ed25519 collisions" + bytes([1, 0])


def add(left, right):
    (x1, y1), (x2, y2) = left, right
    t = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P,
    )


def multiply(k, point):
    out = (0, 1)
    while k:
        if k & 1:
            out = add(out, point)
        point, k = add(point, point), k >> 1
    return out


def base():
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 else x, y)


B = base()


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def parts(seed):
    hashed = hashlib.sha512(seed).digest()
    s = int.from_bytes(hashed[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    return s, hashed[32:]


def sign(seed, signed, prefix):
    s, nonce = parts(seed)
    a = encode(multiply(s, B))
    r = number(prefix, nonce, signed) % L
    big_r = encode(multiply(r, B))
    return a, big_r + ((r + number(prefix, big_r, a, signed) * s) % L).to_bytes(32, "little")


def pure(seed, message):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(message)
    assert (public, signature) == sign(seed, message, b"")
    return public, signature


def prehashed(seed, message):
    return sign(seed, hashlib.sha512(message).digest(), DOM2)


# RFC 8032, 7.1, tests 1, 2, 3 and SHA(abc), and 7.3.
RFC = [
    (
        pure,
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        b"",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        pure,
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        b"\x72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        pure,
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        b"\xaf\x82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        pure,
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        hashlib.sha512(b"abc").digest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
    (
        prehashed,
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        b"abc",
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aa"
        "a10b8c61e636062aaad11c2a26083406",
    ),
]


def main():
    print("# Ed25519 (kind = message) and Ed25519ph (kind = digest, of the message). Written by eddsa.py.")
    cases = [(kind, bytes.fromhex(seed), message, bytes.fromhex(expected)) for kind, seed, message, expected in RFC]
    for n in range(8):
        seed = hashlib.sha256(b"eddsa %d" % n).digest()
        message = (hashlib.sha512(b"message %d" % n).digest() * 20)[: n * n * 21]
        cases += [(kind, seed, message, None) for kind in (pure, prehashed)]
    for kind, seed, message, expected in cases:
        public, signature = kind(seed, message)
        assert expected is None or signature == expected
        source = "# RFC 8032, 7.\n" if expected else ""
        name = "message" if kind is pure else "digest"
        print(f"\n{source}kind = {name}\nd = {seed.hex()}\npublic = {public.hex()}\nmessage = {message.hex()}\nsignature = {signature.hex()}")


if __name__ == "__main__":
    main()
