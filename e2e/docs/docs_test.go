// Package docs_test runs every command that README.md and docs/ show, as they stand there.
package docs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

func TestMain(m *testing.M) {
	// The pages install and uninstall releases of the whole cluster, so it is always one of their own.
	_ = os.Unsetenv("WAXWING_TEST_KUBECONFIG")
	log.SetLogger(logr.Discard()) // or controller-runtime complains that there is none
	harness.Main(m)
}

const root = "../.."

// commands joins the sh blocks of a page, in their order, up to the line that begins with end if that is not empty.
func commands(t *testing.T, page, end string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	in := false
	for line := range strings.Lines(string(b)) {
		switch {
		case end != "" && strings.HasPrefix(line, end):
			return out.String()
		case strings.TrimSpace(line) == "```sh":
			in = true
		case strings.HasPrefix(line, "```"):
			in = false
		case in:
			out.WriteString(line)
		}
	}
	return out.String()
}

// page is a page of docs/ with commands, and what shows that they did what the page says.
type page struct {
	cluster bool     // a cluster with Waxwing in it is there, as the first two sections of getting-started.md make it
	install bool     // a cluster is there, and the page installs Waxwing itself
	vault   bool     // a Vault is there, with nothing set up in it, and the environment is that of its administrator
	git     string   // a Git server is there, with an empty repository of this name, and the environment says where; nobody else's credentials are asked for
	files   []string // of docs/, which lie in the folder above that of the page's repository
	wants   []string // in what the commands print
}

func pages() map[string]page {
	return map[string]page{
		"install.md":         {install: true, wants: []string{"statefulset.apps/waxwing-controller", "helm uninstall leaves the keys", "kept due to the resource policy", "keyrings.waxwing.io", "serverside-applied"}},
		"getting-started.md": {install: true, wants: []string{"gitsecret.waxwing.io/db condition met", "Unsealed", "example-not-a-secret"}},
		"edit.md":            {wants: []string{"  password: example-not-a-secret", "KEY ID", "identity   -", "another-example-not-a-secret"}},
		"merge.md":           {wants: []string{"password: feature-not-a-secret", "token: main-not-a-secret", "items.user is changed on both sides", "user: feature-not-a-secret"}},
		"explain.md":         {wants: []string{"db.yaml (GitSecret prod/db): would open where it stands", "your keys   yes, ", "error       spec.for: sealed for strict prod/db, not for staging/db", "exit 4"}},
		"review.md":          {wants: []string{"    ~ password  sealed ", "+ another-example-not-a-secret", "rotate the password, add a token", "before.yaml -> db.yaml", "+    password: \"sealed "}},
		"rotation.md": {cluster: true, wants: []string{"is active in place of", "Deactivated", "default (rewrap)", "is destroyed", "Destroyed", "is suspended: it neither seals nor opens", "is not suspended any more", "is compromised; ",
			"2 values of 1 object to renew", "nothing is exposed", "1 value of 1 GitSecret to renew", "renewBefore: "}},
		"rewrap.md": {cluster: true, wants: []string{"db.yaml (GitSecret books/db): default: stale: for ", "; offered", "exit status 5", "seal: renewed .seal/default.note: set 2 of holder default in place of set 1",
			"seal: rewrapped 1 wrap in 1 file for default", "nothing is offered any more", "the Secret is the same", "seal: no wrap is stale in 1 GitSecret",
			"clusters/db.yaml (GitSecret prod/db): prod: stale", "clusters/db.yaml: 1 wrap for prod", "example-not-a-secret"}},
		"audit.md": {cluster: true, wants: []string{"log.started", "records, root", "ok: 1 log verified", "unseal", "GitSecret ledger/db", "ok: 1 proof verified", "[-]audit failed", "seal: asked for: ", "2/0 ", "log.restarted",
			"volume lost, ticket 4711", "part 2: "}},
		"status.md": {cluster: true, wants: []string{"orders/db   in sync      yes    ok      default     db.yaml", "orders/web  not applied  -      -       default     web.yaml", "2 objects: 1 ready, 1 not applied",
			"orders/db  cluster older  yes ", "2 objects: 2 ready", `"git": "in-sync"`, "ok    CRDs        gitsecrets v1alpha1 is established and served"}},
		"agent.md":         {cluster: true, git: "team", wants: []string{"secretsync.waxwing.io/team condition met", "Synced", "another-example-not-a-secret", "main@sha1:", "chore(seal): rewrap 1 object", "Waxwing-Keyring: default", ".seal/default.note", "sync.applied", "sync.pruned", "sync.pushed"}},
		"bootstrap.md":     {cluster: true, git: "fleet", wants: []string{"secret/git-ssh created", "as it should be", "secretsync.waxwing.io/fleet condition met", "gitsecret.waxwing.io/db condition met", "secret/git-fleet replaced"}},
		"multi-cluster.md": {cluster: true, git: "both", wants: []string{"** is sealed for east, west", "gitsecret.waxwing.io/pull condition met", "chore(seal): rewrap 1 object", "west's wrap is the same, byte for byte", "example-not-a-secret"}},
		"tree.md":          {wants: []string{"apps/web/all.yaml: document 2 (Secret prod/web)"}},
		"seal.md":          {cluster: true, wants: []string{"kind: GitSecret", "password-not-a-secret", "USER_NAME: bot", "level=not-a-secret", "name: db-admin", "preview-not-a-secret"}},
		"sign.md": {wants: []string{
			"ok              prod/db.yaml (GitSecret prod/db): signed by alice@example.org",
			"bad signature   prod/db.yaml", "exit status 4", "unknown signer  prod/db.yaml", "exit status 5", `"findings": 0`,
		}},
		"recovery.md": {cluster: true, vault: true, files: []string{"recovery.sh"}, wants: []string{"the backup has the private key and the statement key", "inside, proved", "prod-eu.backup.note", "has 1 key of the backup", "Deactivated",
			"Compromised", "gitsecret.waxwing.io/pos condition met", "is destroyed", "newer-not-a-secret", "example-not-a-secret", "condition met"}},
		"signers.md":  {cluster: true, wants: []string{"requires it (hint: sign it: seal sign FILE)", "not among the signers of keyring", "gitsecret.waxwing.io/db condition met"}},
		"rollback.md": {cluster: true, wants: []string{"goes back from envelope", `refuses that (hint: seal the value again`, "rollback    asks to go back from envelope", "1 signed=", "secret/db condition met"}},
		"vault.md": {cluster: true, vault: true, wants: []string{"keyring.waxwing.io/team condition met", "vault:v1:", "keyring.waxwing.io/shop condition met", "waxrsa1", "keyring.waxwing.io/team-jwt condition met",
			"keyring.waxwing.io/team-approle condition met", "keyring.waxwing.io/team-file condition met", "KeySourceUnavailable", "unlock it: vault operator unseal", "which Vault does not have", "seal: rewrapped 1 wrap", "example-not-a-secret"}},
		"setup.md": {cluster: true, wants: []string{"** is sealed for team", "wrote .git/hooks/pre-commit", "everything is installed already", "db.yaml (Secret db): is not sealed", "nothing found in ",
			"ok    hook        the pre-commit hook runs seal check", "ok    controller  "}},
	}
}

