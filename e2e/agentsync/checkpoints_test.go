package agentsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
)

// rightToReadLogs is the one that the chart gives the agent with audit.tlsSecret.
const rightToReadLogs = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-agent-audit}
rules: [{nonResourceURLs: [/v1/audit/], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-agent-audit}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-agent-audit}
subjects: [{kind: ServiceAccount, name: test-agent, namespace: %s}]
`

// TestTheControllersCheckpointGrowsInGit has the agent read the controller's log at its endpoint, by the API server's leave, and keep a newer checkpoint in Git a day later.
func TestTheControllersCheckpointGrowsInGit(t *testing.T) {
	w := newWhole(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Source.Path = "prod"
		o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush, Checkpoints: "audit"}
	})
	w.ApplyYAML(t, "", fmt.Sprintf(rightToReadLogs, harness.WaxwingNamespace))
	const name = "audit.example.org"
	authority, address := certs.New(t), harness.FreeAddress(t)
	cert, key := authority.Issue(t, certs.Certificate{Names: []string{name}})
	for file, text := range map[string]string{"ca.crt": authority.PEM, "tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ring := w.controller("--audit-bind-address", address, "--audit-tls-cert-file", filepath.Join(w.dir, "tls.crt"), "--audit-tls-key-file", filepath.Join(w.dir, "tls.key"))
	w.seal("init", "--keyring", ring)
	w.repo.Write(map[string]string{"prod/db.yaml": fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: %s}\nstringData: {password: value-of-a-test}\n", w.prod)})
	w.seal("-w", "prod/db.yaml")
	w.repo.Commit("feat: seal it")
	w.repo.Push()
	w.anchored(0)
	w.start("--audit-peers", "https://"+address, "--audit-peers-ca-file", filepath.Join(w.dir, "ca.crt"), "--audit-peers-server-name", name)
	if err := w.Create(t.Context(), w.sync); err != nil {
		t.Fatal(err)
	}
	path, before := w.kept(0)
	had, err := verify.ParseCheckpoint([]byte(before.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	// A person seals another object, which the controller opens: the first may have been opened before that checkpoint.
	w.repo.Write(map[string]string{"prod/web.yaml": fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: %s}\nstringData: {password: value-of-a-test}\n", w.prod)})
	w.seal("-w", "prod/web.yaml")
	w.repo.Commit("feat: another one")
	w.publish()
	w.post(hookSecret)
	w.anchored(had.Size)
	// Somebody dates it back, as if it had been kept two days ago.
	before.At = time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	b, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	w.repo.Write(map[string]string{path: string(b)})
	w.repo.Commit("chore: date it back")
	w.publish()
	w.post(hookSecret)
	_, after := w.kept(had.Size)
	if after.Key != before.Key || after.Origin != before.Origin || time.Since(after.At) > time.Hour {
		t.Errorf("kept is %+v, and was %+v", after, before)
	}
}

// publish pushes what was committed, upon what the agent pushes meanwhile.
func (w *whole) publish() {
	w.Helper()
	w.eventually("it is pushed", func(context.Context) error {
		w.repo.Git("pull", "--quiet", "--rebase", "origin", "main")
		p := harness.StartProcess(w.T, harness.Command{
			Path: "git", Args: []string{"push", "--quiet", "origin", "HEAD"}, Dir: w.repo.Work, Env: []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"},
		})
		if code := p.Wait(w.T); code != 0 {
			return fmt.Errorf("git push ends with %d: %s", code, p.Stderr())
		}
		return nil
	})
}

// anchored waits until the cluster has an anchor of the controller's log with more than so many records.
func (w *whole) anchored(more uint64) {
	w.Helper()
	w.eventually("the controller's log is anchored", func(ctx context.Context) error {
		cm, err := w.Clientset().CoreV1().ConfigMaps(harness.WaxwingNamespace).Get(ctx, cluster.AnchorName(w.replica), metav1.GetOptions{})
		if err != nil {
			return err
		}
		anchor, err := cluster.Parse(cm)
		if err != nil {
			return err
		}
		c, err := verify.ParseCheckpoint([]byte(anchor.Checkpoint))
		if err == nil && c.Size <= more {
			err = fmt.Errorf("it has %d records", c.Size)
		}
		return err
	})
}

// kept waits until Git has a checkpoint of the controller's log with more than so many records.
func (w *whole) kept(more uint64) (path string, kept writeback.Kept) {
	w.Helper()
	w.eventually("Git has a checkpoint of the controller's log", func(ctx context.Context) error {
		path = ""
		for line := range strings.Lines(w.repo.Git("-C", w.repo.Bare, "ls-tree", "-r", "--name-only", "main", "audit")) {
			if strings.HasSuffix(strings.TrimSpace(line), "/"+w.replica+".json") {
				path = strings.TrimSpace(line)
			}
		}
		if path == "" {
			return errors.New("there is none")
		}
		kept = writeback.Kept{}
		if err := json.Unmarshal([]byte(w.repo.Git("-C", w.repo.Bare, "show", "main:"+path)), &kept); err != nil {
			return harness.Permanent(err)
		}
		c, err := verify.OpenCheckpoint([]byte(kept.Checkpoint), kept.Key)
		if err != nil {
			return harness.Permanent(err)
		}
		if c.Size <= more {
			return errors.Join(fmt.Errorf("it has %d records", c.Size), w.unread(ctx))
		}
		return nil
	})
	return path, kept
}

// unread has the agent ask anew where it could not read a log on a busy machine: it leaves it alone for minutes, and another spec has it forget that.
func (w *whole) unread(ctx context.Context) error {
	o := &v1alpha1.SecretSync{}
	if err := w.Get(ctx, client.ObjectKeyFromObject(w.sync), o); err != nil {
		return err
	}
	if o.Status.ObservedGeneration != o.Generation || o.Status.WriteBack == nil || !strings.Contains(o.Status.WriteBack.Message, writeback.ErrUnread.Error()) {
		return nil
	}
	o.Spec.Source.Interval.Duration -= time.Second
	return errors.Join(errors.New(o.Status.WriteBack.Message), w.Update(ctx, o))
}
