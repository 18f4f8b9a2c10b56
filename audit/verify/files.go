package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"syscall"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// width is how many hashes or records a full tile or entry bundle has, height the levels of a tile.
const (
	width  = layout.EntryBundleWidth
	height = layout.TileHeight
)

// errFormat says that a file cannot be one of a log.
var errFormat = errors.New("not a file of a log")

// missing says whether there is no such file: a file in place of a folder on the way to it says the same.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// readFile reads a regular file of at most limit bytes into buf, which it grows. Other kinds of files, which may have no end, are not opened.
func readFile(dir fs.FS, name string, limit int, buf []byte) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > int64(limit) {
		return nil, fmt.Errorf("%s: %w: it is no regular file or has more than %d bytes", name, errFormat, limit)
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(buf[:0])
	out.Grow(int(info.Size()) + bytes.MinRead)
	_, err = out.ReadFrom(io.LimitReader(f, int64(limit)+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if out.Len() > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, errFormat, limit)
	}
	return out.Bytes(), nil
}

// folder is a folder of a file system. Unlike that of fs.Sub it can ask what a file is without opening it, which a named pipe would not survive.
type folder struct {
	dir  fs.FS
	name string
}

var _ fs.StatFS = folder{}

// Open implements fs.FS.
func (f folder) Open(name string) (fs.File, error) { return f.dir.Open(path.Join(f.name, name)) }

// Stat implements fs.StatFS.
func (f folder) Stat(name string) (fs.FileInfo, error) {
	return fs.Stat(f.dir, path.Join(f.name, name))
}

// maxParts bounds how many parts are looked at.
const maxParts = 10_000

// parts lists the numbers of the parts in dir in their order; single says that dir is itself a part: with parts in it, a checkpoint beside them hides none of them.
func parts(dir fs.FS) (numbers []int, single bool, err error) {
	_, noCheckpoint := fs.Stat(dir, "checkpoint")
	err = eachName(dir, ".", func(d fs.DirEntry) error {
		n, err := strconv.Atoi(d.Name())
		if err != nil || n < 1 || audit.PartDir(n) != d.Name() {
			return nil
		}
		if len(numbers) >= maxParts {
			return fmt.Errorf("more than %d parts", maxParts)
		}
		numbers = append(numbers, n)
		return nil
	})
	if noCheckpoint == nil && missing(err) {
		err = nil // an endpoint lists the parts of a log, and nothing of a part
	}
	slices.Sort(numbers)
	return numbers, noCheckpoint == nil && len(numbers) == 0, err
}

// eachName visits the entries of a folder a few at a time, because a hostile one may have any number.
func eachName(dir fs.FS, name string, visit func(fs.DirEntry) error) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	list, ok := f.(fs.ReadDirFile)
	if !ok {
		return errors.Join(fmt.Errorf("%s: %w: want a folder", name, errFormat), f.Close())
	}
	for {
		some, err := list.ReadDir(width)
		for _, d := range some {
			if err := visit(d); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		if errors.Is(err, io.EOF) {
			return f.Close()
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
}

// openPart gives the folder of a part: one in dir, or dir itself.
func openPart(dir fs.FS, part int) (fs.FS, error) {
	numbers, single, err := parts(dir)
	if err != nil || single {
		return dir, err
	}
	if !slices.Contains(numbers, part) {
		return nil, fmt.Errorf("there is no part %d", part)
	}
	return folder{dir, audit.PartDir(part)}, nil
}

// partials lists the widths of the partial versions of a full file's path, in ascending order.
func partials(dir fs.FS, full string) ([]int, error) {
	if _, err := fs.Stat(dir, full+".p"); missing(err) {
		return nil, nil
	}
	var seen [width]bool
	err := eachName(dir, full+".p", func(d fs.DirEntry) error {
		if n, err := strconv.Atoi(d.Name()); err == nil && n > 0 && n < width && strconv.Itoa(n) == d.Name() {
			seen[n] = true
		}
		return nil
	})
	var widths []int
	for n, there := range seen {
		if there {
			widths = append(widths, n)
		}
	}
	if missing(err) {
		return nil, nil
	}
	return widths, err
}

// version is a file that has at least n hashes or records: path and how many it should have.
type version struct {
	path  string
	width int
}

// versions gives all files of a tile or bundle that are there, the one for a tree in which it has n elements first, or else the next greater. There is none where first is 0.
func versions(dir fs.FS, full string, n int) (list []version, err error) {
	widths, err := partials(dir, full)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(dir, full); err == nil {
		widths = append(widths, width)
	} else if !missing(err) {
		return nil, err
	}
	for _, w := range widths {
		v := version{path.Join(full+".p", strconv.Itoa(w)), w}
		if w == width {
			v.path = full
		}
		list = append(list, v)
	}
	slices.SortStableFunc(list, func(a, b version) int { return rank(a, n) - rank(b, n) })
	return list, nil
}

// rank puts what has enough before what has not, and little before much.
func rank(v version, n int) int {
	if v.width < n {
		return width + v.width
	}
	return v.width
}

// tileReader reads tiles for package tlog, which checks them against a root.
type tileReader struct{ dir fs.FS }

var _ tlog.TileReader = tileReader{}

// Height implements tlog.TileReader.
func (r tileReader) Height() int { return height }

// ReadTiles implements tlog.TileReader.
func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := readVersion(r.dir, layout.TilePath(uint64(t.L), uint64(t.N), 0), t.W, width*tlog.HashSize, nil)
		if err != nil {
			return nil, err
		}
		if len(b) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %w: too short", t.Path(), errFormat)
		}
		out[i] = b[:t.W*tlog.HashSize]
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader.
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// readVersion reads the file that has at least n elements. It tries the likely ones first: the log may be growing.
func readVersion(dir fs.FS, full string, n, limit int, buf []byte) ([]byte, error) {
	if n < width {
		b, err := readFile(dir, path.Join(full+".p", strconv.Itoa(n)), limit, buf)
		if !missing(err) {
			return b, err
		}
	}
	b, err := readFile(dir, full, limit, buf)
	if !missing(err) {
		return b, err
	}
	list, err := versions(dir, full, n)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].width < n {
		return nil, fmt.Errorf("%s: %w", full, fs.ErrNotExist)
	}
	return readFile(dir, list[0].path, limit, buf)
}
