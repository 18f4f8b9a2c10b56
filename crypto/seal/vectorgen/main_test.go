package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cases is what a folder of vectors asks, without what differs from run to run.
func cases(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f file
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Vectors {
			signed := map[bool]string{true: " (a signature is required)"}[v.RequireSignature]
			all = append(all, filepath.Base(path)+": "+v.Description+signed+": "+v.Expect)
		}
	}
	return all
}

func TestTheCommittedVectorsAreTheCasesOfThisCommand(t *testing.T) {
	folder := t.TempDir()
	if err := run(folder, false); err != nil {
		t.Fatal(err)
	}
	fresh := cases(t, folder)
	if diff := cmp.Diff(fresh, cases(t, filepath.Join("..", "testdata", "vectors"))); diff != "" {
		t.Errorf("-this command +committed:\n%s", diff)
	}
	before, err := os.ReadFile(filepath.Join(folder, "07-items.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(folder, false); err == nil || !strings.Contains(err.Error(), "-overwrite") {
		t.Errorf("frozen vectors are replaced without the flag: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(folder, "07-items.json"))
	if err != nil || string(before) != string(after) {
		t.Errorf("a frozen file changed: %v", err)
	}
}

func TestAFolderIsNeeded(t *testing.T) {
	if err := run("", true); err == nil {
		t.Error("no folder is no error")
	}
}
