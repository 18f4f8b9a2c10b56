package keyring_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestADestructionThatNobodyWantsAnyMoreIsTakenBack has a controller end in the middle of a destruction, and the request withdrawn. A key that somebody deletes by mistake weeks later is missing
// then: a keyring stops, and its backup is the last copy.
func TestADestructionThatNobodyWantsAnyMoreIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		state  keyring.State // of the key
		change func(b *glassBench, u *useTable, id string)
	}{
		"the request is withdrawn": {keyring.Deactivated, func(b *glassBench, _ *useTable, _ string) { b.kr.Spec.Requests = nil }},
		"somebody needs it by now": {keyring.Deactivated, func(_ *glassBench, u *useTable, id string) {
			u.uses.Keys = map[string]keyring.KeyUses{id: {Objects: 1}}
		}},
		"something else is wanted": {keyring.Deactivated, func(b *glassBench, _ *useTable, _ string) { b.kr.Spec.Requests[0].Do = v1alpha1.RequestCompromise }},
		"it is sealed to by now": {keyring.PreActive, func(b *glassBench, _ *useTable, id string) {
			b.kr.Spec.Requests, b.kr.Spec.Rotation = nil, rotation("", noon.Add(time.Minute).Format(time.RFC3339), "")
			b.now = noon.Add(time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b, u := newGlassBench(t, seal.Classical), &useTable{}
			b.uses = u.of
			b.mustEnsure(b.kr)
			id := b.old(c.state, time.Hour)
			if c.state == keyring.PreActive {
				b.src.change(id, func(k *keyring.Key) { k.Activated = time.Time{} })
			}
			b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: id, Do: v1alpha1.RequestDestroy}}
			stored, _, err := b.src.Load(t.Context(), "default")
			for _, k := range stored {
				if k.ID == id {
					err = errors.Join(err, b.src.bury(k))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			b.again()
			c.change(b, u, id)
			res := b.mustEnsure(b.kr)
			b.mustEnsure(b.kr)
			if b.src.keys[id].Buried || !b.opens(id) {
				t.Fatalf("%+v", res)
			}
			said := 0
			for _, d := range res.Done {
				if d.Reason == "DestructionTakenBack" && strings.Contains(d.Message, id[:16]) {
					said++
				}
			}
			if said != 1 {
				t.Errorf("%+v", res.Done)
			}
			saved := b.kept.saved
			b.src.lose(id)
			res = b.mustNotDestroy(id)
			if b.kept.saved != saved || res.Backup.Reason != keyring.ReasonBackupHasMore {
				t.Errorf("the last copy: %+v, saved %d times", res.Backup, b.kept.saved)
			}
			if sealedTo := c.state == keyring.PreActive; sealedTo != (res.Reason == keyring.ReasonKeyMissing) {
				t.Errorf("%+v", res)
			}
		})
	}
}

func (b *glassBench) mustNotDestroy(id string) keyring.Result {
	b.t.Helper()
	res, err := b.m.Ensure(b.t.Context(), b.kr)
	if state := states(res)[id]; err != nil || state != "" {
		b.t.Fatalf("%s: %+v, %v", state, res, err)
	}
	return res
}

// TestADestructionGoesOn has one that was begun and is wanted still: it is not taken back, and comes to its end.
func TestADestructionGoesOn(t *testing.T) {
	s := keyring.Situation{Statement: "here", Now: noon, Keys: []keyring.Key{since("a", keyring.Deactivated, 10), since("b", keyring.Active, 11)}, Published: long("b"), Buried: long("a")}
	s.Requests = ask("a", "Destroy")
	if n := keyring.Decide(s); n.Do != keyring.DoAskUses {
		t.Errorf("%+v", n)
	}
	s.Uses = &keyring.Uses{}
	if n := keyring.Decide(s); n.Do != keyring.DoDestroy {
		t.Errorf("%+v", n)
	}
	s.Undestroyed = []keyring.Undestroyed{{Key: long("a")[0], Why: "it may not be deleted"}}
	if n := keyring.Decide(s); n.Do != keyring.DoNothing {
		t.Errorf("it is tried again later: %+v", n)
	}
	s.Requests = nil
	if n := keyring.Decide(s); n.Do != keyring.DoUnbury || n.Key != long("a")[0] {
		t.Errorf("%+v", n)
	}
}

// TestADestructionThatWaitsForALookIsNotTakenBack has a controller start, or not be told who needs keys, after a destruction was begun: it is not known yet whether something is in its way.
func TestADestructionThatWaitsForALookIsNotTakenBack(t *testing.T) {
	begun := func(uses keyring.Uses) keyring.Situation {
		return keyring.Situation{Statement: "here", Now: noon, Keys: []keyring.Key{since("a", keyring.Deactivated, 10), since("b", keyring.Active, 11)}, Published: long("b"), Buried: long("a"), Uses: &uses}
	}
	soon := keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true}
	needed := soon
	needed.Keys = map[string]keyring.KeyUses{long("a")[0]: {Objects: 1}}
	for name, c := range map[string]struct {
		uses keyring.Uses
		want keyring.Do
	}{
		"it is looked at soon":       {soon, keyring.DoNothing},
		"somebody has to mend it":    {keyring.Uses{Unseen: "1 mark is damaged"}, keyring.DoUnbury},
		"one that was seen needs it": {needed, keyring.DoUnbury},
	} {
		asked, due, unwanted := begun(c.uses), begun(c.uses), begun(c.uses)
		asked.Requests, due.Rotation.DestroyAfter = ask("a", "Destroy"), time.Hour
		for why, s := range map[string]keyring.Situation{"a request": asked, "destroyAfter": due} {
			if n := keyring.Decide(s); n.Do != c.want {
				t.Errorf("%s, by %s: %+v", name, why, n)
			}
			if again := s.LookAgain(); c.want == keyring.DoNothing && !again.Equal(noon.Add(5*time.Second)) {
				t.Errorf("%s, by %s: again %s", name, why, again)
			}
		}
		if n := keyring.Decide(unwanted); n.Do != keyring.DoUnbury {
			t.Errorf("%s, and nobody wants it: %+v", name, n)
		}
	}
}
