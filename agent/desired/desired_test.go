package desired_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/agent/desired"
)

func TestWhatGitWants(t *testing.T) {
	s := newSealer(t)
	db := s.yaml("prod", "db")
	set := newCommit().
		with("README.md", "kind: GitSecret").
		with("apps/db.yaml", db).
		with("apps/two.YML", "# two\n"+s.yaml("prod", "web")+"---\n"+s.yaml("dev", "web")+"---\n# the end\n").
		with("apps/list.json", jsonOf(t, map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{s.object("prod", "a"), s.object("prod", "b")}})).
		with("apps/many.json", jsonOf(t, s.object("prod", "c"))+"\n"+jsonOf(t, s.object("prod", "d"))).
		with("apps/mark.yaml", "\ufeff"+s.yaml("prod", "e")).
		with("values.yaml", "waxwing: {kind: small}\n").
		with(".seal.yaml", "version: 1\n").
		with("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [apps]\n").
		with("empty.yaml", "").
		wants(t)
	holds(t, set, "dev/web prod/a prod/b prod/c prod/d prod/db prod/e prod/web")
	i := slices.IndexFunc(set.Objects, func(o desired.Object) bool { return o.Key.Name == "db" })
	o := set.Objects[i]
	if o.Path != "apps/db.yaml" || o.Document != 1 || len(o.Digest) != 64 || len(o.SpecDigest) != 64 || len(o.Envelopes) != 1 || !slices.Equal(o.Keys, []string{s.keyID()}) {
		t.Errorf("it is %+v", o)
	}
	for id, commit := range o.Envelopes {
		if !strings.Contains(db, id) || !strings.Contains(db, commit) {
			t.Errorf("envelope %s, %s", id, commit)
		}
	}
	if o := set.Objects[0]; o.Key.Namespace != "dev" || o.Document != 2 {
		t.Errorf("the second document is %+v", o)
	}
	if !slices.Equal(set.Keys, []string{s.keyID()}) || set.MoreKeys || set.Unknown() {
		t.Errorf("keys %v %v", set.Keys, set.MoreKeys)
	}
}

