package vault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
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

// mayMove gives the controller the rights in Vault that the moves need, in both places there.
func (w *world) mayMove(v *vaulttest.Vault) {
	w.t.Helper()
	at := vaultpolicy.Place{Transit: transit, KV: kv, Auth: auth, Key: keyOfKeys, Folder: folder}
	var all []string
	for _, name := range []string{vaultpolicy.KV, vaultpolicy.KVRemove, vaultpolicy.SealedKeys} {
		text, err := vaultpolicy.Read(name, at)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, text)
	}
	v.Policy(policy, strings.Join(all, "\n"))
}

// move is one move of the keyring, and the write of it at which the controller is killed.
type move struct {
	flags []string // of the command: where the keys go
	clear bool     // there, the keys lie as they are
	at    string   // says which write it is
	proxy *faultproxy.Proxy
	write func(faultproxy.Request) bool
}

// moves are those of a keyring with one key that is in Secrets: to sealed keys, to Vault's key/value store and back. Each is cut off at another stage: before the key is in its new
// place, while it is in both, and when all but the old statement key has moved.
func (w *world) moves(api, vault *faultproxy.Proxy, key string) []move {
	w.t.Helper()
	reach := connection(vault.URL(), vault.CA())
	secret := home + "/" + secretsource.SealedForm().KeySecretName(w.keyring, key)
	statement := "/v1/" + kv + "/metadata/" + folder + "/statement"
	return []move{
		{[]string{"--source", w.source(sealedKeys().keyring(reach).Source)}, false, "the copy of the key", api,
			func(r faultproxy.Request) bool { return r.String() == "create secrets "+secret }},
		{[]string{"--source", w.source(vaultKV().keyring(reach).Source)}, false, "the deletion of the copied key", api,
			func(r faultproxy.Request) bool { return r.String() == "delete secrets "+secret }},
		{[]string{"--to", "secret"}, true, "the deletion of the copied statement key", vault,
			func(r faultproxy.Request) bool { return r.Method == http.MethodDelete && r.Path == statement }},
	}
}

// killedIn begins a move and returns when its write has killed the controller. The write itself is not made.
func (w *world) killedIn(m move, controller *harness.Process) {
	w.t.Helper()
	kill := m.proxy.Add(faultproxy.Fault{Match: m.write, Times: 1, Before: func(faultproxy.Request) faultproxy.Verdict {
		controller.Kill()
		return faultproxy.Cut()
	}})
	if _, stderr, code := w.seal(append([]string{"keys", "move", w.keyring}, m.flags...)...); code != 0 {
		w.t.Fatalf("the move to be killed at %s: %d %s", m.at, code, stderr)
	}
	harness.Eventually(w.ctx, w.t, "the controller is killed at "+m.at, func(context.Context) error {
		if controller.Running() {
			return fmt.Errorf("it runs, and the keyring says %+v", w.theKeyring().Status.Conditions)
		}
		return nil
	})
	if kill.Hits() != 1 {
		w.t.Fatalf("the controller has ended, and not at %s: %s", m.at, controller.State())
	}
}

// steps counts the intents of moves in the audit log, and those of them that have no outcome.
func (w *world) steps(log string) (all, cut int) {
	w.t.Helper()
	ofMoves := func(records []audit.Record) (n int) {
		for _, r := range records {
			if r.Phase == audit.PhaseIntent && r.Operation.Action == audit.ActionKeyMove {
				n++
			}
		}
		return n
	}
	records := audittest.Records(w.t, log)
	return ofMoves(records), ofMoves(audittest.Unfinished(records))
}

// finished has the command wait for the end of the move that is under way, and take spec.moveFrom out.
func (w *world) finished(i int) {
	w.t.Helper()
	stdout, stderr, code := w.seal("keys", "move", w.keyring, "--wait", "--finish", "-o", "json")
	if code != 0 {
		w.t.Fatalf("the end of move %d: %d %s", i, code, stderr)
	}
	var report struct {
		Keyring          string
		Moving, Finished bool
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Keyring != w.keyring || report.Moving || !report.Finished {
		w.t.Errorf("%s, %v", stdout, err)
	}
	w.says("KeyActive")
	harness.Eventually(w.ctx, w.t, "the condition goes with spec.moveFrom", func(context.Context) error {
		if kr := w.theKeyring(); kr.Spec.MoveFrom != nil || apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionMoving) != nil {
			return fmt.Errorf("%+v", kr.Status.Conditions)
		}
		return nil
	})
}

// TestKeysAreMovedUnderARunningCluster moves a keyring that is in use from Secrets to sealed keys, to Vault's key/value store and back, with the command, and kills the
// controller in each move, in the middle of a step.
func TestKeysAreMovedUnderARunningCluster(t *testing.T) {
	w := newWorld(t)
	v := w.vault(vaultKV(), vaulttest.Options{})
	w.mayMove(v)
	var api *faultproxy.Proxy
	api, w.kubeconfig = faultproxy.Start(t, w.Config(), w.kubeconfig) // the controllers reach the API server by it
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
	for i, m := range w.moves(api, v.Proxy(), was.Keys[0].ID) {
		w.killedIn(m, controller)
		// One step for each kill so far: all others came to their ends.
		if all, cut := w.steps(log); cut != i+1 {
			t.Errorf("killed at %s: %d of %d steps have no outcome", m.at, cut, all)
		}
		if _, stderr, code := w.seal(append([]string{"keys", "move", w.keyring}, m.flags...)...); code != 1 || !strings.Contains(stderr, "under way") {
			t.Errorf("moved twice: %d %s", code, stderr)
		}
		controller = w.controllerWithLog(log)
		w.finished(i)
		now := w.theKeyring().Status
		if now.Recipients != was.Recipients || now.StatementKey != was.StatementKey || len(now.Keys) != 1 || now.Keys[0].ID != was.Keys[0].ID || now.Keys[0].WasClear == m.clear {
			t.Errorf("move %d: %+v", i, now)
		}
		w.opened(fmt.Sprintf("new-%d", i), holder)
		for _, s := range before {
			w.untouched(s)
		}
	}
	controller.Kill()
	if all, cut := w.steps(log); all < 3*4 || cut != 3 {
		t.Errorf("the audit log has %d steps of moves, %d of them without an outcome", all, cut)
	}
}
