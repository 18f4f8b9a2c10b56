package writeback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// world is a SecretSync with a repository that a real git serves.
type world struct {
	t      testing.TB
	repo   *githttp.Repo
	writer *writeback.Writer
	remote *writeback.Remote
	forge  *fakeForge
	log    *memoryLog
	clock  time.Time

	mu     sync.Mutex
	before func() // is called once before a push gets to git
	status int    // is what the next push is answered with, instead of by git
}

func newWorld(t testing.TB, files tree) *world {
	t.Helper()
	w := &world{t: t, forge: &fakeForge{}, log: &memoryLog{}, clock: time.Now()}
	server := githttp.Start(t, githttp.Options{Wrap: w.wrap})
	w.repo = server.Repo(t, "infra")
	w.repo.Write(files)
	w.repo.Commit("feat: secrets")
	w.repo.Push()
	repository, err := source.Open(filepath.Join(t.TempDir(), "cache"), source.Limits{})
	must(t, err)
	t.Cleanup(func() { _ = repository.Close() })
	auth := source.Auth{InsecureHTTP: true}
	w.remote = &writeback.Remote{
		Repository: repository, Place: source.Place{URL: w.repo.URL, Branch: "main"}, ReadAuth: auth, PushAuth: auth,
		Take: func(context.Context, source.Commit) error { return nil },
	}
	w.writer = &writeback.Writer{
		Namespace: "team", Name: "infra", Source: v1alpha1.SyncSource{URL: w.repo.URL, Branch: "main"}, Spec: v1alpha1.WriteBack{Strategy: v1alpha1.WritePush},
		Git: w.remote, Forge: w.forge, Log: w.log, Memory: writeback.NewMemory(scan.NewTurn()), Now: func() time.Time { return w.clock },
	}
	return w
}

// wrap stands before git.
func (w *world) wrap(git http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			w.mu.Lock()
			do, status := w.before, w.status
			w.before, w.status = nil, 0
			w.mu.Unlock()
			if do != nil {
				do()
			}
			if status != 0 {
				http.Error(rw, "the gateway has no answer", status)
				return
			}
		}
		git.ServeHTTP(rw, r)
	})
}

// beforePush has something done between what the agent has seen and its push.
func (w *world) beforePush(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = do
}

// run looks, waits for quiet, and writes.
func (w *world) run(in writeback.Cluster) (writeback.Report, error) {
	w.t.Helper()
	r, err := w.writer.Run(w.t.Context(), in)
	if err != nil || r.Wait == 0 {
		return r, err
	}
	if len(r.Pushed) > 0 {
		w.t.Errorf("it has pushed and waits for %s", r.Wait)
	}
	w.clock = w.clock.Add(r.Wait)
	return w.writer.Run(w.t.Context(), in)
}

func (w *world) good(in writeback.Cluster) writeback.Report {
	w.t.Helper()
	r, err := w.run(in)
	must(w.t, err)
	return r
}

// pull brings the working copy to what the server has of a branch.
func (w *world) pull(branch string) {
	w.t.Helper()
	w.repo.Git("fetch", "--quiet", "--prune", "origin")
	w.repo.Git("checkout", "--quiet", "-B", branch, "origin/"+branch)
	w.repo.Git("reset", "--quiet", "--hard", "origin/"+branch)
}

// file is a file as the server has it on a branch.
func (w *world) file(branch, name string) string {
	w.t.Helper()
	w.repo.Git("fetch", "--quiet", "--prune", "origin")
	return w.repo.Git("show", "origin/"+branch+":"+name) + "\n"
}

// person pushes a commit of a person to a branch.
func (w *world) person(branch string, files map[string]string) string {
	w.t.Helper()
	w.pull(branch)
	w.repo.Write(files)
	id := w.repo.Commit("fix: by hand")
	w.repo.Push()
	return id
}

// protect has git refuse pushes to a branch, as forges do.
func (w *world) protect(branch, says string) {
	w.t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nwhile read old new ref; do\n  if [ \"$ref\" = refs/heads/%s ]; then echo '%s' >&2; exit 1; fi\ndone\n", branch, says)
	must(w.t, os.WriteFile(filepath.Join(w.repo.Bare, "hooks", "pre-receive"), []byte(script), 0o755))
}

// fakeForge is a Forge that remembers what it was asked for.
type fakeForge struct {
	asked     []forge.PullRequest
	commits   []string
	url       string
	protected bool
	wondered  int // how often it was asked whether a branch is protected
}

func (f *fakeForge) Ensure(_ context.Context, pr forge.PullRequest, commit string) (string, error) {
	f.asked, f.commits = append(f.asked, pr), append(f.commits, commit)
	return f.url, nil
}

func (f *fakeForge) Protected(context.Context, string) (bool, error) {
	f.wondered++
	return f.protected, nil
}

// memoryLog keeps records in memory.
type memoryLog struct {
	intents  []audit.Operation
	outcomes []audit.Outcome
	fails    bool
}

func (l *memoryLog) Intent(_ context.Context, op audit.Operation, _ ...audit.Standing) (string, error) {
	if l.fails {
		return "", errors.New("the disk is full")
	}
	l.intents = append(l.intents, op)
	return fmt.Sprint(len(l.intents)), nil
}

func (l *memoryLog) Outcome(_ context.Context, id string, out audit.Outcome) error {
	if id != fmt.Sprint(len(l.intents)) {
		return errors.New("an outcome without intent")
	}
	l.outcomes = append(l.outcomes, out)
	return nil
}
