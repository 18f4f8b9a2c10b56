package agentsync_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// controller starts the controller, with further flags and a keyring for the namespace, and gives the keyring's name.
func (w *whole) controller(flags ...string) string {
	w.Helper()
	w.InstallWaxwing(w.T)
	log, health := filepath.Join(w.TempDir(), "audit"), harness.FreeAddress(w.T)
	w.replica = harness.ReplicaOf(log)
	p := harness.StartProcess(w.T, harness.Command{
		Path: harness.BuildBinary(w.T, "./cmd/waxwing-controller"),
		Args: append([]string{
			"--kubeconfig", w.ServiceAccountKubeconfig(w.T, harness.WaxwingNamespace, "waxwing-controller"), "--namespace", harness.WaxwingNamespace, "--audit-log", log,
			"--replica", w.replica, "--workers", "2", "--leader-elect=false", "--metrics-bind-address", "0", "--health-bind-address", health,
			"--recipients-bind-address", "0", "--audit-bind-address", "0",
		}, flags...),
	})
	p.WaitForHTTP(w.T, "http://"+health+"/readyz")
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "of-" + w.prod[max(0, len(w.prod)-40):]}, Spec: v1alpha1.KeyringSpec{Namespaces: []string{w.prod}}}
	if err := w.Create(w.Context(), kr); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := w.Delete(context.Background(), kr); client.IgnoreNotFound(err) != nil {
			w.Error(err)
		}
	})
	w.eventually("the keyring is ready", func(ctx context.Context) error {
		err := w.Get(ctx, client.ObjectKeyFromObject(kr), kr)
		if err == nil && !apimeta.IsStatusConditionTrue(kr.Status.Conditions, v1alpha1.ConditionReady) {
			err = fmt.Errorf("it says %+v", kr.Status.Conditions)
		}
		return err
	})
	return kr.Name
}

// seal runs seal in the working copy.
func (w *whole) seal(args ...string) {
	w.Helper()
	p := harness.StartProcess(w.T, harness.Command{
		Path: harness.BuildBinary(w.T, "./cmd/seal"), Args: args, Dir: w.repo.Work, Env: []string{"KUBECONFIG=" + w.Kubeconfig(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"},
	})
	if code := p.Wait(w.T); code != 0 {
		w.Fatalf("seal %s ends with %d: %s", strings.Join(args, " "), code, p.Stderr())
	}
}

// TestARotationComesBackIntoGit has a keyring rotate, and the agent put the new wraps into Git by itself: to the branch that it follows, whose new commit is then synced, or to
// one of its own, for somebody to merge.
func TestARotationComesBackIntoGit(t *testing.T) {
	for _, strategy := range []string{v1alpha1.WritePush, v1alpha1.WriteBranch} {
		t.Run(strategy, func(t *testing.T) {
			w := newWhole(t, func(o *v1alpha1.SecretSync) { o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: strategy} })
			ring := w.controller()
			w.seal("init", "--keyring", ring)
			w.repo.Write(map[string]string{"db.yaml": fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: %s}\nstringData: {password: value-of-a-test}\n", w.prod)})
			w.seal("-w", "db.yaml")
			first := w.repo.Commit("feat: seal it")
			w.repo.Push()
			w.start()
			if err := w.Create(t.Context(), w.sync); err != nil {
				t.Fatal(err)
			}
			old := w.synced(first).Status.Keys
			sealed := w.repo.Git("show", first+":db.yaml")
			w.seal("keys", "rotate", "--keyring", ring)
			branch := "main"
			if strategy == v1alpha1.WriteBranch {
				branch = "waxwing/" + w.team + "/infra"
			}
			head := w.rewrapped(branch, sealed)
			if at := w.repo.Head(branch); at != head {
				t.Errorf("%s is at %s, and %s was pushed", branch, at, head)
			}
			if strategy == v1alpha1.WriteBranch { // a person merges
				if w.repo.Head("main") != first {
					t.Error("main was pushed to")
				}
				w.repo.Git("fetch", "--quiet", "origin", branch)
				w.repo.Git("merge", "--quiet", "--ff-only", "FETCH_HEAD")
				w.repo.Push()
				w.post(hookSecret)
			}
			o := w.synced(head)
			if slices.Contains(o.Status.Keys, old[0]) || len(o.Status.Keys) != 1 {
				t.Errorf("the branch is wrapped for %q, and was for %q", o.Status.Keys, old)
			}
			w.until("nothing is due any more", func(o *v1alpha1.SecretSync) bool {
				return apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionWrittenBack)
			})
			w.eventually("it is opened with the new key", func(ctx context.Context) error {
				g, _ := w.live(t, "db")
				if len(g.Status.Keys) != 1 || g.Status.Keys[0].ID == old[0] || len(g.Status.Rewrap) > 0 {
					return errors.New(g.Status.OpenedWith)
				}
				return nil
			})
			if got := w.repo.Head(branch); got != head {
				t.Errorf("another commit was pushed, %s", got)
			}
			w.stop()
		})
	}
}

// rewrapped waits until the agent has pushed db.yaml to a branch as something else than what was sealed, and gives the commit. The keyring's note may come first, in one of its own.
func (w *whole) rewrapped(branch, sealed string) string {
	w.Helper()
	o := w.until("it is written back", func(o *v1alpha1.SecretSync) bool {
		b := o.Status.WriteBack
		return b != nil && b.Commit != "" && b.Branch == branch && w.repo.Git("-C", w.repo.Bare, "show", b.Commit+":db.yaml") != sealed
	})
	return o.Status.WriteBack.Commit
}
