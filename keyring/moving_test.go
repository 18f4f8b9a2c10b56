package keyring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// moveBench is a bench with a second source, which a Keyring names as vaultKV, and a keyring in use, with a key that is active and one that opens only.
type moveBench struct {
	*bench
	to     *memorySource
	before keyring.Result
}

func kvSource(path string) v1alpha1.KeySource {
	return v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: v1alpha1.VaultConnection{Address: "https://vault:8200"}, Mount: "secret", Path: v1alpha1.VaultPath(path)}}
}

// moving is the Keyring while its keys are moved from Secrets to the folder.
func moving(path string) *v1alpha1.Keyring {
	kr := ring("default")
	from := kr.Spec.Source
	kr.Spec.Source, kr.Spec.MoveFrom = kvSource(path), &from
	return kr
}

func newMoveBench(t *testing.T) *moveBench {
	t.Helper()
	b := &moveBench{bench: newBench(t), to: newMemorySource(t)}
	b.src.name, b.to.name = "Old", "New"
	b.mustEnsure(ring("default"))
	id, _ := identity(t, "classical")
	b.src.put(keyring.NewKey("default", id, keyring.Deactivated, noon.Add(-48*time.Hour), noon.Add(-47*time.Hour)))
	b.before = b.mustEnsure(ring("default"))
	b.again()
	return b
}

// again is a new Manager with an empty memory.
func (b *moveBench) again() {
	b.live = &keyring.Live{}
	b.m = b.manager(b.live)
}

func (b *moveBench) manager(live *keyring.Live) *keyring.Manager {
	return keyring.NewManager(keyring.Config{Source: b.source, Audit: b.log, Now: func() time.Time { return noon }, Rand: rand.Reader, Live: live})
}

func (b *moveBench) source(_ context.Context, _ string, spec v1alpha1.KeySource) (keyring.Source, error) {
	switch {
	case spec.VaultKV != nil && spec.VaultKV.Path == "new":
		return b.to, nil
	case spec.VaultKV != nil && spec.VaultKV.Path == "unmade":
		return nil, &keyring.Problem{Where: "spec.source", Msg: "makes no sense"}
	case spec.VaultKV == nil && spec.Secret.EncryptedBy != nil:
		return nil, nil
	}
	return b.src, nil // under other names too
}

// mustOpen says which keys the ring does not have.
func (b *moveBench) mustOpen(when string) {
	b.t.Helper()
	for _, k := range b.before.Keys {
		if !b.opens(k.ID) {
			b.t.Errorf("%s: key %s does not open", when, k.ID)
		}
	}
}

// mustHaveMoved holds what both sources have, and the result, against the keyring as it was before.
func (b *moveBench) mustHaveMoved(res keyring.Result) {
	b.t.Helper()
	if len(b.src.keys) != 0 || len(b.src.statements) != 0 || len(b.to.keys) != len(b.before.Keys) || b.to.statements["default"].Claim != "" {
		b.t.Errorf("left: %d keys, %d statement keys; moved: %d keys", len(b.src.keys), len(b.src.statements), len(b.to.keys))
	}
	want := b.before
	want.Keys = slices.Clone(want.Keys)
	for i := range want.Keys {
		want.Keys[i].WasClear = true
	}
	want.Move = &keyring.Move{Done: true, Message: "nothing is left in spec.moveFrom: take it out of the Keyring (seal keys move default --finish)"}
	res.Done = nil
	var clear []string
	for _, k := range slices.Backward(b.before.Keys) {
		clear = append(clear, k.ID[:16])
	}
	want.Message = b.before.Message + "; have lain in a Secret in the clear, so that backups of etcd may hold them: " + strings.Join(clear, ", ") +
		" (rotate, seal anew what they could open with seal rewrap --fresh, and destroy them)"
	if diff := cmp.Diff(want, res); diff != "" {
		b.t.Error(diff)
	}
	b.mustOpen("after the move")
}

