package keyring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// since is a key that has been in its state for so many hours, and became active as long ago.
func since(id string, state keyring.State, hours int) keyring.Key {
	k := key(id, state, -hours)
	k.Since = noon.Add(time.Duration(-hours) * time.Hour)
	if state != keyring.PreActive {
		k.Activated = k.Since
	}
	return k
}

// rotating is a keyring at noon whose key a, 10 hours old, is published, with others and what is asked of it.
func rotating(r keyring.Rotation, requests []v1alpha1.KeyRequest, others ...keyring.Key) keyring.Situation {
	return keyring.Situation{
		Statement: "here", Published: long("a"), Now: noon, Rotation: r, Requests: requests, Keys: append([]keyring.Key{since("a", keyring.Active, 10)}, others...),
	}
}

func with(s keyring.Situation, change func(*keyring.Situation)) keyring.Situation {
	change(&s)
	return s
}

func ask(id, do string) []v1alpha1.KeyRequest {
	return []v1alpha1.KeyRequest{{Key: strings.Repeat(id, 32), Do: do, Reason: "a test"}}
}

func TestWhenAKeyIsReplaced(t *testing.T) {
	b := long("b")[0]
	day, due := keyring.Rotation{Every: 24 * time.Hour}, keyring.Rotation{Every: 10 * time.Hour}
	waits := since("b", keyring.PreActive, 1)
	nothing := keyring.Next{Do: keyring.DoNothing}
	const every, before, deactivate = "spec.rotation.every", "spec.rotation.renewBefore", "asked for: Deactivate, because: a test"
	at := func(hours int) keyring.Rotation {
		return keyring.Rotation{RenewBefore: noon.Add(time.Duration(hours) * time.Hour)}
	}
	for name, c := range map[string]struct {
		in   keyring.Situation
		want keyring.Next
	}{
		"without a schedule never":                                {rotating(keyring.Rotation{}, nil), nothing},
		"it is younger than every":                                {rotating(day, nil), nothing},
		"it is as old as every":                                   {rotating(due, nil), keyring.Next{Do: keyring.DoMakeKey, Why: every}},
		"a second before":                                         {with(rotating(due, nil), func(s *keyring.Situation) { s.Now = noon.Add(-time.Second) }), nothing},
		"it became active before renewBefore":                     {rotating(at(-9), nil), keyring.Next{Do: keyring.DoMakeKey, Why: before}},
		"it became active at renewBefore":                         {rotating(at(-10), nil), nothing},
		"it became active after renewBefore":                      {rotating(at(-11), nil), nothing},
		"renewBefore is now":                                      {rotating(at(0), nil), keyring.Next{Do: keyring.DoMakeKey, Why: before}},
		"renewBefore is in the future":                            {rotating(at(1), nil), nothing},
		"renewBefore is in the future and every is due":           {rotating(keyring.Rotation{Every: time.Hour, RenewBefore: noon.Add(time.Hour)}, nil), keyring.Next{Do: keyring.DoMakeKey, Why: every}},
		"every is not due and renewBefore is":                     {rotating(keyring.Rotation{Every: 24 * time.Hour, RenewBefore: noon}, nil), keyring.Next{Do: keyring.DoMakeKey, Why: before}},
		"it is asked to be deactivated":                           {rotating(keyring.Rotation{}, ask("a", "Deactivate")), keyring.Next{Do: keyring.DoMakeKey, Why: deactivate}},
		"a key waits: it is claimed, and none is made":            {rotating(due, nil, waits), keyring.Next{Do: keyring.DoClaim, Key: b}},
		"a key waits and none is due":                             {rotating(day, nil, waits), nothing},
		"it is claimed: it is activated":                          {with(rotating(due, nil, waits), func(s *keyring.Situation) { s.Claim = b }), keyring.Next{Do: keyring.DoActivate, Key: b, Why: every}},
		"it is claimed and none is due any more":                  {with(rotating(day, nil, waits), func(s *keyring.Situation) { s.Claim = b }), nothing},
		"while keys are moved nothing rotates":                    {with(rotating(due, nil, waits), func(s *keyring.Situation) { s.Moving = true }), nothing},
		"and not beside a key that cannot be used":                {with(rotating(due, ask("a", "Deactivate")), func(s *keyring.Situation) { s.Unreadable = true }), nothing},
		"a key of before the date of its activation was kept":     {with(rotating(due, nil), func(s *keyring.Situation) { s.Keys[0].Activated = time.Time{} }), keyring.Next{Do: keyring.DoMakeKey, Why: every}},
		"a clock behind that of the controller that activated it": {with(rotating(due, nil), func(s *keyring.Situation) { s.Now = noon.Add(-20 * time.Hour) }), nothing},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, keyring.Decide(c.in)); diff != "" {
				t.Error(diff)
			}
			waits := keyring.Situation.Waits(c.in)
			if held := (c.in.Moving || c.in.Unreadable); held != (waits != "") {
				t.Errorf("waits: %q", waits)
			}
		})
	}
}