// TestWhatIsRefused has each file be refused for a reason, and take no other with it.
func TestWhatIsRefused(t *testing.T) {
	s := newSealer(t)
	good := s.yaml("prod", "db")
	change := func(do func(o, meta, spec map[string]any)) string {
		o := s.object("prod", "db")
		do(o, o["metadata"].(map[string]any), o["spec"].(map[string]any))
		return yamlOf(t, o)
	}
	nested := good
	for range 9 {
		nested = "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimRight(nested, "\n"), "\n", "\n  ") + "\n"
	}
	for name, x := range map[string]struct{ content, want string }{
		"a pointer of LFS":             {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "0 LFSPointer?"},
		"UTF-16":                       {"\xff\xfek\x00i\x00n\x00d\x00", "0 WrongEncoding?"},
		"UTF-16 without a mark":        {"\x00k\x00i\x00n\x00d", "0 WrongEncoding?"},
		"Latin-1":                      {"# \xfcber\n" + good, "0 WrongEncoding?"},
		"gzip":                         {"\x1f\x8b\x08abc", "0 WrongEncoding?"},
		"git-crypt":                    {"\x00GITCRYPT\x00abc", "0 WrongEncoding?"},
		"a NUL byte":                   {good + "\x00", "0 WrongEncoding?"},
		"a mark in the middle":         {"---\n\ufeff" + good, "0 InvalidYAML?"},
		"a key twice":                  {"kind: GitSecret\n" + good, "0 InvalidYAML?"},
		"a name twice":                 {strings.Replace(good, "name: db", "name: db\n  name: web", 1), "0 InvalidYAML?"},
		"a tab":                        {"kind: GitSecret\n\tapiVersion: waxwing.io/v1alpha1\n", "0 InvalidYAML?"},
		"a conflict":                   {"<<<<<<< HEAD\n" + good + "=======\n>>>>>>> branch\n", "0 InvalidYAML?"},
		"a template":                   {strings.Replace(good, "name: db", "name: {{ .Values.name }}", 1), "0 InvalidYAML?"},
		"aliases that blow up":         {good + bomb(), "0 InvalidYAML?"},
		"an alias of itself":           {good + "x: &x [*x]\n", "0 InvalidYAML?"},
		"aliases that make it large":   {good + "x: &x " + strings.Repeat("y", 100_000) + "\nz: [" + strings.Repeat("*x, ", 30) + "]\n", "1 TooLarge?"},
		"deep":                         {good + "x: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "0 InvalidYAML?"},
		"a long list":                  {good + "x: [" + strings.Repeat("1,", 70_000) + "]\n", "0 TooMany?"},
		"many documents":               {strings.Repeat("---\na\n", 10_001) + "---\n" + good, "0 InvalidYAML?"},
		"a cut one":                    {"apiVersion: waxwing.io/v1alpha1\nkind: GitSec", "1 InvalidFormat?"},
		"another version":              {strings.Replace(good, "/v1alpha1", "/v2", 1), "1 InvalidFormat?"},
		"no apiVersion":                {strings.Replace(good, "apiVersion: waxwing.io/v1alpha1\n", "", 1), "1 InvalidFormat?"},
		"a kind in other letters":      {strings.Replace(good, "kind: GitSecret", "kind: gitsecret", 1), "1 InvalidFormat?"},
		"a kind that is a list":        {strings.Replace(good, "kind: GitSecret", "kind: [GitSecret]", 1), "1 InvalidFormat?"},
		"a Kind":                       {"Kind: GitSecret\n", "1 InvalidFormat?"},
		"a GitSecretList":              {"apiVersion: waxwing.io/v1alpha1\nkind: GitSecretList\nitems: []\n", "1 InvalidFormat?"},
		"a list of another kind":       {"apiVersion: v1\nkind: ConfigMapList\nitems:\n- kind: GitSecret\n", "1 InvalidFormat?"},
		"a list without items":         {"apiVersion: v1\nkind: List\nitems: GitSecret\n", "1 InvalidFormat?"},
		"lists in lists":               {nested, "1 InvalidFormat?"},
		"a patch":                      {"apiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: {name: db, namespace: prod}\nspec: {suspend: true}\n", "1 InvalidFormat?"},
		"a field that is not known":    {change(func(_, _, spec map[string]any) { spec["data"] = map[string]any{} }), "1 InvalidFormat?"},
		"an item without its envelope": {change(func(_, _, spec map[string]any) { spec["envelopes"] = map[string]any{} }), "1 InvalidFormat?"},
		"no namespace":                 {change(func(_, meta, _ map[string]any) { delete(meta, "namespace") }), "1 NoNamespace?"},
		"a namespace that is none":     {change(func(_, meta, _ map[string]any) { meta["namespace"] = "../kube-system" }), "1 InvalidFormat?"},
		"a name that is none":          {change(func(_, meta, _ map[string]any) { meta["name"] = "DB" }), "1 InvalidFormat?"},
		"no name":                      {change(func(_, meta, _ map[string]any) { delete(meta, "name"); meta["generateName"] = "db-" }), "1 InvalidFormat?"},
		"a label that is a number":     {change(func(_, meta, _ map[string]any) { meta["labels"] = map[string]any{"a": 1} }), "1 InvalidFormat?"},
		"a label that is none":         {change(func(_, meta, _ map[string]any) { meta["labels"] = map[string]any{"a": "b c"} }), "1 InvalidFormat?"},
		"an annotation that is none":   {change(func(_, meta, _ map[string]any) { meta["annotations"] = map[string]any{"a/b/c": ""} }), "1 InvalidFormat?"},
		"annotations that are too long": {change(func(_, meta, _ map[string]any) {
			meta["annotations"] = map[string]any{"a": strings.Repeat("b", 256<<10)}
		}), "1 InvalidFormat?"},
		"a type that is too long": {change(func(_, _, spec map[string]any) { spec["type"] = strings.Repeat("t", 254) }), "1 InvalidFormat?"},
		"a Secret":                {"apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: canary-not-a-secret}\n", "0 Plaintext"},
		"a Deployment":            {"apiVersion: apps/v1\nkind: Deployment\n", "0 OtherKind"},
		"a Keyring":               {"apiVersion: waxwing.io/v1alpha1\nkind: Keyring\n", "1 OtherKind"},
		"one of another group":    {"apiVersion: example.com/v1\nkind: GitSecret\n", "1 OtherKind"},
	} {
		t.Run(name, func(t *testing.T) {
			set := newCommit().with("a.yaml", s.yaml("prod", "other")).with("x.yaml", x.content).wants(t)
			holds(t, set, "prod/other", "x.yaml "+x.want)
			for _, r := range set.Refused {
				if strings.Contains(r.Message, "canary") || r.Message == "" || len(r.Message) > 1000 {
					t.Errorf("the message is %q", r.Message)
				}
			}
			if set.Unknown() != strings.HasSuffix(x.want, "?") {
				t.Error("whether something is not known is wrong")
			}
		})
	}
}

// bomb are aliases of aliases.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 8 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return b.String()
}

