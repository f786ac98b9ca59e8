# SPDX-License-Identifier: Apache-2.0
"""
Reader of the log of QEMU's blklogwrites (the format of Linux' dm-log-writes), and what a disk with a volatile cache
holds when the power goes at any point of it.

A mark says how far the guest's script was. It is set on this side and flushes nothing: the length of the log when the
order was given, or when its acknowledgement was here.
"""
import bisect
import mmap
import os
import struct

MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")


class Entry:
    """One request: where (bytes), and the data, unless it is only a flush or a discard."""

    def __init__(self, end, start, length, flags, data):
        self.end = end  # of the entry in the log
        self.start = start
        self.length = length
        self.flags = flags
        self.data = data

    def apply(self, disk, length=None):
        """Writes it, or its first `length` bytes, to what is in range of a disk (a bytearray)."""
        end = min(self.start + (self.length if length is None else length), len(disk))
        if self.start < end:
            disk[self.start:end] = bytes(end - self.start) if self.flags & DISCARD else self.data[:end - self.start]


def read_entries(path):
    with open(path, "rb") as file:
        log = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    magic, version, _, sector = SUPER.unpack_from(log)
    assert (magic, version) == (MAGIC, 1), "%s is not a log of writes" % path
    offset = sector
    entries = []
    # The count in the head is written at the end only: a killed QEMU leaves an old one.
    while offset + sector <= len(log):
        first, count, flags, _ = ENTRY.unpack_from(log, offset)
        if (first, count, flags) == (0, 0, 0):
            break
        offset += sector
        length = count * sector
        stored = 0 if flags & DISCARD else length
        if offset + stored > len(log):
            break
        entries.append(Entry(offset + stored, first * sector, length, flags, log[offset:offset + stored]))
        offset += stored
    return entries


class Marks:
    """Taken while the guest runs: [(length of the log, number)]."""

    def __init__(self, log):
        self.log = log
        self.taken = []

    def take(self, number):
        self.taken.append((os.stat(self.log).st_size, number))


class Recording:
    """The disk before the first write, all requests, and how many of them there were at each mark."""

    def __init__(self, base, marks, size):
        self.base = base
        self.size = size
        self.entries = read_entries(marks.log)
        ends = [entry.end for entry in self.entries]
        self.marks = {number: bisect.bisect_right(ends, length) for length, number in marks.taken}

    def last_mark(self, cut):
        """Number of the newest mark that the first `cut` entries include."""
        return max((number for number, index in self.marks.items() if index <= cut), default=0)

    def flushes(self):
        return sum(1 for entry in self.entries if entry.flags & FLUSH)

    def disks(self, cuts, rng):
        """
        Yields (cut, disk, description) for each cut, in rising order: the disk after the first `cut` entries, of
        which those that no flush covers are there, torn, or lost at random. The disk is good until the next one.
        """
        with open(self.base, "rb") as file:
            safe = bytearray(file.read(self.size))
        waiting = []
        position = 0
        for cut in sorted(cuts):
            for entry in self.entries[position:cut]:
                if entry.flags & FLUSH:  # of what came before; its own data are as volatile as ever
                    for one in waiting:
                        one.apply(safe)
                    waiting = []
                if entry.length and entry.start < self.size:
                    waiting.append(entry)
            position = max(position, cut)
            disk = bytearray(safe)
            yield cut, disk, lose(waiting, disk, rng)


# What flash writes as a whole. Not less: ext4 takes for granted that its superblock, of two sectors, is old or new.
PAGE = 4096


def lose(waiting, disk, rng):
    """Applies a random part of the requests that were in the cache of the disk."""
    share = rng.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    lost = torn = 0
    for entry in waiting:
        if entry.flags & FUA or rng.random() >= share:
            entry.apply(disk)
        elif entry.length > PAGE and rng.random() < 0.2:
            entry.apply(disk, rng.randrange(1, -(-entry.length // PAGE)) * PAGE)
            torn += 1
        else:
            lost += 1
    return "%d unflushed writes, %d lost, %d torn" % (len(waiting), lost, torn)