func TestEveryPageWithCommandsIsRunHere(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, p := range found {
		name := filepath.Base(p)
		_, covered := pages()[name]
		if has := commands(t, "docs/"+name, "") != ""; has != covered {
			t.Errorf("%s has commands: %v; it is run by a test: %v", name, has, covered)
		}
	}
}

// order is that of the names, but first come install.md, which begins with an empty cluster, rotation.md, where no object of another page needs a key, and recovery.md,
// which takes all of it down, and then rewrap.md, which shows the first rotation of the keyring default; agent.md has it rotate too.
func order() []string {
	first := []string{"install.md", "rotation.md", "recovery.md", "rewrap.md"}
	return append(first, slices.DeleteFunc(slices.Sorted(maps.Keys(pages())), func(name string) bool { return slices.Contains(first, name) })...)
}

func TestPages(t *testing.T) {
	bin := programs(t)
	for _, name := range order() {
		p := pages()[name]
		t.Run(name, func(t *testing.T) {
			dir, ended := t.TempDir(), false
			env := []string{"HOME=" + t.TempDir(), "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "NO_COLOR=1",
				"GIT_AUTHOR_NAME=docs", "GIT_AUTHOR_EMAIL=docs@example.invalid", "GIT_COMMITTER_NAME=docs", "GIT_COMMITTER_EMAIL=docs@example.invalid", "KUBECONFIG="}
			script := "exec 2>&1\nset -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
			if p.cluster || p.install {
				c := harness.Start(t)
				forgetLogs(t, c)
				forgetLeader(t, c)
				defer func() {
					if ended { // else they are killed behind this, with the test
						awaitNobody(t)
					}
				}()
				env[len(env)-1] += c.Kubeconfig()
				if err := os.CopyFS(filepath.Join(dir, "charts"), os.DirFS(filepath.Join(root, "charts"))); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range p.files {
				content, err := os.ReadFile(filepath.Join(root, "docs", file))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if p.vault {
				v := vaulttest.Start(t, vaulttest.Options{})
				v.OfferKubernetes()
				env = append(append(env, v.Env()...), "UNSEAL_KEY="+v.UnlockKey())
			}
			if p.git != "" {
				env = append(env, startGit(t, p.git)...)
			}
			if p.cluster {
				writeCertificate(t, dir)
				script += commands(t, "docs/getting-started.md", "## 3 ") + awaitController
			}
			if name == "recovery.md" {
				defer forgetKeyring(t, "till") // whose Vault goes with the page
			}
			out := harness.Run(t, harness.Command{Name: name, Path: "/bin/bash", Args: []string{"-c", script + commands(t, "docs/"+name, "")}, Dir: dir, Env: env})
			ended = true
			for _, want := range p.wants {
				if !strings.Contains(out, want) {
					t.Errorf("the page's commands did not show %q; they showed:\n%s", want, out)
				}
			}
			if name != "install.md" { // which seals nothing
				checkSealed(t, dir)
			}
		})
	}
}

// startGit starts a Git server with an empty repository, and gives the environment of somebody who may use it.
func startGit(t *testing.T, repository string) []string {
	t.Helper()
	const username, password = "agent", "git-password-of-docs"
	server := githttp.Start(t, githttp.Options{TLS: true, Username: username, Password: password})
	server.Repo(t, repository)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, server.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return []string{"GIT_URL=" + server.URL, "GIT_USERNAME=" + username, "GIT_PASSWORD=" + password, "GIT_CA=" + ca, "GIT_SSL_CAINFO=" + ca,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic " + basic}
}

// writeCertificate makes the pair that a page about Secrets of type kubernetes.io/tls takes for granted.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"web.example.org"}}
	cert, err2 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	der, err3 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2, err3,
		os.WriteFile(filepath.Join(dir, "web.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644),
		os.WriteFile(filepath.Join(dir, "web.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// programs is a folder with the programs that the pages use.
func programs(t *testing.T) string {
	t.Helper()
	bin := links(t, map[string]string{
		"kubectl":       tool(t, "kubectl"),
		"helm":          tool(t, "helm"),
		"vault":         tool(t, "vault"),
		"seal":          harness.BuildBinary(t, "./cmd/seal"),
		"waxwing-agent": harness.BuildBinary(t, "./cmd/waxwing-agent"),
	})
	// One that cannot renew its Lease in time on a busy machine ends, for the kubelet to start it again, and no kubelet is here.
	patient := "#!/bin/sh\nexec '" + harness.BuildBinary(t, "./cmd/waxwing-controller") + "' \"$@\" --leader-elect-lease-duration 15s --leader-elect-renew-deadline 12s\n"
	if err := os.WriteFile(filepath.Join(bin, "waxwing-controller"), []byte(patient), 0o700); err != nil {
		t.Fatal(err)
	}
	return bin
}

// links is a folder with links to programs, by name.
func links(t *testing.T, targets map[string]string) string {
	t.Helper()
	bin := t.TempDir()
	for name, target := range targets {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := harness.Tool(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// checkSealed looks for the values of the pages in the files with GitSecrets that the commands left.
func checkSealed(t *testing.T, dir string) {
	t.Helper()
	sealed := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte("kind: GitSecret")) {
			return err
		}
		sealed++
		if form, found := harness.FindCanary("not-a-secret", b); found {
			t.Errorf("%s holds a value (%s)", path, form)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sealed == 0 {
		t.Error("the page's commands left no sealed file")
	}
}

func TestThePicturesOfReadmeAreMadeByTheirScript(t *testing.T) {
	dir := t.TempDir()
	harness.Run(t, harness.Command{Name: "record.sh", Path: "/bin/bash", Args: []string{"docs/pictures/record.sh", dir}, Dir: root,
		Env: []string{"SEAL=" + harness.BuildBinary(t, "./cmd/seal")}})
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"seal.svg": "kind: GitSecret", "diff.svg": "opens for prod", "explain.svg": "would open where it stands"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s does not show %q: %v", name, want, err)
		}
		if _, err := os.Stat(filepath.Join(root, "docs", "pictures", name)); err != nil {
			t.Errorf("run make pictures: %v", err)
		}
		if !strings.Contains(string(readme), "docs/pictures/"+name) {
			t.Errorf("README does not show %s", name)
		}
	}
}

func TestReadme(t *testing.T) {
	var targets []string
	for line := range strings.Lines(commands(t, "README.md", "")) {
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
	demo(t, "demo", "Unsealed", "Tampered", "api-token=demo-token-not-a-secret", "The Secret is the same", "exit status 3", "is destroyed",
		"secretsync.waxwing.io/team condition met", "pushed-not-a-secret", "chore(seal): rewrap 2 objects", "the Secrets are the same", "sync.pushed", "ok: 2 logs verified", "Nothing is left running")
}

func TestDemoOfVault(t *testing.T) {
	demo(t, "demo-vault", "keyring.waxwing.io/sealed condition met", "keyring.waxwing.io/stored condition met", "keyring.waxwing.io/remote condition met", "KeySourceUnavailable", "sealed-changed-not-a-secret", "stored-changed-not-a-secret", "remote-changed-not-a-secret", "Nothing is left running")
}

// demo runs one of make's demos, and holds what it shows and that it cleans up.
func demo(t *testing.T, target string, wants ...string) {
	t.Helper()
	tmp := t.TempDir()
	out := harness.Run(t, harness.Command{Name: "make " + target, Path: "make", Args: []string{target}, Dir: root, Env: []string{"TMPDIR=" + tmp, "NO_COLOR=1"}})
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("make %s did not show %q; it showed:\n%s", target, want, out)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "waxwing") {
			t.Errorf("make %s left %s behind", target, e.Name())
		}
	}
}
