package keyring

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// ends says whether a key in this state may be destroyed.
func (s State) ends() bool { return Step(s, Destroyed) == nil }

// ending is which key is to be destroyed next, where all else is done. Who needs the keys is asked for before, and anew for each. A destruction that has begun and that nobody wants any more, or that is
// refused by now, is taken back: somebody may delete the key by mistake later, which must not look like what was wanted. While only a look is missing, as after each start, it is neither.
func (s Situation) ending() Next {
	for _, k := range s.Keys {
		r, asked := s.request(k.ID)
		next, despite, begun := Next{}, "", slices.Contains(s.Buried, k.ID)
		switch {
		case s.Moving || (!k.State.ends() && !begun):
			continue
		case !k.State.ends():
		case asked && r.Do == v1alpha1.RequestDestroy:
			despite = r.Despite
			next = s.destroy(k, despite, asking(r))
		case !s.Unreadable && !s.ends(k).IsZero() && !s.ends(k).After(s.Now):
			next = s.destroy(k, despite, "spec.rotation.destroyAfter, and no use is known")
		}
		if next.Do != "" && next.Do != DoNothing {
			return next
		}
		// Uses are there where it was not tried.
		if waits := next.Do != "" && (s.undestroyed(k.ID) != "" || s.soon(k, despite)); begun && !waits {
			return Next{Do: DoUnbury, Key: k.ID}
		}
	}
	return Next{Do: DoNothing}
}

// ends is when a key is to be destroyed by itself if nothing needs it by then; zero: never. Its time does not begin before uses are remembered: who needed it before then is
// not known, as in a cluster that was just made anew and to which Git was not applied yet. After a gap it is held back for some days, in which Git is applied.
func (s Situation) ends(k Key) time.Time {
	if k.State != Deactivated || k.Since.IsZero() || s.Rotation.DestroyAfter <= 0 {
		return time.Time{}
	}
	from, again := k.Since, time.Time{}
	if s.Uses != nil {
		from, again = later(from, s.Uses.Since), s.Uses.Again
	}
	return later(from.Add(s.Rotation.DestroyAfter), again.Add(s.afterGap()))
}

