package keysources_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/sealed"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vaultkv"
)

const moved = "first"

// errKilled is what a controller has last that is killed at a write.
var errKilled = errors.New("killed")

// mover is a keyring that is moved between a namespace and a Vault.
type mover struct {
	t       *testing.T
	secrets corev1client.SecretInterface
	sealed  sealed.Vault
	kv      vaultkv.Vault
	folder  string
	log     *audit.Recorder
	texts   []string // all that was said
}

func newMover(t *testing.T, c *harness.Cluster, v *vaults) *mover {
	t.Helper()
	m := &mover{t: t, secrets: c.Clientset().CoreV1().Secrets(c.Namespace(t)), folder: v.folder(), log: audittest.Open(t, audittest.Dir(t))}
	t.Cleanup(func() { _ = m.log.Close() })
	m.sealed = v.client(t, vaultpolicy.SealedKeys, vaultpolicy.Place{Transit: "transit", Key: transitKey})
	at := vaultpolicy.Place{KV: "kv", Folder: m.folder + "/" + moved}
	for _, name := range []string{vaultpolicy.KV, vaultpolicy.KVRemove} {
		text, err := vaultpolicy.Read(name, at)
		if err != nil {
			t.Fatal(err)
		}
		v.Policy(m.folder+"-"+name, text)
	}
	login, err := vaultpolicy.Read(vaultpolicy.Login, vaultpolicy.Place{})
	if err != nil {
		t.Fatal(err)
	}
	v.Policy("login", login)
	m.kv = v.clientAs(t, "login", m.folder+"-"+vaultpolicy.KV, m.folder+"-"+vaultpolicy.KVRemove)
	return m
}

// specs are the sources that keys can be moved between. Nothing connects by them: source does.
func specs() map[string]v1alpha1.KeySource {
	return map[string]v1alpha1.KeySource{
		"secret": {Secret: &v1alpha1.SecretSource{}},
		"sealed": {Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Mount: "transit", Key: transitKey}}}},
		"kv":     {VaultKV: &v1alpha1.VaultKVSource{Mount: "kv", Path: moved}},
	}
}

// open gives a source with an empty memory.
func (m *mover) open(spec v1alpha1.KeySource) keyring.Mover {
	switch {
	case spec.VaultKV != nil:
		return vaultkv.New(vaultkv.Config{Vault: m.kv, Mount: "kv", Path: m.folder + "/" + moved, Now: time.Now, Rand: rand.Reader})
	case spec.Secret.EncryptedBy != nil:
		return secretsource.NewIn(m.secrets, sealed.New(sealed.Config{Vault: m.sealed, Mount: "transit", Key: transitKey, Cluster: cluster, Rand: rand.Reader}), time.Now)
	}
	return secretsource.New(m.secrets, time.Now, rand.Reader)
}

// controller is a Manager with an empty memory. at is asked at each write, and may be nil.
func (m *mover) controller(at func(write func() error) error) (*keyring.Manager, *keyring.Live) {
	live, sources := &keyring.Live{}, map[string]keyring.Source{}
	open := func(_ context.Context, _ string, spec v1alpha1.KeySource) (keyring.Source, error) {
		name := fmt.Sprint(spec.VaultKV != nil, spec.Secret != nil && spec.Secret.EncryptedBy != nil, spec.VaultKV != nil && spec.VaultKV.Vault.Address != "")
		if sources[name] == nil {
			sources[name] = m.open(spec)
			if at != nil {
				sources[name] = &watchedWrites{m.open(spec), at}
			}
		}
		return sources[name], nil
	}
	return keyring.NewManager(keyring.Config{Source: open, Audit: m.log, Now: time.Now, Rand: rand.Reader, Live: live}), live
}

