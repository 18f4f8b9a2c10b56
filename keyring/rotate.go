package keyring

import (
	"cmp"
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Rotation is what a Keyring's spec.rotation says; what is zero is not said.
type Rotation struct {
	// Every is how old the active key becomes at the most.
	Every time.Duration
	// RenewBefore has a key replaced that became active before it, as soon as that time has come.
	RenewBefore time.Time
	// DestroyAfter is how long a key stays after it was deactivated, and how long what is gone from the cluster counts as a use.
	DestroyAfter time.Duration
}

// RotationOf reads a Keyring's spec.rotation.
func RotationOf(spec *v1alpha1.KeyringSpec) Rotation {
	var r Rotation
	if spec.Rotation == nil {
		return r
	}
	if every := spec.Rotation.Every; every != nil {
		r.Every = every.Duration
	}
	if before := spec.Rotation.RenewBefore; before != nil {
		r.RenewBefore = before.Time
	}
	if after := spec.Rotation.DestroyAfter; after != nil {
		r.DestroyAfter = after.Duration
	}
	return r
}

// replaced is when the rotation has a key replaced that became active at this time, and which of its fields says so; zero where none does.
func (r Rotation) replaced(activated time.Time) (at time.Time, field string) {
	if r.Every > 0 {
		at, field = activated.Add(r.Every), "spec.rotation.every"
	}
	if activated.Before(r.RenewBefore) && (field == "" || r.RenewBefore.Before(at)) {
		at, field = r.RenewBefore, "spec.rotation.renewBefore"
	}
	return at, field
}

// sealing is what is needed so that there is one active key, which is published and not too old.
func (s Situation) sealing() Next {
	active := inState(s.Keys, Active)
	switch {
	case len(active) > 1:
		return s.several(active)
	case len(active) == 1 && (!slices.Equal(s.Published, active) || s.passed() && slices.Equal(s.ShownKeys, active)):
		return Next{Do: DoPublish, Key: active[0]}
	case len(active) == 1:
		return s.replacement(active[0])
	case missing(s) != "" && s.Unreadable:
		return stop(ReasonKeyUnreadable, "key %s of the published recipient set is not among the keys that can be read", display(missing(s)))
	case missing(s) != "":
		return stop(ReasonKeyMissing, "key %s of the published recipient set is not in the source: restore it from a backup, "+
			"or delete %s too to begin anew with other keys", display(missing(s)), s.Statement)
	case len(s.Keys) == 0:
		return Next{Do: DoMakeKey}
	}
	return s.activation()
}

// several is for two active keys and more. In the middle of a rotation they are that of the published set and the claimed one, which takes its place; then the other one
// goes. Any else that somebody has made active beside the published one goes as well; where none of them is published, only a person can say which one it is.
func (s Situation) several(active []string) Next {
	if len(s.Published) == 1 && slices.Contains(active, s.Published[0]) {
		others := slices.DeleteFunc(slices.Clone(active), func(id string) bool { return id == s.Published[0] })
		switch {
		case !slices.Contains(others, s.Claim):
			return Next{Do: DoDeactivate, Key: others[0], Why: "key " + display(s.Published[0]) + " is sealed to"}
		case len(others) == 1:
			return Next{Do: DoPublish, Key: others[0]}
		}
	}
	return stop(ReasonSeveralActiveKeys, "keys %s are active at once: ask for all but one to be deactivated (seal keys deactivate KEYID), or set their states to %s", displays(active), Deactivated)
}

// replacement brings a new key into the place of the one that is sealed to, when that is due.
func (s Situation) replacement(active string) Next {
	why := s.due(active)
	if why == "" || s.held() != "" {
		return Next{Do: DoNothing}
	}
	waiting := inState(s.Keys, PreActive)
	if len(waiting) == 0 {
		return Next{Do: DoMakeKey, Why: why}
	}
	return s.next(waiting, why)
}

// activation is for a keyring without an active key.
func (s Situation) activation() Next {
	waiting, suspended := inState(s.Keys, PreActive), inState(s.Keys, Suspended)
	switch {
	case len(waiting) > 0:
		return s.next(waiting, "")
	case len(suspended) > 0:
		return stop(ReasonNoActiveKey, "key %s is suspended and no other is active: resume it, or deactivate it, and a new key takes its place", displays(suspended))
	case s.Unreadable:
		// One of them may be the very key that was made for this.
		return stop(ReasonKeyUnreadable, "no key is active, and none is made while there are some that cannot be used")
	}
	return Next{Do: DoMakeKey, Why: "no key was active"}
}

// next chooses among pre-active keys: the claimed one, else the oldest. There is more than one only where two controllers have raced.
func (s Situation) next(waiting []string, why string) Next {
	if !slices.Contains(waiting, s.Claim) {
		return Next{Do: DoClaim, Key: waiting[0]}
	}
	return Next{Do: DoActivate, Key: s.Claim, Why: why}
}

// due says why the active key is to be replaced now; empty: it is not.
func (s Situation) due(active string) string {
	if r, asked := s.request(active); asked && r.Do == v1alpha1.RequestDeactivate {
		return asking(r)
	}
	k, _ := s.key(active)
	if at, field := s.Rotation.replaced(k.began()); field != "" && !at.After(s.Now) {
		return field
	}
	return ""
}

// held says why nothing rotates now; empty: nothing is in the way.
func (s Situation) held() string {
	switch {
	case s.Moving:
		return "keys are left in spec.moveFrom"
	case s.Unreadable:
		return "there are keys that cannot be used"
	}
	return ""
}

// Waits says why a rotation that is due does not begin; empty where none is due, or none waits.
func (s Situation) Waits() string {
	if active := inState(s.Keys, Active); len(active) == 1 && s.due(active[0]) != "" {
		return s.held()
	}
	return ""
}

// NextRotation is when the active key is to be replaced by what spec.rotation says; zero where it is not planned. It lies in the past where the rotation is held up.
func (s Situation) NextRotation() time.Time {
	active := inState(s.Keys, Active)
	if len(active) != 1 {
		return time.Time{}
	}
	k, _ := s.key(active[0])
	at, _ := s.Rotation.replaced(k.began())
	return at
}

// refusedAgain is how soon a destruction that was refused because of uses is tried again, unseenAgain where not all was looked at, and soonAgain where
// that is only because of a start.
const refusedAgain, unseenAgain, soonAgain = time.Minute, 15 * time.Second, 5 * time.Second

// LookAgain is the next time at which Decide may answer otherwise for no other reason than that time has passed; zero: never.
func (s Situation) LookAgain() time.Time {
	times := []time.Time{s.NextRotation()}
	for _, u := range s.Undestroyed {
		times = append(times, u.at.Add(undestroyedFor))
	}
	for _, k := range s.Keys {
		times = append(times, s.ends(k))
		if s.Uses != nil && s.Rotation.DestroyAfter > 0 && k.State.ends() {
			times = append(times, s.Uses.Keys[k.ID].LastGone.Add(s.Rotation.DestroyAfter))
			if slices.Contains(s.Buried, k.ID) && s.soon(k, "") {
				times = append(times, s.Now.Add(soonAgain))
			}
		}
		if r, asked := s.request(k.ID); asked && s.Uses != nil && r.Do == v1alpha1.RequestDestroy && k.State.ends() {
			again := refusedAgain
			switch {
			case s.soon(k, r.Despite):
				again = soonAgain
			case s.Uses.Unseen != "":
				again = unseenAgain
			}
			times = append(times, s.Now.Add(again), s.Uses.Keys[k.ID].LastGone.Add(staysAway), s.began(k).Add(staysAway))
		}
	}
	var next time.Time
	for _, at := range times {
		if at.After(s.Now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (s Situation) key(id string) (Key, bool) {
	i := slices.IndexFunc(s.Keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return s.Keys[i], true
}

// began is when a key began to be sealed to, as far as is known.
func (k Key) began() time.Time {
	if k.Activated.IsZero() {
		return k.Created
	}
	return k.Activated
}

// inState lists the ids of the keys in a state, oldest first.
func inState(keys []Key, state State) []string {
	var ids []string
	for _, k := range slices.SortedFunc(slices.Values(keys), older) {
		if k.State == state {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func older(a, b Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) }
