package tiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit/journal"
)

// probeSize is what has to fit on the disk before Tessera is started: more than a batch of one record writes. Tessera leaves temporary files behind on a full disk.
const probeSize = 64 << 10

// probe fails unless dir takes a file durably.
func probe(dir string) error {
	name := filepath.Join(dir, "probe")
	err := writeSync(name, make([]byte, probeSize))
	if rerr := os.Remove(name); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

func writeSync(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// mkdir makes a folder durably in one that is there.
func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// overwrite puts data into a file, all of it or nothing, durably.
func overwrite(name string, data []byte) error {
	temp := name + "0000"
	if err := writeSync(temp, data); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// sweep removes what Tessera leaves behind when it is killed or the disk is full: temporary files, and the tiles and bundles of a batch that did not become part of a tree of size
// records. The next batch has other records in their place, and whoever verifies the log would find two that contradict each other. Nothing may be writing to the part meanwhile.
func sweep(dir string, size int64) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if name := filepath.ToSlash(rel); err == nil && (temporary(name) || beyond(name, size)) {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// temporary tells the name of a temporary file, which is its target's with up to ten digits behind it, from that of a tile or bundle: these are three digits, or in a
// folder of partial ones 1 to 255. A temporary file with so few digits that it could be one of them stays.
func temporary(rel string) bool {
	base := rel[strings.LastIndexByte(rel, '/')+1:]
	if strings.HasPrefix(rel, "tile/") {
		n, err := strconv.ParseUint(base, 10, 64)
		return err == nil && (len(base) > 3 || n > layout.TileWidth && strings.Contains(rel, ".p/"))
	}
	for _, target := range []string{layout.CheckpointPath, journal.Name, stateDir + "/treeState", stateDir + "/gcState", stateDir + "/version"} {
		if digits, ok := strings.CutPrefix(rel, target); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			return true
		}
	}
	return false
}

// beyond tells the name of a tile or bundle that a tree of size records does not have.
func beyond(rel string, size int64) bool {
	t, ok := parseTile(rel)
	return ok && t.end() > t.hashes(size)
}

// mendClock takes a published checkpoint out of the future, where a clock that was set back has left it: Tessera would publish no other until that time has come.
func mendClock(dir string) error {
	path := filepath.Join(dir, layout.CheckpointPath)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// The clock that Tessera compares with, which is not one of a test.
	if now := time.Now(); err == nil && info.ModTime().After(now) {
		err = os.Chtimes(path, time.Time{}, now.Add(-checkpointInterval))
	}
	return err
}