func (m *mover) keyring(source, from string) *v1alpha1.Keyring {
	kr := &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: moved, UID: "uid-1", Generation: 1},
		Spec:       v1alpha1.KeyringSpec{Source: specs()[source], Class: string(seal.PostQuantum), Namespaces: []string{"*"}, Scopes: []string{seal.ScopeStrict}},
	}
	if from != "" {
		spec := specs()[from]
		kr.Spec.MoveFrom = &spec
	}
	return kr
}

func (m *mover) ensure(c *keyring.Manager, kr *v1alpha1.Keyring) (keyring.Result, error) {
	res, err := c.Ensure(m.t.Context(), kr)
	m.texts = append(m.texts, fmt.Sprintf("%+v %v", res, err))
	return res, err
}

func (m *mover) ready(c *keyring.Manager, kr *v1alpha1.Keyring) keyring.Result {
	m.t.Helper()
	res, err := m.ensure(c, kr)
	if err != nil || !res.Ready {
		m.t.Fatalf("%+v, %v", res, err)
	}
	return res
}

// inUse makes a keyring at a source, with an active key, one that is not proved yet, and one that is destroyed.
func (m *mover) inUse(source string) keyring.Result {
	m.t.Helper()
	c, _ := m.controller(nil)
	m.ready(c, m.keyring(source, ""))
	src := m.open(specs()[source])
	for range 2 {
		if _, err := src.Create(m.t.Context(), moved, seal.PostQuantum); err != nil {
			m.t.Fatal(err)
		}
	}
	m.destroy(src)
	res := m.ready(c, m.keyring(source, ""))
	if len(res.Keys) != 3 {
		m.t.Fatalf("%+v", res)
	}
	return res
}

// destroy destroys one of the keys that are not proved yet.
func (m *mover) destroy(src keyring.Source) {
	m.t.Helper()
	keys, _, err := src.Load(m.t.Context(), moved)
	if err != nil {
		m.t.Fatal(err)
	}
	i := slices.IndexFunc(keys, func(k keyring.Stored) bool { return k.State == keyring.PreActive })
	if err := src.SetState(m.t.Context(), keys[i], keyring.Destroyed, time.Now()); err != nil {
		m.t.Fatal(err)
	}
}

// mustHaveMoved holds the result, the ring and both sources against what was there before.
func (m *mover) mustHaveMoved(before, res keyring.Result, live *keyring.Live, from string) {
	m.t.Helper()
	want := before
	want.Keys = append([]v1alpha1.KeyStatus(nil), before.Keys...)
	for i := range want.Keys {
		want.Keys[i].WasClear = from == "secret"
	}
	want.Move, want.Done, res.Done = &keyring.Move{Done: true, Message: "nothing is left in spec.moveFrom: take it out of the Keyring (seal keys move " + moved + " --finish)"}, nil, nil
	if told := strings.Contains(res.Message, "have lain in a Secret in the clear"); told != (from == "secret") || !strings.HasPrefix(res.Message, before.Message) {
		m.t.Errorf("the message: %s", res.Message)
	}
	want.Message = res.Message
	if diff := cmp.Diff(want, res); diff != "" {
		m.t.Error(diff)
	}
	if _, ok := live.Load().Identity(activeID(before)); !ok {
		m.t.Error("the active key does not open")
	}
	old := m.open(specs()[from])
	keys, faults, err := old.Load(m.t.Context(), moved)
	st, serr := old.LoadStatement(m.t.Context(), moved)
	if len(keys)+len(faults) != 0 || st != nil || err != nil || serr != nil {
		m.t.Errorf("left: %v %v %v, %v, %v", keys, faults, st, err, serr)
	}
	for _, text := range m.texts {
		if strings.Contains(text, "AGE-SECRET-KEY") || strings.Contains(text, "PRIVATE+KEY") {
			m.t.Error("a private key was told")
		}
	}
}

func activeID(res keyring.Result) string {
	for _, k := range res.Keys {
		if k.State == string(keyring.Active) {
			return k.ID
		}
	}
	return ""
}

