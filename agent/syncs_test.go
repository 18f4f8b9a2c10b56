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
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// broken may be a GitSecret.
const broken = "apiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: [\n"

func TestACommitComesIntoTheCluster(t *testing.T) {
	w := newWorld(t)
	id := w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b"), "notes.yaml": broken, "README.md": "x"})
	w.look()
	o := w.object()
	w.ready(o, Synced, "main@sha1:"+id[:12], "2 objects", "1 refused")
	if o.Status.Applied == nil || o.Status.Applied.Revision != "main@sha1:"+id || o.Status.Fetched.Revision != o.Status.Applied.Revision {
		t.Errorf("applied: %+v, fetched: %+v", o.Status.Applied, o.Status.Fetched)
	}
	if len(o.Status.Inventory) != 1 || strings.Join(o.Status.Inventory[0].Names, " ") != "a b" || o.Status.Objects != 2 || o.Status.Refusals != 1 || o.Status.Refused[0].Path != "notes.yaml" {
		t.Errorf("%+v", o.Status)
	}
	same(t, "keys", o.Status.Keys, w.sealTo.Recipients[0].KeyID())
	same(t, "applied", w.hands.applied, "a", "b")
	if !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionRefused) || !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionKeysIncomplete) {
		t.Errorf("what was refused is not told: %+v", o.Status.Conditions)
	}
	version := o.ResourceVersion
	if again := w.due(); again.ResourceVersion != version {
		t.Error("the status is written although nothing has changed")
	}
	w.push(map[string]string{"b.json": w.sealed("b")})
	w.due()
	same(t, "applied", w.hands.applied, "a", "b", "b")
	same(t, "records", w.recorded(),
		"sync.applied intent prod/a prod/b", "sync.applied outcome", "sync.denied note notes.yaml InvalidYAML", "sync.synced note",
		"sync.applied intent prod/b", "sync.applied outcome", "sync.synced note")
}

func TestTheRepositoryIsAskedByItsInterval(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	if res := w.look(); res.RequeueAfter != time.Minute {
		t.Errorf("it is looked again after %s", res.RequeueAfter)
	}
	asked := len(w.git.Requests())
	w.pass(30 * time.Second)
	w.look()
	if len(w.git.Requests()) != asked {
		t.Error("it is asked before it is due")
	}
	w.memory.known(w.key).wake(w.now())
	w.look()
	if len(w.git.Requests()) == asked {
		t.Error("it is not asked although it was woken")
	}
	asked = len(w.git.Requests())
	o := w.object()
	o.Annotations = map[string]string{v1alpha1.AnnotationSyncNow: "now"}
	if err := w.kube.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.look()
	if o := w.object(); len(w.git.Requests()) == asked || o.Status.LastHandledSyncAt != "now" {
		t.Errorf("the annotation was not carried out: %q", o.Status.LastHandledSyncAt)
	}
}

func TestWhatGitLacksIsDeletedAfterASecondFetch(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b"), "c.json": w.sealed("c")})
	w.look()
	w.push(map[string]string{"c.json": ""})
	o := w.due()
	if o.Status.Pruning == nil || o.Status.Pruning.Count != 1 || o.Status.Pruning.Since == nil || o.Status.Pruning.Held == "" {
		t.Fatalf("pruning is %+v", o.Status.Pruning)
	}
	w.ready(o, Synced, ": 2 objects; 1 waits to be deleted: ")
	same(t, "deleted", w.hands.deleted)
	if st := w.memory.known(w.key); st.due.Sub(w.now()) != sync.Settle+time.Second {
		t.Errorf("the second fetch is after %s", st.due.Sub(w.now()))
	}
	w.pass(sync.Settle + time.Second)
	w.look()
	same(t, "deleted", w.hands.deleted, "c")
	w.look()
	if o := w.object(); o.Status.Pruning != nil || strings.Join(o.Status.Inventory[0].Names, " ") != "a b" {
		t.Errorf("pruning is %+v, the inventory %+v", o.Status.Pruning, o.Status.Inventory)
	}
}

func TestAFailedFetchChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
	w.look()
	w.push(map[string]string{"b.json": ""})
	w.ready(w.due(), Synced, ": 1 object; 1 waits")
	w.repo.Push("HEAD:refs/heads/other")
	w.repo.Git("-C", w.repo.Bare, "config", "receive.denyDeleteCurrent", "ignore")
	w.repo.Push("--delete", "main")
	for range 5 {
		o := w.due()
		w.ready(o, "RefNotFound", "main")
		if o.Status.Applied == nil || o.Status.Objects != 1 {
			t.Errorf("%+v", o.Status)
		}
	}
	same(t, "there", w.hands.there(), "a", "b")
	w.hands.remove(types.NamespacedName{Namespace: "prod", Name: "a"})
	w.look()
	same(t, "there", w.hands.there(), "a", "b") // what was taken before is still set right
}

