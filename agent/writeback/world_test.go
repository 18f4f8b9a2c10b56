package writeback_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// keyring is a keyring of a cluster.
type keyring struct {
	t      testing.TB
	name   string
	pin    string
	signer note.Signer
	ids    []seal.Identity
	set    statement.Recipients
}

func newKeyring(t testing.TB, name string) *keyring {
	t.Helper()
	signerKey, pin, err := statement.GenerateKey(rand.Reader, name)
	must(t, err)
	signer, err := statement.NewSigner(signerKey)
	must(t, err)
	k := &keyring{t: t, name: name, pin: pin, signer: signer, set: statement.Recipients{Holder: name, At: time.Unix(1_800_000_000, 0)}}
	k.rotate()
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rotate gives it a new key.
func (k *keyring) rotate() {
	k.t.Helper()
	id, err := age.GenerateX25519Identity()
	must(k.t, err)
	r, err := seal.ParseRecipient(id.Recipient().String())
	must(k.t, err)
	k.ids = append(k.ids, seal.NewIdentity(r.String(), id))
	k.set.Set++
	k.set.At = k.set.At.Add(time.Hour)
	k.set.Recipients = []seal.Recipient{r}
}

func (k *keyring) note() string {
	k.t.Helper()
	b, err := k.set.Sign(k.signer)
	must(k.t, err)
	return string(b)
}

func (k *keyring) shows() writeback.Keyring {
	return writeback.Keyring{Name: k.name, Published: rewrap.Published{StatementKey: k.pin, Note: []byte(k.note())}}
}

// sealed is a GitSecret as YAML.
func sealed(t testing.TB, namespace, name string, holders ...*keyring) string {
	t.Helper()
	s := seal.Sealer{Rand: rand.Reader, Now: time.Now}
	var to []seal.Holder
	for _, k := range holders {
		to = append(to, k.set.SealHolder())
	}
	spec, err := s.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: namespace, Name: name}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, to)
	must(t, err)
	b, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]string{"name": name, "namespace": namespace}, "spec": spec})
	must(t, err)
	f, err := manifest.Parse("f", []byte("x: y\n"))
	must(t, err)
	must(t, f.Docs()[0].Replace(b))
	return string(f.Bytes())
}

// documents are the GitSecrets of a file.
func documents(t testing.TB, text string) []*seal.Document {
	t.Helper()
	f, err := manifest.Parse("f", []byte(text))
	must(t, err)
	var all []*seal.Document
	for _, d := range rewrap.Sealed(f) {
		b, err := d.JSON()
		must(t, err)
		doc, err := seal.ParseDocument(b)
		must(t, err)
		all = append(all, doc)
	}
	return all
}

// live is the first GitSecret of a file as the cluster has it, with what keyrings offer for it.
func live(t testing.TB, text string, offering ...*keyring) writeback.Object {
	t.Helper()
	doc := documents(t, text)[0]
	o := writeback.Object{Namespace: doc.Target.Namespace, Name: doc.Target.Name}
	for _, k := range offering {
		ids := doc.Spec().Stale(k.set.SealHolder())
		wraps, err := rewrap.Make(doc.Spec(), k.set.SealHolder(), ids, seal.NewIdentities(k.ids...))
		must(t, err)
		offer := statement.Offer{Holder: k.name, Set: k.set.Set, At: k.set.At, Namespace: o.Namespace, Name: o.Name}
		for _, w := range wraps {
			offer.Wraps = append(offer.Wraps, statement.OfferedWrap{Envelope: w.Envelope, Commit: w.Commit, Wrap: w.Wrap})
		}
		signed, err := offer.Sign(k.signer)
		must(t, err)
		o.Offers = append(o.Offers, v1alpha1.RewrapOffer{Holder: k.name, Set: int64(k.set.Set), Note: string(signed)})
	}
	for id := range doc.Spec().Envelopes {
		for _, k := range offering {
			o.Opened = append(o.Opened, v1alpha1.KeyUse{Keyring: k.name, ID: doc.Spec().Envelopes[id].Wraps[k.name].Keys[0], Envelope: id})
		}
	}
	return o
}

// settings is a .seal.yaml that pins keyrings and seals everything for them.
func settings(holders ...*keyring) string {
	text, names := "version: 1\nholders:\n", []string{}
	for _, k := range holders {
		text += "  " + k.name + ": {statementKey: '" + k.pin + "'}\n"
		names = append(names, k.name)
	}
	return text + "environments:\n  - {name: all, paths: ['**'], holders: [" + strings.Join(names, ", ") + "]}\n"
}

// tree is a commit's files by path. A content that begins with -> is that of a symbolic link.
type tree map[string]string

func (t tree) with(more map[string][]byte) tree {
	all := maps.Clone(t)
	for name, data := range more {
		all[name] = string(data)
	}
	return all
}

func blobOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:20])
}

// tooLarge is the content of a file that takes too much work to be put together.
const tooLarge = "too large"

// look looks at a tree.
func (tr tree) look(t testing.TB, folder string, keyrings []writeback.Keyring, objects ...writeback.Object) *writeback.Found {
	t.Helper()
	found, err := writeback.Look(t.Context(), tr.input(t, folder, keyrings, objects...))
	must(t, err)
	return found
}

// input is what there is to look at.
func (tr tree) input(t testing.TB, folder string, keyrings []writeback.Keyring, objects ...writeback.Object) writeback.Input {
	t.Helper()
	in := writeback.Input{Folder: folder, Keyrings: keyrings, Objects: objects, Memory: writeback.NewMemory(scan.NewTurn())}
	blobs := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(tr)) {
		f := source.File{Path: name, Size: int64(len(tr[name])), Blob: blobOf(tr[name])}
		if strings.HasPrefix(tr[name], "->") {
			f.Kind = source.Symlink
		}
		in.Files, blobs[f.Blob] = append(in.Files, f), tr[name]
	}
	in.Read = func(_ context.Context, blob string) ([]byte, error) {
		content, ok := blobs[blob]
		if content == tooLarge {
			return nil, source.ErrTooLarge
		}
		if !ok || strings.HasPrefix(content, "->") {
			return nil, fmt.Errorf("%s: %w", blob, fs.ErrNotExist)
		}
		return []byte(content), nil
	}
	return in
}

// opens says whether all GitSecrets of a file open with a keyring's newest key.
func (k *keyring) opens(text string) bool {
	k.t.Helper()
	for _, doc := range documents(k.t, text) {
		if _, err := doc.Open(doc.Target, seal.NewIdentities(k.ids[len(k.ids)-1])); err != nil {
			return false
		}
	}
	return true
}

// withoutWraps are the lines of a YAML file that do not stand below the wraps of a holder.
func withoutWraps(text, holder string) []string {
	var out []string
	inside := -1
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " -"))
		if inside >= 0 && (indent > inside || strings.TrimSpace(line) == "") {
			continue
		}
		if inside = -1; strings.TrimSpace(line) == holder+":" {
			inside = indent
		}
		out = append(out, line)
	}
	return out
}
