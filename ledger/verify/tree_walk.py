"""Follows a log's tree, run by run or leaf by leaf, and compares it with the stored tiles.

Two trees grow side by side: the one *derived* from the entries' own bytes, and the
one that the stored tiles *state*. Where they part, the tile names the entry; and
if the stated tree leads to a signed root, those places are all there are.
"""

from collections.abc import Callable, Sequence

from ledger.errors import MalformedError
from ledger.tlog.merkle import HASH_BYTES, Frontier, node_hash
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH, Tile, tile_nodes
from ledger.verify.findings import Code, Findings
from ledger.verify.reader import LogReader
from ledger.verify.run_check import CheckedRun


class TreeWalk:
    """The trees of a log while it is being read; feed it one leaf after the other.

    Attributes:
        size: leaves taken so far.
        derived: the tree of the entries' bytes; None once an entry is missing.
        stated: the tree of the stored tiles, filled up from the entries where there is
            no tile; None once a leaf is in neither.
        edge: the tree of all leaves but the last; None once an entry is missing.
        tiles_compared: how many stored tiles were compared.
    """

    def __init__(self, reader: LogReader, findings: Findings) -> None:
        self._reader = reader
        self._findings = findings
        self._filling: list[list[bytes]] = []  # per level, the hashes of the tile at its end
        self._done: list[int] = []  # per level, how many full tiles are behind that one
        self._leaves: tuple[tuple[int, bytes], ...] = ()  # the stored tile of the next leaf
        self._leaves_of = -1  # which tile that is
        self.size = 0
        self.derived: Frontier | None = Frontier.empty()
        self.stated: Frontier | None = self.derived
        self.edge: Frontier | None = self.derived
        self.tiles_compared = 0

    def begin_at(self, start: int) -> str | None:
        """Begin behind `start` entries, whole tiles of them, as the tiles above state them.

        Return None, or the path of a tile that is missing or damaged; then no root can be
        derived.
        """
        needed = ""

        def read(tile: Tile) -> bytes:
            nonlocal needed
            needed = tile.path()
            stored = self._reader.tiles(tile.level, tile.index)
            wide = [data for width, data in stored if width >= tile.width]
            return wide[-1][: tile.width * HASH_BYTES] if wide else b""

        nodes = tile_nodes(read, self._reader.size)
        try:
            begun = Frontier.of(start, nodes)
            level, count = 0, start
            while count:
                done = count // TILE_WIDTH
                hashes = range(done * TILE_WIDTH, count)
                self._filling.append([nodes(level * TILE_HEIGHT, index) for index in hashes])
                self._done.append(done)
                level, count = level + 1, done
        except MalformedError:
            self._filling, self._done = [], []
            self.skip(start)
            return needed
        self.size, self.edge = start, None
        self.derived = self.stated = begun
        return None

    def resume(self, edge: Frontier, leaf: bytes) -> bool:
        """Go on after leaves that were taken before: those of `edge`, and one more.

        False, and nothing is done, if the stored tiles do not lead to just this tree.
        """
        tree = edge.append(leaf)
        filling: list[list[bytes]] = []
        subtrees: list[tuple[bytes, ...]] = []
        level, nodes = 0, tree.size  # how many hashes the level has
        while nodes:
            index, width = divmod(nodes, TILE_WIDTH)
            widest = self._stored(level, index)[-1:] if width else ()
            hashes = [each for _, data in widest for each in _split(data)][:width]
            subtrees.insert(0, Frontier.empty().extend(hashes).hashes)
            filling.append(hashes)
            level, nodes = level + 1, index
        if sum(subtrees, ()) != tree.hashes:
            return False
        self._filling = filling
        self._done = [tree.size >> TILE_HEIGHT * (each + 1) for each in range(level)]
        self.size, self.edge = tree.size, edge
        self.derived = self.stated = tree
        return True

    def take(
        self, run: CheckedRun, due: Callable[[], int | None], reached: Callable[[], None]
    ) -> bool:
        """Take a run of leaves at once, if the stored tiles agree with every one of them.

        False, and nothing is done, if they do not, if the run does not stand here behind
        others, or if something was missing before. At each size in between that is `due` it
        stops with the tree of that size, and says that it is `reached`.
        """
        tree = self.derived
        if tree is None or tree is not self.stated or run.first != self.size or not self.size:
            return False
        stored = self._stored(0, self.size // TILE_WIDTH)
        known = b"".join(self._filling[0]) + run.leaves
        room = TILE_WIDTH * HASH_BYTES - len(known)
        there = bool(stored) and stored[-1][0] == TILE_WIDTH
        if room < 0 or not _agree(stored, known) or (room == 0 and not there):
            return False
        while (size := due()) is not None and size < run.end:
            self.size = size
            self.derived = self.stated = run.frontier(tree, size)
            reached()
        self.size, self.edge = run.end, run.frontier(tree, run.end - 1)
        self.derived = self.stated = run.frontier(tree, run.end)
        if run.above:
            self._pass_tile(run.above[-1], len(stored))
        else:
            for leaf in _split(run.leaves):
                self._push(0, leaf)
        return True

    def stated_leaf(self) -> bytes | None:
        """The next entry's leaf hash as the widest stored tile states it, if one does."""
        index, offset = divmod(self.size, TILE_WIDTH)
        if not self._stored(0, index):
            return None
        stated = self._leaves[-1][1][offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
        return stated if len(stated) == HASH_BYTES else None

    def append(self, leaf: bytes | None) -> None:
        """Take the next leaf hash; None if its entry is missing."""
        stated = self.stated_leaf()
        if leaf is not None and stated is not None and leaf != stated:
            self._findings.add(
                Code.TILE_DIFFERS,
                self.size,
                f"the tile {self._leaf_tile()} states the leaf hash {stated.hex()}, "
                f"the stored bytes hash to {leaf.hex()}",
            )
        known = leaf if stated is None else stated
        self.size += 1
        same = self.derived is self.stated and known == leaf  # the usual case: hash once
        self.edge = self.derived
        self.derived = _grown(self.derived, leaf)
        self.stated = self.derived if same else _grown(self.stated, known)
        if self.stated is not None and known is not None:
            self._push(0, known)

    def skip(self, to: int) -> None:
        """Go on at another index, over entries that nothing is known of."""
        self.size = to
        self.derived = self.stated = self.edge = None

    def finish(self) -> None:
        """Compare the tiles at the end, which are not full."""
        if self.stated is not None:
            for level, hashes in enumerate(self._filling):
                if hashes:
                    self._compare(level, self._done[level], hashes)

    def _stored(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of a tile; of those of leaves, the last that was asked for is kept."""
        if level:
            return self._reader.tiles(level, index)
        if index != self._leaves_of:
            self._leaves, self._leaves_of = self._reader.tiles(0, index), index
        return self._leaves

    def _pass_tile(self, root: bytes, stored: int) -> None:
        """Count a full tile of leaves that was compared, and carry its root to the level above."""
        self.tiles_compared += stored
        self._done[0] += 1
        self._push(1, root)

    def _leaf_tile(self) -> str:
        return Tile(0, self.size // TILE_WIDTH, self._leaves[-1][0]).path()

    def _push(self, level: int, node: bytes) -> None:
        if level == len(self._filling):
            self._filling.append([])
            self._done.append(0)
        hashes = self._filling[level]
        hashes.append(node)
        if len(hashes) == TILE_WIDTH:
            self._compare(level, self._done[level], hashes)
            self._filling[level] = []
            self._done[level] += 1
            self._push(level + 1, _subtree(hashes))

    def _compare(self, level: int, index: int, hashes: list[bytes]) -> None:
        """Compare every stored width of a tile with the hashes it should hold."""
        stored = self._stored(level, index)
        for width, data in stored:
            self.tiles_compared += 1
            expected = hashes[:width]
            if width > len(hashes):  # ahead of this tree, as a log that is growing may be
                data = data[: len(hashes) * HASH_BYTES]  # noqa: PLW2901
            if data != b"".join(expected):
                self._report(level, index, width, data, expected)
        if not any(width >= len(hashes) for width, _ in stored):
            path = Tile(level, index, len(hashes)).path()
            first, last = _entries_below(level, index * TILE_WIDTH, len(hashes))
            self._findings.add(Code.TILE_MISSING, first, f"the tile {path} is missing", last)

    def _report(
        self, level: int, index: int, width: int, data: bytes, expected: list[bytes]
    ) -> None:
        path = f"tile {index} of level {level}, width {width}"
        before = len(data)
        for offset, node in enumerate(expected):
            found = data[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
            if found != node:
                first, last = _entries_below(level, index * TILE_WIDTH + offset, 1)
                detail = f"{path} states {found.hex() or 'nothing'}, it should be {node.hex()}"
                self._findings.add(Code.TILE_DIFFERS, first, detail, last)
        if before > len(expected) * HASH_BYTES:
            first, last = _entries_below(level, index * TILE_WIDTH, len(expected))
            detail = f"{path} holds {before} bytes, more than it should"
            self._findings.add(Code.TILE_DIFFERS, first, detail, last)


def _agree(stored: Sequence[tuple[int, bytes]], known: bytes) -> bool:
    """Whether every stored width of a tile is as long as it says and begins, or is, as known."""
    return all(
        len(data) == width * HASH_BYTES and data[: len(known)] == known[: len(data)]
        for width, data in stored
    )


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _grown(tree: Frontier | None, leaf: bytes | None) -> Frontier | None:
    return None if tree is None or leaf is None else tree.append(leaf)


def _subtree(hashes: list[bytes]) -> bytes:
    """The root over a full tile's hashes: what the level above holds."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [node_hash(left, right) for left, right in pairs]
    return hashes[0]


def _entries_below(level: int, node: int, count: int) -> tuple[int, int]:
    """The first and last entry under `count` hashes of a level, from number `node` on."""
    shift = TILE_HEIGHT * level
    return node << shift, ((node + count) << shift) - 1
