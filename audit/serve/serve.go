// Package serve gives the files of an audit log to whoever may have them, for reading only. Who that is, is decided before it.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// Prefix is that of all paths.
const Prefix = "/v1/audit/"

// files are all paths below Prefix that are files of the log: checkpoints, and tiles as C2SP tlog-tiles names them.
var files = regexp.MustCompile(`^(log\.vkey|[0-9]{4}/(checkpoint|tile/(entries|[0-9]{1,2})(/x[0-9]{3})*/[0-9]{3}(\.p/[0-9]{1,3})?))$`)

// Listing is what Prefix itself answers.
type Listing struct {
	// Parts are the names of the log's parts, oldest first.
	Parts []string `json:"parts"`
}

// Handler answers GET and HEAD of Prefix (a Listing), Prefix + "anchor" (an audit.Anchor), and the files of the log in dir: "log.vkey", "NNNN/checkpoint", "NNNN/tile/...". Nothing
// else in dir is given, and no symbolic link is followed.
func Handler(dir string, anchor func(context.Context) (audit.Anchor, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		name, ok := strings.CutPrefix(r.URL.Path, Prefix)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the audit log can only be read", http.StatusMethodNotAllowed)
		case ok && name == "":
			list(w, dir)
		case ok && name == "anchor":
			a, err := anchor(r.Context())
			if err != nil {
				http.Error(w, "the anchor cannot be read now", http.StatusServiceUnavailable)
				return
			}
			writeJSON(w, a)
		case ok && files.MatchString(name):
			file(w, r, dir, name)
		default:
			notFound(w)
		}
	})
}

func notFound(w http.ResponseWriter) {
	http.Error(w, "there is no such file of the audit log", http.StatusNotFound)
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}

func list(w http.ResponseWriter, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "the audit log cannot be read now", http.StatusServiceUnavailable)
		return
	}
	l := Listing{Parts: []string{}}
	for _, e := range entries { // sorted
		if e.IsDir() && audit.IsPartDir(e.Name()) {
			l.Parts = append(l.Parts, e.Name())
		}
	}
	writeJSON(w, l)
}

func file(w http.ResponseWriter, r *http.Request, dir, name string) {
	f, err := open(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		notFound(w)
		return
	}
	if err != nil {
		http.Error(w, "the audit log cannot be read now", http.StatusServiceUnavailable)
		return
	}
	defer f.Close()
	kind := "application/octet-stream"
	if !strings.Contains(name, "/tile/") {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Time{}, f)
}

// open opens a file below dir, in which no part of the path is a link.
func open(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		info, err := root.Lstat(name[:i])
		if err != nil {
			return nil, err
		}
		if last := i == len(name); last && !info.Mode().IsRegular() || !last && !info.IsDir() {
			return nil, fs.ErrNotExist
		}
	}
	return root.Open(name)
}
