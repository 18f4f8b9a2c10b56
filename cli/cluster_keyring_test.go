package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// keyringOf is what fakeFolderCluster does for Keyrings, which are NAME.json: it lists them, and takes patches as the API server does, of which the operations are those
// that seal uses. What stands in NAME.then becomes the status after a patch, as if the controller had looked at it; a file NAME.conflict refuses one patch, as if somebody had been faster, with
// what is in it, if anything; NAME.patch keeps the last one.
func (f fakeFolderCluster) keyringOf(w http.ResponseWriter, r *http.Request, at string) bool {
	answer := func(code int, v any) bool {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
		return true
	}
	switch {
	case filepath.Base(at) == "keyrings" && r.Method == http.MethodGet:
		files, err := filepath.Glob(filepath.Join(at, "*.json"))
		items := []any{}
		for _, file := range files {
			kr, readErr := readJSON(file)
			items, err = append(items, kr), errors.Join(err, readErr)
		}
		if err != nil {
			return answer(http.StatusInternalServerError, map[string]any{"message": err.Error()})
		}
		return answer(http.StatusOK, map[string]any{"metadata": map[string]any{}, "items": items})
	case r.Method != http.MethodPatch:
		return false
	}
	kr, err := f.patch(r, at)
	if err != nil {
		code := http.StatusUnprocessableEntity
		if strings.HasPrefix(err.Error(), "conflict") {
			code = http.StatusConflict
		}
		return answer(code, map[string]any{"kind": "Status", "code": code, "message": err.Error()})
	}
	return answer(http.StatusOK, kr)
}

func (f fakeFolderCluster) patch(r *http.Request, at string) (map[string]any, error) {
	kr, err := readJSON(at + ".json")
	if err != nil {
		return nil, err
	}
	meta := kr["metadata"].(map[string]any)
	theirs, empty := readJSON(at + ".conflict")
	if os.Remove(at+".conflict") == nil {
		if empty == nil {
			kr, meta = theirs, theirs["metadata"].(map[string]any)
		}
		meta["resourceVersion"] = "99"
		return nil, errors.Join(errors.New("conflict: somebody was faster"), writeJSON(at+".json", kr))
	}
	var ops []struct {
		Op, Path string
		Value    any
	}
	if err := json.NewDecoder(r.Body).Decode(&ops); err != nil {
		return nil, err
	}
	for _, op := range ops {
		if op.Path == "/metadata/resourceVersion" {
			if op.Value != meta["resourceVersion"] {
				return nil, fmt.Errorf("conflict: it is at %v", meta["resourceVersion"])
			}
			continue
		}
		if err := apply(kr, strings.Split(op.Path[1:], "/"), op.Op, op.Value); err != nil {
			return nil, err
		}
	}
	generation, _ := meta["generation"].(float64)
	meta["generation"], meta["resourceVersion"] = generation+1, fmt.Sprint(100+generation)
	changed := kr
	if status, err := readJSON(at + ".then"); err == nil {
		status["observedGeneration"] = generation + 1
		changed = map[string]any{"metadata": meta, "spec": kr["spec"], "status": status}
	}
	return kr, errors.Join(writeJSON(at+".patch", ops), writeJSON(at+".json", changed))
}

// apply makes one operation of a JSON Patch below an object.
func apply(in map[string]any, path []string, op string, value any) error {
	next := in[path[0]]
	if list, ok := next.([]any); ok && len(path) == 2 {
		i, err := strconv.Atoi(path[1])
		switch {
		case op == "add" && path[1] == "-":
			in[path[0]] = append(list, value)
		case err != nil || i >= len(list):
			return errors.New("no such entry: " + path[1])
		case op == "remove":
			in[path[0]] = append(list[:i:i], list[i+1:]...)
		default:
			list[i] = value
		}
		return nil
	}
	if len(path) > 1 {
		child, ok := next.(map[string]any)
		if !ok {
			return errors.New("no such member: " + path[0])
		}
		return apply(child, path[1:], op, value)
	}
	if op == "remove" {
		delete(in, path[0])
		return nil
	}
	in[path[0]] = value
	return nil
}

func readJSON(file string) (map[string]any, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	v := map[string]any{}
	return v, json.Unmarshal(b, &v)
}

func writeJSON(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
