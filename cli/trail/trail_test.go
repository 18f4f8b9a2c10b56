package trail_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/remote"
	"github.com/waxwing-io/waxwing/audit/serve"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/cli/trail"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://a":                  "https://a/v1/audit/",
		"https://a/":                 "https://a/v1/audit/",
		"https://a:8443/v1/audit":    "https://a:8443/v1/audit/",
		"https://a:8443/v1/audit/":   "https://a:8443/v1/audit/",
		"https://a/behind/a/proxy/":  "https://a/behind/a/proxy/v1/audit/",
		"https://a/x/v1/audit/":      "https://a/x/v1/audit/",
		"http://a":                   "",
		"ftp://a":                    "",
		"https://":                   "",
		"https://user@a/":            "",
		"https://a/?token=x":         "",
		"https://a/#x":               "",
		"https://a:b:c/":             "",
		"https://[::1]:8443/":        "https://[::1]:8443/v1/audit/",
		"https://a/v1/audit/0001/..": "https://a/v1/audit/0001/../v1/audit/",
	} {
		u, err := remote.ParseURL(text)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%s: %v, %v, not %s", text, u, err, want)
		}
	}
}

// growing is a log that is written while it is copied, until finish is called.
func growing(t *testing.T) (dir string, anchors *audittest.MemoryAnchors, finish func()) {
	t.Helper()
	stop := make(chan struct{})
	dir, anchors = audittest.Dir(t), &audittest.MemoryAnchors{}
	cfg := audittest.Config(t, dir)
	cfg.Anchors, cfg.PartSize, cfg.AnchorEvery = anchors, 1000, 50*time.Millisecond
	log := audit.NewRecorder(audit.Config{Store: tiles.New(cfg), Replica: "replica-0", Now: time.Now, Rand: rand.Reader})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				op := audit.Operation{Action: audit.ActionKeyLoad, Object: audit.Object{Kind: "Keyring", Name: "default"}, Actor: audit.Actor{User: audit.Unattributed}}
				if err := log.Note(context.Background(), op, audit.Outcome{OK: true}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	finish = sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(finish)
	return dir, anchors, finish
}

// TestACopyOfAGrowingLogIsAlwaysWhole copies again and again while records are made and parts begin, and verifies each copy.
func TestACopyOfAGrowingLogIsAlwaysWhole(t *testing.T) {
	dir, anchors, finish := growing(t)
	server := httptest.NewTLSServer(serve.Handler(dir, func(ctx context.Context) (audit.Anchor, error) {
		a, _, err := anchors.Load(ctx)
		return a, err
	}))
	defer server.Close()
	base, err := remote.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := trail.Copier{Endpoint: &remote.Endpoint{Base: base, Client: server.Client(), Pause: func(context.Context, time.Duration) {}}, Dir: filepath.Join(t.TempDir(), "copy")}
	for size, parts := uint64(0), 0; size < 2000 || parts < 2; {
		said, err := c.Run(t.Context())
		if errors.Is(err, os.ErrNotExist) && size == 0 {
			continue // the log is being made
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(said.Parts) == 0 {
			continue // it has no checkpoint yet
		}
		size, parts = 0, len(said.Parts)
		for _, p := range said.Parts {
			size += p.Size
		}
		verified(t, c.Dir)
	}
	finish()
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := verified(t, c.Dir)
	if now, _, _ := anchors.Load(t.Context()); a.Checkpoint != now.Checkpoint {
		t.Error("anchor.json is not the newest anchor after the log has stopped")
	}
}

// verified verifies a copy against its own anchor, and gives that.
func verified(t *testing.T, dir string) audit.Anchor {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "anchor.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a audit.Anchor
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	log := verify.Log{Name: "copy", Dir: os.DirFS(dir)}
	if a.Origin != "" {
		log.Anchors = []audit.Anchor{a}
	}
	r, err := verify.Verify(t.Context(), []verify.Log{log}, verify.Options{})
	if err != nil || r.Verdict == verify.Altered {
		t.Fatalf("%v: %+v", err, r)
	}
	return a
}

func TestAnEndpointIsAskedAgain(t *testing.T) {
	failures := 2
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if failures--; failures >= 0 {
			http.Error(w, "too many", http.StatusTooManyRequests)
			return
		}
		_, _ = w.Write([]byte(`{"parts":[]}`))
	}))
	defer server.Close()
	base, err := remote.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var waited time.Duration
	e := &remote.Endpoint{Base: base, Client: server.Client(), Pause: func(_ context.Context, d time.Duration) { waited += d }}
	if parts, err := trail.Parts(e.FS(t.Context())); err != nil || len(parts) != 0 {
		t.Errorf("%v, %v", parts, err)
	}
	if waited != 3*time.Second {
		t.Errorf("waited for %s", waited)
	}
	failures = 100
	var refusal *remote.RefusedError
	if _, err := trail.Parts(e.FS(t.Context())); !errors.As(err, &refusal) || refusal.Code != http.StatusTooManyRequests || failures != 96 {
		t.Errorf("%v after %d tries", err, 100-failures)
	}
}