// TestWhatLooksStrangeAndIsSound are forms that readers of YAML agree upon.
func TestWhatLooksStrangeAndIsSound(t *testing.T) {
	s := newSealer(t)
	good := s.yaml("prod", "db")
	for name, content := range map[string]string{
		"an escape":     strings.Replace(good, "kind: GitSecret", `kind: "\x47itSecret"`, 1),
		"base64":        strings.Replace(good, "kind: GitSecret", "kind: !!binary R2l0U2VjcmV0", 1),
		"an alias":      "x: &x GitSecret\n" + strings.Replace(good, "kind: GitSecret", "kind: *x", 1),
		"CR LF":         strings.ReplaceAll(good, "\n", "\r\n"),
		"a directive":   "%YAML 1.2\n---\n" + good,
		"what is fluid": good + "status: {conditions: []}\n",
	} {
		t.Run(name, func(t *testing.T) {
			holds(t, newCommit().with("x.yaml", content).wants(t), "prod/db")
		})
	}
}

func TestManyOthersAreOneRefusal(t *testing.T) {
	s := newSealer(t)
	other := "apiVersion: v1\nkind: ConfigMap\n---\n"
	secret := "apiVersion: v1\nkind: Secret\n---\n"
	set := newCommit().with("x.yaml", s.yaml("prod", "db")+"---\n"+other+secret+strings.Repeat(other, 500)+secret).wants(t)
	holds(t, set, "prod/db", "x.yaml 2 OtherKind", "x.yaml 3 Plaintext")
	if m := set.Refused[0].Message; !strings.Contains(m, "ConfigMap") || !strings.Contains(m, "500 more") {
		t.Errorf("the message is %q", m)
	}
	if set.Unknown() {
		t.Error("it is not known what is in it")
	}
}

func TestWhatIsThereTwice(t *testing.T) {
	s := newSealer(t)
	db, web := s.yaml("prod", "db"), s.yaml("prod", "web")
	set := newCommit().with("a.yaml", db).with("b.yaml", web+"---\n"+s.yaml("prod", "db")).with("c.yaml", s.yaml("prod", "x")+"---\n"+s.yaml("prod", "x")).wants(t)
	holds(t, set, "prod/web", "a.yaml 1 DuplicateObject?", "b.yaml 2 DuplicateObject?", "c.yaml 1 DuplicateObject?", "c.yaml 2 DuplicateObject?")
	if m := set.Refused[0].Message; !strings.Contains(m, "prod/db is also in b.yaml, document 2") {
		t.Errorf("the message is %q", m)
	}
	// The very same file twice is no better: which of them goes is not known.
	holds(t, newCommit().with("a.yaml", db).with("b.yaml", db).wants(t), "", "a.yaml 1 DuplicateObject?", "b.yaml 1 DuplicateObject?")
	if !slices.Equal(set.Keys, []string{s.keyID()}) {
		t.Errorf("keys %v", set.Keys)
	}
}

func TestKeysOfWhatIsRefused(t *testing.T) {
	a, b, c := newSealer(t), newSealer(t), newSealer(t)
	noNamespace := b.object("prod", "db")
	delete(noNamespace["metadata"].(map[string]any), "namespace")
	set := newCommit().with("a.yaml", a.yaml("prod", "a")).with("b.yaml", yamlOf(t, noNamespace)).with("c.yaml", c.yaml("prod", "c")+"broken: [\n").wants(t)
	want := []string{a.keyID(), b.keyID(), c.keyID()}
	slices.Sort(want)
	if !slices.Equal(set.Keys, want) || set.MoreKeys {
		t.Errorf("keys %v, %v", set.Keys, set.MoreKeys)
	}
	var ids strings.Builder
	for i := range desired.MaxKeys + 1 {
		fmt.Fprintf(&ids, "# %032x\n", i)
	}
	set = newCommit().with("x.yaml", ids.String()+"kind: GitSecret\n").wants(t)
	if len(set.Keys) != desired.MaxKeys || !set.MoreKeys {
		t.Errorf("%d keys, more: %v", len(set.Keys), set.MoreKeys)
	}
}