// TestADestroyedKeyGoesAlong moves what is left of a key, and its dates.
func TestADestroyedKeyGoesAlong(t *testing.T) {
	b := newMoveBench(t)
	old := b.before.Keys[1].ID
	if err := b.src.SetState(t.Context(), *b.src.keys[old], keyring.Destroyed, noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	res := b.mustEnsure(moving("new"))
	k := b.to.keys[old]
	if len(b.src.keys) != 0 || k == nil || k.State != keyring.Destroyed || !k.Since.Equal(noon.Add(-time.Hour)) || !k.WasClear || b.opens(old) {
		t.Errorf("%d keys are left; moved is %v", len(b.src.keys), k)
	}
	if said := fmt.Sprint(res.Done); !strings.Contains(said, "key "+old[:16]+" is destroyed, as is said in New "+old[:16]+", and deleted in Old") {
		t.Error(said)
	}
}

// TestAKeyThatIsDestroyedDuringAMoveIsDestroyedInBothPlaces has the original destroyed after it was copied.
func TestAKeyThatIsDestroyedDuringAMoveIsDestroyedInBothPlaces(t *testing.T) {
	b := newMoveBench(t)
	old, at := b.before.Keys[1].ID, noon.Add(-time.Hour)
	b.to.after = func(op string, _ int) error {
		if k := b.src.keys[old]; op == "import" && b.to.keys[old] != nil && k != nil && k.State != keyring.Destroyed {
			return b.src.SetState(t.Context(), *k, keyring.Destroyed, at)
		}
		return nil
	}
	b.mustEnsure(moving("new"))
	if k := b.to.keys[old]; len(b.src.keys) != 0 || k == nil || k.State != keyring.Destroyed || !k.Since.Equal(at) || b.opens(old) {
		t.Errorf("%d keys are left; moved is %v", len(b.src.keys), k)
	}
}

func TestKeysMoveToAnotherSource(t *testing.T) {
	b := newMoveBench(t)
	records := len(b.story())
	res := b.mustEnsure(moving("new"))
	b.mustHaveMoved(res)
	active, old := b.before.Keys[0].ID[:16], b.before.Keys[1].ID[:16]
	done := []keyring.Done{
		{Reason: "KeyCopied", Message: "copied key " + old + " of Old " + old}, {Reason: "KeyMoved", Message: "key " + old + " is proved in New " + old + ", and deleted in Old " + old},
		{Reason: "KeyCopied", Message: "copied key " + active + " of Old " + active},
		{Reason: "KeyMoved", Message: "key " + active + " is proved in New " + active + ", and deleted in Old " + active},
		{Reason: "StatementKeyMoved", Message: "the statement key is in New of the statement, and deleted in Old of the statement: nothing is left in spec.moveFrom"},
	}
	if diff := cmp.Diff(done, res.Done); diff != "" {
		t.Error(diff)
	}
	step := func(kind string, keys int) []string {
		return []string{fmt.Sprintf("intent key.move %s default keys=%d", kind, keys), "outcome key.move true keys=0"}
	}
	story := slices.Concat([]string{"intent key.load Keyring default keys=0"}, step("StatementKey", 0), step("Keyring", 1), step("Keyring", 1), step("Keyring", 1), step("Keyring", 1),
		step("StatementKey", 0), []string{"outcome key.load true keys=2"})
	if diff := cmp.Diff(story, b.story()[records:]); diff != "" {
		t.Error(diff)
	}
	ops := b.src.ops
	b.mustHaveMoved(b.mustEnsure(moving("new")))
	if b.src.ops-ops != 2 || len(b.story()) != records+len(story)+2 {
		t.Error("a look at what has been moved does more than read")
	}
	// Without moveFrom the mark stays, for the next rotation.
	kr := moving("new")
	kr.Spec.MoveFrom = nil
	b.again()
	if res := b.mustEnsure(kr); res.Move != nil || !res.Keys[0].WasClear || res.Note != b.before.Note {
		t.Errorf("%+v", res)
	}
	// And it goes along to the next place.
	back := ring("default")
	back.Spec.MoveFrom = &kr.Spec.Source
	if res := b.mustEnsure(back); !res.Keys[0].WasClear || len(b.to.keys) != 0 || len(b.src.keys) != 2 || res.Note != b.before.Note {
		t.Errorf("%+v", res)
	}
}

// TestACrashAnywhereInAMoveIsPickedUp kills the Manager at every operation on both sources, just before and just after it takes effect.
func TestACrashAnywhereInAMoveIsPickedUp(t *testing.T) {
	var crashed atomic.Int32
	t.Cleanup(func() {
		if n := crashed.Load(); n < 60 || n == 96 {
			t.Errorf("%d of 96 had a crash", n)
		}
	})
	for at := 1; at <= 48; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("at %d, after its effect: %t", at, after), func(t *testing.T) {
				t.Parallel() // each waits for its own audit log's disk
				b := newMoveBench(t)
				n := 0
				hook := func(string, int) error {
					for _, k := range b.before.Keys {
						if b.src.keys[k.ID] == nil && b.to.keys[k.ID] == nil {
							t.Errorf("at %d key %s is nowhere", n, k.ID)
						}
					}
					if b.src.statements["default"] == nil && b.to.statements["default"] == nil {
						t.Errorf("at %d the statement key is nowhere", n)
					}
					if n++; n == at {
						return errCrash
					}
					return nil
				}
				if after {
					b.src.after, b.to.after = hook, hook
				} else {
					b.src.before, b.to.before = hook, hook
				}
				res, err := b.m.Ensure(t.Context(), moving("new"))
				if err != nil {
					crashed.Add(1)
					if !errors.Is(err, errCrash) || res.Move == nil || res.Move.Done {
						t.Fatalf("%+v, %v", res, err)
					}
					b.again()
					res = b.mustEnsure(moving("new"))
				}
				b.mustHaveMoved(res)
			})
		}
	}
}

