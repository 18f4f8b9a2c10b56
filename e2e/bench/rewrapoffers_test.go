package bench_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// BenchmarkRewrapOffers brings 10,000 sealed files, for a post-quantum keyring and break glass, up to a new key from what a cluster offers: a list as kubectl prints it. It holds
// that git diff has lines of wraps and of the note alone. Beside it is `sops updatekeys` for each file of as many values, for classical keys of age.
func BenchmarkRewrapOffers(b *testing.B) {
	ours := harness.BuildBinary(b, "./cmd/seal")
	dir, files := b.TempDir(), rewrapFiles()
	r := newRotation(b, filepath.Join(dir, "tree"))
	plainTree(b, r.tree, files)
	r.git(b, "init", "-q")
	timedIn(b, r.tree, os.Environ(), ours, "-w", ".")
	r.git(b, "add", "-A")
	r.git(b, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "-q", "-m", "sealed")
	list := filepath.Join(dir, "list.json")
	r.offer(b, list)
	mine := timedIn(b, r.tree, os.Environ(), ours, "rewrap", "--offers", list)
	r.checkDiff(b, files)
	old, next := classicalKey(b, dir, "old.txt"), classicalKey(b, dir, "new.txt")
	report(b, fmt.Sprintf("%d sealed files brought up to a new key, from offers, CPU time", files),
		row{what: "seal rewrap, one process", ours: mine, baseline: fmt.Sprintf("a sops updatekeys process a file (%d, scaled)", sample), theirs: sopsUpdateKeys(b, dir, old, next, files)})
}

// rotation is a repository of files for keyring prod, which has got a new key.
type rotation struct {
	tree      string
	vkey      string
	signer    note.Signer
	old       seal.Identity
	now       seal.Holder
	published []byte
}

func newRotation(b *testing.B, tree string) *rotation {
	b.Helper()
	signerKey, vkey, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		b.Fatal(err)
	}
	r := &rotation{tree: tree, vkey: vkey}
	if r.signer, err = statement.NewSigner(signerKey); err != nil {
		b.Fatal(err)
	}
	before, old := hybrid(b)
	r.old = old
	after, _ := hybrid(b)
	glass, _ := hybrid(b)
	r.now = seal.Holder{Name: "prod", Recipients: []seal.Recipient{after}}
	r.published = r.note(b, 2, after)
	writeFile(b, filepath.Join(tree, ".seal.yaml"), fmt.Sprintf(`version: 1
holders: {prod: {statementKey: %s}, breakglass: {recipients: [%s]}}
breakGlass: [breakglass]
environments: [{name: all, paths: ["**"], holders: [prod]}]
`, vkey, glass))
	writeFile(b, filepath.Join(tree, ".seal", "prod.note"), string(r.note(b, 1, before)))
	return r
}

func hybrid(b *testing.B) (seal.Recipient, seal.Identity) {
	b.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		b.Fatal(err)
	}
	to, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		b.Fatal(err)
	}
	return to, seal.NewIdentity(to.String(), id)
}

func (r *rotation) note(b *testing.B, set uint64, to seal.Recipient) []byte {
	b.Helper()
	signed, err := statement.Recipients{Holder: "prod", Set: set, At: time.Now(), Recipients: []seal.Recipient{to}}.Sign(r.signer)
	if err != nil {
		b.Fatal(err)
	}
	return signed
}

func (r *rotation) git(b *testing.B, args ...string) []byte {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", args...)
	cmd.Dir = r.tree
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("git %s: %v", args[0], err)
	}
	return out
}

// offer writes the list: the keyring, and for each file the object with its offer.
func (r *rotation) offer(b *testing.B, path string) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	first := r.item(b, "Keyring", map[string]any{"name": "prod"}, nil, map[string]any{"recipients": string(r.published), "statementKey": r.vkey})
	fmt.Fprintf(out, "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        %s", first)
	keys := seal.NewIdentities(r.old)
	err = filepath.WalkDir(r.tree, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && strings.HasPrefix(filepath.Base(filepath.Dir(name)), "d") {
			fmt.Fprintf(out, ",\n        %s", r.object(b, name, keys))
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprint(out, "\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n")
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
}

func (r *rotation) item(b *testing.B, kind string, metadata, spec, status any) []byte {
	b.Helper()
	item, err := json.MarshalIndent(map[string]any{"apiVersion": seal.APIVersion, "kind": kind, "metadata": metadata, "spec": spec, "status": status}, "        ", "    ")
	if err != nil {
		b.Fatal(err)
	}
	return item
}

func (r *rotation) object(b *testing.B, name string, keys seal.Keys) []byte {
	b.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	file, err := manifest.Parse(name, data)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := rewrap.Sealed(file)[0].JSON()
	if err != nil {
		b.Fatal(err)
	}
	doc, err := seal.ParseDocument(raw)
	if err != nil {
		b.Fatal(err)
	}
	wraps, err := rewrap.Make(doc.Spec(), r.now, doc.Spec().Stale(r.now), keys)
	if err != nil {
		b.Fatal(err)
	}
	o := statement.Offer{Holder: "prod", Set: 2, At: time.Now(), Namespace: doc.Target.Namespace, Name: doc.Target.Name}
	for _, w := range wraps {
		o.Wraps = append(o.Wraps, statement.OfferedWrap{Envelope: w.Envelope, Commit: w.Commit, Wrap: w.Wrap})
	}
	signed, err := o.Sign(r.signer)
	if err != nil {
		b.Fatal(err)
	}
	condition := map[string]any{"type": "Ready", "status": "True", "reason": "Unsealed", "message": "the Secret is there", "observedGeneration": 1, "lastTransitionTime": "2026-11-23T02:22:00Z"}
	return r.item(b, seal.Kind, map[string]any{"name": doc.Target.Name, "namespace": doc.Target.Namespace, "generation": 1, "uid": doc.Target.Name, "resourceVersion": "1"}, doc.Spec(),
		map[string]any{"observedGeneration": 1, "conditions": []any{condition}, "rewrap": []any{map[string]any{"holder": "prod", "set": 2, "note": string(signed)}}})
}

// wrapLine is a line below wraps, as seal writes it: of an age file, or of the ids of keys.
var wrapLine = regexp.MustCompile(`^[-+] {8,}(-----(BEGIN|END) AGE ENCRYPTED FILE-----|[A-Za-z0-9+/]{1,64}={0,2}|- "?[0-9a-f]{32}"?|wrappedBefore:)$`)

// checkDiff holds that every file has changed, and nothing but wraps and the note.
func (r *rotation) checkDiff(b *testing.B, files int) {
	b.Helper()
	changed := strings.Fields(string(r.git(b, "diff", "--name-only")))
	if len(changed) != files+1 || !slices.Contains(changed, ".seal/prod.note") {
		b.Fatalf("%d files have changed, not %d and the note", len(changed), files)
	}
	for line := range bytes.Lines(r.git(b, "diff", "-U0", "--", ".", ":!.seal/prod.note")) {
		if text := strings.TrimSuffix(string(line), "\n"); strings.ContainsAny(text[:1], "+-") && !strings.HasPrefix(text, "+++ ") && !strings.HasPrefix(text, "--- ") && !wrapLine.MatchString(text) {
			b.Fatalf("this line has changed: %s", text)
		}
	}
	if untracked := r.git(b, "status", "--porcelain", "--untracked-files=all"); bytes.Contains(untracked, []byte("??")) {
		b.Fatalf("new files: %s", untracked)
	}
}
