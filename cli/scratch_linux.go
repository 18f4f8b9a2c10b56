package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const scratchTries = 8

// memoryScratch is a folder on a tmpfs.
func memoryScratch(env *Env) (*scratch, error) {
	return scratchIn(memoryPlaces(env)...)
}

func memoryPlaces(env *Env) []string {
	return []string{env.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", os.Getuid()), "/dev/shm"}
}

func usable(place string) bool { return filepath.IsAbs(place) && inMemory(place) && trusted(place) }

// scratchIn makes a folder in the first of the places that is in memory. What dead programs have left there goes first.
func scratchIn(places ...string) (*scratch, error) {
	for _, place := range places {
		if !usable(place) {
			continue
		}
		sweep(place)
		// Between a folder and its lock the sweep of another program may come.
		for range scratchTries {
			if s, err := lockedScratch(place); err == nil {
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: neither $XDG_RUNTIME_DIR nor /dev/shm is a tmpfs of yours that can be written to", errNoMemory)
}

func inMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	kind := int64(fs.Type)
	return kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC
}

// trusted says whether nobody else can rename what this user makes in dir: after sudo, $XDG_RUNTIME_DIR may be another user's, who could put a folder of their own there.
func trusted(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || mine(info)) && (info.Mode().Perm()&0o022 == 0 || info.Mode()&os.ModeSticky != 0)
}

// lockedScratch holds a lock on its folder, by which sweep knows that its program lives.
func lockedScratch(place string) (*scratch, error) {
	dir, err := os.MkdirTemp(place, scratchPattern)
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		_ = os.Remove(dir)
		return nil, err
	}
	if _, err := os.Lstat(dir); err != nil {
		// Somebody's sweep was faster than the lock.
		lock.Close()
		return nil, err
	}
	return &scratch{dir: dir, close: func() error { return errors.Join(removeBusy(func() error { return os.RemoveAll(dir) }), lock.Close()) }}, nil
}

func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes folders of this user whose program was killed before it could.
func sweep(place string) {
	left, _ := filepath.Glob(filepath.Join(place, scratchPattern))
	for _, dir := range left {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !mine(info) {
			continue
		}
		if lock, err := lockFolder(dir); err == nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}

func mine(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
