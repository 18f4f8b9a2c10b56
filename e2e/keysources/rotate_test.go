package keysources_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// rotating is a keyring, and what stands in Git for it.
type rotating struct {
	t     *testing.T
	world keyringtest.World
	log   *audit.Recorder
	kr    *v1alpha1.Keyring
	uses  keyring.Uses
	clock time.Time
	live  *keyring.Live
	m     *keyring.Manager
}

func newRotating(t *testing.T, w keyringtest.World) *rotating {
	t.Helper()
	r := &rotating{t: t, world: w, log: audittest.Open(t, audittest.Dir(t)), clock: time.Now().UTC().Truncate(time.Second)}
	t.Cleanup(func() { _ = r.log.Close() })
	r.kr = &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: "first", UID: "uid-1", Generation: 1},
		Spec: v1alpha1.KeyringSpec{
			Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: string(w.Class), Namespaces: []string{"*"}, Scopes: []string{seal.ScopeStrict},
		},
	}
	r.start(w.Source("first"))
	return r
}

// start begins anew, with an empty memory.
func (r *rotating) start(src keyring.Source) {
	r.live = &keyring.Live{}
	r.m = keyring.NewManager(keyring.Config{
		Source: keyring.ClearSecrets(src), Audit: r.log, Now: func() time.Time { return r.clock }, Rand: rand.Reader, Live: r.live,
		Uses: func(context.Context, string) (keyring.Uses, error) { return r.uses, nil },
	})
}

func (r *rotating) ensure() (keyring.Result, error) {
	res, err := r.m.Ensure(r.t.Context(), r.kr)
	if res.Known {
		r.kr.Status.ActiveKey, r.kr.Status.Keys = res.ActiveKey, res.Keys
	}
	return res, err
}

func (r *rotating) ready() keyring.Result {
	r.t.Helper()
	res, err := r.ensure()
	if err != nil || !res.Ready {
		r.t.Fatalf("%+v, %v", res, err)
	}
	return res
}

// sealed is what a developer seals to the recipients that are published.
func (r *rotating) sealed(res keyring.Result) *seal.Checked {
	r.t.Helper()
	set, err := statement.OpenRecipients([]byte(res.Note), res.StatementKey)
	if err != nil {
		r.t.Fatal(err)
	}
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(place, seal.Values{"a": seal.NewValue([]byte("x"))}, []seal.Holder{{Name: "first", Recipients: set.Recipients}})
	if err != nil {
		r.t.Fatal(err)
	}
	checked, err := seal.Check(spec)
	if err != nil {
		r.t.Fatal(err)
	}
	return checked
}

func (r *rotating) opens(doc *seal.Checked) error {
	_, err := doc.Open(seal.Target{Namespace: "prod", Name: "db"}, r.live.Load())
	return err
}

// inState lists the ids of keys in a state.
func inState(res keyring.Result, state keyring.State) (ids []string) {
	for _, k := range res.Keys {
		if k.State == string(state) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// due has the active key replaced by what the spec says.
func (r *rotating) due() {
	r.clock = r.clock.Add(time.Hour)
	at := metav1.NewTime(r.clock)
	r.kr.Spec.Rotation = &v1alpha1.Rotation{RenewBefore: &at}
}

func (r *rotating) ask(key, do string) v1alpha1.RequestStatus {
	r.t.Helper()
	r.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: key, Do: do}}
	res := r.ready()
	if len(res.Requests) != 1 || res.Requests[0].Key != key || res.Requests[0].Do != do {
		r.t.Fatalf("%+v", res.Requests)
	}
	return res.Requests[0]
}

// worlds are those of all sources.
func worlds(c *harness.Cluster, v *vaults) map[string]func(t *testing.T) keyringtest.World {
	return map[string]func(t *testing.T) keyringtest.World{
		"secret": func(t *testing.T) keyringtest.World {
			s := newKeySecrets(t, c, secretsource.ClearForm())
			w := s.world(seal.PostQuantum)
			w.Source = func(string) keyring.Source { return secretsource.New(s.secrets, time.Now, rand.Reader) }
			w.Watched = func(_ string, at func(func() error) error) keyring.Source {
				return secretsource.New(watchedSecrets{s.secrets, at}, time.Now, rand.Reader)
			}
			return w
		},
		"sealed keys":  func(t *testing.T) keyringtest.World { return newSealedKeys(t, c, v).world(v, seal.PostQuantum) },
		"vaultKV":      func(t *testing.T) keyringtest.World { return newKVKeys(t, v).world(seal.PostQuantum) },
		"vaultTransit": func(t *testing.T) keyringtest.World { return newTransitKeys(t, c, v).world(v) },
	}
}