// FuzzReadAnchors reads files that somebody may have made up. What is read as an anchor names a log.
func FuzzReadAnchors(f *testing.F) {
	checkpoint := "c/r/0001\n1\n" + strings.Repeat("A", 43) + "=\n\n— c/r/0001 AAAA\n"
	a := audit.Anchor{Origin: "c/r", Key: "c/r+0+A", Part: 1, Checkpoint: checkpoint}
	b, _ := json.Marshal(a)
	f.Add(b)
	f.Add([]byte(checkpoint))
	f.Add([]byte("[" + string(b) + "]"))
	f.Add([]byte("kind: ConfigMap\ndata: {origin: c/r, key: k, part: '1', closed: '[]', restart: '{}'}\n"))
	f.Add([]byte(`{"kind":"ConfigMapList","items":[{"kind":"ConfigMap","data":{"origin":"c/r","part":"1","checkpoint":"x"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := trail.ReadAnchors("file", b)
		if err == nil && len(all) == 0 {
			t.Fatal("no anchor and no error")
		}
		for _, a := range all {
			if a.Origin == "" || a.Key == "" && a.Checkpoint == "" {
				t.Fatalf("%+v", a)
			}
		}
	})
}

// FuzzParts reads a part that somebody may have made up. As many records are read as are said to be there, or an error says why not.
func FuzzParts(f *testing.F) {
	f.Add([]byte("c/r/0001\n2\n"+strings.Repeat("A", 43)+"=\n\n- x\n"), []byte("\x00\x01a\x00\x00"))
	f.Add([]byte("c/r/0001\n18446744073709551615\n"+strings.Repeat("A", 43)+"=\n\n- x\n"), []byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, checkpoint, bundle []byte) {
		fsys := fstest.MapFS{"0001/checkpoint": {Data: checkpoint}, "0001/tile/entries/000": {Data: bundle}}
		for n := range trail.Width {
			fsys[fmt.Sprintf("0001/tile/entries/000.p/%d", n)] = &fstest.MapFile{Data: bundle}
		}
		parts, err := trail.Parts(fsys)
		if err != nil || parts[0].Size == 0 {
			return
		}
		entries, err := parts[0].Bundle(t.Context(), 0)
		if err == nil && len(entries) != int(min(parts[0].Size, trail.Width)) {
			t.Fatalf("%d records of %d", len(entries), parts[0].Size)
		}
	})
}

// TestACopyIsNotBehindItsAnchor has the log begin a new part, which is anchored, between the first request of a copy and the second.
func TestACopyIsNotBehindItsAnchor(t *testing.T) {
	dir, anchors := audittest.Dir(t), &audittest.MemoryAnchors{}
	cfg := audittest.Config(t, dir)
	cfg.Anchors, cfg.PartSize = anchors, 10
	write := func(n int) http.Handler {
		log := audit.NewRecorder(audit.Config{Store: tiles.New(cfg), Replica: "replica-0", Now: time.Now, Rand: rand.Reader})
		for range n {
			op := audit.Operation{Action: audit.ActionKeyLoad, Object: audit.Object{Kind: "Keyring", Name: "default"}, Actor: audit.Actor{User: audit.Unattributed}}
			if err := log.Note(t.Context(), op, audit.Outcome{OK: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		now, anchor := filepath.Join(t.TempDir(), "log"), anchors.Anchor()
		if err := os.CopyFS(now, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return serve.Handler(now, func(context.Context) (audit.Anchor, error) { return anchor, nil })
	}
	before, after := write(3), write(20)
	var asked atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Swap(true) {
			after.ServeHTTP(w, r)
			return
		}
		before.ServeHTTP(w, r)
	}))
	defer server.Close()
	base, err := remote.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := trail.Copier{Endpoint: &remote.Endpoint{Base: base, Client: server.Client(), Pause: func(context.Context, time.Duration) {}}, Dir: filepath.Join(t.TempDir(), "copy")}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	verified(t, c.Dir)
}
