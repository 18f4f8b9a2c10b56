package docs_test

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// kept is a folder with recovery.sh and a cluster whose keyrings prod and team, marks and MAC key it keeps. No controller runs: what it would show is put there.
type kept struct {
	t    *testing.T
	dir  string
	env  []string
	keys map[string]string // statement keys, by keyring
}

func newKept(t *testing.T) *kept {
	t.Helper()
	c := harness.Start(t)
	bin := links(t, map[string]string{"kubectl": tool(t, "kubectl"), "seal": harness.BuildBinary(t, "./cmd/seal")})
	k := &kept{t: t, dir: t.TempDir(), keys: map[string]string{}}
	k.env = []string{"HOME=" + t.TempDir(), "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "NO_COLOR=1", "KUBECONFIG=" + c.Kubeconfig()}
	for _, name := range []string{"prod", "team"} {
		_, pin, err := statement.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		k.write(name+".pin", "version: 1\nholders:\n  "+name+": {statementKey: \""+pin+"\"}\n")
	}
	script, err := os.ReadFile(filepath.Join(root, "docs", "recovery.sh"))
	if err != nil {
		t.Fatal(err)
	}
	k.write("recovery.sh", string(script))
	glass, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k.write("glass.txt", glass.String()+"\n")
	k.write("glass.pub", "Public key: "+glass.Recipient().String()+"\n")
	if k.run("kubectl get crd keyrings.waxwing.io") != 0 {
		crds, err := filepath.Abs(filepath.Join(root, "charts", "waxwing", "files", "crds"))
		if err != nil {
			t.Fatal(err)
		}
		c.InstallCRDs(t, crds)
		t.Cleanup(func() { k.must("kubectl delete -f " + crds) }) // or helm would not install its own
	}
	k.must(`kubectl get namespace waxwing-system || kubectl create namespace waxwing-system
kubectl delete keyrings --all
kubectl -n waxwing-system delete configmaps -l waxwing.io/marks=true
kubectl -n waxwing-system delete configmap waxwing-backup-prod waxwing-backup-team waxwing-marks-00 --ignore-not-found
kubectl -n waxwing-system delete secret waxwing-value-mac --ignore-not-found`)
	k.marks()
	k.keyring("prod", glass)
	k.keyring("team", nil)
	return k
}

// marks makes marks and the key of their MACs.
func (k *kept) marks() {
	k.must(`kubectl -n waxwing-system create configmap waxwing-marks-00 --from-literal=a=mark
kubectl -n waxwing-system label configmap waxwing-marks-00 waxwing.io/marks=true
kubectl -n waxwing-system create secret generic waxwing-value-mac --from-literal=key=example-not-a-secret`)
}

// keyring makes a Keyring as a controller leaves it, with a request in its spec, and a backup for break glass.
func (k *kept) keyring(name string, glass *age.X25519Identity) {
	k.t.Helper()
	signerKey, vkey, err := statement.GenerateKey(rand.Reader, name)
	if err != nil {
		k.t.Fatal(err)
	}
	k.keys[name] = vkey
	k.write(name+".yaml", "apiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: "+name+"}\nspec:\n  namespaces: [bakery]\n  requests: [{key: \""+strings.Repeat("0", 32)+"\", do: Destroy}]\n")
	k.must("kubectl apply -f " + name + ".yaml")
	k.show(name, vkey)
	if glass == nil {
		return
	}
	signer, err := statement.NewSigner(signerKey)
	if err != nil {
		k.t.Fatal(err)
	}
	to, err := seal.ParseRecipient(glass.Recipient().String())
	if err != nil {
		k.t.Fatal(err)
	}
	b, err := statement.Backup{Holder: name, At: time.Now(), StatementKey: vkey, StatementPrivate: statement.Inside, BreakGlass: []seal.Recipient{to}}.Lock(statement.NewContents(signerKey, nil))
	if err != nil {
		k.t.Fatal(err)
	}
	signed, err := b.Sign(signer)
	if err != nil {
		k.t.Fatal(err)
	}
	k.write("backup.note", string(signed))
	k.must("kubectl -n waxwing-system create configmap waxwing-backup-" + name + " --from-file=backup.note")
}

// show has the Keyring show a statement key.
func (k *kept) show(name, vkey string) {
	k.must("kubectl patch keyring " + name + ` --subresource=status --type=merge -p '{"status":{"statementKey":"` + vkey + `"}}'`)
}

func (k *kept) write(name, content string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// run gives the exit status of a script.
func (k *kept) run(script string) int {
	code, _ := k.said(script)
	return code
}

func (k *kept) said(script string) (int, string) {
	k.t.Helper()
	p := harness.StartProcess(k.t, harness.Command{Name: "script", Path: "/bin/bash", Args: []string{"-c", "set -euo pipefail\n" + script}, Dir: k.dir, Env: k.env})
	code := p.Wait(k.t)
	return code, p.Output()
}

func (k *kept) must(script string) {
	k.t.Helper()
	if code, out := k.said(script); code != 0 {
		k.t.Fatalf("%s: exit status %d: %s", script, code, out)
	}
}

// files of the folder of copies.
func (k *kept) files() map[string]string {
	k.t.Helper()
	all := map[string]string{}
	top := filepath.Join(k.dir, "kept")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(top, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return all
}

func same(a, b map[string]string) (differs string) {
	for name := range a {
		if _, there := b[name]; !there || a[name] != b[name] {
			return name
		}
	}
	for name := range b {
		if _, there := a[name]; !there {
			return name
		}
	}
	return ""
}

const keepCopies = "bash recovery.sh keep kept glass.pub"

func TestRecoveryScript(t *testing.T) {
	k := newKept(t)
	k.must(keepCopies)
	t.Run("the copies are enough, and no more", k.theCopies)
	t.Run("they outlive what they are for", k.outlive)
	t.Run("where a controller has run, nothing is prepared again", k.prepared)
	t.Run("a restore goes on after a keyring that fails, and says so", k.restore)
}

func (k kept) theCopies(t *testing.T) {
	k.t = t
	files := k.files()
	for name, want := range map[string]string{"keyrings.txt": "prod\nteam\n", "prod.vkey": k.keys["prod"], "prod.backup.note": "waxwing.io/backup/v1", "marks.yaml": "waxwing-marks-00", "keyrings.yaml": "- bakery", "value-mac.yaml": "kind: GitSecret"} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s is %q", name, files[name])
		}
	}
	if text := files["keyrings.yaml"]; strings.Contains(text, "Destroy") || strings.Contains(text, "status") || strings.Count(text, "kind: Keyring") != 2 {
		t.Errorf("more than what a person would apply again: %s", text)
	}
	for name, content := range files {
		if _, found := harness.FindCanary("example-not-a-secret", []byte(content)); found {
			t.Errorf("%s has the key of MACs", name)
		}
	}
}

// loss is something that becomes of a cluster, how it comes about and goes away again, and what recovery.sh says.
type loss struct{ what, breaks, mends, says string }

func losses() []loss {
	return []loss{
		{"no API server", "true", "true", ""},
		{"another cluster", "cp kept/cluster.txt own; printf other > kept/cluster.txt", "cp own kept/cluster.txt", "is of another cluster"},
		{"a keyring is gone", "kubectl delete keyring team", "kubectl apply -f team.yaml", "there is no keyring team any more"},
		{"keyrings are gone", "kubectl delete keyrings --all", "kubectl apply -f prod.yaml -f team.yaml", "there is no Keyring in this cluster"},
		{"a new statement key", "", "", "restore the keyring first"},
		{"another one is pinned", "cp team.pin .seal.yaml", "rm .seal.yaml", ".seal.yaml pins team+"},
		{"the backup cannot be renewed", "kubectl -n waxwing-system delete configmap waxwing-backup-prod", "kubectl -n waxwing-system create configmap waxwing-backup-prod --from-file=backup.note", "the backup of keyring prod cannot be renewed"},
		{"no marks", "kubectl -n waxwing-system delete configmap waxwing-marks-00", "kubectl -n waxwing-system delete secret waxwing-value-mac", "the cluster has no marks"},
		{"no MAC key", "kubectl -n waxwing-system create configmap waxwing-marks-00 --from-literal=a=mark; kubectl -n waxwing-system label configmap waxwing-marks-00 waxwing.io/marks=true", "true", "has no Secret waxwing-value-mac"},
	}
}

func (k kept) outlive(t *testing.T) {
	k.t = t
	k.must(keepCopies) // the next night
	before := k.files()
	for _, c := range losses() {
		command := keepCopies
		switch c.what {
		case "no API server":
			command = "sed 's|server: .*|server: https://127.0.0.1:1|' \"$KUBECONFIG\" > dead; KUBECONFIG=dead " + command
		case "a new statement key":
			k.show("prod", k.keys["team"])
		}
		if c.breaks != "" {
			k.must(c.breaks)
		}
		shown := k.files()
		code, out := k.said(command)
		if code == 0 || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit status %d: %s", c.what, code, out)
		}
		if differs := same(shown, k.files()); differs != "" {
			t.Errorf("%s: %s has changed", c.what, differs)
		}
		if c.mends != "" {
			k.must(c.mends)
		}
		k.show("prod", k.keys["prod"])
		k.show("team", k.keys["team"])
	}
	if differs := same(before, k.files()); differs != "" {
		t.Errorf("%s has changed", differs)
	}
}

