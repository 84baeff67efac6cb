"""ML-DSA-44 of FIPS 204, written down from the standard: keys and deterministic signatures.

For test vectors only, as a second implementation of what the project takes from a library:
slow, and not hardened against anybody who can measure it. Names and algorithm numbers are
those of the standard. The deterministic variant (rnd = 32 zero bytes) makes a signature a
function of key and message, so that a vector can be written again byte for byte.
"""

from collections.abc import Iterator
from hashlib import shake_128, shake_256
from itertools import count
from typing import TypeAlias

Q, D, TAU, LAMBDA_BYTES = 8_380_417, 13, 39, 32
GAMMA1, GAMMA2 = 2**17, (8_380_417 - 1) // 88
K, L, ETA, OMEGA = 4, 4, 2, 80
BETA = TAU * ETA
N = 256

Poly: TypeAlias = list[int]
Vector: TypeAlias = list[Poly]

ZETAS = [pow(1753, int(f"{index:08b}"[::-1], 2), Q) for index in range(N)]


def h(data: bytes, length: int) -> bytes:
    return shake_256(data).digest(length)


def ntt(poly: Poly) -> Poly:
    """Algorithm 41."""
    w, m, length = list(poly), 0, 128
    while length:
        for start in range(0, N, 2 * length):
            m += 1
            for j in range(start, start + length):
                t = ZETAS[m] * w[j + length] % Q
                w[j], w[j + length] = (w[j] + t) % Q, (w[j] - t) % Q
        length //= 2
    return w


def inverse_ntt(poly: Poly) -> Poly:
    """Algorithm 42."""
    w, m, length = list(poly), N, 1
    while length < N:
        for start in range(0, N, 2 * length):
            m -= 1
            for j in range(start, start + length):
                low, high = w[j], w[j + length]
                w[j], w[j + length] = (low + high) % Q, -ZETAS[m] * (low - high) % Q
        length *= 2
    return [x * 8_347_681 % Q for x in w]


def times(matrix: list[Vector], vector: Vector) -> Vector:
    """The matrix, in NTT form already, times a vector that is not."""
    hats = [ntt(poly) for poly in vector]
    return [
        inverse_ntt(
            [
                sum(a[i] * b[i] for a, b in zip(row, hats, strict=True)) % Q for i in range(N)
            ]
        )
        for row in matrix
    ]  # fmt: skip


def add(left: Vector, right: Vector, sign: int = 1) -> Vector:
    return [
        [(x + sign * y) % Q for x, y in zip(a, b, strict=True)]
        for a, b in zip(left, right, strict=True)
    ]


def centred(value: int, modulus: int) -> int:
    """`mod±`: the representative in (-modulus/2, modulus/2]."""
    value %= modulus
    return value - modulus if value > modulus // 2 else value


def norm(vector: Vector) -> int:
    return max(abs(centred(x, Q)) for poly in vector for x in poly)


def decompose(value: int) -> tuple[int, int]:
    """Algorithm 36: high and low part."""
    value %= Q
    low = centred(value, 2 * GAMMA2)
    if value - low == Q - 1:
        return 0, low - 1
    return (value - low) // (2 * GAMMA2), low


