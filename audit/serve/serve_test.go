package serve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/serve"
)

// TestOnlyTheLogsFilesAreGiven lays out a log's folder and what else may be there, and asks for all of it over a real connection.
func TestOnlyTheLogsFilesAreGiven(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("content of "+name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"lock", "log.vkey", "other", "0001/checkpoint", "0001/.state/treeState", "0001/tile/entries/000", "0001/tile/entries/x001/x234/067.p/12", "0001/tile/0/000", "0002/checkpoint", "elsewhere/000",
	} {
		write(name)
	}
	for link, to := range map[string]string{"0003": "elsewhere", "0001/tile/1": "../../elsewhere", "0001/tile/0/001": "000"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var away error
	s := httptest.NewServer(serve.Handler(dir, func(context.Context) (audit.Anchor, error) { return audit.Anchor{Origin: "c/r", Part: 2}, away }))
	defer s.Close()
	get := func(method, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = strings.TrimPrefix(s.URL, "http:") + path // as it stands, not cleaned
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, name := range []string{"log.vkey", "0001/checkpoint", "0002/checkpoint", "0001/tile/entries/000", "0001/tile/entries/x001/x234/067.p/12", "0001/tile/0/000"} {
		if code, body := get("GET", serve.Prefix+name); code != 200 || body != "content of "+name {
			t.Errorf("%s: %d %q", name, code, body)
		}
	}
	for _, path := range []string{
		"/", "/v1/audit", "/v1/auditor", serve.Prefix + "lock", serve.Prefix + "other", serve.Prefix + "0001/", serve.Prefix + "0001", serve.Prefix + "0001/tile/entries/", serve.Prefix + "0001/.state/treeState",
		serve.Prefix + "0003/checkpoint", serve.Prefix + "0001/tile/1/000", serve.Prefix + "0001/tile/0/001", serve.Prefix + "0009/checkpoint", serve.Prefix + "0001/tile/0/009",
		serve.Prefix + "../lock", serve.Prefix + "0001/../lock", serve.Prefix + "%2e%2e/lock", serve.Prefix + "0001%2f..%2flock", serve.Prefix + "0001//checkpoint", serve.Prefix + "0001/checkpoint%00", serve.Prefix + "0001/checkpoint%0a",
	} {
		if code, body := get("GET", path); code != 404 && code != 400 || strings.Contains(body, "content of") {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if code, body := get("GET", serve.Prefix); code != 200 || strings.Join(strings.Fields(body), "") != `{"parts":["0001","0002"]}` {
		t.Errorf("the list: %d %q", code, body)
	}
	if code, body := get("GET", serve.Prefix+"anchor"); code != 200 || !strings.Contains(body, `"origin": "c/r"`) {
		t.Errorf("the anchor: %d %q", code, body)
	}
	away = errors.New("away")
	if code, _ := get("GET", serve.Prefix+"anchor"); code != 503 {
		t.Errorf("the anchor while the API server is away: %d", code)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if code, _ := get(method, serve.Prefix+"0001/checkpoint"); code != 405 {
			t.Errorf("%s: %d", method, code)
		}
	}
}
