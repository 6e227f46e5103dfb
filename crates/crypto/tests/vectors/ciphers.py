#!/usr/bin/env python3
"""Wrote ciphers.txt: every block cipher with every key size in every mode, and CMAC.

Independent of the crate: the ciphers and modes are OpenSSL's through the Python package "cryptography" (48.0.0). The IV to go on
with is worked out here from plain blocks. Tests do not need this program.
"""
import hashlib
import warnings

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

warnings.filterwarnings("ignore")
try:
    from cryptography.hazmat.decrepit.ciphers import algorithms as old
    from cryptography.hazmat.decrepit.ciphers import modes as old_modes
except ImportError:
    old, old_modes = algorithms, modes


def pick(name, *modules):
    for module in modules:
        if hasattr(module, name):
            return getattr(module, name)
    raise SystemExit(f"no {name}")


TripleDES, Camellia = pick("TripleDES", old, algorithms), pick("Camellia", old, algorithms)
CFB, OFB = pick("CFB", old_modes, modes), pick("OFB", old_modes, modes)
CIPHERS = [
    ("Tdes", TripleDES, 128, 8),
    ("Tdes", TripleDES, 192, 8),
    ("Aes", algorithms.AES, 128, 16),
    ("Aes", algorithms.AES, 192, 16),
    ("Aes", algorithms.AES, 256, 16),
    ("Sm4", algorithms.SM4, 128, 16),
    ("Camellia", Camellia, 128, 16),
    ("Camellia", Camellia, 192, 16),
    ("Camellia", Camellia, 256, 16),
]


def octets(seed, size):
    return hashlib.shake_256(seed.encode()).digest(size)


def ecb(algorithm, key, data):
    encryptor = Cipher(algorithm(key), modes.ECB()).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def by_hand(algorithm, key, mode, iv, plain):
    """The text and the next IV, block by block."""
    block, out = len(iv), b""
    for at in range(0, len(plain), block):
        piece = plain[at : at + block]
        if mode == "Ctr":
            out += xor(piece, ecb(algorithm, key, iv))
            iv = ((int.from_bytes(iv, "big") + 1) % (1 << 8 * block)).to_bytes(block, "big")
        elif mode == "Ofb":
            iv = ecb(algorithm, key, iv)
            out += xor(piece, iv)
        elif mode == "Cbc":
            iv = ecb(algorithm, key, xor(piece, iv))
            out += iv
        elif mode == "Cfb":
            out += xor(piece, ecb(algorithm, key, iv))
            iv = out[at:].ljust(block, b"\0")
    return out, iv


def cmac_by_hand(algorithm, key, block, message):
    """SP 800-38B, 6.2."""

    def double(number):
        number <<= 1
        return number ^ (1 << 8 * block | {8: 0x1B, 16: 0x87}[block]) if number >> 8 * block else number

    whole = len(message) > 0 and len(message) % block == 0
    subkey = double(int.from_bytes(ecb(algorithm, key, bytes(block)), "big"))
    if not whole:
        message = (message + b"\x80").ljust(-(-(len(message) + 1) // block) * block, b"\0")
        subkey = double(subkey)
    chain = bytes(block)
    for at in range(0, len(message) - block, block):
        chain = ecb(algorithm, key, xor(chain, message[at : at + block]))
    last = xor(chain, message[-block:])
    return ecb(algorithm, key, xor(last, subkey.to_bytes(block, "big")))


def show(**fields):
    for name, value in fields.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}".rstrip())
    print()


def main():
    print("# Block ciphers in their modes, and CMAC, written by ciphers.py with OpenSSL.\n")
    library = {"Ctr": modes.CTR, "Ofb": OFB, "Cbc": modes.CBC, "Cfb": CFB}
    for name, algorithm, bits, block in CIPHERS:
        label = f"{name} {bits}"
        # OpenSSL does not look at the parity of DES keys, nor does the crate.
        key, plain, iv = octets(f"{label} key", bits // 8), octets(f"{label} text", 9 * block), octets(f"{label} iv", block)
        # A counter that turns over in the middle.
        counter = (2 ** (8 * block) - 3).to_bytes(block, "big")
        show(cipher=name, bits=bits, mode="Ecb", key=key, plain=plain, out=ecb(algorithm, key, plain))
        for mode in ["Ctr", "Ofb", "Cbc", "Cfb"]:
            start = counter if mode == "Ctr" else iv
            for size in [9 * block] if mode == "Cbc" else [9 * block, 9 * block - 3]:
                out, end = by_hand(algorithm, key, mode, start, plain[:size])
                # Where the package has the mode, two ways have to agree.
                try:
                    encryptor = Cipher(algorithm(key), library[mode](start)).encryptor()
                    assert out == encryptor.update(plain[:size]) + encryptor.finalize(), (name, bits, mode)
                except UnsupportedAlgorithm:
                    assert mode == "Ctr"
                show(cipher=name, bits=bits, mode=mode, key=key, iv=start, plain=plain[:size], out=out, end=end)
        for size in [0, 1, block - 1, block, block + 1, 2 * block, 5 * block - 2]:
            out = cmac_by_hand(algorithm, key, block, plain[:size])
            try:
                mac = CMAC(algorithm(key))
                mac.update(plain[:size])
                assert out == mac.finalize()
            except UnsupportedAlgorithm:
                assert name in ["Camellia", "Sm4"]
            show(cipher=name, bits=bits, mode="Cmac", key=key, plain=plain[:size], out=out)


main()