func TestWhatIsAskedForIsDone(t *testing.T) {
	a, b := long("a")[0], long("b")[0]
	nothing := keyring.Next{Do: keyring.DoNothing}
	does := func(do keyring.Do, key string, to keyring.State, asked string) keyring.Next {
		return keyring.Next{Do: do, Key: key, To: to, Why: "asked for: " + asked + ", because: a test"}
	}
	none := keyring.Rotation{}
	for name, c := range map[string]struct {
		in   keyring.Situation
		want keyring.Next
	}{
		"suspend the active key":      {rotating(none, ask("a", "Suspend")), does(keyring.DoSuspend, a, keyring.Suspended, "Suspend")},
		"suspend one that opens only": {rotating(none, ask("b", "Suspend"), since("b", keyring.Deactivated, 20)), nothing},
		"resume the only key": {with(rotating(none, ask("a", "Resume")), func(s *keyring.Situation) { s.Keys[0].State = keyring.Suspended }),
			does(keyring.DoResume, a, keyring.Active, "Resume")},
		"resume one beside the active one": {rotating(none, ask("b", "Resume"), since("b", keyring.Suspended, 1)), does(keyring.DoResume, b, keyring.Deactivated, "Resume")},
		"resume one that is active":        {rotating(none, ask("a", "Resume")), nothing},
		"deactivate a suspended one":       {rotating(none, ask("b", "Deactivate"), since("b", keyring.Suspended, 1)), does(keyring.DoDeactivate, b, keyring.Deactivated, "Deactivate")},
		"deactivate one of several active ones, of which none is published": {
			with(rotating(none, ask("b", "Deactivate"), since("b", keyring.Active, 1)), func(s *keyring.Situation) {
				s.Published = long("c")
				s.Keys = append(s.Keys, key("c", keyring.Compromised, 0))
			}),
			does(keyring.DoDeactivate, b, keyring.Deactivated, "Deactivate")},
		"deactivate the published one of two: the other is published first": {
			with(rotating(none, ask("a", "Deactivate"), since("b", keyring.Active, 0)), func(s *keyring.Situation) { s.Claim = b }), keyring.Next{Do: keyring.DoPublish, Key: b}},
		"deactivate one that was never active": {rotating(none, ask("b", "Deactivate"), since("b", keyring.PreActive, 1)), nothing},
		"compromise the active key":            {rotating(none, ask("a", "Compromise")), does(keyring.DoCompromise, a, keyring.Compromised, "Compromise")},
		"compromise one that opens only":       {rotating(none, ask("b", "Compromise"), since("b", keyring.Deactivated, 1)), does(keyring.DoCompromise, b, keyring.Compromised, "Compromise")},
		"compromise one that waits":            {rotating(none, ask("b", "Compromise"), since("b", keyring.PreActive, 1)), does(keyring.DoCompromise, b, keyring.Compromised, "Compromise")},
		"compromise a suspended one":           {rotating(none, ask("b", "Compromise"), since("b", keyring.Suspended, 1)), does(keyring.DoCompromise, b, keyring.Compromised, "Compromise")},
		"compromise one that is destroyed":     {rotating(none, ask("b", "Compromise"), since("b", keyring.Destroyed, 1)), nothing},
		"compromise comes before a rotation that is due": {rotating(keyring.Rotation{Every: time.Hour}, ask("b", "Compromise"), since("b", keyring.Deactivated, 1)),
			does(keyring.DoCompromise, b, keyring.Compromised, "Compromise")},
		"and before a person is asked which of several it is": {
			with(rotating(none, ask("b", "Compromise"), since("b", keyring.Active, 1)), func(s *keyring.Situation) { s.Published = long("c") }), does(keyring.DoCompromise, b, keyring.Compromised, "Compromise")},
		"a key that is not there":               {rotating(none, ask("c", "Compromise")), nothing},
		"something that is not known":           {rotating(none, ask("a", "Bless")), nothing},
		"destroy the active key":                {rotating(none, ask("a", "Destroy")), nothing},
		"destroy a suspended one":               {rotating(none, ask("b", "Destroy"), since("b", keyring.Suspended, 1)), nothing},
		"destroy one: ask who needs it":         {rotating(none, ask("b", "Destroy"), since("b", keyring.Deactivated, 1)), keyring.Next{Do: keyring.DoAskUses}},
		"destroy one whose keys are left":       {with(rotating(none, ask("b", "Destroy"), since("b", keyring.Deactivated, 1)), func(s *keyring.Situation) { s.Moving = true }), nothing},
		"destroy one that waits, while moved":   {with(rotating(none, ask("b", "Destroy"), since("b", keyring.PreActive, 1)), func(s *keyring.Situation) { s.Moving = true }), nothing},
		"destroy one that waits: ask who needs": {rotating(keyring.Rotation{Every: time.Hour}, ask("b", "Destroy"), since("b", keyring.PreActive, 1)), keyring.Next{Do: keyring.DoAskUses}},
		"it comes before its activation": {
			with(rotating(keyring.Rotation{Every: time.Hour}, ask("b", "Destroy"), since("b", keyring.PreActive, 1)), func(s *keyring.Situation) { s.Uses = &keyring.Uses{}; s.Claim = b }),
			does(keyring.DoDestroy, b, keyring.Destroyed, "Destroy")},
		"a rotation that is due comes before a destruction": {rotating(keyring.Rotation{Every: time.Hour}, ask("b", "Destroy"), since("b", keyring.Deactivated, 1)),
			keyring.Next{Do: keyring.DoMakeKey, Why: "spec.rotation.every"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, keyring.Decide(c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// used are uses of key b.
func used(u keyring.KeyUses, unseen string) *keyring.Uses {
	return &keyring.Uses{Unseen: unseen, Keys: map[string]keyring.KeyUses{strings.Repeat("b", 32): u}}
}

// remembered is u, remembered since so long before noon.
func remembered(u *keyring.Uses, since time.Duration) *keyring.Uses {
	c := *u
	c.Since = noon.Add(since)
	return &c
}

func TestWhatIsDestroyed(t *testing.T) {
	ten := keyring.Rotation{DestroyAfter: 10 * time.Hour}
	objects := used(keyring.KeyUses{Objects: 4, Examples: []string{"a/1", "a/2", "a/3", "a/4"}}, "")
	one := used(keyring.KeyUses{Objects: 1, Examples: []string{"a/1"}}, "")
	gone := used(keyring.KeyUses{Gone: 2, LastGone: noon.Add(-9 * time.Hour)}, "")
	longGone := used(keyring.KeyUses{Gone: 1, LastGone: noon.Add(-10 * time.Hour)}, "")
	unseen := used(keyring.KeyUses{}, "namespace x")
	files := used(keyring.KeyUses{Git: []string{"team/infra"}}, "")
	manyFiles := used(keyring.KeyUses{Objects: 1, Git: []string{"a/1", "a/2", "a/3", "a/4", "a/5"}}, "")
	despite := func(what string) []v1alpha1.KeyRequest {
		r := ask("b", "Destroy")
		r[0].Despite = what
		return r
	}
	old := func(hours int) keyring.Key { return since("b", keyring.Deactivated, hours) }
	compromised := since("b", keyring.Compromised, 20)
	for name, c := range map[string]struct {
		rotation keyring.Rotation
		requests []v1alpha1.KeyRequest
		key      keyring.Key
		uses     *keyring.Uses
		destroys bool
		says     string // why, or what the request's outcome says
	}{
		"asked for, and no use is known":                          {keyring.Rotation{}, despite(""), old(1), used(keyring.KeyUses{}, ""), true, "asked for: Destroy, because: a test"},
		"asked for with a compromised key":                        {keyring.Rotation{}, despite(""), compromised, &keyring.Uses{}, true, "asked for"},
		"objects need it":                                         {keyring.Rotation{}, despite(""), old(1), objects, false, "4 objects need it, such as a/1, a/2, a/3: replace their wraps"},
		"one object needs it":                                     {keyring.Rotation{}, despite(""), old(1), one, false, "1 object needs it, such as a/1: "},
		"objects need it, despite Gone":                           {keyring.Rotation{}, despite("Gone"), old(1), objects, false, "4 objects need it"},
		"objects need it, despite Any":                            {keyring.Rotation{}, despite("Any"), old(1), objects, true, "asked for: Destroy despite Any, because: a test (4 objects need it, such as a/1, a/2, a/3)"},
		"files of Git are wrapped for it":                         {keyring.Rotation{}, despite(""), old(1), files, false, "files that SecretSync team/infra follows are wrapped for it: replace their wraps"},
		"files of Git, despite Gone":                              {keyring.Rotation{}, despite("Gone"), old(1), files, false, "files that SecretSync team/infra follows"},
		"files of Git, despite Any":                               {keyring.Rotation{}, despite("Any"), old(1), files, true, "because: a test (files that SecretSync team/infra follows are wrapped for it)"},
		"files that two follow":                                   {keyring.Rotation{}, despite(""), old(1), used(keyring.KeyUses{Git: []string{"a/1", "a/2"}}, ""), false, "files that SecretSyncs a/1, a/2 follow are wrapped for it"},
		"an object, and files that many follow":                   {keyring.Rotation{}, despite(""), old(1), manyFiles, false, "1 object needs it; files that SecretSyncs a/1, a/2, a/3 and 2 more follow are wrapped for it: "},
		"what is gone":                                            {keyring.Rotation{}, despite(""), old(1), gone, false, "2 objects, or earlier versions of them, needed it and are not in the cluster any more"},
		"what is gone, despite Gone":                              {keyring.Rotation{}, despite("Gone"), old(1), gone, true, "(2 that needed it are gone)"},
		"what went only now, despite Gone":                        {keyring.Rotation{}, despite("Gone"), old(1), used(keyring.KeyUses{Gone: 1, LastGone: noon}, ""), false, "1 object, or earlier version of one, needed it and is not in the cluster any more, the last of them since 2026-11-23T12:00:00Z: it may come back"},
		"a little later, despite Gone":                            {keyring.Rotation{}, despite("Gone"), old(1), used(keyring.KeyUses{Gone: 2, LastGone: noon.Add(time.Second - 15*time.Minute)}, ""), false, "they may come back"},
		"a quarter of an hour later, despite Gone":                {keyring.Rotation{}, despite("Gone"), old(1), used(keyring.KeyUses{Gone: 1, LastGone: noon.Add(-15 * time.Minute)}, ""), true, "(1 that needed it is gone)"},
		"what went only now, despite Any":                         {keyring.Rotation{}, despite("Any"), old(1), used(keyring.KeyUses{Gone: 1, LastGone: noon}, ""), true, ""},
		"what went only now counts no more":                       {keyring.Rotation{DestroyAfter: time.Minute}, despite("Gone"), old(1), used(keyring.KeyUses{Gone: 1, LastGone: noon.Add(-time.Minute)}, ""), true, ""},
		"what is gone, despite Any":                               {keyring.Rotation{}, despite("Any"), old(1), gone, true, ""},
		"what has been gone for destroyAfter":                     {ten, despite(""), old(1), longGone, true, ""},
		"and for a little less":                                   {ten, despite(""), old(1), gone, false, "going back to them in Git needs the key"},
		"without destroyAfter for ever":                           {keyring.Rotation{}, despite(""), old(1), longGone, false, "1 object, or earlier version of one, needed it and is not"},
		"not all was looked at":                                   {keyring.Rotation{}, despite(""), old(1), unseen, false, "not all was looked at: namespace x"},
		"not all was looked at, despite Gone":                     {keyring.Rotation{}, despite("Gone"), old(1), unseen, false, "namespace x"},
		"not all was looked at, despite Any":                      {keyring.Rotation{}, despite("Any"), old(1), unseen, true, "(not looked at: namespace x)"},
		"older than the memory of uses":                           {keyring.Rotation{}, despite(""), old(1), remembered(used(keyring.KeyUses{}, ""), -30*time.Minute), false, "uses are remembered since 2026-11-23T11:30:00Z"},
		"and despite Gone":                                        {keyring.Rotation{}, despite("Gone"), old(1), remembered(gone, -30*time.Minute), true, "(2 that needed it are gone; uses are remembered since 2026-11-23T11:30:00Z, and the key is older)"},
		"and despite Any":                                         {keyring.Rotation{}, despite("Any"), old(1), remembered(&keyring.Uses{}, -30*time.Minute), true, "(uses are remembered since 2026-11-23T11:30:00Z, and the key is older)"},
		"made a moment before the memory of uses began":           {keyring.Rotation{}, despite(""), old(1), remembered(&keyring.Uses{}, -51*time.Minute), true, ""},
		"the memory is as old as destroyAfter":                    {ten, despite(""), old(20), remembered(&keyring.Uses{}, -10*time.Hour), true, ""},
		"and a little younger":                                    {ten, despite(""), old(20), remembered(&keyring.Uses{}, -9*time.Hour), false, "it counts no more from 2026-11-23T13:00:00Z on"},
		"by itself with a memory that is younger":                 {ten, nil, old(20), remembered(&keyring.Uses{}, -9*time.Hour), false, ""},
		"by itself with a memory of that age":                     {ten, nil, old(20), remembered(&keyring.Uses{}, -10*time.Hour), true, ""},
		"one that was never sealed to":                            {keyring.Rotation{}, despite(""), since("b", keyring.PreActive, 1), remembered(&keyring.Uses{}, -30*time.Minute), true, ""},
		"by itself never":                                         {keyring.Rotation{}, nil, old(1000), &keyring.Uses{}, false, ""},
		"by itself after destroyAfter":                            {ten, nil, old(10), &keyring.Uses{}, true, "spec.rotation.destroyAfter, and no use is known"},
		"and not before":                                          {ten, nil, old(9), &keyring.Uses{}, false, ""},
		"not if objects need it":                                  {ten, nil, old(10), objects, false, ""},
		"nor if files of Git are wrapped for it":                  {ten, nil, old(10), files, false, ""},
		"nor for what is gone":                                    {ten, nil, old(10), gone, false, ""},
		"but for what has been gone for long":                     {ten, nil, old(10), longGone, true, ""},
		"nor while something was not seen":                        {ten, nil, old(10), unseen, false, ""},
		"nor while it is not known since when it was deactivated": {ten, nil, func() keyring.Key { k := old(10); k.Since = time.Time{}; return k }(), &keyring.Uses{}, false, ""},
		"a compromised key is destroyed when that is asked for":   {ten, nil, compromised, &keyring.Uses{}, false, ""},
		"and one that waits, too":                                 {ten, nil, since("b", keyring.PreActive, 20), &keyring.Uses{}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := rotating(c.rotation, c.requests, c.key)
			s.Uses = c.uses
			next := keyring.Decide(s)
			says := next.Why
			if !c.destroys && c.requests != nil {
				outcome := s.Outcomes("")[0]
				if outcome.Outcome != v1alpha1.RequestRefused {
					t.Errorf("%+v", outcome)
				}
				says = outcome.Message
			}
			if (next.Do == keyring.DoDestroy) != c.destroys || (!c.destroys && next.Do != keyring.DoNothing) || !strings.Contains(says, c.says) {
				t.Errorf("%+v, says %q", next, says)
			}
			if c.destroys {
				s.Uses = nil
				if next := keyring.Decide(s); next.Do != keyring.DoAskUses {
					t.Errorf("without having asked: %+v", next)
				}
				s.Moving = true
				if next := keyring.Decide(s); next.Do != keyring.DoNothing {
					t.Errorf("while keys are moved: %+v", next)
				}
			}
		})
	}
	s := rotating(ten, nil, old(10))
	s.Unreadable, s.Uses = true, &keyring.Uses{}
	if next := keyring.Decide(s); next.Do != keyring.DoNothing {
		t.Errorf("by itself beside a key that cannot be used: %+v", next)
	}
}

func TestWhatBecomesOfRequests(t *testing.T) {
	in := func(state keyring.State) keyring.Key { return since("b", state, 1) }
	const suspend, resume, deactivate, compromise, destroy = "Suspend", "Resume", "Deactivate", "Compromise", "Destroy"
	for _, c := range []struct {
		state keyring.State
		do    string
		want  string // DONE, WAITS, or what a refusal says
	}{
		{keyring.PreActive, suspend, "only an active key can be suspended, and this one is PreActive: ask for Compromise where others know it, or for Destroy"},
		{keyring.PreActive, resume, "DONE"},
		{keyring.PreActive, deactivate, "the key was never active: ask for Destroy"},
		{keyring.PreActive, compromise, "WAITS"},
		{keyring.PreActive, destroy, "WAITS"},
		{keyring.Active, suspend, "WAITS"},
		{keyring.Active, resume, "DONE"},
		{keyring.Active, deactivate, "WAITS"},
		{keyring.Active, compromise, "WAITS"},
		{keyring.Active, destroy, "the key is sealed to: rotate first"},
		{keyring.Suspended, suspend, "DONE"},
		{keyring.Suspended, resume, "WAITS"},
		{keyring.Suspended, deactivate, "WAITS"},
		{keyring.Suspended, compromise, "WAITS"},
		{keyring.Suspended, destroy, "the key is only suspended: ask for Deactivate or Compromise first"},
		{keyring.Deactivated, suspend, "this one is Deactivated: ask for Compromise where others know it, or for Destroy"},
		{keyring.Deactivated, resume, "DONE"},
		{keyring.Deactivated, deactivate, "DONE"},
		{keyring.Deactivated, compromise, "WAITS"},
		{keyring.Deactivated, destroy, "WAITS"},
		{keyring.Compromised, suspend, "this one is Compromised: ask for Destroy"},
		{keyring.Compromised, resume, "DONE"},
		{keyring.Compromised, deactivate, "DONE"},
		{keyring.Compromised, compromise, "DONE"},
		{keyring.Compromised, destroy, "WAITS"},
		{keyring.Destroyed, suspend, "this one is Destroyed"},
		{keyring.Destroyed, resume, "DONE"},
		{keyring.Destroyed, deactivate, "DONE"},
		{keyring.Destroyed, compromise, "DONE"},
		{keyring.Destroyed, destroy, "DONE"},
		{keyring.Active, "Bless", `this controller does not know what "Bless" is`},
		{"", destroy, "the keyring has no key of this id"},
	} {
		t.Run(string(c.state)+" "+c.do, func(t *testing.T) {
			s := rotating(keyring.Rotation{}, ask("b", c.do))
			if c.state != "" {
				s.Keys = append(s.Keys, in(c.state))
			}
			want := v1alpha1.RequestStatus{Key: long("b")[0], Do: c.do, Outcome: "Refused"}
			switch c.want {
			case "DONE":
				want.Outcome, want.Message = "Done", "the key is "+string(c.state)+" since 2026-11-23T11:00:00Z"
			case "WAITS":
				want.Outcome, want.Message = "Waiting", "the log is away"
			}
			got := s.Outcomes("the log is away")
			if len(got) == 1 && want.Outcome == "Refused" {
				if !strings.HasPrefix(got[0].Message, c.want) && !strings.HasSuffix(got[0].Message, c.want) {
					t.Errorf("message %q", got[0].Message)
				}
				want.Message = got[0].Message
			}
			if diff := cmp.Diff([]v1alpha1.RequestStatus{want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	waits := func(s keyring.Situation) string {
		o := s.Outcomes("")[0]
		return o.Outcome + ": " + o.Message
	}
	for name, c := range map[string]struct {
		s    keyring.Situation
		want string
	}{
		"a destruction while keys are moved": {with(rotating(keyring.Rotation{}, ask("b", destroy), in(keyring.Deactivated)), func(s *keyring.Situation) { s.Moving = true }), "Waiting: keys are left in spec.moveFrom"},
		"a rotation beside a key that cannot be used": {
			with(rotating(keyring.Rotation{}, ask("a", deactivate)), func(s *keyring.Situation) { s.Unreadable = true }), "Waiting: there are keys that cannot be used"},
		"the key may be one that cannot be used": {with(rotating(keyring.Rotation{}, ask("b", destroy)), func(s *keyring.Situation) { s.Unreadable = true }), "Refused: the keyring has no key of this id that can be used"},
	} {
		if got := waits(c.s); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWhenToLookAgain(t *testing.T) {
	doomed := ask("b", "Destroy")
	doomed[0].Despite = v1alpha1.DespiteGone
	hours := func(h float64) time.Time { return noon.Add(time.Duration(h * float64(time.Hour))) }
	for name, c := range map[string]struct {
		in           keyring.Situation
		rotates, due time.Time
	}{
		"never":                                {rotating(keyring.Rotation{}, nil), time.Time{}, time.Time{}},
		"when the key is too old":              {rotating(keyring.Rotation{Every: 12 * time.Hour}, nil), hours(2), hours(2)},
		"when renewBefore has come":            {rotating(keyring.Rotation{Every: 12 * time.Hour, RenewBefore: hours(1)}, nil), hours(1), hours(1)},
		"when the key is too old, before that": {rotating(keyring.Rotation{Every: 12 * time.Hour, RenewBefore: hours(3)}, nil), hours(2), hours(2)},
		"a rotation that is held up":           {with(rotating(keyring.Rotation{Every: 9 * time.Hour}, nil), func(s *keyring.Situation) { s.Moving = true }), hours(-1), time.Time{}},
		"when an old key may go":               {rotating(keyring.Rotation{Every: 12 * time.Hour, DestroyAfter: 2 * time.Hour}, nil, since("b", keyring.Deactivated, 1)), hours(2), hours(1)},
		"when what is gone counts no more": {
			with(rotating(keyring.Rotation{DestroyAfter: 2 * time.Hour}, nil, since("b", keyring.Deactivated, 5)), func(s *keyring.Situation) { s.Uses = used(keyring.KeyUses{Gone: 1, LastGone: hours(-0.5)}, "") }),
			time.Time{}, hours(1.5)},
		"when what went only now has been gone for long enough": {
			with(rotating(keyring.Rotation{}, doomed, since("b", keyring.Deactivated, 5)), func(s *keyring.Situation) { s.Uses = used(keyring.KeyUses{Gone: 1, LastGone: hours(-0.24)}, "") }),
			time.Time{}, noon.Add(36 * time.Second)},
		"soon, after a destruction was refused": {
			with(rotating(keyring.Rotation{}, ask("b", "Destroy"), since("b", keyring.Deactivated, 5)), func(s *keyring.Situation) { s.Uses = used(keyring.KeyUses{Objects: 1}, "") }),
			time.Time{}, noon.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.in.NextRotation(); !got.Equal(c.rotates) {
				t.Errorf("rotates %s", got)
			}
			if got := c.in.LookAgain(); !got.Equal(c.due) {
				t.Errorf("looks again %s", got)
			}
		})
	}
}

func TestRotationOfASpec(t *testing.T) {
	if got := keyring.RotationOf(&v1alpha1.KeyringSpec{}); got != (keyring.Rotation{}) {
		t.Errorf("of none: %+v", got)
	}
	kr := ring("default")
	kr.Spec.Rotation = rotation("2160h", "2026-11-23T12:00:00Z", "240h")
	if got, want := keyring.RotationOf(&kr.Spec), (keyring.Rotation{Every: 2160 * time.Hour, RenewBefore: noon, DestroyAfter: 240 * time.Hour}); got != want {
		t.Errorf("%+v", got)
	}
}
