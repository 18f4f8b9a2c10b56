// Package docs_test runs every command that README.md and docs/ show, as they stand there.
package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const root = "../.."

// commands joins the sh blocks of a page, in their order.
func commands(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	in := false
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.HasPrefix(line, "```sh"):
			in = true
		case strings.HasPrefix(line, "```"):
			in = false
		case in:
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestEveryPageWithCommandsIsRunHere(t *testing.T) {
	covered := map[string]bool{"README.md": true, "docs/getting-started.md": true}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, p := range append(pages, filepath.Join(root, "README.md")) {
		page, err := filepath.Rel(root, p)
		if err != nil {
			t.Fatal(err)
		}
		page = filepath.ToSlash(page)
		if has := commands(t, page) != ""; has != covered[page] {
			t.Errorf("%s has commands: %v; it is run by a test: %v", page, has, covered[page])
		}
	}
}

func TestGettingStarted(t *testing.T) {
	c := harness.Start(t)
	kubectl, err := harness.Tool(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	for name, target := range map[string]string{
		"kubectl":            kubectl,
		"seal":               harness.BuildBinary(t, "./cmd/seal"),
		"waxwing-controller": harness.BuildBinary(t, "./cmd/waxwing-controller"),
	} {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "config"), os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n" + commands(t, "docs/getting-started.md")
	out := harness.Run(t, harness.Command{
		Name: "getting-started", Path: "/bin/bash", Args: []string{"-c", script}, Dir: dir,
		Env: []string{"KUBECONFIG=" + c.Kubeconfig(), "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "NO_COLOR=1"},
	})
	for _, want := range []string{"gitsecret.waxwing.io/db condition met", "Unsealed", "example-not-a-secret"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page's commands did not show %q; they showed:\n%s", want, out)
		}
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "db.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if form, found := harness.FindCanary("example-not-a-secret", sealed); found {
		t.Errorf("the sealed file holds the value (%s)", form)
	}
}

func TestReadme(t *testing.T) {
	var targets []string
	for line := range strings.Lines(commands(t, "README.md")) {
		command, _, _ := strings.Cut(line, "#")
		targets = append(targets, strings.TrimSpace(command))
	}
	if got := strings.Join(targets, "; "); got != "make demo; make test" {
		t.Fatalf("README's commands are %q; this test runs make demo, and .ci/run the other one", got)
	}
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil || !strings.Contains(string(ci), "exec make test\n") {
		t.Errorf(".ci/run does not run make test: %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "version").CombinedOutput(); err != nil {
		t.Fatalf("the demo needs git: %v %s", err, out)
	}
	tmp := t.TempDir()
	out := harness.Run(t, harness.Command{Name: "make demo", Path: "make", Args: []string{"demo"}, Dir: root, Env: []string{"TMPDIR=" + tmp, "NO_COLOR=1"}})
	for _, want := range []string{"Unsealed", "Tampered", "api-token=demo-token-not-a-secret", "Nothing is left running"} {
		if !strings.Contains(out, want) {
			t.Errorf("make demo did not show %q; it showed:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "waxwing") {
			t.Errorf("make demo left %s behind", e.Name())
		}
	}
}
