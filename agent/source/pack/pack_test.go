package pack_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// TestAPackOfGitIsReadAsGitReadsIt holds every object of a repository with many similar versions against git cat-file.
func TestAPackOfGitIsReadAsGitReadsIt(t *testing.T) {
	dir := t.TempDir()
	git := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
		}
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return string(out)
	}
	git("", "init", "--quiet")
	text := make([]byte, 20_000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(text)
	for i := range 60 {
		text[i*300]++
		for name, content := range map[string][]byte{"a/big": text, "a/b/small": fmt.Appendf(nil, "number %d\n", i), "empty": nil} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		git("", "add", ".")
		git("", "commit", "--quiet", "-m", fmt.Sprint("change ", i))
	}
	git("", "tag", "-a", "-m", "a tag", "v1")
	for _, form := range [][]string{{"--delta-base-offset"}, {"--no-reuse-delta"}} {
		content := []byte(git("", append([]string{"pack-objects", "--all", "--stdout", "--depth=40", "--window=60", "-q"}, form...)...))
		p, count, err := index(t, content, limits())
		if err != nil {
			t.Fatalf("%v: %v", form, err)
		}
		lines := strings.Split(strings.TrimSpace(git("", "cat-file", "--batch-all-objects", "--batch-check")), "\n")
		if len(lines) != count || count < 200 {
			t.Fatalf("%v: %d objects, and git has %d", form, count, len(lines))
		}
		for _, line := range lines {
			var text, word string
			var size int64
			if _, err := fmt.Sscan(line, &text, &word, &size); err != nil {
				t.Fatal(err)
			}
			id, err := pack.ParseID(text)
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Find(id)
			if err != nil || e.Type.String() != word || e.Size != size {
				t.Fatalf("%s is %+v (%v), and for git %s", id, e, err, line)
			}
			typ, content, err := p.Read(id)
			if err != nil || typ != e.Type || !bytes.Equal(content, []byte(git("", "cat-file", word, text))) {
				t.Fatalf("%s has another content (%v)", id, err)
			}
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	objects := []pack.Object{{pack.Blob, []byte("hello\n")}, {pack.Blob, nil}, {pack.Tree, nil}, {pack.Blob, bytes.Repeat([]byte("x"), 100_000)}}
	var out bytes.Buffer
	if err := pack.Write(&out, objects); err != nil {
		t.Fatal(err)
	}
	p, count, err := index(t, out.Bytes(), limits())
	if err != nil || count != len(objects) {
		t.Fatalf("%d objects (%v)", count, err)
	}
	for _, o := range objects {
		if typ, content, err := p.Read(o.ID()); err != nil || typ != o.Type || !bytes.Equal(content, o.Content) {
			t.Errorf("%s is a %s of %d bytes (%v)", o.ID(), typ, len(content), err)
		}
	}
	// From gitglossary: the id of "hello\n".
	if id := objects[0].ID().String(); id != "ce013625030ba8dba906f756967f9e9ca394464a" {
		t.Errorf("the id is %s", id)
	}
	if _, _, err := p.Read(pack.ID{}); !errors.Is(err, pack.ErrNoObject) {
		t.Errorf("an object that is not there: %v", err)
	}
}

// TestDeltasInAnyOrderAreResolved has deltas stand before their bases, by id and by offset, some of them twice.
func TestDeltasInAnyOrderAreResolved(t *testing.T) {
	texts := make([][]byte, 300)
	texts[0] = bytes.Repeat([]byte("0123456789"), 500)
	for i := 1; i < len(texts); i++ {
		texts[i] = append(bytes.Clone(texts[i-1][:4990]), fmt.Sprintf("%010d", i)...)
	}
	change := func(i int) []byte {
		return delta(int64(len(texts[i-1])), 5000, copies(0, 4990), inserts(fmt.Sprintf("%010d", i)))
	}
	var b builder
	for i := len(texts) - 1; i > 0; i-- {
		b.deltaOf(pack.Hash(pack.Blob, texts[i-1]), change(i))
	}
	base := b.object(pack.Blob, texts[0])
	b.object(pack.Blob, texts[0])
	one := b.deltaAt(base, change(1))
	b.deltaAt(one, change(2))
	p, count, err := index(t, b.bytes(), limits())
	if err != nil || count != len(texts) {
		t.Fatalf("%d objects (%v)", count, err)
	}
	for _, text := range texts {
		if _, content, err := p.Read(pack.Hash(pack.Blob, text)); err != nil || !bytes.Equal(content, text) {
			t.Fatalf("another content: %v", err)
		}
	}
}

// TestObjectsThatAreThereTwice has each delta of a chain twice, so that two wait for each of two, and so on: resolved again and again, they would take work without end.
func TestObjectsThatAreThereTwice(t *testing.T) {
	var b builder
	text := bytes.Repeat([]byte{'0'}, 40)
	b.object(pack.Blob, text)
	for i := range 40 {
		change := delta(40, 40, inserts("1"), copies(0, 39))
		b.deltaOf(pack.Hash(pack.Blob, text), change)
		b.deltaOf(pack.Hash(pack.Blob, text), change)
		text[i] = '1'
	}
	_, count, err := index(t, b.bytes(), pack.Limits{ObjectBytes: 1000, TotalBytes: 10_000, Objects: 100})
	if err != nil || count != 41 {
		t.Errorf("%d objects (%v)", count, err)
	}
}

func TestAPackIsReadByMany(t *testing.T) {
	var b builder
	big := bytes.Repeat([]byte("many"), 2<<20)
	base := b.object(pack.Blob, big)
	b.deltaAt(base, delta(int64(len(big)), 8, copies(0, 8)))
	p, _, err := index(t, b.bytes(), limits())
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, content, err := p.Read(pack.Hash(pack.Blob, []byte("manymany"))); err != nil || string(content) != "manymany" {
				t.Errorf("%q (%v)", content, err)
			}
		})
	}
	wait.Wait()
}
