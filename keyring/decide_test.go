package keyring_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/keyring"
)

// key is a key with a short id, made so many hours after noon.
func key(id string, state keyring.State, hours int) keyring.Key {
	return keyring.Key{Keyring: "default", ID: strings.Repeat(id, 32), State: state, Created: noon.Add(time.Duration(hours) * time.Hour)}
}

func long(ids ...string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, strings.Repeat(id, 32))
	}
	return out
}

func TestWhatAKeyringNeedsNext(t *testing.T) {
	const here = "Secret waxwing-statement-default"
	a, b, c := long("a")[0], long("b")[0], long("c")[0]
	for name, tc := range map[string]struct {
		in   keyring.Situation
		want keyring.Next
		says string // part of the message
	}{
		"nothing is there: the statement key comes first": {keyring.Situation{}, keyring.Next{Do: keyring.DoMakeStatement}, ""},
		"the statement key was lost: a new one, whatever keys there are": {
			keyring.Situation{Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoMakeStatement}, ""},
		"nothing is there, but the status shows a key: it is elsewhere, or deleted": {
			keyring.Situation{Shown: "aaaaaaaaaaaaaaaa"}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "the status shows key aaaaaaaaaaaaaaaa"},
		"the statement key was lost and the status shows the key that is there: a new statement key": {
			keyring.Situation{Shown: "aaaaaaaaaaaaaaaa", Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoMakeStatement}, ""},
		"no key was ever made, but the status shows one: the source is older than the status": {
			keyring.Situation{Shown: "aaaaaaaaaaaaaaaa", Statement: here}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "holds Secret waxwing-statement-default and no key at all: it was deleted or restored"},
		"and so if there is something that cannot be read": {
			keyring.Situation{Shown: "aaaaaaaaaaaaaaaa", Statement: here, Unreadable: true}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "aaaaaaaaaaaaaaaa"},
		"the status shows a newer set, of a key that is not there": {
			keyring.Situation{Shown: "bbbbbbbbbbbbbbbb", ShownSet: 6, ShownKeys: long("b"), Set: 5, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "the status shows recipient set 6 of key bbbbbbbbbbbbbbbb, and the source has set 5 of key aaaaaaaaaaaaaaaa: "},
		"or that is not sealed to": {
			keyring.Situation{ShownSet: 6, ShownKeys: long("b"), Set: 5, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0), key("b", keyring.PreActive, 1)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "seal keys restore"},
		"but not while keys are moved": {
			keyring.Situation{ShownSet: 6, ShownKeys: long("b"), Set: 5, Moving: true, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoNothing}, ""},
		"the status shows a newer set of the same key: publish that": {
			keyring.Situation{ShownSet: 6, ShownKeys: long("a"), Set: 5, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoPublish, Key: a}, ""},
		"the status shows a newer set of the key that is active": {
			keyring.Situation{ShownSet: 6, ShownKeys: long("b"), Set: 5, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Deactivated, 0), key("b", keyring.Active, 1)}}, keyring.Next{Do: keyring.DoPublish, Key: b}, ""},
		"the status shows the set of before: it is written next": {
			keyring.Situation{ShownSet: 4, ShownKeys: long("b"), Set: 5, Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoNothing}, ""},
		"no key: make the first": {keyring.Situation{Statement: here}, keyring.Next{Do: keyring.DoMakeKey}, ""},
		"no key but a Secret that cannot be read, before anything was published: make the first": {
			keyring.Situation{Statement: here, Unreadable: true}, keyring.Next{Do: keyring.DoMakeKey}, ""},
		"a pre-active key: claim it": {
			keyring.Situation{Statement: here, Keys: []keyring.Key{key("a", keyring.PreActive, 0)}}, keyring.Next{Do: keyring.DoClaim, Key: a}, ""},
		"a claimed pre-active key, as a crash before the activation leaves it: prove and activate it": {
			keyring.Situation{Statement: here, Claim: a, Keys: []keyring.Key{key("a", keyring.PreActive, 0)}}, keyring.Next{Do: keyring.DoActivate, Key: a}, ""},
		"two pre-active keys: claim the older": {
			keyring.Situation{Statement: here, Keys: []keyring.Key{key("a", keyring.PreActive, 2), key("b", keyring.PreActive, 1)}}, keyring.Next{Do: keyring.DoClaim, Key: b}, ""},
		"two of one age: claim the first by id": {
			keyring.Situation{Statement: here, Keys: []keyring.Key{key("b", keyring.PreActive, 1), key("a", keyring.PreActive, 1)}}, keyring.Next{Do: keyring.DoClaim, Key: a}, ""},
		"two pre-active keys and a claim: the claimed one": {
			keyring.Situation{Statement: here, Claim: a, Keys: []keyring.Key{key("a", keyring.PreActive, 2), key("b", keyring.PreActive, 1)}}, keyring.Next{Do: keyring.DoActivate, Key: a}, ""},
		"the claimed key is gone: claim another": {
			keyring.Situation{Statement: here, Claim: c, Keys: []keyring.Key{key("a", keyring.PreActive, 0)}}, keyring.Next{Do: keyring.DoClaim, Key: a}, ""},
		"an active key that is not published: publish it": {
			keyring.Situation{Statement: here, Claim: a, Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoPublish, Key: a}, ""},
		"another key is active than the published one: publish it": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Deactivated, 0), key("b", keyring.Active, 1)}},
			keyring.Next{Do: keyring.DoPublish, Key: b}, ""},
		"the published key is gone but another is active: publish that": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("b", keyring.Active, 1)}}, keyring.Next{Do: keyring.DoPublish, Key: b}, ""},
		"an active key that is published: nothing": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 0)}}, keyring.Next{Do: keyring.DoNothing}, ""},
		"and a pre-active one beside it waits": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Active, 1), key("b", keyring.PreActive, 0)}}, keyring.Next{Do: keyring.DoNothing}, ""},
		"and so does what cannot be read": {
			keyring.Situation{Statement: here, Published: long("a"), Unreadable: true, Keys: []keyring.Key{key("a", keyring.Active, 1)}}, keyring.Next{Do: keyring.DoNothing}, ""},
		"two active keys of which none is published: a person decides": {
			keyring.Situation{Statement: here, Published: long("c"), Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0), key("c", keyring.Deactivated, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonSeveralActiveKeys}, "keys aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb are active at once"},
		"and so before the first set": {
			keyring.Situation{Statement: here, Claim: b, Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonSeveralActiveKeys}, "are active at once"},
		"one of two active keys is published, as after the new set of a rotation: the other opens only": {
			keyring.Situation{Statement: here, Published: long("b"), Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0)}},
			keyring.Next{Do: keyring.DoDeactivate, Key: a, Why: "key bbbbbbbbbbbbbbbb is sealed to"}, ""},
		"the other is claimed, as before the new set of a rotation: publish it": {
			keyring.Situation{Statement: here, Published: long("a"), Claim: b, Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0)}},
			keyring.Next{Do: keyring.DoPublish, Key: b}, ""},
		"the claim is of a key that is not active: the one that is not published opens only": {
			keyring.Situation{Statement: here, Published: long("a"), Claim: c, Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0), key("c", keyring.PreActive, 2)}},
			keyring.Next{Do: keyring.DoDeactivate, Key: b, Why: "key aaaaaaaaaaaaaaaa is sealed to"}, ""},
		"three are active and one of those that are not published is claimed: a person decides": {
			keyring.Situation{Statement: here, Published: long("a"), Claim: b, Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0), key("c", keyring.Active, 2)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonSeveralActiveKeys}, "seal keys deactivate"},
		"three are active and none is claimed: the others open only, the older first": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("b", keyring.Active, 1), key("a", keyring.Active, 0), key("c", keyring.Active, 2)}},
			keyring.Next{Do: keyring.DoDeactivate, Key: b, Why: "key aaaaaaaaaaaaaaaa is sealed to"}, ""},
		"the published key is gone: restore it": {
			keyring.Situation{Statement: here, Published: long("a")}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "delete " + here},
		"the published key is gone and a pre-active one is there: no silent change": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("b", keyring.PreActive, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyMissing}, "aaaaaaaaaaaaaaaa"},
		"the published key may be one that cannot be read": {
			keyring.Situation{Statement: here, Published: long("a"), Unreadable: true}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyUnreadable}, "aaaaaaaaaaaaaaaa"},
		"the published key was suspended and none waits": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Suspended, 0)}}, keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonNoActiveKey}, "resume it, or deactivate it"},
		"the published key was compromised and none waits: make another": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Compromised, 0)}}, keyring.Next{Do: keyring.DoMakeKey, Why: "no key was active"}, ""},
		"and so with none but old keys, as a restore leaves them": {
			keyring.Situation{Statement: here, Keys: []keyring.Key{key("a", keyring.Deactivated, 0), key("b", keyring.Compromised, 0), key("c", keyring.Destroyed, 0)}}, keyring.Next{Do: keyring.DoMakeKey, Why: "no key was active"}, ""},
		"but not beside one that cannot be used, which may be the one that was made": {
			keyring.Situation{Statement: here, Unreadable: true, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Compromised, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonKeyUnreadable}, "none is made"},
		"nor beside a suspended one": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Compromised, 0), key("b", keyring.Suspended, 0)}},
			keyring.Next{Do: keyring.DoStop, Reason: keyring.ReasonNoActiveKey}, "bbbbbbbbbbbbbbbb"},
		"the published key was compromised and one waits": {
			keyring.Situation{Statement: here, Published: long("a"), Keys: []keyring.Key{key("a", keyring.Compromised, 0), key("b", keyring.PreActive, 0)}},
			keyring.Next{Do: keyring.DoClaim, Key: b}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := keyring.Decide(tc.in)
			if !strings.Contains(got.Message, tc.says) || (got.Message == "") != (got.Do != keyring.DoStop) {
				t.Errorf("message %q", got.Message)
			}
			got.Message = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// perform is what a faultless Manager would do.
func perform(s *keyring.Situation, n keyring.Next, made *int) {
	state := func(to keyring.State) {
		i := slices.IndexFunc(s.Keys, func(k keyring.Key) bool { return k.ID == n.Key })
		if to == keyring.Active && s.Keys[i].Activated.IsZero() {
			s.Keys[i].Activated = s.Now
		}
		s.Keys[i].State, s.Keys[i].Since = to, s.Now
		if to == keyring.Destroyed {
			s.Buried = slices.DeleteFunc(s.Buried, func(id string) bool { return id == n.Key })
		}
	}
	s.Uses = nil
	switch n.Do {
	case keyring.DoMakeStatement:
		s.Statement = "here"
	case keyring.DoMakeKey:
		s.Keys = append(s.Keys, key(string("fghijk"[*made]), keyring.PreActive, 9+*made))
		*made++
	case keyring.DoClaim:
		s.Claim = n.Key
	case keyring.DoActivate:
		state(keyring.Active)
	case keyring.DoPublish:
		s.Published, s.Claim = []string{n.Key}, ""
	case keyring.DoDeactivate:
		state(keyring.Deactivated)
	case keyring.DoSuspend, keyring.DoResume, keyring.DoCompromise, keyring.DoDestroy:
		state(n.To)
	case keyring.DoUnbury:
		s.Buried = slices.DeleteFunc(s.Buried, func(id string) bool { return id == n.Key })
	case keyring.DoAskUses:
		s.Uses = &keyring.Uses{}
	}
}

// TestFromEverySituationItEnds goes through all states of three keys, with and without statement, published set and claim.
func TestFromEverySituationItEnds(t *testing.T) {
	states := append([]keyring.State{""}, keyring.States()...) // "" is no key
	count := 0
	for i := range len(states) * len(states) * len(states) {
		var keys []keyring.Key
		for n, s := range []keyring.State{states[i%7], states[i/7%7], states[i/49]} {
			if s != "" {
				keys = append(keys, key(string(rune('a'+n)), s, n))
			}
		}
		for j := range 2 * 2 * 4 * 4 {
			s := keyring.Situation{Keys: slices.Clone(keys), Unreadable: j&1 != 0, Statement: []string{"", "here"}[j>>1&1]}
			if n := j >> 2 & 3; n > 0 {
				s.Published = long(string(rune('a' + n - 1)))
			}
			if n := j >> 4; n > 0 {
				s.Claim = long(string(rune('a' + n - 1)))[0]
			}
			count++
			mustEnd(t, s)
		}
	}
	if count != 7*7*7*64 {
		t.Errorf("%d situations", count)
	}
}

func mustEnd(t *testing.T, s keyring.Situation) {
	t.Helper()
	begin := fmt.Sprintf("%+v", s)
	active := func() (n int) {
		for _, k := range s.Keys {
			if k.State == keyring.Active {
				n++
			}
		}
		return n
	}
	before, made := active(), 0
	for range 7 {
		n := keyring.Decide(s)
		if n.Do == keyring.DoNothing && (active() != 1 || len(s.Published) != 1) {
			t.Fatalf("%s: nothing more to do with %d active keys", begin, active())
		}
		if n.Do == keyring.DoNothing || n.Do == keyring.DoStop {
			if active() > max(1, before) || made > 1 || (made == 1 && s.Published != nil && s.Published[0] != long("f")[0]) {
				t.Fatalf("%s: %d keys made, %d active, published %v", begin, made, active(), s.Published)
			}
			return
		}
		perform(&s, n, &made)
	}
	t.Fatalf("%s: does not end", begin)
}