// watchedWrites is a source that hands its writes to at.
type watchedWrites struct {
	keyring.Mover
	at func(write func() error) error
}

func (w *watchedWrites) Import(ctx context.Context, k keyring.Key, p keyring.Private) error {
	return w.at(func() error { return w.Mover.Import(ctx, k, p) })
}

func (w *watchedWrites) Remove(ctx context.Context, k keyring.Stored) error {
	return w.at(func() error { return w.Mover.Remove(ctx, k) })
}

func (w *watchedWrites) SaveStatement(ctx context.Context, s *keyring.Statement) error {
	return w.at(func() error { return w.Mover.SaveStatement(ctx, s) })
}

func (w *watchedWrites) ImportStatement(ctx context.Context, s *keyring.Statement, p keyring.Private) error {
	return w.at(func() error { return w.Mover.ImportStatement(ctx, s, p) })
}

func (w *watchedWrites) RemoveStatement(ctx context.Context, s *keyring.Statement) error {
	return w.at(func() error { return w.Mover.RemoveStatement(ctx, s) })
}

// writesOfAMove are: the statement key, the claim that tells the places apart, and for each of three keys its copy and its deletion, and the deletion of the statement key.
const writesOfAMove = 9

func pairs() (all [][2]string) {
	for from := range specs() {
		for to := range specs() {
			if from != to {
				all = append(all, [2]string{from, to})
			}
		}
	}
	return all
}

// kills are where a controller is killed in the move of a pair: 0 is nowhere, odd ones are before a write, even ones after it. Three pairs have each source in each role once.
func kills(p [2]string) []int {
	switch p {
	case [2]string{"secret", "kv"}, [2]string{"kv", "sealed"}, [2]string{"sealed", "secret"}:
		all := make([]int, 2*writesOfAMove+1)
		for i := range all {
			all[i] = i
		}
		return all
	}
	return []int{0, writesOfAMove - 1}
}

// TestKeysMoveBetweenSources moves a keyring from each source to each other, by a controller that is killed at a write, and one that comes after it.
func TestKeysMoveBetweenSources(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	for _, p := range pairs() {
		for _, kill := range kills(p) {
			t.Run(fmt.Sprintf("from %s to %s, killed at %d", p[0], p[1], kill), func(t *testing.T) {
				m := newMover(t, c, v)
				before := m.inUse(p[0])
				writes := 0
				first, live := m.controller(func(write func() error) error {
					writes++
					if 2*writes == kill+1 {
						return errKilled
					}
					if err := write(); err != nil || 2*writes != kill {
						return err
					}
					return errKilled
				})
				res, err := m.ensure(first, m.keyring(p[1], p[0]))
				if kill == 0 {
					if err != nil || writes != writesOfAMove {
						t.Errorf("%d writes, %v", writes, err)
					}
					m.mustHaveMoved(before, res, live, p[0])
					return
				}
				if !errors.Is(err, errKilled) || res.Move.Done {
					t.Fatalf("%+v, %v", res, err)
				}
				if _, ok := live.Load().Identity(activeID(before)); !ok {
					t.Error("in between, the active key does not open")
				}
				second, live := m.controller(nil)
				m.mustHaveMoved(before, m.ready(second, m.keyring(p[1], p[0])), live, p[0])
			})
		}
	}
}

