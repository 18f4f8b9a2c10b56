package audit

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeDisk is a real file that fails on demand.
type fakeDisk struct {
	*os.File
	write, truncate, sync atomic.Pointer[error] // an error to give; nil for the real thing
	half                  atomic.Bool           // a failing write writes half of its bytes first
}

func (d *fakeDisk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.write.Load(); err != nil {
		n := 0
		if d.half.Load() {
			n, _ = d.File.WriteAt(p[:len(p)/2], off)
		}
		return n, *err
	}
	return d.File.WriteAt(p, off)
}

func (d *fakeDisk) Truncate(size int64) error {
	if err := d.truncate.Load(); err != nil {
		return *err
	}
	return d.File.Truncate(size)
}

func (d *fakeDisk) Sync() error {
	if err := d.sync.Load(); err != nil {
		return *err
	}
	return d.File.Sync()
}

func failing(op string, err syscall.Errno) *error {
	var e error = &fs.PathError{Op: op, Path: "audit.log", Err: err}
	return &e
}

type broken struct {
	t    *testing.T
	path string
	disk *fakeDisk
	log  *File
}

func breakable(t *testing.T, before func(*fakeDisk)) *broken {
	t.Helper()
	b := &broken{t: t, path: filepath.Join(t.TempDir(), "audit.log"), disk: &fakeDisk{}}
	l, err := openFile(b.path, "", time.Now, rand.Reader, func(f *os.File) disk {
		b.disk.File = f
		if before != nil {
			before(b.disk)
		}
		return b.disk
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	b.log = l
	return b
}

func (b *broken) intent(name string) error {
	_, err := b.log.Intent(b.t.Context(), Operation{Action: ActionUnseal, Object: Object{Name: name}})
	return err
}

// mustBe holds the names in the log against want; the log must be whole lines.
func (b *broken) mustBe(want ...string) {
	b.t.Helper()
	f, err := os.Open(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for r, err := range Records(f) {
		if err != nil {
			b.t.Error(err)
			continue
		}
		got = append(got, r.Operation.Object.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Error(diff)
	}
}

func TestALogThatCannotWriteRefusesAndGoesOnWhenItCan(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(*fakeDisk)
		want error
	}{
		"the disk is full":                {func(d *fakeDisk) { d.write.Store(failing("write", syscall.ENOSPC)) }, syscall.ENOSPC},
		"the disk is full in the middle":  {func(d *fakeDisk) { d.half.Store(true); d.write.Store(failing("write", syscall.ENOSPC)) }, syscall.ENOSPC},
		"the disk is broken at the write": {func(d *fakeDisk) { d.write.Store(failing("write", syscall.EIO)) }, syscall.EIO},
		"the disk is broken at the sync":  {func(d *fakeDisk) { d.sync.Store(failing("sync", syscall.EIO)) }, syscall.EIO},
		"a half line cannot be cut off at first": {func(d *fakeDisk) {
			d.half.Store(true)
			d.write.Store(failing("write", syscall.EIO))
			d.truncate.Store(failing("truncate", syscall.EIO))
		}, syscall.EIO},
		"the file system became read-only": {func(d *fakeDisk) {
			d.write.Store(failing("write", syscall.EROFS))
			d.truncate.Store(failing("truncate", syscall.EROFS))
		}, syscall.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			b := breakable(t, nil)
			if err := b.intent("before"); err != nil {
				t.Fatal(err)
			}
			c.fail(b.disk)
			for range 3 {
				if err := b.intent("lost"); !errors.Is(err, c.want) {
					t.Errorf("intent: %v, want %v", err, c.want)
				}
				if err := b.log.Err(); !errors.Is(err, c.want) {
					t.Errorf("health: %v, want %v", err, c.want)
				}
			}
			b.disk.write.Store(nil)
			b.disk.truncate.Store(nil)
			b.disk.sync.Store(nil)
			if err := b.intent("after"); err != nil {
				t.Fatal(err)
			}
			if err := b.log.Err(); err != nil {
				t.Errorf("health after the repair: %v", err)
			}
			b.mustBe("audit.log", "before", "after")
		})
	}
}

func TestALogOnAFullDiskOpensAndNotesItsStartOnceThereIsRoom(t *testing.T) {
	b := breakable(t, func(d *fakeDisk) { d.write.Store(failing("write", syscall.ENOSPC)) })
	if err := b.log.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("health at the start: %v", err)
	}
	if err := b.intent("lost"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("intent: %v", err)
	}
	b.disk.write.Store(nil)
	for _, name := range []string{"first", "second"} {
		if err := b.intent(name); err != nil {
			t.Fatal(err)
		}
	}
	b.mustBe("audit.log", "first", "second")
}

// fullDevice sends writes to /dev/full, whose ENOSPC is the kernel's own.
type fullDevice struct {
	*fakeDisk
	device *os.File
	full   atomic.Bool
}

func (d *fullDevice) WriteAt(p []byte, off int64) (int, error) {
	if d.full.Load() {
		return d.device.WriteAt(p, off)
	}
	return d.fakeDisk.WriteAt(p, off)
}

func TestTheKernelsDiskFullIsAnErrorAndNothingElse(t *testing.T) {
	device, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	b := &broken{t: t, path: filepath.Join(t.TempDir(), "audit.log")}
	d := &fullDevice{fakeDisk: &fakeDisk{}, device: device}
	b.log, err = openFile(b.path, "", time.Now, rand.Reader, func(f *os.File) disk { d.File = f; return d })
	if err != nil {
		t.Fatal(err)
	}
	defer b.log.Close()
	d.full.Store(true)
	if err := b.intent("lost"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("intent: %v", err)
	}
	d.full.Store(false)
	if err := b.intent("after"); err != nil {
		t.Fatal(err)
	}
	b.mustBe("audit.log", "after")
}

func TestALogThatSomethingElseTouchesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		touch, undo func(path string) error
		want        string
	}{
		"it was moved away": {
			func(p string) error { return os.Rename(p, p+".1") }, func(p string) error { return os.Rename(p+".1", p) }, "moved or removed",
		},
		"another file took its place": {
			func(p string) error { return errors.Join(os.Rename(p, p+".1"), os.WriteFile(p, nil, 0o600)) },
			func(p string) error { return os.Rename(p+".1", p) }, "moved or removed",
		},
		"it was emptied": {func(p string) error { return os.Truncate(p, 0) }, nil, "changed by something else"},
		"something was added": {
			func(p string) error {
				f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteString("x")
				}
				return errors.Join(err, f.Close())
			},
			func(p string) error {
				info, err := os.Stat(p)
				if err != nil {
					return err
				}
				return os.Truncate(p, info.Size()-1)
			}, "changed by something else",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := breakable(t, nil)
			if err := b.intent("before"); err != nil {
				t.Fatal(err)
			}
			if err := c.touch(b.path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := b.intent("lost"); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("intent: %v, want %q", err, c.want)
				}
			}
			if c.undo == nil {
				return
			}
			if err := c.undo(b.path); err != nil {
				t.Fatal(err)
			}
			if err := b.intent("after"); err != nil {
				t.Fatal(err)
			}
			b.mustBe("audit.log", "before", "after")
		})
	}
}

func TestABatchFailsAsAWholeAndEveryWaiterHearsOfIt(t *testing.T) {
	b := breakable(t, nil)
	b.disk.sync.Store(failing("sync", syscall.EIO))
	answers := make(chan error)
	const writers = 50
	for range writers {
		go func() { answers <- b.intent("lost") }()
	}
	for range writers {
		if err := <-answers; !errors.Is(err, syscall.EIO) {
			t.Errorf("intent: %v", err)
		}
	}
	b.disk.sync.Store(nil)
	b.mustBe("audit.log")
}
