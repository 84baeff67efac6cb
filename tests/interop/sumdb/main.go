// Reads a log as Go's own checksum-database client would, and makes one for others to read.
//
// It shares no line with the ledger: notes, tiles and proofs are golang.org/x/mod's. Only
// what differs between that library and C2SP is written here, namely where a tile lies,
// how a checkpoint reads and how entries are bundled.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8           // of a tile, by c2sp.org/tlog-tiles
	width  = 1 << height // hashes or entries in a full tile
)

// What a run found; Python compares it with what the ledger computes.
type report struct {
	Size        int64                 `json:"size"`
	Root        tlog.Hash             `json:"root"`
	VKey        string                `json:"vkey"`
	Inclusion   map[int64][]tlog.Hash `json:"inclusion"`
	Consistency []tlog.Hash           `json:"consistency"`
}

func main() {
	found, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) (*report, error) {
	switch {
	case len(arguments) >= 4 && arguments[0] == "check":
		return check(arguments[1], arguments[2], arguments[3], arguments[4:])
	case len(arguments) == 5 && arguments[0] == "make":
		oldSize, err := strconv.ParseInt(arguments[3], 10, 64)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(arguments[4], 10, 64)
		if err != nil {
			return nil, err
		}
		return makeLog(arguments[1], arguments[2], oldSize, size)
	}
	return nil, errors.New("usage: check DIRECTORY VKEY OLD-CHECKPOINT [RECEIPT…] | make DIRECTORY NAME OLD-SIZE SIZE")
}

// check reads the log in a directory: both checkpoints, every entry, every receipt.
func check(directory, vkey, oldCheckpoint string, receipts []string) (*report, error) {
	tree, err := openCheckpoint(filepath.Join(directory, "checkpoint"), vkey)
	if err != nil {
		return nil, err
	}
	old, err := openCheckpoint(oldCheckpoint, vkey)
	if err != nil {
		return nil, err
	}
	hashes := tlog.TileHashReader(tree, files(directory))
	found := &report{Size: tree.N, Root: tree.Hash, VKey: vkey}
	if found.Inclusion, err = checkEntries(directory, tree, hashes); err != nil {
		return nil, err
	}
	if found.Consistency, err = checkGrowth(old, tree, hashes); err != nil {
		return nil, err
	}
	for _, path := range receipts {
		if err := checkReceipt(path, vkey); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return found, nil
}

// checkEntries proves every bundled entry from the tiles, and returns the proofs.
func checkEntries(directory string, tree tlog.Tree, hashes tlog.HashReader) (map[int64][]tlog.Hash, error) {
	proofs := map[int64][]tlog.Hash{}
	for start := int64(0); start < tree.N; start += width {
		entries, err := readBundle(directory, start/width, min(width, tree.N-start))
		if err != nil {
			return nil, err
		}
		for offset, entry := range entries {
			index := start + int64(offset)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return nil, fmt.Errorf("entry %d: %w", index, err)
			}
			proofs[index] = proof
		}
	}
	return proofs, nil
}

// checkGrowth proves that the old tree is a prefix of the new one.
func checkGrowth(old, tree tlog.Tree, hashes tlog.HashReader) (tlog.TreeProof, error) {
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	return proof, nil
}

// checkReceipt verifies a c2sp.org/tlog-proof file whose extra line holds the entry.
func checkReceipt(path, vkey string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a receipt")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := parseNote(checkpoint, vkey)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func openCheckpoint(path, vkey string) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseNote(data, vkey)
}

// parseNote opens a checkpoint as the key's log signed it.
func parseNote(data []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// files reads tiles from a directory laid out by c2sp.org/tlog-tiles.
type files string

func (files) Height() int { return height }

func (files) SaveTiles([]tlog.Tile, [][]byte) {}

func (directory files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for at, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(directory), tilePath(tile)))
		if err != nil {
			return nil, err
		}
		read[at] = data
	}
	return read, nil
}

// tilePath is the library's path without the height, which C2SP fixes and leaves out.
func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tile.H), "tile/", 1)
}

// bundlePath is where C2SP keeps the entries below a tile of level 0.
func bundlePath(index, count int64) string {
	path := tilePath(tlog.Tile{H: height, L: 0, N: index, W: int(count)})
	return strings.Replace(path, "tile/0/", "tile/entries/", 1)
}

// readBundle splits a bundle: each entry stands behind its length in two bytes.
func readBundle(directory string, index, count int64) ([][]byte, error) {
	data, err := os.ReadFile(filepath.Join(directory, bundlePath(index, count)))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d: cut short", index)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if int64(len(entries)) != count {
		return nil, fmt.Errorf("bundle %d: %d entries, not %d", index, len(entries), count)
	}
	return entries, nil
}

// makeLog writes a log of the library's own, with an older checkpoint beside the newest.
func makeLog(directory, name string, oldSize, size int64) (*report, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	entries, hashes, err := grow(size)
	if err != nil {
		return nil, err
	}
	if err := writeTiles(directory, entries, hashes); err != nil {
		return nil, err
	}
	if _, err := sign(directory, "checkpoint.old", signer, oldSize, hashes); err != nil {
		return nil, err
	}
	tree, err := sign(directory, "checkpoint", signer, size, hashes)
	if err != nil {
		return nil, err
	}
	found := &report{Size: size, Root: tree.Hash, VKey: vkey, Inclusion: map[int64][]tlog.Hash{}}
	for index := range size {
		proof, err := tlog.ProveRecord(size, index, hashes)
		if err != nil {
			return nil, err
		}
		found.Inclusion[index] = proof
	}
	found.Consistency, err = tlog.ProveTree(size, oldSize, hashes)
	return found, err
}

// grow returns entries of various lengths and the hashes the library stores for them.
func grow(size int64) ([][]byte, tlog.HashReader, error) {
	var entries [][]byte
	var stored []tlog.Hash
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		read := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			read[at] = stored[index]
		}
		return read, nil
	})
	for index := range size {
		entry := []byte(strings.Repeat("x", int(index%7)) + strconv.FormatInt(index, 10))
		more, err := tlog.StoredHashes(index, entry, hashes)
		if err != nil {
			return nil, nil, err
		}
		stored = append(stored, more...)
		entries = append(entries, entry)
	}
	return entries, hashes, nil
}

func writeTiles(directory string, entries [][]byte, hashes tlog.HashReader) error {
	for _, tile := range tlog.NewTiles(height, 0, int64(len(entries))) {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return err
		}
		if err := write(directory, tilePath(tile), data); err != nil {
			return err
		}
	}
	for start := 0; start < len(entries); start += width {
		chosen := entries[start:min(start+width, len(entries))]
		var data []byte
		for _, entry := range chosen {
			data = binary.BigEndian.AppendUint16(data, uint16(len(entry)))
			data = append(data, entry...)
		}
		if err := write(directory, bundlePath(int64(start/width), int64(len(chosen))), data); err != nil {
			return err
		}
	}
	return nil
}

func sign(directory, file string, signer note.Signer, size int64, hashes tlog.HashReader) (tlog.Tree, error) {
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return tlog.Tree{}, err
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, root)
	data, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: size, Hash: root}, write(directory, file, data)
}

func write(directory, path string, data []byte) error {
	target := filepath.Join(directory, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o644)
}
