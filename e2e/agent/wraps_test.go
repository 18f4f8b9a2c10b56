package agent_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// offered waits until the controller has offered wraps of the keyring for all of these objects. What is late becomes another commit, where the agent sees the others before.
func (w *world) offered(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.eventually("wraps are offered for "+name, func(ctx context.Context) error {
			o := &v1alpha1.GitSecret{}
			if err := w.Get(ctx, w.named(name), o); err != nil {
				return err
			}
			if !slices.ContainsFunc(o.Status.Rewrap, func(r v1alpha1.RewrapOffer) bool { return r.Holder == w.keyring }) {
				return fmt.Errorf("it has %d offers for others", len(o.Status.Rewrap))
			}
			return nil
		})
	}
}

// trailers holds what the message of the agent's commit says.
func (g *golden) trailers(commit string) {
	g.t.Helper()
	got := g.clone.Git("log", "-1", "--format=%(trailers:only,unfold)", commit)
	for _, want := range []string{
		"Waxwing-Keyring: " + g.keyring, "Waxwing-Set: ", "Waxwing-Keys: " + g.old[:16], "-> " + g.next[:16], "Waxwing-Sync: " + g.team + "/" + syncName,
	} {
		if !strings.Contains(got, want) {
			g.t.Errorf("the commit's trailers have no %q:\n%s", want, got)
		}
	}
}

// wrapLine is a line of a wrap as it stands in a sealed file.
var wrapLine = regexp.MustCompile(`^[-+] +(keys:.*|wrappedBefore:.*|- "?[0-9a-f]{32}"?|age: \|-?|-----(BEGIN|END) AGE ENCRYPTED FILE-----|[A-Za-z0-9+/]+=*)$`)

// onlyWraps holds that the agent's commit changes wraps of the keyring and its note.
func (g *golden) onlyWraps(commit string) {
	g.t.Helper()
	files := strings.Fields(g.clone.Git("diff-tree", "--no-commit-id", "--name-only", "-r", commit))
	want := []string{".seal/" + g.keyring + ".note", "prod/db.yaml", "prod/late.yaml", "prod/shop/both.yaml"}
	if !slices.Equal(files, want) {
		g.t.Errorf("changed are %q, not %q", files, want)
	}
	for _, file := range want {
		if strings.HasPrefix(file, ".seal/") {
			continue
		}
		for line := range strings.Lines(g.clone.Git("diff", "-U0", commit+"^", commit, "--", file)) {
			line = strings.TrimRight(line, "\n")
			if header := regexp.MustCompile(`^(diff |index |--- a/|\+\+\+ b/|@@ )`).MatchString(line); !header && !wrapLine.MatchString(line) {
				g.t.Errorf("a line of %s that is none of a wrap has changed: %s", file, line)
			}
		}
		g.onlyWrapsIn(g.clone.Git("show", commit+"^:"+file), g.clone.Git("show", commit+":"+file))
	}
}

// onlyWrapsIn compares a file's documents.
func (g *golden) onlyWrapsIn(before, now string) {
	g.t.Helper()
	old, present := strings.Split(before, "\n---\n"), strings.Split(now, "\n---\n")
	if len(old) != len(present) {
		g.t.Fatalf("%d documents were %d", len(present), len(old))
	}
	for i := range old {
		a, b := &v1alpha1.GitSecret{}, &v1alpha1.GitSecret{}
		if err := errors.Join(yaml.UnmarshalStrict([]byte(old[i]), a), yaml.UnmarshalStrict([]byte(present[i]), b)); err != nil {
			g.t.Fatal(err)
		}
		for id, e := range b.Spec.Envelopes {
			if w := e.Wraps[g.keyring]; !slices.Equal(w.Keys, []string{g.next}) || !slices.Equal(w.WrappedBefore, []string{g.old}) {
				g.t.Errorf("%s: envelope %s is for %q and was for %q", b.Name, id, w.Keys, w.WrappedBefore)
			}
			e.Wraps[g.keyring] = a.Spec.Envelopes[id].Wraps[g.keyring]
		}
		if !equality.Semantic.DeepEqual(a, b) {
			g.t.Errorf("more than wraps has changed in %s", b.Name)
		}
	}
}

// wrapsOf are the wraps of a holder in a file, as they stand there.
func wrapsOf(text, holder string) (wraps []string) {
	within := -1 // how far the holder's name is indented
	for line := range strings.Lines(text) {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == holder+":":
			wraps, within = append(wraps, ""), depth
		case depth <= within:
			within = -1
		}
		if within >= 0 {
			wraps[len(wraps)-1] += line
		}
	}
	return wraps
}
