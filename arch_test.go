package waxwing_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/waxwing-io/waxwing/"

// rank orders the rooms: a package imports only from rooms of a lower rank, or from its own.
func rank() map[string]int {
	return map[string]int{
		"crypto": 0,
		"api":    1, "manifest": 1,
		"repo": 2, "audit": 3, "keyring": 4, "unseal": 5, "policy": 6,
		"cli": 7, "controller": 7, "agent": 7,
		"cmd": 8, "kubeseal-plugin": 8,
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func room(importPath string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(importPath, module), "/")
	return name
}

func TestImportsRunOneWay(t *testing.T) {
	ranks := rank()
	for _, p := range list(t) {
		from := room(p.ImportPath)
		if from == "e2e" || p.ImportPath+"/" == module {
			continue
		}
		mine, known := ranks[from]
		if !known {
			t.Errorf("%s is in no known room: docs/architecture.md lists them", p.ImportPath)
		}
		for _, i := range p.Imports {
			if !strings.HasPrefix(i, module) || room(i) == from {
				continue
			}
			if theirs, ok := ranks[room(i)]; !ok || theirs >= mine {
				t.Errorf("%s imports %s: imports run one way", p.ImportPath, i)
			}
		}
	}
}

func TestRoomsStayFreeOf(t *testing.T) {
	forbidden := map[string][]string{
		"crypto":     {"k8s.io/", "sigs.k8s.io/", "net/http"},
		"manifest":   {"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
		"unseal":     {"github.com/hashicorp/vault", "k8s.io/client-go/rest", "sigs.k8s.io/controller-runtime", "net/http/httptest"},
		"controller": {"github.com/hashicorp/vault", module + "manifest", module + "repo"},
		"cli":        {"sigs.k8s.io/controller-runtime", "github.com/hashicorp/vault"},
		"agent":      {"github.com/hashicorp/vault", module + "keyring", module + "unseal", module + "controller", module + "cli"},
	}
	for _, p := range list(t) {
		for _, prefix := range forbidden[room(p.ImportPath)] {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, prefix) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// TestTheAgentsGitIsAlone has the room that reads what strangers have made know nothing else, and run no program.
func TestTheAgentsGitIsAlone(t *testing.T) {
	for _, p := range list(t) {
		if !strings.HasPrefix(p.ImportPath, module+"agent/source") {
			continue
		}
		for _, dep := range p.Deps {
			for _, prefix := range []string{"k8s.io/", "sigs.k8s.io/", "os/exec", "github.com/go-git/go-git/v5/plumbing/transport", "github.com/xanzy/ssh-agent"} {
				if strings.HasPrefix(dep, prefix) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// TestWhatGitWantsIsReadAlone has the room that says what is in Git's files know neither Git nor a cluster.
func TestWhatGitWantsIsReadAlone(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != module+"agent/desired" {
			continue
		}
		for _, dep := range p.Deps {
			for _, prefix := range []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/go-git/", module + "agent/source"} {
				if strings.HasPrefix(dep, prefix) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

func TestNoJunkDrawers(t *testing.T) {
	for _, p := range list(t) {
		last := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]
		switch last {
		case "util", "utils", "common", "helpers", "misc":
			t.Errorf("%s: name the package after what it is", p.ImportPath)
		}
	}
}
