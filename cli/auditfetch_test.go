package cli_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/serve"
)

// goodToken may read the audit log, otherToken is known and may not.
const goodToken, otherToken = "good-not-a-token", "other-not-a-token"

// endpoint serves the log in a folder over HTTPS as a controller does, but for the API server that it asks about tokens.
type endpoint struct {
	*httptest.Server
	dir   atomic.Pointer[string]
	asked atomic.Int64
	token string // file
	ca    string // file
	// mangle answers in place of the log, or gives false.
	mangle func(w http.ResponseWriter, r *http.Request) bool
}

func serveLog(t *testing.T, l *madeLog) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.dir.Store(&l.dir)
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		switch r.Header.Get("Authorization") {
		case "Bearer " + goodToken:
		case "Bearer " + otherToken:
			http.Error(w, "this needs the right to get /v1/audit/", http.StatusForbidden)
			return
		default:
			http.Error(w, "a bearer token of the cluster is needed", http.StatusUnauthorized)
			return
		}
		if e.mangle != nil && e.mangle(w, r) {
			return
		}
		serve.Handler(*e.dir.Load(), func(ctx context.Context) (audit.Anchor, error) {
			a, _, err := l.anchors.Load(ctx)
			return a, err
		}).ServeHTTP(w, r)
	}))
	t.Cleanup(e.Close)
	keys := t.TempDir()
	e.token = writeFile(t, filepath.Join(keys, "token"), goodToken+"\n")
	e.ca = writeFile(t, filepath.Join(keys, "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})))
	return e
}

// fetch runs seal audit fetch into dir.
func (e *endpoint) fetch(t *testing.T, dir string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	return run(t, "", "", append([]string{"audit", "fetch", e.URL, "--token-file", e.token, "--ca-file", e.ca, "--out", dir}, more...)...)
}

// sameFiles compares the files of a log with those of its copy.
func sameFiles(t *testing.T, log, copied string) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "anchor.json" {
			return err
		}
		count++
		rel, _ := filepath.Rel(copied, path)
		want, err1 := os.ReadFile(filepath.Join(log, rel))
		got, err2 := os.ReadFile(path)
		if err1 != nil || err2 != nil || string(want) != string(got) {
			t.Errorf("%s differs: %v %v", rel, err1, err2)
		}
		return nil
	})
	if err != nil || count == 0 {
		t.Fatalf("%d files: %v", count, err)
	}
}

func TestAuditFetchCopiesAndGoesOn(t *testing.T) {
	l := newLog(t, 0)
	e := serveLog(t, l)
	dir := filepath.Join(t.TempDir(), "copy")
	code, stdout, stderr := e.fetch(t, dir)
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	wantIn(t, stdout, "part 1: 8 records\n", " files fetched, ")
	sameFiles(t, l.dir, dir)
	if code, stdout, _ := run(t, dir, "", "audit", "verify", "--key", l.vkey(t), "--anchor", l.anchorFile(t), "."); code != 5 {
		t.Errorf("the copy verifies with exit %d:\n%s", code, stdout)
	}

	t.Run("what is there is not fetched again", func(t *testing.T) {
		before := e.asked.Load()
		code, stdout, stderr := e.fetch(t, dir)
		if code != 0 || !strings.Contains(stdout, "0 files fetched") {
			t.Errorf("exit %d: %s%s", code, stdout, stderr)
		}
		if n := e.asked.Load() - before; n > 4 {
			t.Errorf("%d requests for nothing new", n)
		}
	})
	t.Run("what is new is", func(t *testing.T) {
		l.grow(t, 300)
		code, stdout, stderr := e.fetch(t, dir, "-o", "json")
		var got struct {
			Parts []struct{ Size, Before uint64 }
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || len(got.Parts) != 1 || got.Parts[0].Size < 608 || got.Parts[0].Before < 8 {
			t.Errorf("exit %d, %v: %s%s", code, err, stdout, stderr)
		}
		sameFiles(t, l.dir, dir)
		if old, err := filepath.Glob(filepath.Join(dir, "0001", "tile", "[0e]*", "000.p")); err != nil || len(old) > 0 {
			t.Errorf("files that nobody needs are left: %v %v", old, err)
		}
	})
	t.Run("nothing half is left", func(t *testing.T) {
		if _, err := os.Stat(filepath.Join(dir, ".fetch")); err == nil {
			t.Error("the folder for files that are not whole is left")
		}
	})
}

func TestAuditFetchGoesOnWhereItWasEnded(t *testing.T) {
	l := newLog(t, 0)
	l.grow(t, 600)
	e := serveLog(t, l)
	dir := filepath.Join(t.TempDir(), "copy")
	// What the first run has left; nil while that goes on. A request that it has given up may come to the server later: never for one of these.
	var kept atomic.Pointer[map[string]bool]
	e.mangle = func(w http.ResponseWriter, r *http.Request) bool {
		name := strings.TrimPrefix(r.URL.Path, serve.Prefix+"0001/")
		if had := kept.Load(); had != nil {
			if (*had)[strings.Replace(name, "tile/entries/", "tile/0/", 1)] {
				t.Errorf("%s has been fetched again", name)
			}
			return false
		}
		if name != "tile/entries/002" {
			return false
		}
		// Several are fetched at a time, and the first error ends all: one at least is to be there by then.
		for end := time.Now().Add(30 * time.Second); len(tilesIn(dir)) == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		http.Error(w, "gone", http.StatusGone)
		return true
	}
	if code, _, stderr := e.fetch(t, dir); code != 1 || !strings.Contains(stderr, "410 Gone") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "0001", "checkpoint")); err == nil {
		t.Fatal("there is a checkpoint of records that are not there")
	}
	had := tilesIn(dir)
	if len(had) == 0 {
		t.Fatal("the first run has left nothing")
	}
	kept.Store(&had)
	if code, _, stderr := e.fetch(t, dir); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	sameFiles(t, l.dir, dir)
}

