package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// rotationWorld is a Keyring in the cluster with the reconciler, whose clock a test can advance.
type rotationWorld struct {
	*keyringBench
	client.Client
	kubectl string
	kr      *v1alpha1.Keyring

	mu    sync.Mutex
	ahead time.Duration
	known keyring.Uses // what the test says of who needs keys; that it is true is a matter of other tests
}

func newRotationWorld(t *testing.T) *rotationWorld {
	t.Helper()
	w := &rotationWorld{keyringBench: newKeyringBench(t)}
	w.now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.ahead)
	}
	w.uses = func(context.Context, string) (keyring.Uses, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.known, nil
	}
	w.source = secretsource.New(w.secrets, w.now, rand.Reader)
	w.manager = w.newManager(w.source)
	kubectl, err := harness.Tool(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	w.kubectl, w.Client, w.kr = kubectl, w.keyringController(), keyringNamed(w.namespace)
	if err := w.Create(t.Context(), w.kr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Delete(context.Background(), w.kr) })
	return w
}

func (w *rotationWorld) advance(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += by
}

func (w *rotationWorld) needed(uses keyring.Uses) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = uses
}

// run runs kubectl as the administrator.
func (w *rotationWorld) run(args ...string) string {
	w.t.Helper()
	return strings.TrimSpace(harness.Run(w.t, harness.Command{Path: w.kubectl, Args: append([]string{"--kubeconfig", w.Kubeconfig()}, args...)}))
}

// set changes the spec by kubectl.
func (w *rotationWorld) set(spec map[string]any) {
	w.t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		w.t.Fatal(err)
	}
	w.run("patch", "keyring", w.kr.Name, "--type=merge", "-p", string(patch))
}

// ask replaces the requests by one.
func (w *rotationWorld) ask(key, do, reason string) {
	w.t.Helper()
	w.set(map[string]any{"requests": []v1alpha1.KeyRequest{{Key: key, Do: do, Reason: reason}}})
}

// until waits for the status of the keyring's present generation.
func (w *rotationWorld) until(what string, holds func(v1alpha1.KeyringStatus) bool) v1alpha1.KeyringStatus {
	w.t.Helper()
	kr := &v1alpha1.Keyring{}
	harness.Eventually(w.t.Context(), w.t, what, func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKey{Name: w.kr.Name}, kr); err != nil {
			return err
		}
		if kr.Status.ObservedGeneration != kr.Generation || !holds(kr.Status) {
			return fmt.Errorf("the status of generation %d of %d: %+v", kr.Status.ObservedGeneration, kr.Generation, kr.Status)
		}
		return nil
	})
	return kr.Status
}

// answered waits for what has become of the only request, OUTCOME: and a part of the message.
func (w *rotationWorld) answered(want string) v1alpha1.KeyringStatus {
	w.t.Helper()
	outcome, says, _ := strings.Cut(want, ": ")
	return w.until("the request is "+want, func(s v1alpha1.KeyringStatus) bool {
		return len(s.Requests) == 1 && s.Requests[0].Outcome == outcome && strings.Contains(s.Requests[0].Message, says)
	})
}

// active waits for another active key than those.
func (w *rotationWorld) active(not ...string) (id string, s v1alpha1.KeyringStatus) {
	w.t.Helper()
	s = w.until("another key is active", func(s v1alpha1.KeyringStatus) bool {
		for _, k := range s.Keys {
			if k.State == "Active" && s.ActiveKey == k.ID[:16] && !slices.Contains(not, k.ID) {
				id = k.ID
				return true
			}
		}
		return false
	})
	return id, s
}

func stateOf(s v1alpha1.KeyringStatus, id string) v1alpha1.KeyStatus {
	for _, k := range s.Keys {
		if k.ID == id {
			return k
		}
	}
	return v1alpha1.KeyStatus{}
}

