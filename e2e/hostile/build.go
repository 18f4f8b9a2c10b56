package hostile

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// Line is a line of a tree object.
type Line struct {
	Mode, Name string
	ID         pack.ID
}

// Modes of lines.
const (
	ModeFile    = "100644"
	ModeProgram = "100755"
	ModeFolder  = "40000"
	ModeLink    = "120000"
	ModeModule  = "160000"
)

// Builder makes the objects of a repository, also those that git would not make.
type Builder struct {
	t       testing.TB
	holder  seal.Holder
	objects []pack.Object
	made    map[pack.ID]bool
}

// NewBuilder is a Builder with a key of its own to seal to, whose private half nobody has.
func NewBuilder(t testing.TB) *Builder {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return &Builder{t: t, holder: seal.Holder{Name: "prod", Recipients: []seal.Recipient{r}}, made: map[pack.ID]bool{}}
}

func (b *Builder) add(t pack.Type, content []byte) pack.ID {
	o := pack.Object{Type: t, Content: content}
	id := o.ID()
	if !b.made[id] {
		b.made[id] = true
		b.objects = append(b.objects, o)
	}
	return id
}

// Pack is a pack with all that was made.
func (b *Builder) Pack() []byte {
	b.t.Helper()
	var out bytes.Buffer
	if err := pack.Write(&out, b.objects); err != nil {
		b.t.Fatal(err)
	}
	return out.Bytes()
}

// Blob makes a file's content.
func (b *Builder) Blob(content string) pack.ID { return b.add(pack.Blob, []byte(content)) }

// File is a line with a new file.
func (b *Builder) File(name, content string) Line { return Line{ModeFile, name, b.Blob(content)} }

// Link is a line with a symbolic link.
func (b *Builder) Link(name, target string) Line { return Line{ModeLink, name, b.Blob(target)} }

// Folder is a line with a folder.
func (b *Builder) Folder(name string, lines ...Line) Line {
	return Line{ModeFolder, name, b.Tree(lines...)}
}

// Tree makes a folder of lines, in the order that Git has them in.
func (b *Builder) Tree(lines ...Line) pack.ID {
	order := func(l Line) string {
		if l.Mode == ModeFolder {
			return l.Name + "/"
		}
		return l.Name
	}
	sorted := slices.Clone(lines)
	slices.SortStableFunc(sorted, func(a, b Line) int { return strings.Compare(order(a), order(b)) })
	var text []byte
	for _, l := range sorted {
		text = append(fmt.Appendf(text, "%s %s\x00", l.Mode, l.Name), l.ID[:]...)
	}
	return b.RawTree(text)
}

// RawTree makes a folder of bytes that may be anything.
func (b *Builder) RawTree(text []byte) pack.ID { return b.add(pack.Tree, text) }

// Commit makes a commit.
func (b *Builder) Commit(tree pack.ID, parents ...pack.ID) pack.ID {
	var text bytes.Buffer
	fmt.Fprintf(&text, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&text, "parent %s\n", p)
	}
	const who = "Mallory \x1b[31m <mallory@example.com> 1790000000 +0000"
	fmt.Fprintf(&text, "author %s\ncommitter %s\n\nnothing to see here \x1b[2J\n", who, who)
	return b.add(pack.Commit, text.Bytes())
}

// Object is a GitSecret, as JSON has it, to be changed by who gets it.
func (b *Builder) Object(namespace, name string) map[string]any {
	return b.object(seal.For{Scope: seal.ScopeStrict, Namespace: namespace, Name: name}, namespace, name)
}

func (b *Builder) object(place seal.For, namespace, name string) map[string]any {
	b.t.Helper()
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(place, seal.Values{"password": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{b.holder})
	if err != nil {
		b.t.Fatal(err)
	}
	var tree map[string]any
	text, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]any{"name": name, "namespace": namespace}, "spec": tree}
}

// Sealed is a GitSecret of the namespace prod, in YAML.
func (b *Builder) Sealed(name string) string { return b.YAML(b.Object("prod", name)) }

// Many are documents of as many GitSecrets, all with the same values sealed for the whole cluster: their names begin with prefix.
func (b *Builder) Many(prefix string, n int) string {
	one := b.YAML(b.object(seal.For{Scope: seal.ScopeCluster}, "prod", "NAME"))
	var all strings.Builder
	for i := range n {
		all.WriteString("---\n" + strings.Replace(one, "NAME", fmt.Sprint(prefix, i), 1))
	}
	return all.String()
}

// JSON is a value in JSON.
func (b *Builder) JSON(v any) string {
	b.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// YAML is a value in YAML, as this project writes it.
func (b *Builder) YAML(v any) string {
	b.t.Helper()
	f, err := manifest.Parse("f.yaml", []byte("x: y\n"))
	if err == nil {
		err = f.Docs()[0].Replace([]byte(b.JSON(v)))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return string(f.Bytes())
}
