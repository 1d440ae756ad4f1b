"""The program's random numbers (runtime/random_stream.h), written down a second time: Philox 4x32-10 in a tree of streams."""

import numpy

NUMBERS, CHILDREN, PERMUTATION = 0, 1, 2  # what a block of the counter is for
LOW = 0xFFFFFFFF


def philox(counter, key):
    """counter: four uint64 arrays below 2^32, key: two ints; returns [4, ...] (Salmon et al., SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = (numpy.uint64(word) for word in key)
    for _ in range(10):
        a, b = c0 * numpy.uint64(0xD2511F53), c2 * numpy.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & LOW, (a >> 32) ^ c3 ^ k1, a & LOW
        k0, k1 = (k0 + numpy.uint64(0x9E3779B9)) & LOW, (k1 + numpy.uint64(0xBB67AE85)) & LOW
    return numpy.stack([c0, c1, c2, c3])


def purpose(name):
    """FNV-1a."""
    number = 0xCBF29CE484222325
    for byte in name.encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return number


class Stream:
    def __init__(self, key):
        self.key = key

    def blocks(self, first, count, use=NUMBERS):
        """Blocks first .. first + count - 1, [count, 4]."""
        index = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(first)
        zero = numpy.zeros_like(index)
        return philox((index & LOW, index >> 32, zero + numpy.uint64(use), zero), (self.key & LOW, self.key >> 32)).T

    def child(self, branch):
        branch = purpose(branch) if isinstance(branch, str) else branch
        block = self.blocks(branch, 1, CHILDREN)[0]
        return Stream(int(block[1]) << 32 | int(block[0]))

    def uniform(self, *shape):
        """In [0, 1), 24 bits."""
        count = numpy.prod(shape, dtype=int)
        return (self.blocks(0, -(-count // 4)).ravel()[:count] >> 8).reshape(shape) / 2.0**24

    def normal(self, *shape):
        count = numpy.prod(shape, dtype=int)
        pairs = self.blocks(0, -(-count // 2)).reshape(-1, 2)[:count] / 2.0**32
        values = numpy.sqrt(-2 * numpy.log(pairs[:, 0] + 2.0**-32)) * numpy.cos(2 * numpy.pi * pairs[:, 1])
        return values.astype(numpy.float32).reshape(shape)

    def below(self, count, bound):
        """`count` draws below `bound`: one of them, or one for each draw."""
        pairs = self.blocks(0, -(-count // 2)).reshape(-1, 2)[:count]
        return [scaled(pair, b) for pair, b in zip(pairs, numpy.broadcast_to(bound, count))]

    def permutation(self, n):
        order = list(range(n))
        for i, block in enumerate(self.blocks(0, n - 1, PERMUTATION)):
            j = i + scaled(block, n - i)
            order[i], order[j] = order[j], order[i]
        return order


def scaled(pair, bound):
    return ((int(pair[0]) << 32 | int(pair[1])) * int(bound)) >> 64