// TestKeyringRotates goes through a schedule and each request, on Secrets of a real API server.
func TestKeyringRotates(t *testing.T) {
	w := newRotationWorld(t)
	first, s := w.active()
	if s.NextRotation != nil || w.run("get", "keyring", w.kr.Name, "-o", "jsonpath={.status.requests}") != "" {
		t.Errorf("without a schedule: %+v", s)
	}

	// renewBefore that comes soon: the controller looks by itself when it has come.
	soon := w.now().Add(15 * time.Second).UTC().Truncate(time.Second) // the status has to be seen before it has come
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"rotation":{"renewBefore":%q}}}`, soon.Format(time.RFC3339)))
	if err := w.Patch(t.Context(), keyringNamed(w.kr.Name), patch); err != nil {
		t.Fatal(err)
	}
	w.until("the next rotation is told", func(s v1alpha1.KeyringStatus) bool { return s.NextRotation != nil && s.NextRotation.Time.Equal(soon) })
	second, s := w.active(first)
	set, err := statement.OpenRecipients([]byte(s.Recipients), s.StatementKey)
	if old := stateOf(s, first); err != nil || set.Set != 2 || set.Recipients[0].KeyID() != second || old.State != "Deactivated" || old.Since.Time.Before(soon) || stateOf(s, second).Activated.Time.Before(soon) || s.NextRotation != nil {
		t.Errorf("set %d, %v, the old key %+v, next %v", set.Set, err, old, s.NextRotation)
	}
	for _, id := range []string{first, second} {
		if _, opens := w.live.Load().Identity(id); !opens {
			t.Errorf("key %s does not open", id[:16])
		}
	}

	// every.
	w.set(map[string]any{"rotation": map[string]any{"every": "24h", "renewBefore": nil}})
	w.until("the next rotation is tomorrow", func(s v1alpha1.KeyringStatus) bool {
		return s.NextRotation != nil && s.NextRotation.Time.Equal(stateOf(s, second).Activated.Add(24*time.Hour))
	})
	w.advance(24 * time.Hour)
	w.set(map[string]any{"rotation": map[string]any{"every": "23h"}})
	third, _ := w.active(first, second)
	w.set(map[string]any{"rotation": nil})

	w.suspendsAndResumes(third)
	w.deactivates(third)
	fourth, _ := w.active(first, second, third)
	w.compromises(fourth)
	w.destroys(first)
	for _, event := range []string{
		"Normal KeyRotated", "Normal KeyDeactivated", "Normal KeySuspended", "Normal KeyResumed", "Warning KeyCompromised", "Normal KeyDestroyed", "Warning RequestRefused", "Warning NoActiveKey",
	} {
		w.hasEvent(w.Client, w.kr, event, "")
	}
	w.isInTheLog(fourth)
}

func (w *rotationWorld) suspendsAndResumes(id string) {
	w.t.Helper()
	w.ask(id, "Suspend", "")
	s := w.answered("Done: the key is Suspended since ")
	if _, opens := w.live.Load().Identity(id); opens || s.ActiveKey != "" || s.Recipients != "" {
		w.t.Errorf("it opens: %t, %+v", opens, s)
	}
	says(w.t.Context(), w.t, w.Client, w.kr.Name, "Ready=False NoActiveKey", "Stalled=True NoActiveKey")
	w.ask(id, "Resume", "")
	w.answered("Done: the key is Active")
	says(w.t.Context(), w.t, w.Client, w.kr.Name, "Ready=True KeyActive")
	if _, opens := w.live.Load().Identity(id); !opens {
		w.t.Error("the resumed key does not open")
	}
}

func (w *rotationWorld) deactivates(id string) {
	w.t.Helper()
	w.ask(id, "Destroy", "")
	w.answered("Refused: the key is sealed to: rotate first")
	w.ask(id, "Deactivate", "too many copies")
	w.answered("Done: the key is Deactivated since ")
	w.ask(id, "Suspend", "")
	w.answered("Refused: only an active key can be suspended, and this one is Deactivated")
	w.ask(strings.Repeat("0", 32), "Suspend", "")
	w.answered("Refused: the keyring has no key of this id")
}

func (w *rotationWorld) compromises(id string) {
	w.t.Helper()
	w.ask(id, "Compromise", "a laptop was stolen")
	s := w.answered("Done: the key is Compromised since ")
	if stateOf(s, id).State != "Compromised" || s.ActiveKey == id[:16] || s.ActiveKey == "" {
		w.t.Errorf("%+v", s)
	}
	says(w.t.Context(), w.t, w.Client, w.kr.Name, "Ready=True KeyActive")
}

func (w *rotationWorld) destroys(id string) {
	w.t.Helper()
	w.needed(keyring.Uses{Keys: map[string]keyring.KeyUses{id: {Objects: 2, Gone: 1, Examples: []string{"prod/db", "prod/web"}}}})
	w.ask(id, "Destroy", "")
	s := w.answered("Refused: 2 objects need it, such as prod/db, prod/web: replace their wraps")
	uses := stateOf(s, id).Uses
	if uses == nil || uses.Counted.IsZero() || uses.Objects != 2 || uses.Gone != 1 || !slices.Equal(uses.Examples, []string{"prod/db", "prod/web"}) {
		w.t.Errorf("uses: %+v", uses)
	}
	if got := w.run("get", "keyring", w.kr.Name, "-o", `jsonpath={range .status.keys[?(@.id=="`+id+`")]}{.state} {.uses.objects} {.uses.gone}{end}`); got != "Deactivated 2 1" {
		w.t.Errorf("kubectl shows %q", got)
	}
	w.needed(keyring.Uses{})
	w.ask(id, "Destroy", "nobody needs it")
	s = w.answered("Done: the key is Destroyed since ")
	if k := stateOf(s, id); k.State != "Destroyed" || k.Recipient == "" {
		w.t.Errorf("what is left: %+v", k)
	}
	if _, err := w.secrets.Get(w.t.Context(), secretsource.KeySecretName(w.kr.Name, id), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		w.t.Errorf("the Secret of the destroyed key: %v", err)
	}
	if _, opens := w.live.Load().Identity(id); opens {
		w.t.Error("it opens from memory")
	}
	if k, ok := w.live.Load().Key(id); !ok || k.State != keyring.Destroyed {
		w.t.Errorf("nobody will be told that it was destroyed: %v, %t", k, ok)
	}
}

// isInTheLog holds that the record of what was asked for with a key names who has asked, and why.
func (w *rotationWorld) isInTheLog(id string) {
	w.t.Helper()
	harness.Eventually(w.t.Context(), w.t, "the compromise is in the audit log", func(context.Context) error {
		records, intent := audittest.Records(w.t, w.logPath), ""
		for _, r := range records {
			if r.Phase != audit.PhaseIntent || r.Operation.Action != audit.ActionKeyCompromise {
				continue
			}
			if diff := cmp.Diff([]audit.Key{{Keyring: w.kr.Name, ID: id}}, r.Operation.Keys); diff != "" || r.Operation.Actor.Manager != "kubectl-patch" {
				return harness.Permanent(fmt.Errorf("%s, by %s", diff, r.Operation.Actor.Manager))
			}
			intent = r.ID
		}
		for _, r := range records { // an outcome may stand before its intent
			if r.Phase != audit.PhaseOutcome || r.ID != intent {
				continue
			}
			if r.Outcome.Message != "asked for: Compromise, because: a laptop was stolen" || !r.Outcome.OK {
				return harness.Permanent(fmt.Errorf("%+v", r.Outcome))
			}
			return nil
		}
		return errors.New("it is not")
	})
}

// TestKeyringRotationThatCannotBeIsRefusedByTheAPIServer applies what no controller should see.
func TestKeyringRotationThatCannotBeIsRefusedByTheAPIServer(t *testing.T) {
	w := newRotationWorld(t)
	id, _ := w.active()
	for patch, says := range map[string]string{
		`{"rotation":{"every":"59s"}}`:                                              "a key lives for 1m at least",
		`{"rotation":{"destroyAfter":"59s"}}`:                                       "a key is kept for 1m at least",
		`{"requests":[{"key":"3f2a","do":"Suspend"}]}`:                              "spec.requests[0].key",
		`{"requests":[{"key":"` + id + `","do":"Bless"}]}`:                          "Unsupported value",
		`{"requests":[{"key":"` + id + `","do":"Destroy","despite":"everything"}]}`: "Unsupported value",
	} {
		err := w.Patch(t.Context(), keyringNamed(w.kr.Name), client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+patch+`}`)))
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", patch, err)
		}
	}
	if columns := strings.Fields(strings.Split(w.run("get", "keyring", w.kr.Name), "\n")[0]); !slices.Contains(columns, "ROTATES") {
		t.Errorf("columns %v", columns)
	}
	if text := w.run("explain", "keyring.spec.rotation.every"); !strings.Contains(text, "how old the active key becomes at the most") {
		t.Errorf("explained as %s", text)
	}
}
