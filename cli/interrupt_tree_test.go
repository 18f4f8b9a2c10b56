package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/cli"
)

// many is how many files a folder has, spread over subfolders, treeMoments how many runs over it are stopped at different times.
const many, treeMoments = 200, 6

// forest is a folder of sealed or plain files, and a command that changes all of them.
type forest struct {
	files map[string][]byte // by path below the folder
	args  []string          // the folder's path follows
	isNew func(b []byte) bool
}

func (f *forest) plant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range f.files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// count says how many files are as before, and how many are new; it fails for everything else.
func (f *forest) count(t *testing.T, dir string) (old, changed, left int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch before, known := f.files[name]; {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".seal-tmp"):
			left++
			if bytes.Contains(b, []byte(canary)) {
				t.Errorf("%s holds a plaintext", name)
			}
		case known && bytes.Equal(b, before):
			old++
		case known && f.isNew(b) && !bytes.Contains(b, []byte(canary)):
			changed++
		default:
			t.Errorf("%s is neither old nor new", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return old, changed, left
}

// stop runs the command and sends it a signal; after 0 it runs to its end.
func (f *forest) stop(t *testing.T, sig os.Signal, after time.Duration) (dir string, code int) {
	t.Helper()
	dir = f.plant(t)
	cmd := exec.Command("seal", append(f.args[:len(f.args):len(f.args)], dir)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(sig) })
		defer timer.Stop()
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return dir, cmd.ProcessState.ExitCode()
}

// try stops the command at many moments of its run.
func (f *forest) try(t *testing.T) {
	t.Helper()
	start := time.Now()
	dir, code := f.stop(t, nil, 0)
	whole := time.Since(start)
	if old, changed, left := f.count(t, dir); code != 0 || old != 0 || changed != len(f.files) || left != 0 {
		t.Fatalf("an undisturbed run exits with %d, and leaves %d files old, %d new, %d beside", code, old, changed, left)
	}
	for i := range treeMoments {
		after := whole * time.Duration(i+1) / treeMoments
		dir, _ := f.stop(t, os.Kill, after)
		if old, changed, _ := f.count(t, dir); old+changed != len(f.files) {
			t.Errorf("killed at %d/%d: %d old, %d new of %d", i+1, treeMoments, old, changed, len(f.files))
		}
		dir, code := f.stop(t, syscall.SIGINT, after)
		old, changed, left := f.count(t, dir)
		if !(code == 0 && changed == len(f.files) || code != 0 && old == len(f.files)) {
			t.Errorf("interrupted at %d/%d: exit %d, %d old, %d new", i+1, treeMoments, code, old, changed)
		}
		if (code == 0 || code == 130) && left > 0 {
			t.Errorf("interrupted at %d/%d: %d files are left beside", i+1, treeMoments, left)
		}
	}
}

func manyFiles(t *testing.T, content func(i int) []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for i := range many {
		files[filepath.Join(fmt.Sprintf("d%d", i%7), fmt.Sprintf("%03d.yaml", i))] = content(i)
	}
	return files
}

func smallSecret(i int) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: s%d, namespace: prod}\nstringData: {a: %s}\n", i, canary)
}

func TestAFolderThatIsSealedIsOldOrNewAtEveryMoment(t *testing.T) {
	f := &forest{files: manyFiles(t, smallSecret), args: []string{"-w", "-r", testRecipient}, isNew: func(b []byte) bool {
		return bytes.Contains(b, []byte("kind: GitSecret")) && bytes.HasSuffix(b, []byte("-----END AGE ENCRYPTED FILE-----\n"))
	}}
	f.try(t)
}

func TestAFolderThatIsRewrappedIsOldOrNewAtEveryMoment(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(key, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := manyFiles(t, func(i int) []byte { return sealInProcess(t, id.Recipient().String(), smallSecret(i)) })
	f := &forest{files: files, args: []string{"rewrap", "-i", key, "-r", testRecipient}, isNew: func(b []byte) bool {
		return bytes.Contains(b, []byte("wrappedBefore:")) && bytes.HasSuffix(b, []byte("-----END AGE ENCRYPTED FILE-----\n"))
	}}
	f.try(t)
}

// sealInProcess is `seal -r RECIPIENT < secret`.
func sealInProcess(t *testing.T, recipient string, secret []byte) []byte {
	t.Helper()
	out, errs, code := mainInProcess(t, bytes.NewReader(secret), "-r", recipient)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	return []byte(out)
}

func mainInProcess(t *testing.T, stdin *bytes.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(context.Background(), cli.Env{Stdin: stdin, Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Now: time.Now, Rand: rand.Reader}, args)
	return out.String(), errs.String(), code
}

// TestTenThousandObjects seals and rewraps as many, in files with several documents and with lists.
func TestTenThousandObjects(t *testing.T) {
	const files, documents, items = 50, 100, 100
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(key, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		var b bytes.Buffer
		for j := range documents {
			fmt.Fprintf(&b, "---\n%s", smallSecret(i*1000+j))
		}
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: List\nitems:\n")
		for j := range items {
			fmt.Fprintf(&b, "- apiVersion: v1\n  kind: Secret\n  metadata: {name: l%d, namespace: prod}\n  data: {a: %s}\n", i*1000+j, "Y2FuYXJ5LW5vdC1hLXNlY3JldA==")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--check", dir}, 5, "seal: 10000 Secrets in 50 files not sealed\n"},
		{[]string{"-w", "-r", id.Recipient().String(), dir}, 0, "seal: sealed 10000 Secrets in 50 files for default\n"},
		{[]string{"rewrap", "-i", key, "-r", testRecipient, dir}, 0, "seal: rewrapped 10000 wraps in 50 files for default\n"},
	} {
		_, errs, code := mainInProcess(t, bytes.NewReader(nil), step.args...)
		if code != step.code || !strings.Contains(errs, step.says) {
			t.Fatalf("%v: exit %d: %.300s", step.args, code, errs)
		}
		if strings.Contains(errs, canary) {
			t.Fatalf("%v shows a plaintext", step.args)
		}
	}
}