// tilesIn are the tiles of the first part of a copy, partial ones among them. One of records is there when they are.
func tilesIn(dir string) map[string]bool {
	full, _ := filepath.Glob(filepath.Join(dir, "0001", "tile", "[0-9]", "[0-9][0-9][0-9]"))
	partial, _ := filepath.Glob(filepath.Join(dir, "0001", "tile", "[0-9]", "*.p", "*"))
	tiles := map[string]bool{}
	for _, file := range append(full, partial...) {
		rel, _ := filepath.Rel(filepath.Join(dir, "0001"), file)
		tiles[filepath.ToSlash(rel)] = true
	}
	return tiles
}

func TestAuditFetchKeepsACopyThatTheLogDoesNotGoOnFrom(t *testing.T) {
	l, other := newLog(t, 0), newLog(t, 0)
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	forked := &madeLog{dir: filepath.Join(t.TempDir(), "forked"), cfg: l.cfg, anchors: &audittest.MemoryAnchors{}}
	forked.cfg.Dir, forked.cfg.Anchors = forked.dir, forked.anchors // nobody tells it what was anchored
	if err := os.CopyFS(forked.dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	l.grow(t, 2)
	forked.grow(t, 10)
	e := serveLog(t, l)
	dir := filepath.Join(t.TempDir(), "copy")
	if code, _, stderr := e.fetch(t, dir); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	before := snapshot(t, dir)
	for name, c := range map[string]struct{ serve, want string }{
		"put back":    {older, "it has 8 records, and the copy has "},
		"forked":      {forked.dir, "are not those of the copy"},
		"another log": {other.dir, "says that its key is test/replica-0+"},
	} {
		t.Run(name, func(t *testing.T) {
			e.dir.Store(&c.serve)
			code, stdout, stderr := e.fetch(t, dir)
			if code != 4 || stdout != "" {
				t.Errorf("exit %d: %s", code, stdout)
			}
			wantIn(t, stderr, "seal: "+e.URL+": ", "the endpoint's log is not the one that was copied before", c.want, "hint: keep the copy")
			if after := snapshot(t, dir); after != before {
				t.Error("the copy has changed")
				before = after
			}
		})
	}
}

// snapshot is what a folder holds.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(path + "\x00" + string(b) + "\x00")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestAuditFetchRefusals(t *testing.T) {
	l := newLog(t, 0)
	e := serveLog(t, l)
	dir := t.TempDir()
	other := writeFile(t, filepath.Join(dir, "other"), otherToken)
	unknown := writeFile(t, filepath.Join(dir, "unknown"), "unknown-not-a-token")
	empty := writeFile(t, filepath.Join(dir, "empty"), "\n")
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(full, "thesis.txt"), "")
	out := filepath.Join(dir, "out")
	plain := strings.Replace(e.URL, "https://", "http://", 1)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no folder for it":                 {[]string{e.URL, "--token-file", e.token, "--ca-file", e.ca}, 2, "--out is missing"},
		"a folder in place of a URL":       {[]string{"copy/", "--out", out}, 2, "copy/ is no URL"},
		"not over TLS":                     {[]string{plain, "--token-file", e.token, "--out", out}, 2, "not an https URL"},
		"a password in the URL":            {[]string{"https://a:b@localhost/", "--token-file", e.token, "--out", out}, 2, "without a user"},
		"no token":                         {[]string{e.URL, "--ca-file", e.ca, "--out", out}, 1, "hint: kubectl create token"},
		"the kubeconfig's token to anyone": {[]string{e.URL, "--insecure-skip-tls-verify", "--out", out}, 2, "is not sent with --insecure-skip-tls-verify"},
		"an empty token":                   {[]string{e.URL, "--token-file", empty, "--ca-file", e.ca, "--out", out}, 1, "is no token"},
		"a token that is unknown":          {[]string{e.URL, "--token-file", unknown, "--ca-file", e.ca, "--out", out}, 1, "401 Unauthorized: a bearer token of the cluster is needed\nhint: the token is not known"},
		"one without the right":            {[]string{e.URL, "--token-file", other, "--ca-file", e.ca, "--out", out}, 1, "403 Forbidden: this needs the right to get /v1/audit/\nhint: ask for the role waxwing-auditor"},
		"a certificate of nobody":          {[]string{e.URL, "--token-file", e.token, "--out", out}, 1, "hint: give the authority of the endpoint's certificate with --ca-file"},
		"a certificate of another server":  {[]string{e.URL, "--token-file", e.token, "--ca-file", e.ca, "--tls-server-name", "elsewhere.invalid", "--out", out}, 1, "hint: give the name that the certificate is for"},
		"no certificate":                   {[]string{e.URL, "--token-file", e.token, "--ca-file", e.token, "--out", out}, 1, "there is no certificate in it"},
		"a folder of other things":         {[]string{e.URL, "--token-file", e.token, "--ca-file", e.ca, "--out", full}, 1, "something else in it, \"thesis.txt\""},
		"a folder in nowhere":              {[]string{e.URL, "--token-file", e.token, "--ca-file", e.ca, "--out", filepath.Join(dir, "a", "b")}, 1, "no such file"},
		"another path":                     {[]string{e.URL + "/elsewhere", "--token-file", e.token, "--ca-file", e.ca, "--out", out}, 1, "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, dir, "", append([]string{"audit", "fetch"}, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
			for line := range strings.Lines(stderr) {
				if !messageRE.MatchString(strings.TrimSuffix(line, "\n")) {
					t.Errorf("not a message by the conventions: %q", line)
				}
			}
			if strings.Contains(stderr, "not-a-token") {
				t.Errorf("a token is shown: %s", stderr)
			}
		})
	}
	if code, _, stderr := run(t, "", "", "audit", "fetch", e.URL, "--token-file", e.token, "--insecure-skip-tls-verify", "--out", out); code != 0 {
		t.Errorf("insecure: exit %d: %s", code, stderr)
	}
}