func TestControllersThatMoveTheSameKeysAgree(t *testing.T) {
	for round := range 20 {
		b := newMoveBench(t)
		results := make([]keyring.Result, 3)
		var wg sync.WaitGroup
		for i := range results {
			m := b.manager(&keyring.Live{})
			wg.Go(func() {
				for {
					res, err := m.Ensure(t.Context(), moving("new"))
					if results[i] = res; err == nil {
						return
					}
					// Whoever meets the others at every step tries again, as the controller does.
					if !strings.Contains(err.Error(), "by somebody else all the time") {
						t.Errorf("round %d: %v", round, err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.mustEnsure(moving("new"))
		for _, res := range results {
			b.mustHaveMoved(res)
		}
	}
}

// TestOnePlaceUnderTwoNamesLosesNothing: "the copy is there already" must not delete the original, because it is the copy.
func TestOnePlaceUnderTwoNamesLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		from, to v1alpha1.KeySource
		says     string
	}{
		"other names":                  {ring("x").Spec.Source, kvSource("alias"), "it names the same place as spec.source in other words"},
		"other names, seen from there": {kvSource("alias"), ring("x").Spec.Source, "it names the same place as spec.source in other words"},
		"the same Secrets":             {ring("x").Spec.Source, ring("x").Spec.Source, "names the same place as source"},
		"the same folder":              {kvSource("alias"), kvSource("alias"), "names the same place as source"},
		"other Transit keys":           {sealedSource("a"), sealedSource("b"), "the same Secrets whichever Transit key"},
		"what cannot leave":            {v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{}}, kvSource("new"), "cannot leave Vault"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newMoveBench(t)
			kr := ring("default")
			kr.Spec.Source, kr.Spec.MoveFrom = c.to, &c.from
			res, err := b.m.Ensure(t.Context(), kr)
			if err != nil || res.Ready || !res.Stalled || res.Reason != keyring.ReasonMoveBlocked || !strings.Contains(res.Message, c.says) || res.Move.Done {
				t.Errorf("%+v, %v", res, err)
			}
			if len(b.src.keys) != 2 || len(b.src.statements) != 1 {
				t.Error("something was deleted")
			}
			if c.to.Secret != nil && c.to.Secret.EncryptedBy == nil || c.to.VaultKV != nil && c.to.VaultKV.Path == "alias" {
				b.mustOpen("while the move is refused")
			}
			b.again()
			b.mustEnsure(ring("default"))
		})
	}
}

// lagging is a source as a replica of Vault shows it: what was written through another address is not there yet.
type lagging struct {
	*memorySource
	statement *keyring.Statement
}

func (l *lagging) LoadStatement(context.Context, string) (*keyring.Statement, error) {
	c := *l.statement
	return &c, nil
}

// TestAReplicaThatLagsIsTheSamePlace: the claim in the old place, which tells two places apart, does not show in the new one because that is behind.
func TestAReplicaThatLagsIsTheSamePlace(t *testing.T) {
	for _, activated := range []bool{false, true} {
		b := newMoveBench(t)
		old := *b.src.statements["default"]
		if activated { // just now, so that the replica does not know of it either
			old.Version, old.Claim = "Old 0", "another"
		}
		live := &keyring.Live{}
		b.live, b.m = live, keyring.NewManager(keyring.Config{Source: func(_ context.Context, _ string, spec v1alpha1.KeySource) (keyring.Source, error) {
			if spec.VaultKV != nil {
				return &lagging{b.src, &old}, nil
			}
			return b.src, nil
		}, Audit: b.log, Now: func() time.Time { return noon }, Rand: rand.Reader, Live: live})
		res, err := b.m.Ensure(t.Context(), moving("new"))
		if err != nil || res.Reason != keyring.ReasonMoveBlocked || !strings.Contains(res.Message, "it names the same place as spec.source in other words") || len(b.src.keys) != 2 {
			t.Errorf("activated: %t: %+v, %v, %d keys are left", activated, res, err, len(b.src.keys))
		}
	}
}

func sealedSource(key string) v1alpha1.KeySource {
	return v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Key: v1alpha1.VaultName(key)}}}}
}