func TestFailuresAreTriedAgainSoonerThanTheInterval(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 9: 5 * time.Minute, 100: 5 * time.Minute} {
		if got := backoff(failures, time.Hour, 0); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	if got := backoff(50, 10*time.Second, 0.5); got != 9500*time.Millisecond {
		t.Errorf("with a short interval: %s", got)
	}
}

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

func TestNothingIsDoneWhileSuspended(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.Suspend = true })
	w.push(map[string]string{"a.json": w.sealed("a")})
	if res := w.look(); res.RequeueAfter != 0 {
		t.Errorf("it is looked at again after %s", res.RequeueAfter)
	}
	w.ready(w.object(), Suspended)
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Suspend = false })
	w.look()
	w.ready(w.object(), Synced)
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

func TestAnotherFolder(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.Source.Path = "apps/prod" })
	w.push(map[string]string{"a.json": w.sealed("a"), "apps/prod/b.json": w.sealed("b"), "apps/production/c.json": w.sealed("c")})
	w.look()
	same(t, "there", w.hands.there(), "b")
	w.push(map[string]string{"apps/prod/b.json": ""})
	w.ready(w.due(), PathNotFound, `no folder "apps/prod"`)
	same(t, "there", w.hands.there(), "b")
}

func TestDeletionTakesTheObjectsAlongOnlyWhereThatIsAskedFor(t *testing.T) {
	for policy, left := range map[string][]string{v1alpha1.DeletionDelete: nil, v1alpha1.DeletionRetain: {"a", "b"}} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.DeletionPolicy = policy })
			w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
			w.look()
			if err := w.kube.Delete(t.Context(), w.object()); err != nil {
				t.Fatal(err)
			}
			if policy == v1alpha1.DeletionDelete {
				w.hands.fail = map[string]*sync.Failure{"prod/b": {Reason: sync.Forbidden, Message: "it may not"}}
				w.look()
				w.ready(w.object(), DeletionFailed, "prod/b", "Retain")
				w.hands.fail = nil
			}
			w.look()
			w.look()
			same(t, "there", w.hands.there(), left...)
			if err := w.kube.Get(t.Context(), w.key, &v1alpha1.SecretSync{}); err == nil {
				t.Error("the SecretSync is still there")
			}
			if w.memory.known(w.key) != nil && policy == v1alpha1.DeletionDelete {
				w.look()
			}
		})
	}
}

func TestObserving(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Mode, o.Spec.ServiceAccountName, o.Spec.Prune = v1alpha1.SyncObserve, "", nil
	})
	apply := func() { // as something else does
		for _, o := range w.memory.known(w.key).taken.set.Objects {
			w.hands.put(o.Key, "another", o.SpecDigest, "")
		}
	}
	first := w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.ready(w.object(), NotApplied, "prod/a is not there")
	apply()
	w.look()
	o := w.object()
	w.ready(o, Synced)
	if !strings.HasSuffix(o.Status.Applied.Revision, first) {
		t.Errorf("applied: %+v", o.Status.Applied)
	}
	second := w.push(map[string]string{"a.json": w.sealed("a")})
	o = w.due()
	w.ready(o, NotApplied, "prod/a is another", second[:12])
	if !strings.HasSuffix(o.Status.Applied.Revision, first) {
		t.Errorf("applied: %+v", o.Status.Applied)
	}
	apply()
	w.look()
	if o := w.object(); !strings.HasSuffix(o.Status.Applied.Revision, second) || len(o.Status.Inventory) != 0 {
		t.Errorf("applied: %+v", o.Status)
	}
	same(t, "applied", w.hands.applied)
}

func TestEventsTellWhatIsNew(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "bad.yaml": broken})
	w.look()
	all := w.told()
	if len(all) != 2 || !strings.HasPrefix(all[0], "Normal Synced main@sha1:") || !strings.HasPrefix(all[1], "Warning Refused bad.yaml: InvalidYAML") {
		t.Errorf("%q", all)
	}
	w.due()
	same(t, "events", w.told())
}

func TestASecretSyncThatIsGoneLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	if err := w.kube.Delete(t.Context(), w.object()); err != nil {
		t.Fatal(err)
	}
	w.look()
	if w.memory.known(w.key) != nil || len(w.repos.all) != 0 {
		t.Error("something is remembered of it")
	}
	if err := w.repos.sweep(map[types.UID]bool{}); err != nil {
		t.Error(err)
	}
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
	repos, err := openRepositories(filepath.Join(t.TempDir(), "cache"), func() source.Limits { return source.Limits{} }, func(dir string, limits source.Limits) (repository, error) {
		r, err := openSource(dir, limits)
		return tough{r}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = repos.Close() }()
	w.syncs.repos, w.patience = repos, 2*time.Second
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