func TestAuditFetchFromAHostileEndpoint(t *testing.T) {
	l := newLog(t, 0)
	for name, c := range map[string]struct {
		path, body string
		code       int
		want       string
	}{
		"a list that is none":           {"/v1/audit/", "<html>", 1, "not the JSON expected"},
		"a part that leads elsewhere":   {"/v1/audit/", `{"parts":["../../etc"]}`, 1, "the endpoint lists a part"},
		"a list without end":            {"/v1/audit/", strings.Repeat("x", 2<<20), 1, "is longer than 1048576 bytes"},
		"a checkpoint that is none":     {"/v1/audit/0001/checkpoint", "hello", 1, "the checkpoint is none"},
		"a checkpoint of all the world": {"/v1/audit/0001/checkpoint", "test/replica-0/0001\n9223372036854775807\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n- x\n", 1, "more than 67108864 in one part are not read"},
		"another root":                  {"/v1/audit/0001/checkpoint", "test/replica-0/0001\n8\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n- x\n", 1, "do not fit to the checkpoint"},
		"records that do not fit":       {"/v1/audit/0001/tile/entries/000.p/8", strings.Repeat("\x00\x01x", 8), 1, "does not fit to its hash"},
		"a tile that is too short":      {"/v1/audit/0001/tile/0/000.p/8", "x", 1, "has 1 bytes, and not 256"},
	} {
		t.Run(name, func(t *testing.T) {
			e := serveLog(t, l)
			e.mangle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == c.path {
					_, _ = w.Write([]byte(c.body))
				}
				return r.URL.Path == c.path
			}
			dir := filepath.Join(t.TempDir(), "copy")
			code, stdout, stderr := e.fetch(t, dir)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, "0001", "checkpoint")); err == nil {
				t.Error("there is a checkpoint")
			}
		})
	}
	t.Run("a redirect with the token", func(t *testing.T) {
		taken := ""
		thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken += r.Header.Get("Authorization") + " asked" }))
		t.Cleanup(thief.Close)
		e := serveLog(t, l)
		e.mangle = func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, thief.URL, http.StatusFound)
			return true
		}
		if code, _, stderr := e.fetch(t, filepath.Join(t.TempDir(), "copy")); code != 1 || taken != "" {
			t.Errorf("exit %d, the other server was %s: %s", code, taken, stderr)
		}
	})
}

func TestAuditFetchWithoutAnAnchor(t *testing.T) {
	l := newLog(t, 0)
	e := serveLog(t, l)
	e.mangle = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/anchor") {
			http.Error(w, "no", http.StatusTeapot)
			return true
		}
		return false
	}
	dir := filepath.Join(t.TempDir(), "copy")
	code, _, stderr := e.fetch(t, dir)
	if code != 0 || !strings.Contains(stderr, "seal: warning: the log was copied without its anchor: the endpoint answers 418") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