// TestKeysOpenWhereverTheyAreWhileOneSourceIsAway stops a move half way, with a source that goes away and comes back.
func TestKeysOpenWhereverTheyAreWhileOneSourceIsAway(t *testing.T) {
	away := errors.New("connection refused")
	for name, pick := range map[string]func(*moveBench) (gone, there *memorySource){
		"the old one": func(b *moveBench) (*memorySource, *memorySource) { return b.src, b.to },
		"the new one": func(b *moveBench) (*memorySource, *memorySource) { return b.to, b.src },
	} {
		t.Run(name, func(t *testing.T) {
			b := newMoveBench(t)
			gone, there := pick(b)
			b.src.after = func(op string, _ int) error {
				if op == "remove" { // of the first key
					return away
				}
				return nil
			}
			if _, err := b.m.Ensure(t.Context(), moving("new")); !errors.Is(err, away) {
				t.Fatal(err)
			}
			b.mustOpen("half way")
			b.src.after = nil
			gone.before = func(string, int) error { return away }
			res, err := b.m.Ensure(t.Context(), moving("new"))
			if !errors.Is(err, away) || res.Known || res.Reason != keyring.ReasonKeySourceUnavailable || res.Move.Done {
				t.Errorf("%+v, %v", res, err)
			}
			b.mustOpen("with one source away")
			b.again()
			if _, err := b.m.Ensure(t.Context(), moving("new")); !errors.Is(err, away) {
				t.Error(err)
			}
			for _, k := range b.before.Keys {
				if (there.keys[k.ID] != nil) != b.opens(k.ID) {
					t.Errorf("after a restart key %s: %t", k.ID, b.opens(k.ID))
				}
			}
			if diff := cmp.Diff([]string{"default"}, b.live.Load().Unavailable()); diff != "" {
				t.Error(diff)
			}
			gone.before = nil
			b.mustHaveMoved(b.mustEnsure(moving("new")))
		})
	}
}

func TestKeysOpenWhileASourceCannotBeOpened(t *testing.T) {
	for path, reason := range map[string]string{"unmade": keyring.ReasonKeySourceUnavailable, "sealed": keyring.ReasonUnsupportedSource} {
		b := newMoveBench(t)
		kr := moving(path)
		if path == "sealed" {
			kr.Spec.Source = sealedSource("k")
		}
		res, err := b.m.Ensure(t.Context(), kr)
		if err != nil || !res.Stalled || res.Reason != reason || res.Move.Done {
			t.Errorf("%+v, %v", res, err)
		}
		b.mustOpen("with a source that makes no sense")
	}
}

func TestWhatCannotBeMovedStaysAndIsTold(t *testing.T) {
	b := newMoveBench(t)
	b.src.faults = []keyring.Problem{{Where: "Old x", Msg: "is garbled", KeyID: strings.Repeat("7", 16)}}
	res := b.mustEnsure(moving("new"))
	if res.Reason != keyring.ReasonKeyUnreadable || res.Move.Done || !strings.Contains(res.Move.Message, "left in spec.moveFrom: what cannot be used and stays until somebody mends or deletes it: Old x is garbled, the statement key") {
		t.Errorf("%+v", res)
	}
	b.mustOpen("with a key that stays")
	b.src.faults = nil
	b.mustHaveMoved(b.mustEnsure(moving("new")))
}

// TestAMessageFitsIntoAStatus: the API server refuses a status with a longer one, whole. The names in a folder of Vault are as long as somebody likes.
func TestAMessageFitsIntoAStatus(t *testing.T) {
	b := newMoveBench(t)
	b.src.faults = []keyring.Problem{{Where: "Old " + strings.Repeat("ü", 1<<16), Msg: "is garbled"}}
	res := b.mustEnsure(moving("new"))
	for _, text := range []string{res.Message, res.Move.Message} {
		if len(text) > 8<<10 || !strings.Contains(text, "Old ü") || !utf8.ValidString(text) {
			t.Errorf("a message of %d bytes: %.80s", len(text), text)
		}
	}
}

