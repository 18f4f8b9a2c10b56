package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// vaultOfPeople is a break-glass key in a file, and a seal to use it with.
type vaultOfPeople struct {
	w         *world
	seal, dir string
	glass     string // the file
	recipient string
}

func newVaultOfPeople(t *testing.T, w *world) *vaultOfPeople {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	v := &vaultOfPeople{w: w, seal: harness.BuildBinary(t, "./cmd/seal"), dir: t.TempDir(), recipient: id.Recipient().String()}
	v.glass = filepath.Join(v.dir, "breakglass.txt")
	if err := os.WriteFile(v.glass, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// run runs seal, whose exit status has to be want, and gives all that it said.
func (v *vaultOfPeople) run(t *testing.T, want int, args ...string) string {
	t.Helper()
	out := v.out(t, args...)
	if !strings.HasSuffix(strings.TrimSpace(out), fmt.Sprintf("exit %d", want)) {
		t.Fatalf("seal %q: %s", args, out)
	}
	return out
}

// out runs seal and gives all that it said, and its exit status.
func (v *vaultOfPeople) out(t *testing.T, args ...string) string {
	t.Helper()
	return harness.Run(t, harness.Command{
		Name: "seal", Path: "/bin/sh", Args: append([]string{"-c", `code=0; "$@" 2>&1 || code=$?; echo "exit $code"`, "sh", v.seal}, args...), Dir: v.dir,
		Env: []string{"HOME=" + v.dir, "KUBECONFIG=" + v.w.Kubeconfig(), "NO_COLOR=1", "PATH=" + os.Getenv("PATH")},
	})
}

// keyring makes a keyring for the test's namespace with break glass, and waits for its backup.
func (v *vaultOfPeople) keyring(t *testing.T, name string) *v1alpha1.Keyring {
	t.Helper()
	kr := keyringNamed(name)
	kr.Spec.Namespaces = []string{v.w.namespace}
	kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: []string{v.recipient}}
	if err := v.w.Create(t.Context(), kr); err != nil {
		t.Fatal(err)
	}
	return v.backedUp(t, name)
}

func (v *vaultOfPeople) backedUp(t *testing.T, name string) (kr *v1alpha1.Keyring) {
	t.Helper()
	harness.Eventually(t.Context(), t, "the keyring is backed up", func(ctx context.Context) error {
		kr = &v1alpha1.Keyring{}
		if err := v.w.Get(ctx, client.ObjectKey{Name: name}, kr); err != nil {
			return err
		}
		if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionBackedUp); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	return kr
}

// keys are the Secrets of a keyring.
func (v *vaultOfPeople) keys(t *testing.T, name string) []corev1.Secret {
	t.Helper()
	var all corev1.SecretList
	if err := v.w.List(t.Context(), &all, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: name}); err != nil {
		t.Fatal(err)
	}
	return all.Items
}

// TestABackupLeavesTheClusterAndComesBack loses a keyring, has its keys restored, and looks for the private keys in all that was left behind.
func TestABackupLeavesTheClusterAndComesBack(t *testing.T) {
	w := newWorld(t)
	v := newVaultOfPeople(t, w)
	ctx := t.Context()
	r := w.controller(t)
	kr := v.keyring(t, "kept")
	var private []string
	note := func() {
		for _, s := range v.keys(t, "kept") {
			for _, data := range []string{secretsource.DataIdentity, secretsource.DataSigner} {
				for line := range strings.Lines(string(s.Data[data])) {
					if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
						private = append(private, line)
					}
				}
			}
		}
	}
	note()
	if len(private) != 2 {
		t.Fatalf("%d private keys", len(private))
	}
	old := kr.Status.Keys[0].ID
	v.run(t, 0, "keys", "backup", "--keyring", "kept", "--statement-key", kr.Status.StatementKey, "--out", "kept.note")
	if out := v.run(t, 0, "keys", "backup", "--verify", "kept.note", "--statement-key", kr.Status.StatementKey, "-i", v.glass); !strings.Contains(out, "inside, proved") {
		t.Errorf("the rehearsal: %s", out)
	}
	stranger := filepath.Join(v.dir, "stranger.txt")
	v.run(t, 0, "keys", "generate", "--out", stranger)
	v.run(t, 3, "keys", "backup", "--verify", "kept.note", "-i", stranger)
	v.run(t, 4, "keys", "backup", "--verify", "kept.note", "--statement-key", "kept+00000000+ATwFrOieUOMISpNBEhmwUc+hHbupWrwAnklMJENI69BC")
	content, err := os.ReadFile(filepath.Join(v.dir, "kept.note"))
	if err != nil {
		t.Fatal(err)
	}
	w.Record(t, "the backup", content)
	if err := os.WriteFile(filepath.Join(v.dir, "changed.note"), []byte(strings.Replace(string(content), "state: Active", "state: Destroyed", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	v.run(t, 4, "keys", "restore", "changed.note", "-i", v.glass, "--statement-key", kr.Status.StatementKey, "--yes")
	v.run(t, 2, "keys", "restore", "kept.note", "-i", v.glass, "--yes") // nobody has said whose it is

	// All is lost.
	if err := errors.Join(w.Delete(ctx, kr), w.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: "kept"}),
		w.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: "kept"})); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(ctx, t, "the keyring is forgotten", func(context.Context) error {
		if n := len(v.keys(t, "kept")); n > 0 {
			return fmt.Errorf("%d Secrets", n)
		}
		return nil
	})
	fresh := v.keyring(t, "kept")
	if fresh.Status.StatementKey == kr.Status.StatementKey {
		t.Fatal("nothing was lost")
	}
	note()
	out := v.run(t, 0, "keys", "restore", "kept.note", "-i", v.glass, "--statement-key", kr.Status.StatementKey, "--yes")
	w.Record(t, "seal keys restore", []byte(out))
	back := v.backedUp(t, "kept")
	states := map[string]string{}
	for _, k := range back.Status.Keys {
		states[k.ID] = k.State
	}
	if back.Status.StatementKey != kr.Status.StatementKey || states[old] != "Deactivated" || back.Status.ActiveKey != fresh.Status.ActiveKey || len(states) != 2 {
		t.Errorf("%+v", back.Status)
	}
	var request corev1.Secret
	if err := client.IgnoreNotFound(w.Get(ctx, client.ObjectKey{Namespace: home, Name: secretsource.RestoreSecretName("kept")}, &request)); err != nil || request.Name != "" {
		t.Errorf("the request is there still: %v", err)
	}
	// A second keyring, under its own statement key.
	other := v.keyring(t, "other")
	v.run(t, 2, "keys", "restore", "kept.note", "-i", v.glass, "--keyring", "other", "--statement-key", kr.Status.StatementKey, "--yes")
	into := []string{"keys", "restore", "kept.note", "-i", v.glass, "--keyring", "other", "--keys-only", "--statement-key", kr.Status.StatementKey, "--yes"}
	if out := v.run(t, 1, into...); !strings.Contains(out, "is in keyring kept") {
		t.Errorf("a key of a keyring that is there: %s", out)
	}
	if err := w.Delete(ctx, back); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(ctx, t, "the keys go into another keyring once theirs is gone", func(context.Context) error {
		if out := v.out(t, into...); !strings.HasSuffix(strings.TrimSpace(out), "exit 0") {
			return errors.New(out)
		}
		return nil
	})
	if now := v.backedUp(t, "other"); now.Status.StatementKey != other.Status.StatementKey || len(now.Status.Keys) != 2 {
		t.Errorf("%+v", now.Status)
	}
	w.stop(t, r)
	w.leavings(context.WithoutCancel(ctx), t)
	for _, key := range private {
		w.NoCanary(t, key)
	}
}