// afterGap is for how long after a gap in the memory of uses a key that is older than its end is kept. A cluster may have one each weekend.
func (s Situation) afterGap() time.Duration {
	const most = 72 * time.Hour
	if after := s.Rotation.DestroyAfter; after > 0 {
		return min(after, most)
	}
	return most
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (s Situation) destroy(k Key, despite, why string) Next {
	switch {
	case s.undestroyed(k.ID) != "":
		return Next{Do: DoNothing}
	case s.Uses == nil:
		return Next{Do: DoAskUses}
	case s.obstacle(k, despite) != "":
		return Next{Do: DoNothing}
	}
	return Next{Do: DoDestroy, Key: k.ID, To: Destroyed, Why: why + s.despised(k)}
}

// obstacle says why a key is not destroyed, and what is to be done; empty: nothing is in the way. s.Uses is there.
func (s Situation) obstacle(k Key, despite string) string {
	u := s.Uses.Keys[k.ID]
	switch {
	case despite == v1alpha1.DespiteAny:
		return ""
	case u.Objects > 0 || len(u.Git) > 0:
		return fmt.Sprintf("%s: replace their wraps and apply them (seal rewrap); whoever gives up what is sealed to it asks for it despite Any", needed(u))
	case u.Gone > 0 && despite != v1alpha1.DespiteGone && !s.forgotten(u):
		return left(u) + ": going back to them in Git needs the key. Whoever gives that up asks for it despite Gone"
	case u.Gone > 0 && !s.forgotten(u) && u.LastGone.Add(staysAway).After(s.Now):
		it := "it"
		if u.Gone > 1 {
			it = "they"
		}
		return fmt.Sprintf("%s, the last of them since %s: %s may come back, and not before %s is it destroyed despite Gone. Whoever cannot wait asks for it despite Any",
			left(u), u.LastGone.UTC().Format(time.RFC3339), it, u.LastGone.Add(staysAway).UTC().Format(time.RFC3339))
	case s.Uses.Unseen != "":
		return s.unseen()
	case s.unremembered(k):
		return s.forgetful(k, despite)
	}
	return ""
}

// forgetful is the obstacle of a key that is unremembered. What is not in the cluster is what despite Gone gives up.
func (s Situation) forgetful(k Key, despite string) string {
	text := s.memory(k) + ": what needed it before then, and is not in the cluster, is not known"
	switch after := s.began(k).Add(staysAway); {
	case despite != v1alpha1.DespiteGone:
		text += ". Whoever gives that up asks for it despite Gone"
	case after.After(s.Now):
		text += ", or on its way back: not before " + after.UTC().Format(time.RFC3339) + " is it destroyed despite Gone"
	default:
		return ""
	}
	if until := s.remembers(k); !until.IsZero() {
		text += "; it counts no more from " + until.UTC().Format(time.RFC3339) + " on"
	}
	return text
}

// firstKey is how much older than the memory of uses a key may be of which all is remembered: the first one is made while that begins.
const firstKey = 10 * time.Minute

// unremembered says that a key may have been sealed to before uses were remembered, and that this was not long enough ago to count no more.
func (s Situation) unremembered(k Key) bool {
	if s.began(k).IsZero() {
		return false
	}
	until := s.remembers(k)
	return until.IsZero() || until.After(s.Now)
}

// precedes says that a key may have been sealed to before a time at which a memory of uses begins.
func (k Key) precedes(begins time.Time) bool {
	return !begins.IsZero() && k.State != PreActive && k.Created.Before(begins.Add(-firstKey))
}

// began is when the latest memory of uses began that a key is older than; zero: it is younger than all.
func (s Situation) began(k Key) (at time.Time) {
	for _, begins := range []time.Time{s.Uses.Since, s.Uses.Again} {
		if k.precedes(begins) {
			at = later(at, begins)
		}
	}
	return at
}

// remembers is from when on it counts no more that a key is older than the memory of uses; zero: that always counts.
func (s Situation) remembers(k Key) (until time.Time) {
	if k.precedes(s.Uses.Since) {
		if s.Rotation.DestroyAfter <= 0 {
			return time.Time{}
		}
		until = s.Uses.Since.Add(s.Rotation.DestroyAfter)
	}
	if k.precedes(s.Uses.Again) {
		until = later(until, s.Uses.Again.Add(s.afterGap()))
	}
	return until
}

// memory says since when uses are remembered, of a key that is unremembered.
func (s Situation) memory(k Key) string {
	if s.Uses.Again.Equal(s.began(k)) {
		return "uses are remembered since " + s.Uses.Since.UTC().Format(time.RFC3339) + ", but for a gap of more than a day up to " + s.Uses.Again.UTC().Format(time.RFC3339) + ", and the key is older"
	}
	return "uses are remembered since " + s.Uses.Since.UTC().Format(time.RFC3339) + ", and the key is older"
}

func (s Situation) unseen() string {
	return fmt.Sprintf("it is not known who needs it, because not all was looked at: %s. Whoever knows better asks for it despite Any", s.Uses.Unseen)
}

// soon says that what is in the way of a destruction is only what will soon be looked at, as after a start.
func (s Situation) soon(k Key, despite string) bool {
	return s.Uses.Soon && s.Uses.Unseen != "" && s.obstacle(k, despite) == s.unseen()
}

// staysAway is how long something has been gone that is given up by despite Gone: an object that is replaced, or synced anew, is away for a moment, and after a restore all are.
const staysAway = 15 * time.Minute

// forgotten says that what is gone has been gone for so long that it counts no more.
func (s Situation) forgotten(u KeyUses) bool {
	return s.Rotation.DestroyAfter > 0 && !u.LastGone.Add(s.Rotation.DestroyAfter).After(s.Now)
}

// despised says what is known of who needs a key that is destroyed all the same.
func (s Situation) despised(k Key) string {
	u := s.Uses.Keys[k.ID]
	var parts []string
	if u.Objects > 0 || len(u.Git) > 0 {
		parts = append(parts, needed(u))
	}
	if u.Gone > 0 {
		parts = append(parts, fmt.Sprintf("%d that needed it %s gone", u.Gone, isAre(u.Gone)))
	}
	if s.Uses.Unseen != "" {
		parts = append(parts, "not looked at: "+s.Uses.Unseen)
	}
	if s.unremembered(k) {
		parts = append(parts, s.memory(k))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// needed says which objects and files need a key.
func needed(u KeyUses) string {
	const most = 3
	var parts []string
	if u.Objects > 0 {
		text := count(u.Objects, "object needs it", "objects need it")
		if n := min(most, len(u.Examples)); n > 0 {
			text += ", such as " + strings.Join(u.Examples[:n], ", ")
		}
		parts = append(parts, text)
	}
	switch n := len(u.Git); {
	case n == 1:
		parts = append(parts, "files that SecretSync "+u.Git[0]+" follows are wrapped for it")
	case n > most:
		parts = append(parts, fmt.Sprintf("files that SecretSyncs %s and %d more follow are wrapped for it", strings.Join(u.Git[:most], ", "), n-most))
	case n > 1:
		parts = append(parts, "files that SecretSyncs "+strings.Join(u.Git, ", ")+" follow are wrapped for it")
	}
	return strings.Join(parts, "; ")
}

// left says what needed a key and is gone.
func left(u KeyUses) string {
	return fmt.Sprintf("%s needed it and %s not in the cluster any more", count(u.Gone, "object, or earlier version of one,", "objects, or earlier versions of them,"), isAre(u.Gone))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
