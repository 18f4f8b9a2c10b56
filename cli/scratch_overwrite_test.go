package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsRenamedIsOverwrittenToo has a program put a file in another's place while the folder is looked through, as sed -i does, once and without end.
func TestWhatIsRenamedIsOverwrittenToo(t *testing.T) {
	for _, c := range []struct {
		times int
		want  string
	}{{1, ""}, {1000, "not all may be overwritten"}} {
		dir := t.TempDir()
		text := []byte("not a real secret")
		put := func(name string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		secret, other := put("secret.yaml"), put("temporary")
		renamed := 0
		err := overwriteBy(dir, func(path string, d fs.DirEntry) error {
			err := zeros(path, d)
			if path == secret && renamed < c.times {
				renamed++
				if err := os.Rename(other, secret); err != nil {
					t.Fatal(err)
				}
				if renamed < c.times {
					put("temporary")
					return fs.ErrNotExist
				}
			}
			return err
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d times: %v", c.times, err)
		}
		if b, _ := os.ReadFile(secret); c.want == "" && !bytes.Equal(b, make([]byte, len(text))) {
			t.Errorf("it holds %q", b)
		}
	}
}
