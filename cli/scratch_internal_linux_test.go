package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestAPlaceThatIsNotInMemoryIsNotTaken(t *testing.T) {
	for _, place := range []string{"/proc", "/sys", "/nowhere", ""} {
		if inMemory(place) {
			t.Errorf("%q counts as memory", place)
		}
		if s, err := scratchIn(place); !errors.Is(err, errNoMemory) {
			t.Errorf("%q: %v, %v", place, s, err)
		}
	}
	s, err := scratchIn("/proc", "/dev/shm")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if filepath.Dir(s.dir) != "/dev/shm" {
		t.Errorf("the folder is %s", s.dir)
	}
}

func TestAPlaceWhereOthersCanRenameTheFolderIsNotTaken(t *testing.T) {
	place, err := os.MkdirTemp("/dev/shm", "place-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(place)
	for mode, taken := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o777: false, 0o770: false, 0o777 | os.ModeSticky: true} {
		if err := os.Chmod(place, mode); err != nil {
			t.Fatal(err)
		}
		s, err := scratchIn(place)
		if (err == nil) != taken {
			t.Errorf("%v: taken %v (%v)", mode, err == nil, err)
		}
		if err == nil {
			s.close()
		}
	}
	if os.Getuid() != 0 {
		return
	}
	const nobody = 65534
	if err := errors.Join(os.Chmod(place, 0o700), os.Chown(place, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if s, err := scratchIn(place); err == nil {
		s.close()
		t.Error("a folder of another user is taken")
	}
}

func TestWithoutAFolderInMemoryADiskHasToBeAllowed(t *testing.T) {
	none := func(*Env) (*scratch, error) { return nil, errNoMemory }
	var f *failure
	if _, err := scratchFrom(none, nil, false); !errors.As(err, &f) || f.hint == "" {
		t.Errorf("not allowed: %v", err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	s, err := scratchFrom(none, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write([]byte("canary-not-a-secret")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	// A second name shows what becomes of the content when the first is gone.
	witness := filepath.Join(t.TempDir(), "witness")
	if err := os.Link(s.path(), witness); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	b, err := os.ReadFile(witness)
	if err != nil || !bytes.Equal(b, make([]byte, len("canary-not-a-secret"))) {
		t.Errorf("the content is %q, %v", b, err)
	}
}

func TestWhatADeadProgramHasLeftIsRemovedAndALivingOneKeepsItsOwn(t *testing.T) {
	living, err := scratchIn("/dev/shm")
	if err != nil {
		t.Fatal(err)
	}
	defer living.close()
	dead, err := os.MkdirTemp("/dev/shm", scratchPattern)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dead)
	if err := os.WriteFile(filepath.Join(dead, scratchFile), []byte("canary-not-a-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	sweep("/dev/shm")
	if _, err := os.Lstat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	if _, err := os.Lstat(living.dir); err != nil {
		t.Errorf("the folder of a living program: %v", err)
	}
}

// The programs of an editor that is told to end may go on for a moment, and sed -i makes a file beside the one that it edits.
func TestAFolderThatFilesComeIntoIsRemovedAllTheSame(t *testing.T) {
	left := &fs.PathError{Op: "unlinkat", Path: "x", Err: syscall.ENOTEMPTY}
	for name, c := range map[string]struct {
		fails error
		times int // before it succeeds
		tries int
		want  error
	}{
		"some files":     {errors.Join(errors.New("gone"), left), 3, 4, nil},
		"another reason": {syscall.EACCES, 3, 1, syscall.EACCES},
		"without end":    {left, 1000, int(removePatience/removeEvery) + 2, syscall.ENOTEMPTY},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				err := removeBusy(func() error {
					if tries++; tries <= c.times {
						return c.fails
					}
					return nil
				})
				if tries != c.tries || !errors.Is(err, c.want) {
					t.Errorf("%d tries, want %d: %v", tries, c.tries, err)
				}
			})
		})
	}
}

// What could not be overwritten at the first try may be gone by the second one.
func TestWhatWasNotOverwrittenIsToldThoughTheFolderGoesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused, tries := errors.New("refused"), 0
		err := removeOverwritten(func() error {
			if tries++; tries == 1 {
				return refused
			}
			return nil
		}, func() error {
			if tries == 1 {
				return syscall.ENOTEMPTY
			}
			return nil
		})
		if tries != 2 || !errors.Is(err, refused) || errors.Is(err, syscall.ENOTEMPTY) {
			t.Errorf("%d tries: %v", tries, err)
		}
	})
}
