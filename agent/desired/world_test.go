package desired_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// commit is a commit's files in memory. What is read of it is counted.
type commit struct {
	mu    sync.Mutex
	files []desired.File
	blobs map[string]string
	reads []string // paths; of files with one content, that of the first
	names map[string]string
}

func newCommit() *commit { return &commit{blobs: map[string]string{}, names: map[string]string{}} }

// with adds a file.
func (c *commit) with(path, content string) *commit {
	sum := sha256.Sum256([]byte(content))
	blob := hex.EncodeToString(sum[:20])
	c.blobs[blob] = content
	if _, has := c.names[blob]; !has {
		c.names[blob] = path
	}
	c.files = append(c.files, desired.File{Path: path, Kind: desired.Regular, Size: int64(len(content)), Blob: blob})
	return c
}

// entry adds something else.
func (c *commit) entry(path string, kind desired.Kind, text string) *commit {
	c.with(path, text)
	last := &c.files[len(c.files)-1]
	last.Kind, last.Size = kind, 0
	return c
}

func (c *commit) read(ctx context.Context, blob string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	content, has := c.blobs[blob]
	if !has {
		return nil, errors.New("no such blob")
	}
	c.reads = append(c.reads, c.names[blob])
	return []byte(content), nil
}

func (c *commit) set(t testing.TB, folder string, cache *desired.Cache) *desired.Set {
	t.Helper()
	s, err := desired.Read(t.Context(), folder, c.files, c.read, cache)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wants is what the set of a commit has, with a cache of its own.
func (c *commit) wants(t testing.TB) *desired.Set {
	t.Helper()
	return c.set(t, "", desired.NewCache(desired.Limits{}))
}

func keysOf(s *desired.Set) string {
	var out []string
	for _, o := range s.Objects {
		out = append(out, o.Key.String())
	}
	return strings.Join(out, " ")
}

// refusals are "PATH DOCUMENT REASON", with a ? behind where what is in it is not known.
func refusals(s *desired.Set) []string {
	out := make([]string, len(s.Refused))
	for i, r := range s.Refused {
		out[i] = fmt.Sprintf("%s %d %s", r.Path, r.Document, r.Reason)
		if !r.Known {
			out[i] += "?"
		}
	}
	return out
}

func holds(t testing.TB, s *desired.Set, objects string, refused ...string) {
	t.Helper()
	if got := keysOf(s); got != objects {
		t.Errorf("the objects are %q, and should be %q", got, objects)
	}
	if got := refusals(s); !slices.Equal(got, refused) {
		t.Errorf("refused is %q, and should be %q", got, refused)
		for _, r := range s.Refused {
			t.Logf("%s: %s", r.Path, r.Message)
		}
	}
}

// sealer seals to one new key.
type sealer struct {
	t      testing.TB
	holder seal.Holder
}

func newSealer(t testing.TB) *sealer {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{t, seal.Holder{Name: "prod", Recipients: []seal.Recipient{r}}}
}

func (s *sealer) keyID() string { return s.holder.Recipients[0].KeyID() }

// object is a GitSecret.
func (s *sealer) object(namespace, name string) map[string]any {
	s.t.Helper()
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(
		seal.For{Scope: seal.ScopeStrict, Namespace: namespace, Name: name}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{s.holder})
	if err != nil {
		s.t.Fatal(err)
	}
	var tree map[string]any
	b, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(b, &tree)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]any{"name": name, "namespace": namespace}, "spec": tree}
}

func (s *sealer) yaml(namespace, name string) string { return yamlOf(s.t, s.object(namespace, name)) }

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// yamlOf is a value in YAML, as this project writes it.
func yamlOf(t testing.TB, v any) string {
	t.Helper()
	f, err := manifest.Parse("f.yaml", []byte("x: y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Docs()[0].Replace([]byte(jsonOf(t, v))); err != nil {
		t.Fatal(err)
	}
	return string(f.Bytes())
}
