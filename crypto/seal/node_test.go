package seal_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/semver"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

const nodeOpener = "testdata/node-opener"

// opener is the independent opener, ready to run.
type opener struct{ folder string }

// newOpener puts the opener beside its packages, which npm fetches once into the user's cache. Without Node it says so and gives false.
func newOpener(t *testing.T) (opener, bool) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "the independent opener did not run: %s is missing\n", program)
			return opener{}, false
		}
	}
	// The packages of the opener need 20.19; an older Node is as good as none.
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if version := strings.TrimSpace(string(out)); semver.Compare(version, "v20.19.0") < 0 {
		fmt.Fprintf(os.Stderr, "the independent opener did not run: node is %s, and it needs v20.19.0\n", version)
		return opener{}, false
	}
	folder := t.TempDir()
	sources, err := filepath.Glob(filepath.Join(nodeOpener, "*.mjs"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("%d sources of the opener: %v", len(sources), err)
	}
	for _, source := range append(sources, filepath.Join(nodeOpener, "package.json")) {
		copyFile(t, source, filepath.Join(folder, filepath.Base(source)))
	}
	if err := os.Symlink(filepath.Join(nodePackages(t), "node_modules"), filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return opener{folder}, true
}

// nodePackages is the folder in the user's cache that holds what the lock file names.
func nodePackages(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(nodeOpener, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	parent := filepath.Join(cache, "waxwing")
	ready := filepath.Join(parent, "node-opener-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(ready); err == nil {
		return ready
	}
	fmt.Fprintln(os.Stderr, "fetching the packages of the independent opener with npm, once")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(parent, "node-opener-new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh) //nolint:errcheck // What is left of a failed fetch is in a cache.
	for _, name := range []string{"package.json", "package-lock.json"} {
		copyFile(t, filepath.Join(nodeOpener, name), filepath.Join(fresh, name))
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci for the independent opener: %v\n%s", err, out)
	}
	// Another test process may have been faster; its folder is as good.
	if err := os.Rename(fresh, ready); err != nil {
		if _, missing := os.Stat(ready); missing != nil {
			t.Fatal(err)
		}
	}
	return ready
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run gives what the opener prints for folders of vectors, and whether all of them were right.
func (o opener) run(t *testing.T, folders ...string) (string, bool) {
	t.Helper()
	args := []string{filepath.Join(o.folder, "run.mjs")}
	for _, folder := range folders {
		path, err := filepath.Abs(folder)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("node", args...).CombinedOutput()
	return string(out), err == nil
}

// write puts vectors into a new folder.
func write(t *testing.T, vectors []vector) string {
	t.Helper()
	b, err := json.Marshal(vectorFile{Comment: "made by a test", Vectors: vectors})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "live.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestTheIndependentOpenerAgrees(t *testing.T) {
	o, ok := newOpener(t)
	if !ok {
		return
	}
	live := append(sealedNow(t), mutants(t, 2000)...)
	out, ok := o.run(t, vectorFolder, write(t, live))
	count := len(live)
	for _, f := range readVectors(t) {
		count += len(f.Vectors)
	}
	if !ok || !strings.HasSuffix(out, fmt.Sprintf("%d vectors, 0 wrong\n", count)) {
		t.Errorf("the opener in Node differs, of %d vectors:\n%s", count, out)
	}
}

func TestTheIndependentOpenerCanDiffer(t *testing.T) {
	o, ok := newOpener(t)
	if !ok {
		return
	}
	good := readVectors(t)[0].Vectors[0]
	for name, bend := range map[string]func(*vector){
		"another word":   func(v *vector) { v.Expect = "Tampered" },
		"another value":  func(v *vector) { v.Values = map[string]string{"user": "AAAA"} },
		"another object": func(v *vector) { v.Document = strings.Replace(v.Document, `"prod"`, `"dev"`, 1) },
	} {
		wrong := good
		bend(&wrong)
		if out, ok := o.run(t, write(t, []vector{wrong})); ok || !strings.Contains(out, "1 vectors, 1 wrong") {
			t.Errorf("%s is not noticed:\n%s", name, out)
		}
	}
	if out, ok := o.run(t, write(t, nil)); ok {
		t.Errorf("no vectors at all pass:\n%s", out)
	}
}

// judged is a vector that expects what this package says.
func judged(t *testing.T, description string, doc []byte, identities ...string) vector {
	t.Helper()
	v := vector{Description: description, DocumentBase64: doc, Identities: identities}
	values, err := openDocument(doc, v.keys(t), false)
	v.Expect, v.Values = seal.Outcome(err), values
	return v
}

// sealedNow are documents that a Sealer makes now, and those that are too large to be committed as vectors.
func sealedNow(t *testing.T) []vector {
	t.Helper()
	var all []vector
	for _, generate := range []func() forge.Party{forge.Classical, forge.Hybrid} {
		p := generate()
		r, err := seal.ParseRecipient(p.Recipient)
		if err != nil {
			t.Fatal(err)
		}
		h := seal.Holder{Name: "prod", Recipients: []seal.Recipient{r}}
		for _, f := range scopes() {
			spec := mustSeal(t, f, values("user", "app", "password", canary, "binary", "\x00\xff", "long", strings.Repeat("v", 3000)), h)
			if err := sealer().Put(spec, values("user", "root"), []seal.Holder{h}); err != nil {
				t.Fatal(err)
			}
			sign(t, spec)
			if _, err := seal.Rewrap(spec, h, identities(t, p)); err != nil {
				t.Fatal(err)
			}
			all = append(all, judged(t, "sealed now for "+f.String(), document(spec, prodDB), p.Identity))
		}
	}
	p := forge.Classical()
	h := holder("prod", partyOf(t, p.Identity))
	items, large := mustSeal(t, strictDB, numbered(seal.MaxItems, 1), h), mustSeal(t, strictDB, numbered(1, largestValue), h)
	tooMany := forge.Document(items, prodDB)
	tooMany = tooMany.Set(tooMany.Get("spec", "items", "k0"), "spec", "items", "more")
	all = append(all, judged(t, "4,096 items", document(items, prodDB), p.Identity), judged(t, "4,097 items", tooMany.JSON(), p.Identity), judged(t, "1 MiB of values", document(large, prodDB), p.Identity))
	return append(all, judged(t, "more than 1 MiB of values", overfull(forge.Document(large, prodDB)), p.Identity))
}

// mutants are documents of the vectors with bytes changed, always the same ones.
func mutants(t *testing.T, n int) []vector {
	t.Helper()
	var bases []vector
	for _, f := range readVectors(t) {
		for _, v := range f.Vectors {
			if len(v.Document) > 100 && len(v.Document) < 8<<10 && v.Expect == "ok" {
				bases = append(bases, v)
			}
		}
	}
	r := rand.New(rand.NewPCG(2, 11))
	all := make([]vector, 0, n)
	for len(all) < n {
		base := bases[r.IntN(len(bases))]
		doc := []byte(base.Document)
		for range 1 + r.IntN(2) {
			doc = mutate(r, doc)
		}
		all = append(all, judged(t, fmt.Sprintf("mutant %d of %q: %s", len(all), base.Description, base64.StdEncoding.EncodeToString(doc)), doc, base.Identities...))
	}
	return all
}

// mutate changes one place of a document: a bit, a symbol, a token or the order of two pieces.
func mutate(r *rand.Rand, doc []byte) []byte {
	tokens := []string{`"`, `\`, `\u0000`, `\ud800`, `\udc00`, "null", "{}", "[]", ",", ":", "}", "]", "1", "1.0", "-0", "true", `""`, " ", "\n", "\r", "=", "A", "Z", "\x00", "\xff", "\u2028", "\ufeff", "0", "z", "*"}
	i := r.IntN(len(doc))
	j := min(len(doc), i+1+r.IntN(40))
	out := append([]byte{}, doc[:i]...)
	switch r.IntN(5) {
	case 0:
		out = append(append(out, doc[i]^1<<r.IntN(8)), doc[i+1:]...)
	case 1:
		out = append(append(out, tokens[r.IntN(len(tokens))]...), doc[i:]...)
	case 2:
		out = append(append(out, tokens[r.IntN(len(tokens))]...), doc[i+1:]...)
	case 3:
		out = append(out, doc[j:]...)
	default:
		out = append(append(out, doc[i:j]...), doc[i:]...)
	}
	return out
}