// TestAKeyringRotatesAtItsSource: seal with key 1, rotate, key 2 is sealed to, key 1 opens still, is not destroyed while somebody needs it, and then is.
func TestAKeyringRotatesAtItsSource(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	for name, world := range worlds(c, v) {
		t.Run(name, func(t *testing.T) {
			r := newRotating(t, world(t))
			begun := r.ready()
			one, old := begun.Keys[0].ID, r.sealed(begun)
			r.due()
			rotated := r.ready()
			two := inState(rotated, keyring.Active)
			if len(rotated.Keys) != 2 || len(two) != 1 || !slices.Equal(inState(rotated, keyring.Deactivated), []string{one}) || rotated.ActiveKey != two[0][:16] || rotated.StatementKey != begun.StatementKey {
				t.Fatalf("%+v", rotated)
			}
			fresh := r.sealed(rotated)
			for range 2 {
				if err := errors.Join(r.opens(old), r.opens(fresh)); err != nil {
					t.Error(err)
				}
				r.start(r.world.Source("first"))
				if again := r.ready(); again.Note != rotated.Note || len(again.Done) > 0 {
					t.Errorf("another controller: %+v", again)
				}
			}

			r.uses = keyring.Uses{Keys: map[string]keyring.KeyUses{one: {Objects: 1, Examples: []string{"prod/db"}}}}
			if o := r.ask(one, v1alpha1.RequestDestroy); o.Outcome != v1alpha1.RequestRefused || !strings.Contains(o.Message, "prod/db") || !r.world.Holds("first", one) || r.opens(old) != nil {
				t.Errorf("a key that is needed: %+v", o)
			}
			r.uses = keyring.Uses{}
			if o := r.ask(one, v1alpha1.RequestDestroy); o.Outcome != v1alpha1.RequestDone || r.world.Holds("first", one) {
				t.Errorf("a key of which no use is known: %+v", o)
			}
			for range 2 {
				k, ok := r.live.Load().Key(one)
				if !ok || k.State != keyring.Destroyed || r.opens(old) == nil || r.opens(fresh) != nil {
					t.Errorf("what was destroyed is %v, %t", k, ok)
				}
				r.start(r.world.Source("first"))
				if again := r.ready(); len(again.Done) > 0 || again.Reason != keyring.ReasonKeyActive || again.Note != rotated.Note || len(again.Keys) != 2 {
					t.Errorf("another controller: %+v", again)
				}
			}
		})
	}
}

// TestAnEndInARotation ends a controller at each write of a rotation and of the destruction after it, just before and just after that takes effect; the next one goes on.
func TestAnEndInARotation(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	all := worlds(c, v)
	delete(all, "vaultTransit") // each of its keys takes seconds; what is its own is in TestKeysInVaultTransit
	for name, world := range all {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after its effect: %t", name, after), func(t *testing.T) {
				r := newRotating(t, world(t))
				one := r.ready().Keys[0].ID
				for at := 1; ; at++ {
					r.due()
					r.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: one, Do: v1alpha1.RequestDestroy}}
					writes := 0
					r.start(r.world.Watched("first", func(write func() error) error {
						if writes++; writes != at {
							return write()
						}
						if after {
							if err := write(); err != nil {
								return err
							}
						}
						return errKilled
					}))
					_, err := r.ensure()
					if writes >= at && err == nil {
						t.Fatalf("write %d: the end was not told", at)
					}
					r.start(r.world.Source("first"))
					res := r.ready()
					two := inState(res, keyring.Active)
					if len(two) != 1 || len(inState(res, keyring.PreActive)) > 0 || !slices.Contains(inState(res, keyring.Destroyed), one) || r.world.Holds("first", one) || !r.world.Holds("first", two[0]) || r.opens(r.sealed(res)) != nil {
						t.Fatalf("after an end at write %d: %+v", at, res)
					}
					one = two[0]
					if writes < at {
						if at < 8 {
							t.Errorf("a rotation and a destruction have %d writes", writes)
						}
						return
					}
				}
			})
		}
	}
}
