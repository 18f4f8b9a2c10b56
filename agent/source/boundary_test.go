package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// ending serves what was added, and says that its history ends at some commits. The last object is what main is at.
func (r *raw) ending(t testing.TB, ends ...string) source.Place {
	t.Helper()
	var out bytes.Buffer
	if err := pack.Write(&out, r.objects); err != nil {
		t.Fatal(err)
	}
	return lyingServer(t, r.objects[len(r.objects)-1].ID().String(), func(w io.Writer) {
		for _, id := range ends {
			_, _ = io.WriteString(w, pkt("shallow "+id+"\n"))
		}
		sends(out.Bytes())(w)
	})
}

// line adds commits upon each other, and gives their ids. Behind their heads stands more.
func (r *raw) line(n int, more string) []string {
	tree := r.tree(line{"100644", "f", r.blob("x")})
	var ids []string
	parent := ""
	for i := range n {
		text := fmt.Appendf(nil, "tree %s\n%sauthor A <a@example.com> %d +0000\ncommitter A <a@example.com> %d +0000\n%s\nm\n", tree, parent, i, i, more)
		id := r.add(pack.Commit, text).String()
		ids, parent = append(ids, id), "parent "+id+"\n"
	}
	return ids
}

// looks is a context that counts how often it is looked at, and ends after so many times.
type looks struct {
	context.Context
	most, had int
}

func (l *looks) Err() error {
	if l.had++; l.had > l.most {
		return context.Canceled
	}
	return nil
}

// TestAnEndThatIsToldManyTimes has a commit that is as large as it may be, with half a million lines, named as an end in all that a server may say.
func TestAnEndThatIsToldManyTimes(t *testing.T) {
	r := &raw{}
	ids := r.line(2, "mergetag x\n"+strings.Repeat(" \n", 500_000))
	repo, _ := open(t, source.Limits{})
	c := fetch(t, repo, r.ending(t, slices.Repeat(ids[:1], 19_000)...), ids[0])
	if got, err := repo.Relation(ids[0], c.ID); err != nil || got != source.Ahead {
		t.Errorf("it is %s (%v)", got, err)
	}
	l := &looks{t.Context(), 1 << 30, 0}
	if n, err := repo.Move(l, slices.Repeat(ids, 500)); err != nil || n != 0 || l.had > 10 {
		t.Errorf("%d ends, and the context was looked at %d times (%v)", n, l.had, err)
	}
}

// TestEndsOfTheHistoryAreLookedAtWithinBounds has commits that a server calls ends, and that are none: their parents are there.
func TestEndsOfTheHistoryAreLookedAtWithinBounds(t *testing.T) {
	const many, most = 10_050, 10_000
	r := &raw{}
	ids := r.line(many, "")
	// One names a parent thousands of times.
	parents := r.add(pack.Commit, fmt.Appendf(nil, "tree %s\n%sauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\nm\n", r.tree(),
		strings.Repeat("parent "+ids[0]+"\n", 5000))).String()
	repo, _ := open(t, source.Limits{})
	fetch(t, repo, r.ending(t))
	if n, err := repo.Move(t.Context(), ids[:most]); err != nil || n != 0 {
		t.Errorf("%d ends are believed (%v)", n, err)
	}
	if n, err := repo.Move(t.Context(), ids); err != nil || n != many-most {
		t.Errorf("%d ends are believed, which are not looked at (%v)", n, err)
	}
	for _, most := range []int{0, 1, 2, 100} {
		for what, ends := range map[string][]string{"ends": ids, "parents": {parents}} {
			l := &looks{t.Context(), most, 0}
			if _, err := repo.Move(l, ends); !errors.Is(err, context.Canceled) || l.had > most+2 {
				t.Errorf("%s: after %d looks there are %d more (%v)", what, most, l.had-most, err)
			}
		}
	}
}

// TestAFailureToGetMoreHistoryIsNotRemembered has a network that fails once, when older commits are asked for.
func TestAFailureToGetMoreHistoryIsNotRemembered(t *testing.T) {
	var failing atomic.Bool
	server := githttp.Start(t, githttp.Options{Wrap: func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && failing.CompareAndSwap(true, false) {
				http.Error(w, "no upstream", http.StatusBadGateway)
				return
			}
			git.ServeHTTP(w, r)
		})
	}})
	repo := server.Repo(t, "infra")
	all := commits(repo, "a", 130)
	last := all[len(all)-1]
	relation := func(r *source.Repository, want source.Relation) {
		t.Helper()
		fetch(t, r, mainOf(repo), all[0])
		if got, err := r.Relation(all[0], last); err != nil || got != want {
			t.Errorf("it is %s (%v), and should be %s", got, err, want)
		}
	}
	r, _ := open(t, source.Limits{})
	fetch(t, r, mainOf(repo))
	failing.Store(true)
	relation(r, source.Unknown)
	if failing.Load() {
		t.Fatal("no older commits were asked for")
	}
	relation(r, source.Ahead)
	// What is too large today is so tomorrow.
	r, _ = open(t, source.Limits{Objects: 200})
	relation(r, source.Unknown)
	before := len(server.Requests())
	relation(r, source.Unknown)
	if new := server.Requests()[before:]; slices.ContainsFunc(new, func(s string) bool { return strings.HasPrefix(s, "POST") }) {
		t.Errorf("what is too large is asked for again: %v", new)
	}
}
