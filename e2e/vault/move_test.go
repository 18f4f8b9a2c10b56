package vault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

// seal runs the program as the administrator.
func (w *world) seal(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	p := harness.StartProcess(w.t, harness.Command{Path: harness.BuildBinary(w.t, "./cmd/seal"), Args: args, Env: []string{"KUBECONFIG=" + w.Kubeconfig()}})
	code = p.Wait(w.t)
	return p.Stdout(), p.Stderr(), code
}

// source is a file with a source of keys.
func (w *world) source(s v1alpha1.KeySource) string {
	w.t.Helper()
	text, err := yaml.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	name := filepath.Join(w.t.TempDir(), "source.yaml")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *world) theKeyring() *v1alpha1.Keyring {
	w.t.Helper()
	kr := &v1alpha1.Keyring{}
	if err := w.Get(w.ctx, client.ObjectKey{Name: w.keyring}, kr); err != nil {
		w.t.Fatal(err)
	}
	return kr
}

// TestKeysAreMovedUnderARunningCluster moves a keyring that is in use from Secrets to sealed keys, to Vault's key/value store and back, with the command, and kills the
// controller in each move.
func TestKeysAreMovedUnderARunningCluster(t *testing.T) {
	w := newWorld(t)
	v := w.vault(vaultKV(), vaulttest.Options{})
	at := vaultpolicy.Place{Transit: transit, KV: kv, Auth: auth, Key: keyOfKeys, Folder: folder}
	var all []string
	for _, name := range []string{vaultpolicy.KV, vaultpolicy.KVRemove, vaultpolicy.SealedKeys} {
		text, err := vaultpolicy.Read(name, at)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	v.Policy(policy, strings.Join(all, "\n"))
	reach := connection(v.Address, v.CA())
	log := filepath.Join(t.TempDir(), "audit")
	t.Cleanup(func() { w.recordAudit(log) })
	controller := w.controllerWithLog(log)
	w.makeKeyring(v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}})
	holder := w.holder()
	var before []*corev1.Secret
	for i := range 5 {
		before = append(before, w.opened(fmt.Sprintf("db-%d", i), holder))
	}
	was := w.theKeyring().Status
	if _, stderr, code := w.seal("keys", "move", w.keyring, "--to", "secret"); code != 1 || !strings.Contains(stderr, "they are there") {
		t.Errorf("moved to where they are: %d %s", code, stderr)
	}
	for i, to := range []string{w.source(sealedKeys().keyring(reach).Source), w.source(vaultKV().keyring(reach).Source), ""} {
		where := []string{"--source", to}
		if to == "" {
			where = []string{"--to", "secret"}
		}
		if _, stderr, code := w.seal(append([]string{"keys", "move", w.keyring}, where...)...); code != 0 {
			t.Fatalf("move %d: %d %s", i, code, stderr)
		}
		if _, stderr, code := w.seal(append([]string{"keys", "move", w.keyring}, where...)...); code != 1 || !strings.Contains(stderr, "under way") && !strings.Contains(stderr, "they are there") {
			t.Errorf("moved twice: %d %s", code, stderr)
		}
		controller.Kill()
		controller = w.controllerWithLog(log)
		stdout, stderr, code := w.seal("keys", "move", w.keyring, "--wait", "--finish", "-o", "json")
		if code != 0 {
			t.Fatalf("the end of move %d: %d %s", i, code, stderr)
		}
		var report struct {
			Keyring          string
			Moving, Finished bool
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Keyring != w.keyring || report.Moving || !report.Finished {
			t.Errorf("%s, %v", stdout, err)
		}
		w.says("KeyActive")
		harness.Eventually(w.ctx, t, "the condition goes with spec.moveFrom", func(context.Context) error {
			if kr := w.theKeyring(); kr.Spec.MoveFrom != nil || apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionMoving) != nil {
				return fmt.Errorf("%+v", kr.Status.Conditions)
			}
			return nil
		})
		now := w.theKeyring().Status
		if now.Recipients != was.Recipients || now.StatementKey != was.StatementKey || len(now.Keys) != 1 || now.Keys[0].ID != was.Keys[0].ID || now.Keys[0].WasClear != (to != "") {
			t.Errorf("move %d: %+v", i, now)
		}
		w.opened(fmt.Sprintf("new-%d", i), holder)
		for _, s := range before {
			w.untouched(s)
		}
	}
	controller.Kill()
	moves := map[audit.Phase]int{}
	for _, r := range audittest.Records(t, log) {
		if r.Operation != nil && r.Operation.Action == audit.ActionKeyMove {
			moves[r.Phase]++
		}
	}
	if moves[audit.PhaseIntent] < 3*4 {
		t.Errorf("the audit log has %v of moves", moves)
	}
}
