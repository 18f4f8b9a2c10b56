package cli_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

// fakeFolderCluster stands in for an API server whose objects a script puts together: those of a list are the *.yaml of the folder of its path, below root. A
// file NAME.status beside NAME.yaml is its status, a file "forbidden" in a folder refuses it, a file PATH.json answers for PATH. Two objects make a page. The
// real server is met in e2e.
type fakeFolderCluster struct{ root string }

func serveFolder(env *testscript.Env) error {
	server := httptest.NewTLSServer(fakeFolderCluster{filepath.Join(env.WorkDir, "cluster")})
	env.Defer(server.Close)
	return writeKubeconfig(filepath.Join(env.WorkDir, "keys", "folder.kubeconfig"), server)
}

func (f fakeFolderCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := filepath.Join(f.root, filepath.FromSlash(r.URL.Path))
	resource, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	answer := func(code int, v any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	if _, err := os.Stat(filepath.Join(at, "forbidden")); err == nil {
		answer(http.StatusForbidden, map[string]any{"kind": "Status", "code": 403, "message": name + ` is forbidden: User "dev" cannot list them`})
		return
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(at), "forbidden")); err == nil {
		answer(http.StatusForbidden, map[string]any{"kind": "Status", "code": 403, "message": resource + ` is forbidden: User "dev" cannot get them`})
		return
	}
	if (name == "keyrings" || resource == "keyrings") && f.keyringOf(w, r, at) {
		return
	}
	if b, err := os.ReadFile(at + ".json"); err == nil {
		_, _ = w.Write(b)
		return
	}
	files, err := filepath.Glob(filepath.Join(at, "*.yaml"))
	if name != "gitsecrets" && name != "secrets" || err != nil {
		answer(http.StatusNotFound, map[string]any{"kind": "Status", "code": 404, "message": resource + ` "` + name + `" not found`, "details": map[string]any{"name": name}})
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	list := map[string]any{"metadata": map[string]any{}}
	if rest := files[from:]; len(rest) > 2 {
		files = files[:from+2]
		list["metadata"] = map[string]any{"continue": strconv.Itoa(from + 2)}
	}
	items := []any{}
	for _, file := range files[from:] {
		item, err := readStored(file)
		if err != nil {
			answer(http.StatusInternalServerError, map[string]any{"kind": "Status", "code": 500, "message": err.Error()})
			return
		}
		items = append(items, item)
	}
	list["items"] = items
	answer(http.StatusOK, list)
}

// readStored is an object as the server would have it: with a generation, and the status beside it.
func readStored(file string) (map[string]any, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	item := map[string]any{}
	if err := yaml.Unmarshal(b, &item); err != nil {
		return nil, err
	}
	if meta, ok := item["metadata"].(map[string]any); ok && meta["generation"] == nil {
		meta["generation"] = 1
	}
	b, err = os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".status")
	if errors.Is(err, os.ErrNotExist) {
		return item, nil
	}
	status := map[string]any{}
	if err := errors.Join(err, yaml.Unmarshal(b, &status)); err != nil {
		return nil, err
	}
	item["status"] = status
	return item, nil
}