// TestAMoveIntoTheClearThatIsTakenBackIsRemembered: a key was copied into a Secret, Vault did not let the original be deleted, and the operator went back.
func TestAMoveIntoTheClearThatIsTakenBackIsRemembered(t *testing.T) {
	b := &moveBench{bench: newBench(t), to: newMemorySource(t)}
	b.again()
	kv := ring("default")
	kv.Spec.Source = kvSource("new")
	b.before = b.mustEnsure(kv)
	b.before.Done = nil
	out := ring("default")
	out.Spec.MoveFrom = &kv.Spec.Source
	denied := &keyring.Problem{Where: "New", Msg: "cannot be deleted"}
	b.to.before = func(op string, _ int) error {
		if op == "remove" {
			return denied
		}
		return nil
	}
	if res := must(b.m.Ensure(t.Context(), out)); res.Reason != keyring.ReasonMoveBlocked || len(b.src.keys) != 1 || res.Keys[0].WasClear {
		t.Fatalf("%+v", res)
	}
	b.to.before = nil
	res := b.mustEnsure(moving("new"))
	b.to.statements["default"].Claim = "" // of the move that was taken back; it is no key's
	b.mustHaveMoved(res)
}

func must(res keyring.Result, err error) keyring.Result {
	if err != nil {
		panic(err)
	}
	return res
}

func TestNoKeyIsMadeWhileOthersAreLeft(t *testing.T) {
	b := newMoveBench(t)
	b.src.keys, b.src.statements = map[string]*keyring.Stored{}, map[string]*keyring.Statement{}
	b.src.faults = []keyring.Problem{{Where: "Old x", Msg: "is garbled"}}
	res, err := b.m.Ensure(t.Context(), moving("new"))
	if err != nil || res.Reason != keyring.ReasonMoveBlocked || !strings.Contains(res.Message, "no key is made while others are left") || len(b.to.keys) != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	b.src.faults = nil
	if res := b.mustEnsure(moving("new")); !res.Move.Done || len(b.to.keys) != 1 || len(b.src.keys) != 0 {
		t.Errorf("%+v", res)
	}
}

func TestACopyThatDoesNotOpenLeavesTheOriginal(t *testing.T) {
	b := newMoveBench(t)
	other, _ := identity(t, "classical")
	b.to.after = func(op string, _ int) error {
		if op == "import" {
			for id, k := range b.to.keys {
				forged := keyring.NewKey("default", other, k.State, k.Created, k.Activated)
				forged.ID, forged.Recipient = id, k.Recipient
				k.Key = forged
			}
		}
		return nil
	}
	res, err := b.m.Ensure(t.Context(), moving("new"))
	if err != nil || res.Reason != keyring.ReasonProbeFailed || len(b.src.keys) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestACopyOfTheStatementKeyThatDoesNotComeBackLeavesTheOriginal: a sealed one can be there and look well although Vault does not decrypt it any more, such as after
// spec.source was given another Transit key half way.
func TestACopyOfTheStatementKeyThatDoesNotComeBackLeavesTheOriginal(t *testing.T) {
	other, _, err := statement.GenerateKey(rand.Reader, "default")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil, mend func(b *moveBench)
	}{
		"it cannot be read": {
			func(b *moveBench) {
				b.to.after = func(op string, _ int) error {
					if op == "export statement" {
						return &keyring.Problem{Where: "New of the statement", Msg: "does not decrypt"}
					}
					return nil
				}
			},
			func(b *moveBench) { b.to.after = nil },
		},
		"it is another one": {
			func(b *moveBench) {
				b.to.after = func(op string, _ int) error {
					if op == "import statement" {
						b.to.signers["default"] = other
					}
					return nil
				}
			},
			func(b *moveBench) { b.to.after, b.to.signers["default"] = nil, b.src.signers["default"] },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newMoveBench(t)
			c.spoil(b)
			res, err := b.m.Ensure(t.Context(), moving("new"))
			if err != nil || !res.Stalled || res.Reason != keyring.ReasonMoveBlocked || !strings.Contains(res.Message, "New of the statement") || res.Move.Done || b.src.statements["default"] == nil {
				t.Fatalf("%+v, %v", res, err)
			}
			b.mustOpen("with the statement key in both places")
			c.mend(b)
			b.mustHaveMoved(b.mustEnsure(moving("new")))
		})
	}
}

func TestAPrivateKeyOnItsWayPrintsNowhere(t *testing.T) {
	_, text := identity(t, "classical")
	p := keyring.NewPrivate(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{p, &p, struct{ P keyring.Private }{p}, []keyring.Private{p}} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, text) || strings.Contains(out, fmt.Sprintf("%x", text)) {
				t.Errorf("%s prints it", verb)
			}
		}
	}
	if p.Text() != text || (keyring.Private{}).Text() != "" {
		t.Error("it is not what it was")
	}
}