func TestOnlyWhatHasChangedIsRead(t *testing.T) {
	s := newSealer(t)
	c := newCommit()
	for i := range 200 {
		c.with(fmt.Sprintf("%03d.yaml", i), s.yaml("prod", fmt.Sprint("s", i)))
	}
	cache := desired.NewCache(desired.Limits{})
	first := c.set(t, "", cache)
	if len(first.Objects) != 200 || len(c.reads) != 200 {
		t.Fatalf("%d objects of %d files", len(first.Objects), len(c.reads))
	}
	next := &commit{files: slices.Clone(c.files), blobs: c.blobs, names: c.names}
	changed := s.yaml("prod", "s7")
	next.with("new.yaml", changed)
	last := next.files[200]
	next.files = next.files[:200]
	next.files[7] = desired.File{Path: "007.yaml", Size: last.Size, Blob: last.Blob}
	next.files[8].Path = "moved.yaml"
	second := next.set(t, "", cache)
	if len(second.Objects) != 200 || len(next.reads) != 1 || next.reads[0] != "new.yaml" {
		t.Errorf("%d objects, read: %v", len(second.Objects), next.reads)
	}
	differ := 0
	for i, o := range second.Objects {
		if o.Digest != first.Objects[i].Digest {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d digests have changed", differ)
	}
	c.reads = nil
	if c.set(t, "", cache); len(c.reads) != 1 {
		t.Errorf("what is not in a commit is kept: %v", c.reads)
	}
}

func TestThereIsNoMoreThanTheLimits(t *testing.T) {
	s := newSealer(t)
	c := newCommit()
	for i := range 30 {
		c.with(fmt.Sprintf("%02d.yaml", i), s.yaml("prod", fmt.Sprint("s", i)))
	}
	for name, limits := range map[string]desired.Limits{"objects": {Objects: 20}, "entries": {Entries: 60}} {
		cache := desired.NewCache(limits)
		c.reads = nil
		set := c.set(t, "", cache)
		if len(set.Objects) != 20 || len(set.Refused) != 10 || set.Refused[0].Path != "20.yaml" || set.Refused[0].Reason != desired.TooMany || !set.Unknown() || !set.MoreKeys {
			t.Errorf("%s: %d objects, refused: %v", name, len(set.Objects), refusals(set))
		}
		c.reads = nil
		if again := c.set(t, "", cache); len(again.Objects) != 20 || len(c.reads) != 0 {
			t.Errorf("%s: the next time %d objects, and read: %v", name, len(again.Objects), c.reads)
		}
		fewer := &commit{files: c.files[5:], blobs: c.blobs, names: c.names}
		if set := fewer.set(t, "", cache); len(set.Objects) != 20 || set.Refused[0].Path != "25.yaml" {
			t.Errorf("%s: with room %d objects, refused: %v", name, len(set.Objects), refusals(set))
		}
	}
	// One content under many paths takes room for each.
	c = newCommit()
	var b strings.Builder
	for i := range 50 {
		b.WriteString("---\n" + s.yaml("prod", fmt.Sprint("s", i)))
	}
	for i := range 5000 {
		c.with(fmt.Sprintf("%04d.yaml", i), b.String())
	}
	set := c.set(t, "", desired.NewCache(desired.Limits{Objects: 1000}))
	if len(set.Objects) != 0 || len(set.Refused) != 1000+4980 {
		t.Errorf("%d objects, %d refusals", len(set.Objects), len(set.Refused))
	}
	c = newCommit().with("x.yaml", b.String()).with("y.yaml", s.yaml("prod", "y"))
	holds(t, c.set(t, "", desired.NewCache(desired.Limits{FileBytes: 10_000})), "prod/y", "x.yaml 0 TooLarge?")
	if !slices.Equal(c.reads, []string{"y.yaml"}) {
		t.Errorf("read: %v", c.reads)
	}
	c.files[0].Size = 1 // it says so
	holds(t, c.set(t, "", desired.NewCache(desired.Limits{FileBytes: 10_000})), "prod/y", "x.yaml 0 TooLarge?")
}

func TestErrorsOfReading(t *testing.T) {
	s := newSealer(t)
	c := newCommit().with("a.yaml", s.yaml("prod", "a")).with("b.yaml", s.yaml("prod", "b"))
	dear := func(ctx context.Context, blob string) ([]byte, error) {
		if blob == c.files[0].Blob {
			return nil, fmt.Errorf("a pack: %w", desired.ErrTooLarge)
		}
		return c.read(ctx, blob)
	}
	set, err := desired.Read(t.Context(), "", c.files, dear, desired.NewCache(desired.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, set, "prod/b", "a.yaml 0 TooLarge?")
	broken := errors.New("the cache is torn")
	cache := desired.NewCache(desired.Limits{})
	if _, err := desired.Read(t.Context(), "", c.files, func(context.Context, string) ([]byte, error) { return nil, broken }, cache); !errors.Is(err, broken) {
		t.Errorf("it is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := desired.Read(ctx, "", c.files, c.read, cache); !errors.Is(err, context.Canceled) {
		t.Errorf("it is %v", err)
	}
	holds(t, c.set(t, "", cache), "prod/a prod/b")
}

func TestWhatWasReadBeforeAnErrorIsKept(t *testing.T) {
	s := newSealer(t)
	c := newCommit()
	for i := range 100 {
		c.with(fmt.Sprintf("%02d.yaml", i), s.yaml("prod", fmt.Sprint("s", i)))
	}
	broken := errors.New("the cache is torn")
	var first atomic.Int64
	cache := desired.NewCache(desired.Limits{})
	_, err := desired.Read(t.Context(), "", c.files, func(ctx context.Context, blob string) ([]byte, error) {
		if first.Add(1) > 60 {
			return nil, broken
		}
		return c.read(ctx, blob)
	}, cache)
	if !errors.Is(err, broken) {
		t.Fatalf("it is %v", err)
	}
	c.reads = nil
	if set := c.set(t, "", cache); len(set.Objects) != 100 || len(c.reads) > 60 {
		t.Errorf("%d objects, and %d of 100 files were read again", len(set.Objects), len(c.reads))
	}
}

// TestFailedReadsAreKeptOfTheNewestCommitOnly has commits fail one after the other: what is kept is what the newest one names, within the limits.
func TestFailedReadsAreKeptOfTheNewestCommitOnly(t *testing.T) {
	s := newSealer(t)
	text := make([]string, 60)
	for i := range text {
		text[i] = s.yaml("prod", fmt.Sprint("s", i))
	}
	broken := errors.New("the cache is torn")
	// fails reads files, in that order, of which the one at a place cannot be read.
	fails := func(cache *desired.Cache, at int, files []string) {
		c := newCommit()
		for i, content := range slices.Insert(slices.Clone(files), at, "gone") {
			c.with(fmt.Sprintf("%03d.yaml", i), content)
		}
		if _, err := desired.Read(t.Context(), "", c.files, func(ctx context.Context, blob string) ([]byte, error) {
			if blob == c.files[at].Blob {
				return nil, broken
			}
			return c.read(ctx, blob)
		}, cache); !errors.Is(err, broken) {
			t.Fatalf("it is %v", err)
		}
	}
	cache := desired.NewCache(desired.Limits{})
	for i := range 3 {
		fails(cache, 20, text[i*20:i*20+20])
		if n, _ := cache.Kept(); n != 20 {
			t.Errorf("of %d commits %d files are kept", i+1, n)
		}
	}
	// What is not got to this time is kept, too.
	fails(cache, 0, text[30:])
	if n, _ := cache.Kept(); n != 30 {
		t.Errorf("%d files are kept of those that the commit names", n)
	}
	for name, limits := range map[string]desired.Limits{"objects": {Objects: 20}, "entries": {Entries: 60}} {
		cache := desired.NewCache(limits)
		for i := range 3 { // each time others come first
			fails(cache, 16, slices.Concat(text[i*20:], text[:i*20]))
			if n, weight := cache.Kept(); weight != 60 {
				t.Errorf("%s: %d files with %d entries are kept", name, n, weight)
			}
		}
	}
}
