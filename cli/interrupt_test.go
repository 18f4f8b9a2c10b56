package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// victims is how many files a run replaces, moments how many runs are stopped at different times.
const (
	victims = 12
	moments = 10
)

// plainFile is a Secret large enough that writing it takes a while.
func plainFile(i int) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: s%d, namespace: prod}\nstringData:\n  a: %s\n  b: %s\n",
		i, canary, strings.Repeat("x", 40<<10))
}

// tree writes the victims into a new folder and gives the arguments that seal them in place.
func tree(t *testing.T) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	args = []string{"-w", "-r", testRecipient}
	for i := range victims {
		name := filepath.Join(dir, fmt.Sprintf("%02d.yaml", i))
		if err := os.WriteFile(name, plainFile(i), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	return dir, args
}

// testRecipient is a public key whose private half nobody keeps.
const testRecipient = "age1yrhy96jj48dp2nmqrcqnnnj3c3jllsj6eax28zw6t4r2w2d6u3nqw7a3fe"

// states counts the files that are as before and those that are sealed; anything else, and a plaintext in what is left beside them, fails the test.
func states(t *testing.T, dir string) (old, sealed int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var i int
		_, _ = fmt.Sscanf(e.Name(), "%d.yaml", &i)
		switch {
		case strings.HasSuffix(e.Name(), ".seal-tmp"):
			if bytes.Contains(b, []byte(canary)) {
				t.Errorf("%s holds a plaintext", e.Name())
			}
		case bytes.Equal(b, plainFile(i)):
			old++
		case bytes.Contains(b, []byte("kind: GitSecret")) && bytes.HasSuffix(b, []byte("-----END AGE ENCRYPTED FILE-----\n")) && !bytes.Contains(b, []byte(canary)):
			sealed++
		default:
			t.Errorf("%s is neither old nor new", e.Name())
		}
	}
	return old, sealed
}

// stopAt runs seal over a tree and sends it a signal after part of the time that a whole run takes.
func stopAt(t *testing.T, sig os.Signal, after time.Duration) (dir string, code int) {
	t.Helper()
	dir, args := tree(t)
	cmd := exec.Command("seal", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(sig) })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return dir, cmd.ProcessState.ExitCode()
}

func wholeRun(t *testing.T) time.Duration {
	t.Helper()
	dir, args := tree(t)
	start := time.Now()
	if out, err := exec.Command("seal", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if old, sealed := states(t, dir); old != 0 || sealed != victims {
		t.Fatalf("an undisturbed run left %d files old and %d sealed", old, sealed)
	}
	return time.Since(start)
}

func TestKilledAtAnyMomentEachFileIsOldOrNew(t *testing.T) {
	whole := wholeRun(t)
	for i := range moments {
		dir, _ := stopAt(t, os.Kill, whole*time.Duration(i)/moments)
		if old, sealed := states(t, dir); old+sealed != victims {
			t.Errorf("killed at %d/%d: %d old, %d sealed of %d", i, moments, old, sealed, victims)
		}
	}
}

func TestInterruptedAtAnyMomentAllFilesAreOldOrAllNew(t *testing.T) {
	whole := wholeRun(t)
	for i := range moments {
		dir, code := stopAt(t, syscall.SIGINT, whole*time.Duration(i)/moments)
		old, sealed := states(t, dir)
		switch {
		case code == 0 && sealed == victims:
		case code != 0 && old == victims:
		default:
			t.Errorf("interrupted at %d/%d: exit %d, %d old, %d sealed", i, moments, code, old, sealed)
		}
		if code == 0 || code == 130 {
			if left, _ := filepath.Glob(filepath.Join(dir, ".*.seal-tmp")); len(left) > 0 {
				t.Errorf("interrupted at %d/%d: left %v", i, moments, left)
			}
		}
	}
}