def pack(values: Poly, bits: int) -> bytes:
    """SimpleBitPack (algorithm 16): little-endian, `bits` each."""
    joined = sum(value << (bits * index) for index, value in enumerate(values))
    return joined.to_bytes(bits * len(values) // 8, "little")


def unpack(data: bytes, bits: int) -> Poly:
    joined = int.from_bytes(data, "little")
    return [joined >> (bits * index) & (2**bits - 1) for index in range(N)]


def expand_a(rho: bytes) -> list[Vector]:
    """Algorithm 32."""

    def poly(s: int, r: int) -> Poly:
        stream = shake_128(rho + bytes((s, r))).digest(3 * 1024)
        found = (
            int.from_bytes(stream[at : at + 3], "little") & 0x7FFFFF
            for at in range(0, len(stream), 3)
        )
        return [value for value in found if value < Q][:N]

    return [[poly(s, r) for s in range(L)] for r in range(K)]


def expand_s(seed: bytes) -> tuple[Vector, Vector]:
    """Algorithm 33."""

    def poly(number: int) -> Poly:
        halves: Iterator[int] = (
            half
            for byte in h(seed + number.to_bytes(2, "little"), 1024)
            for half in (byte % 16, byte // 16)
        )
        return [(ETA - half % 5) % Q for half in halves if half < 15][:N]

    polys = [poly(number) for number in range(L + K)]
    return polys[:L], polys[L:]


def sample_in_ball(seed: bytes) -> Poly:
    """Algorithm 29."""
    stream = iter(h(seed, 2048))
    signs = int.from_bytes(bytes(next(stream) for _ in range(8)), "little")
    c = [0] * N
    for i in range(N - TAU, N):
        j = next(byte for byte in stream if byte <= i)
        c[i] = c[j]
        c[j] = -1 if signs >> (i + TAU - N) & 1 else 1
    return c


def hint_bytes(hints: list[list[int]]) -> bytes:
    """HintBitPack (algorithm 20)."""
    places: list[int] = []
    ends: list[int] = []
    for hint in hints:
        places += [index for index, bit in enumerate(hint) if bit]
        ends.append(len(places))
    return bytes(places + [0] * (OMEGA - len(places)) + ends)


class Key:
    """A key pair of a 32-byte seed (algorithm 6)."""

    def __init__(self, seed: bytes) -> None:
        expanded = h(seed + bytes((K, L)), 128)
        rho, rho_prime, self.secret = expanded[:32], expanded[32:96], expanded[96:]
        self.a = expand_a(rho)
        self.s1, self.s2 = expand_s(rho_prime)
        t = add(times(self.a, self.s1), self.s2)
        self.t0 = [[centred(x, 2**D) for x in poly] for poly in t]
        t1 = [[(x - centred(x, 2**D)) >> D for x in poly] for poly in t]
        self.public = rho + b"".join(pack(poly, 10) for poly in t1)
        self.tr = h(self.public, 64)

    def sign(self, message: bytes) -> bytes:
        """The deterministic signature with an empty context (algorithms 2 and 7)."""
        mu = h(self.tr + b"\x00\x00" + message, 64)
        rho = h(self.secret + bytes(32) + mu, 64)
        return next(
            found for kappa in count(0, L) if (found := self._attempt(mu, rho, kappa)) is not None
        )

    def _attempt(self, mu: bytes, rho: bytes, kappa: int) -> bytes | None:
        y = [
            [GAMMA1 - x for x in unpack(h(rho + (kappa + r).to_bytes(2, "little"), 576), 18)]
            for r in range(L)
        ]
        w = times(self.a, y)
        w1 = [[decompose(x)[0] for x in poly] for poly in w]
        commitment = h(mu + b"".join(pack(poly, 6) for poly in w1), LAMBDA_BYTES)
        c = [[ntt(sample_in_ball(commitment))]]

        def by_c(vector: Vector) -> Vector:
            return [times(c, [poly])[0] for poly in vector]

        z = add(y, by_c(self.s1))
        rest = add(w, by_c(self.s2), -1)
        low = [[decompose(x)[1] for x in poly] for poly in rest]
        if norm(z) >= GAMMA1 - BETA or max(abs(x) for p in low for x in p) >= GAMMA2 - BETA:
            return None
        ct0 = by_c(self.t0)
        hints = [
            [int(decompose(x)[0] != decompose(x + e)[0]) for x, e in zip(p, e0, strict=True)]
            for p, e0 in zip(rest, ct0, strict=True)
        ]
        if norm(ct0) >= GAMMA2 or sum(map(sum, hints)) > OMEGA:
            return None
        packed = b"".join(pack([GAMMA1 - centred(x, Q) for x in poly], 18) for poly in z)
        return commitment + packed + hint_bytes(hints)
