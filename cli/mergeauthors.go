package cli

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/merge"
)

const (
	// maxLookup is how long all look-ups of authors of one merge may take. What is not found by then is left out: a merge does not wait for a long history.
	maxLookup = 10 * time.Second
	// maxAuthor is how much of a name is shown, in bytes.
	maxAuthor = 48
)

// authors finds the commits that brought envelopes.
type authors struct {
	ctx  context.Context
	env  *Env
	path string // in the repository; empty where it is not known

	repo  *git.Repo
	revs  []string // commits that no reference leads to, during a merge
	ended bool     // nothing more is looked up
	until time.Time
	known map[string]string
}

// of is "1a2b3c4 2026-11-23 Alice" for the commit that brought the side's envelope; empty where it is not found.
func (a *authors) of(s merge.Side) string {
	if a.path == "" || a.ended || s.Envelope == "" {
		return ""
	}
	if note, ok := a.known[s.Envelope]; ok {
		return note
	}
	if a.repo == nil {
		a.known, a.until = map[string]string{}, a.env.Now().Add(maxLookup)
		repo, err := git.Open(a.ctx, a.env.path("."), gitEnviron(a.env))
		if err != nil {
			a.ended = true
			return ""
		}
		a.repo = repo
		for _, rev := range []string{"HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"} {
			if id, err := repo.Commit(a.ctx, rev); err == nil {
				a.revs = append(a.revs, id)
			}
		}
	}
	left := a.until.Sub(a.env.Now())
	ctx, cancel := context.WithTimeout(a.ctx, left)
	defer cancel()
	note, err := a.find(ctx, s)
	a.ended = err != nil
	a.known[s.Envelope] = note
	return note
}

// find looks through what any reference leads to: during a merge, a rebase or a cherry-pick, no one name stands for the other side. A commit is not older than
// the envelopes that it brings, by a day for clocks that go wrong, so that only the young end of the history is read.
func (a *authors) find(ctx context.Context, s merge.Side) (string, error) {
	args := []string{"log", "--all", "--reverse", "--no-follow", "--no-textconv", "--no-ext-diff", "--no-color", "--date=short", "--format=%h%x00%ad%x00%an", "--pickaxe-regex", "-S" + s.Envelope + `["']?[ ]*:`}
	if at, err := time.Parse(time.RFC3339, s.SealedAt); err == nil {
		args = append(args, "--since="+at.Add(-24*time.Hour).Format(time.RFC3339))
	}
	out, err := a.repo.Output(ctx, append(append(args, a.revs...), "--", a.path)...)
	if err != nil {
		return "", err
	}
	line, _, _ := bufio.NewReader(bytes.NewReader(out)).ReadLine()
	parts := strings.SplitN(string(line), "\x00", 3)
	if len(parts) != 3 {
		return "", nil
	}
	name := parts[2]
	if len(name) > maxAuthor {
		name = strings.ToValidUTF8(name[:maxAuthor], "") + "…"
	}
	return strings.Map(visible, parts[0]+" "+parts[1]+" "+name), nil
}