// prepared has a helm that says what it was called with: a controller that runs is not to be stopped by somebody who begins again.
func (k kept) prepared(t *testing.T) {
	k.t = t
	k.must("mkdir -p fake; printf '#!/bin/sh\\necho helm was called\\n' > fake/helm; chmod +x fake/helm")
	prepare := `PATH="$PWD/fake:$PATH" bash recovery.sh all kept glass.txt`
	k.must("kubectl -n waxwing-system create configmap waxwing-marks-01 --from-literal=a=mark && kubectl -n waxwing-system label configmap waxwing-marks-01 waxwing.io/marks=true")
	if code, out := k.said(prepare); code == 0 || strings.Contains(out, "helm was called") || !strings.Contains(out, "recovery.sh restore kept glass.txt") {
		t.Errorf("exit status %d: %s", code, out)
	}
	k.must("kubectl -n waxwing-system delete configmap waxwing-marks-01")
}

func (k kept) restore(t *testing.T) {
	k.t = t
	k.must("kubectl delete keyrings --all; cp -r kept whole; printf %s '" + k.keys["team"] + "' > kept/prod.vkey")
	restore := "bash recovery.sh restore kept glass.txt"
	code, out := k.said(restore)
	if code == 0 || !strings.Contains(out, "keyring team has no backup") || !strings.Contains(out, "not restored: prod") {
		t.Errorf("exit status %d: %s", code, out)
	}
	k.must("kubectl get keyring prod team")
	k.must("kubectl delete keyrings --all; rm -r kept; cp -r whole kept; cp prod.pin .seal.yaml")
	if code, out = k.said(restore); code == 0 || !strings.Contains(out, " for keyring prod, and kept has "+k.keys["prod"]) {
		t.Errorf("another pin: exit status %d: %s", code, out)
	}
	k.must("rm .seal.yaml; kubectl delete keyrings --all")
	for _, breaks := range []string{": > kept/keyrings.txt", "rm kept/keyrings.txt"} {
		k.must(breaks)
		if code, out = k.said(restore); code == 0 || !strings.Contains(out, "has no list of keyrings") {
			t.Errorf("%s: exit status %d: %s", breaks, code, out)
		}
	}
	if _, out = k.said("kubectl get keyrings -o name"); strings.Contains(out, "prod") {
		t.Error("Keyrings were applied from a folder that is not whole")
	}
}