// TestAVaultThatIsLockedDuringAMove stops a move and loses nothing: it goes on by itself.
func TestAVaultThatIsLockedDuringAMove(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	for _, p := range [][2]string{{"secret", "kv"}, {"kv", "sealed"}, {"sealed", "secret"}} {
		for lock := 1; lock <= writesOfAMove; lock += 2 {
			t.Run(fmt.Sprintf("from %s to %s, locked at %d", p[0], p[1], lock), func(t *testing.T) {
				m := newMover(t, c, v)
				before := m.inUse(p[0])
				writes := 0
				controller, live := m.controller(func(write func() error) error {
					if writes++; writes == lock {
						v.Lock()
					}
					return write()
				})
				res, err := m.ensure(controller, m.keyring(p[1], p[0]))
				if err == nil && !res.Ready || err != nil && res.Reason != keyring.ReasonKeySourceUnavailable || res.Stalled {
					t.Errorf("%+v, %v", res, err)
				}
				if _, ok := live.Load().Identity(activeID(before)); !ok {
					t.Error("in between, the active key does not open")
				}
				v.Unlock()
				for res, err = m.ensure(controller, m.keyring(p[1], p[0])); err != nil && t.Context().Err() == nil; res, err = m.ensure(controller, m.keyring(p[1], p[0])) {
					time.Sleep(100 * time.Millisecond)
				}
				m.mustHaveMoved(before, res, live, p[0])
			})
		}
	}
}

func TestControllersThatMoveAtOnce(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	for _, p := range pairs() {
		t.Run(fmt.Sprintf("from %s to %s", p[0], p[1]), func(t *testing.T) {
			m := newMover(t, c, v)
			before := m.inUse(p[0])
			var wg sync.WaitGroup
			for range 3 {
				controller, _ := m.controller(nil)
				wg.Go(func() {
					if res, err := controller.Ensure(t.Context(), m.keyring(p[1], p[0])); res.Stalled {
						t.Errorf("%+v, %v", res, err)
					}
				})
			}
			wg.Wait()
			last, live := m.controller(nil)
			m.mustHaveMoved(before, m.ready(last, m.keyring(p[1], p[0])), live, p[0])
		})
	}
}

// TestAFolderUnderTwoNames: a Vault has two addresses, and a Keyring whose keys are to be moved from one to the other.
func TestAFolderUnderTwoNames(t *testing.T) {
	m := newMover(t, harness.Start(t), newVault(t))
	before := m.inUse("kv")
	controller, live := m.controller(nil)
	kr := m.keyring("kv", "kv")
	kr.Spec.MoveFrom.VaultKV.Vault.Address = "https://other:8200"
	for range 2 {
		res, err := m.ensure(controller, kr)
		if err != nil || !res.Stalled || res.Reason != keyring.ReasonMoveBlocked || !strings.Contains(res.Message, "names the same place as spec.source in other words") || res.Note != before.Note {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if _, ok := live.Load().Identity(activeID(before)); !ok {
		t.Error("the active key does not open")
	}
	if res := m.ready(controller, m.keyring("kv", "")); len(res.Keys) != 3 || res.Note != before.Note {
		t.Errorf("%+v", res)
	}
}

// TestAControllerThatMayNotDelete has the policy for every day only; the move waits for the other one.
func TestAControllerThatMayNotDelete(t *testing.T) {
	v := newVault(t)
	m := newMover(t, harness.Start(t), v)
	before := m.inUse("kv")
	remove := v.Read("sys/policies/acl/" + m.folder + "-" + vaultpolicy.KVRemove)["policy"].(string)
	v.Policy(m.folder+"-"+vaultpolicy.KVRemove, `path "kv/data/nothing" { capabilities = ["read"] }`)
	controller, live := m.controller(nil)
	var versions []any
	for range 2 {
		res, err := m.ensure(controller, m.keyring("secret", "kv"))
		if err != nil || !res.Stalled || !strings.Contains(res.Message, "give its role the policy kv-remove.hcl") || len(res.Keys) != 3 {
			t.Fatalf("%+v, %v", res, err)
		}
		versions = append(versions, v.Read("kv/metadata/" + m.folder + "/" + moved + "/statement")["current_version"])
	}
	if versions[0] != versions[1] {
		t.Errorf("each try writes to Vault: versions %v", versions)
	}
	v.Policy(m.folder+"-"+vaultpolicy.KVRemove, remove)
	m.mustHaveMoved(before, m.ready(controller, m.keyring("secret", "kv")), live, "kv")
}
