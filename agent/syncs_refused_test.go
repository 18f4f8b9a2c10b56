package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

func TestARewrittenBranch(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	rewrite := func() string {
		w.repo.Git("checkout", "--quiet", "--orphan", "next")
		w.repo.Git("branch", "--delete", "--force", "main")
		w.repo.Git("branch", "--move", "main")
		w.repo.Write(map[string]string{"a.json": w.sealed("a")})
		id := w.repo.Commit("rewritten")
		w.repo.Push("--force", "HEAD:main")
		return id
	}
	rewrite()
	o := w.due()
	w.ready(o, Synced)
	if !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionRewritten) {
		t.Error("nothing says that the branch was rewritten")
	}
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Rewritten = v1alpha1.RewrittenStop })
	w.look()
	same(t, "applied", w.hands.applied, "a", "a")
	id := rewrite()
	w.ready(w.due(), "HistoryRewritten", "spec.source.accept", id)
	same(t, "applied", w.hands.applied, "a", "a")
	w.memory.forget(w.key) // as after a start: the status knows what was applied
	w.look()
	w.ready(w.object(), "HistoryRewritten", id)
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Accept = id })
	w.look()
	w.ready(w.object(), Synced, id[:12])
	same(t, "applied", w.hands.applied, "a", "a", "a")
}

func TestUnsignedCommitsAreNotTaken(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
	})
	id := w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	o := w.object()
	w.ready(o, "CommitNotSigned")
	if o.Status.Fetched == nil || !strings.HasSuffix(o.Status.Fetched.Revision, id) || o.Status.Applied != nil || o.Status.Fetched.Signer != "" {
		t.Errorf("fetched: %+v, applied: %+v", o.Status.Fetched, o.Status.Applied)
	}
	same(t, "applied", w.hands.applied)
}

func TestNothingIsAppliedAsTheWrongAccount(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.hands.much = []string{"in namespace prod it may read Secrets"}
	w.look()
	w.ready(w.object(), AccountRefused, "waxwing-sync", "read Secrets")
	w.configure("insecureHTTP: true")
	w.look()
	w.ready(w.object(), AccountNotNamed, "waxwing-sync", "team")
	same(t, "applied", w.hands.applied)
	w.configure(configuration)
	w.hands.much = nil
	w.look()
	w.ready(w.object(), Synced)
}

func TestAddressesAndCredentialsThatAreNotAllowed(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.configure(strings.Replace(configuration, "insecureHTTP: true", "", 1))
	w.look()
	w.ready(w.object(), "CredentialsRefused", "insecureHTTP")
	w.configure(configuration)
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Credentials = "infra" })
	w.look()
	w.ready(w.object(), "CredentialsRefused", `no credentials "infra"`)
	if n := len(w.git.Requests()); n > 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestObjectsThatTheClusterDoesNotTake(t *testing.T) {
	w := newWorld(t)
	w.hands.fail = map[string]*sync.Failure{"prod/b": {Reason: sync.Forbidden, Message: "it may not"}}
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
	w.look()
	o := w.object()
	w.ready(o, ApplyFailed, "1 of 2", "prod/b")
	if o.Status.Applied != nil || o.Status.Refusals != 1 || o.Status.Refused[0].Path != "b.json" || o.Status.Refused[0].Reason != sync.Forbidden {
		t.Errorf("%+v", o.Status)
	}
	w.look()
	w.ready(w.object(), ApplyFailed, "prod/b") // while it waits to be tried again
	w.hands.fail = nil
	w.pass(time.Minute)
	w.look()
	w.ready(w.object(), Synced)
	same(t, "there", w.hands.there(), "a", "b")
}

// awayLog is an audit log that takes nothing.
type awayLog struct{ audit.Log }

func (awayLog) Intent(_ context.Context, _ audit.Operation, _ ...audit.Standing) (string, error) {
	return "", errors.New("full")
}

func TestNothingIsAppliedWithoutTheAuditLog(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	log := w.audit
	w.audit = awayLog{log}
	if res := w.look(); res.RequeueAfter != auditRetry {
		t.Errorf("it is tried again after %s", res.RequeueAfter)
	}
	w.ready(w.object(), AuditUnavailable)
	same(t, "applied", w.hands.applied)
	w.audit = log
	w.look()
	w.ready(w.object(), Synced)
}

// tough is a repository whose files take for ever to be read.
type tough struct{ repository }

func (tough) Read(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestACommitThatTakesForEver holds up no other one for ever.
func TestACommitThatTakesForEver(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.through(func(r repository) repository { return tough{r} })
	w.patience = 2 * time.Second
	w.look()
	w.ready(w.object(), "TimedOut", "it took longer than 2s")
	same(t, "applied", w.hands.applied)
}

// TestTheAgentsSignatureCountsForItsOwnCommitsOnly has others be let use the key that the agent signs with: a tenant with a repository of his own, that asks for no signatures.
func TestTheAgentsSignatureCountsForItsOwnCommitsOnly(t *testing.T) {
	w := newWorld(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "infra", "signing-key")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, pem.EncodeToMemory(block), 0o600)); err != nil {
		t.Fatal(err)
	}
	folder, err := settings.OpenFolder(filepath.Dir(filepath.Dir(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	w.credentials = folder
	w.configure(configuration + fmt.Sprintf("credentials: [{name: infra, urls: [%q], namespaces: [team]}]\n", w.repo.URL))
	conf, err := w.settings.Now()
	if err != nil {
		t.Fatal(err)
	}
	o := w.object()
	o.Spec.WriteBack = &v1alpha1.WriteBack{SigningKey: "infra"}
	o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
	w.repo.Git("config", "gpg.format", "ssh")
	w.repo.Git("config", "user.signingKey", file)
	w.push(map[string]string{"a.json": w.sealed("a")})
	repo, err := w.repos.of(o.UID)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(message, sync string) error {
		t.Helper()
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n", sync, w.repo.Git("rev-parse", "HEAD"), 1_900_000_000))
		w.repo.Git("-c", "alias.then=!GIT_COMMITTER_DATE='1900000000 +0000' git commit", "then", "--quiet", "--allow-empty", "--gpg-sign", "-m", message+"\n\nWaxwing-Sync: "+sync+"\nWaxwing-Mark: "+hex.EncodeToString(sum[:16]))
		w.repo.Push()
		place := placeOf(o)
		c, err := repo.Fetch(t.Context(), place, source.Auth{InsecureHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.verified(t.Context(), conf, o, repo, c, place, "")
		return err
	}
	if err := signed("one of ours", "team/infra"); err != nil {
		t.Errorf("one of ours: %v", err)
	}
	for _, sync := range []string{"evil/infra", "team/other"} {
		if err := signed("one of others", sync); err == nil || failure(err).reason != string(source.CommitNotSigned) {
			t.Errorf("%s: %v", sync, err)
		}
	}
	// Where the object names the key itself, it is a signer like any other.
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	o.Spec.Verify.Signers = append(o.Spec.Verify.Signers, v1alpha1.Signer{Name: "robot", Key: string(ssh.MarshalAuthorizedKey(signer.PublicKey()))})
	if err := signed("one of others", "team/other"); err != nil {
		t.Errorf("a key that is named: %v", err)
	}
}
