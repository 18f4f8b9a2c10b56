package keyring_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// rotation is a spec.rotation; "" is what is absent.
func rotation(every, renewBefore, destroyAfter string) *v1alpha1.Rotation {
	r := &v1alpha1.Rotation{}
	duration := func(text string) *metav1.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil
		}
		return &metav1.Duration{Duration: d}
	}
	r.Every, r.DestroyAfter = duration(every), duration(destroyAfter)
	if at, err := time.Parse(time.RFC3339, renewBefore); err == nil {
		r.RenewBefore = &metav1.Time{Time: at}
	}
	return r
}

// asks is the keyring `default` with requests, KEYID DO REASON.
func asks(requests ...[3]string) *v1alpha1.Keyring {
	kr := ring("default")
	for _, r := range requests {
		kr.Spec.Requests = append(kr.Spec.Requests, v1alpha1.KeyRequest{Key: r[0], Do: r[1], Reason: r[2]})
	}
	return kr
}

// states are those of a result's keys by id.
func states(res keyring.Result) map[string]string {
	all := map[string]string{}
	for _, k := range res.Keys {
		all[k.ID] = k.State
	}
	return all
}

// done are the reasons of what was done.
func done(res keyring.Result) (all []string) {
	for _, d := range res.Done {
		all = append(all, d.Reason)
	}
	return all
}

// outcomes are the messages of outcomes in the log, by action, of the last one.
func (b *bench) outcomes() map[audit.Action]string {
	b.t.Helper()
	actions, all := map[string]audit.Action{}, map[audit.Action]string{}
	for _, r := range audittest.Records(b.t, b.path) {
		switch r.Phase {
		case audit.PhaseIntent:
			actions[r.ID] = r.Operation.Action
		case audit.PhaseOutcome:
			all[actions[r.ID]] = r.Outcome.Message
		}
	}
	return all
}

func TestAKeyThatIsDueIsReplaced(t *testing.T) {
	b := newBench(t)
	kr := ring("default")
	kr.Spec.Rotation = rotation("24h", "", "")
	first := b.mustEnsure(kr)
	old := first.Keys[0].ID
	if at := noon.Add(24 * time.Hour); first.NextRotation == nil || !first.NextRotation.Time.Equal(at) || !first.LookAgain.Equal(at) {
		t.Errorf("the next rotation: %v, %s", first.NextRotation, first.LookAgain)
	}
	b.now = noon.Add(24*time.Hour - time.Second)
	if res := b.mustEnsure(kr); len(res.Done) > 0 {
		t.Errorf("too early: %v", res.Done)
	}
	b.now = noon.Add(24 * time.Hour)
	var trace []string
	add := func(s string) { trace = append(trace, s) }
	b.src.trace = add
	b.restart(tracedLog{b.log, add, &sync.Map{}})
	res := b.mustEnsure(kr)
	want := []string{
		"intent key.load", "load statement", "load",
		"intent key.generate", "create", "outcome key.generate", "load statement", "load",
		"save statement", "load statement", "load", // the claim
		"intent key.activate", "set state", "outcome key.activate", "load statement", "load",
		"intent keyring.publish", "save statement", "outcome keyring.publish", "load statement", "load",
		"load statement", "intent key.deactivate", "set state", "outcome key.deactivate", "load statement", "load",
		"outcome key.load",
	}
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Error(diff)
	}
	fresh := res.Keys[0].ID
	if diff := cmp.Diff(map[string]string{old: "Deactivated", fresh: "Active"}, states(res)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"KeyMade", "KeyActivated", "RecipientsPublished", "KeyRotated", "KeyDeactivated"}, done(res)); diff != "" {
		t.Error(diff)
	}
	set, err := statement.OpenRecipients([]byte(res.Note), first.StatementKey)
	if err != nil || set.Set != 2 || len(set.Recipients) != 1 || set.Recipients[0].KeyID() != fresh || res.Message != "sealing to key "+fresh[:16]+", recipient set 2" {
		t.Errorf("%+v, %v, %s", set, err, res.Message)
	}
	if current, ok := b.live.Load().Current("default"); !ok || current.Set != 2 || !b.opens(old) || !b.opens(fresh) {
		t.Errorf("the ring has set %d, %t", current.Set, ok)
	}
	if since := res.Keys[1].Since; since == nil || !since.Time.Equal(b.now) || !res.NextRotation.Time.Equal(b.now.Add(24*time.Hour)) {
		t.Errorf("deactivated since %v, next rotation %v", since, res.NextRotation)
	}
	said := b.outcomes()
	for action, says := range map[audit.Action]string{
		audit.ActionKeyGenerate: "spec.rotation.every", audit.ActionKeyActivate: "spec.rotation.every", audit.ActionKeyDeactivate: "key " + fresh[:16] + " is sealed to", audit.ActionKeyLoad: "",
	} {
		if said[action] != says {
			t.Errorf("the record of %s says %q", action, said[action])
		}
	}
	if again := b.mustEnsure(kr); len(again.Done) > 0 || again.Note != res.Note {
		t.Errorf("it goes on: %v", again.Done)
	}
}

func TestACompromisedKeyIsReplacedAtOnce(t *testing.T) {
	b := newBench(t)
	old := b.mustEnsure(ring("default")).Keys[0].ID
	kr := asks([3]string{old, "Compromise", "the laptop of x"})
	kr.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "flux", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:class":{}}}`), Time: &metav1.Time{Time: noon.Add(time.Hour)}},
		{Manager: "seal", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:requests":{"k:{\"key\":\"` + old + `\"}":{"f:do":{}}}}}`), Time: &metav1.Time{Time: noon}},
	}
	b.now = noon.Add(time.Minute)
	res := b.mustEnsure(kr)
	if diff := cmp.Diff([]string{"KeyCompromised", "KeyMade", "KeyActivated", "RecipientsPublished", "KeyRotated"}, done(res)); diff != "" {
		t.Error(diff)
	}
	if got := states(res); got[old] != "Compromised" || got[res.Keys[0].ID] != "Active" || len(got) != 2 || !b.opens(old) {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff([]v1alpha1.RequestStatus{{Key: old, Do: "Compromise", Outcome: "Done", Message: "the key is Compromised since 2026-11-23T12:01:00Z"}}, res.Requests); diff != "" {
		t.Error(diff)
	}
	by := map[audit.Action]string{}
	for _, r := range audittest.Records(t, b.path) {
		if r.Phase == audit.PhaseIntent {
			by[r.Operation.Action] = r.Operation.Actor.Manager
		}
	}
	if by[audit.ActionKeyCompromise] != "seal" || by[audit.ActionKeyActivate] != "waxwing-controller" {
		t.Errorf("recorded as done by %v", by)
	}
	if says := b.outcomes()[audit.ActionKeyCompromise]; says != "asked for: Compromise, because: the laptop of x" {
		t.Errorf("the record says %q", says)
	}
	if again := b.mustEnsure(kr); len(again.Done) > 0 {
		t.Errorf("a request that lies there did %v", again.Done)
	}
}

func TestACompromisedKeyIsSealedToNoMoreBeforeThereIsAnother(t *testing.T) {
	b := newBench(t)
	old := b.mustEnsure(ring("default")).Keys[0].ID
	b.src.before = func(op string, _ int) error {
		if op == "create" {
			return errors.New("connection refused")
		}
		return nil
	}
	res, err := b.m.Ensure(t.Context(), asks([3]string{old, "Compromise", ""}))
	if err == nil || res.Ready || res.Note != "" || states(res)[old] != "Compromised" || res.Requests[0].Outcome != "Done" {
		t.Errorf("%+v, %v", res, err)
	}
	if _, ok := b.live.Load().Current("default"); ok || len(b.m.Published()) != 0 {
		t.Error("there is a set to seal to")
	}
}

func TestASuspendedKeyDoesNothingUntilItIsResumed(t *testing.T) {
	b := newBench(t)
	first := b.mustEnsure(ring("default"))
	id := first.Keys[0].ID
	for range 2 {
		res, err := b.m.Ensure(t.Context(), asks([3]string{id, "Suspend", ""}))
		if err != nil || res.Ready || !res.Stalled || res.Reason != keyring.ReasonNoActiveKey || b.opens(id) || res.Requests[0].Outcome != "Done" {
			t.Errorf("%+v, %v", res, err)
		}
	}
	if res := b.mustEnsure(asks([3]string{id, "Resume", ""})); res.Note != first.Note || !b.opens(id) || !slices.Equal(done(res), []string{"KeyResumed"}) {
		t.Errorf("resumed: %+v", res)
	}
	// Where it is deactivated instead, another takes its place; and where another is there, it opens only.
	if _, err := b.m.Ensure(t.Context(), asks([3]string{id, "Suspend", ""})); err != nil {
		t.Fatal(err)
	}
	b.src.put(newClassical(t, keyring.PreActive))
	if res := b.mustEnsure(asks([3]string{id, "Suspend", ""})); states(res)[id] != "Suspended" || b.opens(id) {
		t.Errorf("another was there: %+v", res)
	}
	if res := b.mustEnsure(asks([3]string{id, "Resume", ""})); states(res)[id] != "Deactivated" || !b.opens(id) {
		t.Errorf("resumed beside another: %+v", res)
	}
}

func TestASuspendedKeyOpensNotEvenWhereTheSourceIsAwayThen(t *testing.T) {
	b := newBench(t)
	id := b.mustEnsure(ring("default")).Keys[0].ID
	suspended := false
	b.src.after = func(op string, _ int) error { suspended = suspended || op == "set state"; return nil }
	b.src.before = func(string, int) error {
		if suspended {
			return errors.New("connection refused")
		}
		return nil
	}
	if _, err := b.m.Ensure(t.Context(), asks([3]string{id, "Suspend", ""})); err == nil || b.opens(id) {
		t.Errorf("it opens: %t, %v", b.opens(id), err)
	}
}

func TestANewKeyThatDoesNotOpenLeavesTheOldOneActive(t *testing.T) {
	b := newBench(t)
	first := b.mustEnsure(ring("default"))
	right, _ := identity(t, seal.Classical)
	wrong, _ := identity(t, seal.Classical)
	private, _ := seal.NewIdentities(wrong).Identity(wrong.KeyID())
	b.src.put(keyring.NewKey("default", seal.NewIdentity(right.Recipient(), private), keyring.PreActive, noon, time.Time{}))
	kr := asks([3]string{first.Keys[0].ID, "Deactivate", ""})
	res := b.mustEnsure(kr)
	if res.Reason != keyring.ReasonProbeFailed || res.Stalled || res.Note != first.Note || !strings.HasPrefix(res.Message, "sealing to key "+first.ActiveKey+", recipient set 1; no other can take its place: Place ") {
		t.Errorf("%+v", res)
	}
	if q := res.Requests[0]; q.Outcome != "Waiting" || !strings.Contains(q.Message, "proving key") {
		t.Errorf("%+v", q)
	}
	// Whoever destroys it has another made.
	kr.Spec.Requests = append(kr.Spec.Requests, v1alpha1.KeyRequest{Key: right.KeyID(), Do: "Destroy", Despite: "Any"})
	if res = b.mustEnsure(kr); res.Reason != keyring.ReasonKeyActive || states(res)[right.KeyID()] != "Destroyed" || states(res)[first.Keys[0].ID] != "Deactivated" || len(res.Keys) != 3 {
		t.Errorf("%+v", res)
	}
}

func TestASourceThatDoesNotShowANewKeyIsNotFilledWithKeys(t *testing.T) {
	b := newBench(t)
	b.src.after = func(op string, _ int) error {
		if op == "create" {
			for _, k := range b.src.keys {
				k.Keyring = "elsewhere"
			}
		}
		return nil
	}
	if res, err := b.m.Ensure(t.Context(), ring("default")); err == nil || res.Stalled || res.Reason != keyring.ReasonKeySourceUnavailable || len(b.src.keys) != 1 {
		t.Errorf("%+v, %v, %d keys", res, err, len(b.src.keys))
	}
}

func TestRequestsStayAsTheyAreWhileTheSourceIsAway(t *testing.T) {
	b := newBench(t)
	id := b.mustEnsure(ring("default")).Keys[0].ID
	other := strings.Repeat("0", 32)
	kr := asks([3]string{id, "Resume", ""}, [3]string{other, "Destroy", ""})
	kr.Status.Requests = b.mustEnsure(asks([3]string{id, "Resume", ""})).Requests
	b.src.before = func(string, int) error { return errors.New("connection refused") }
	res, err := b.m.Ensure(t.Context(), kr)
	want := []v1alpha1.RequestStatus{kr.Status.Requests[0], {Key: other, Do: "Destroy", Outcome: "Waiting", Message: "connection refused"}}
	if diff := cmp.Diff(want, res.Requests); diff != "" || err == nil {
		t.Error(diff, err)
	}
}

func TestAStatusListsNoMoreKeysThanItCanHold(t *testing.T) {
	b := newBench(t)
	active := b.mustEnsure(ring("default")).Keys[0].ID
	put := func(n int, state keyring.State) {
		for i := range n {
			k := newClassical(t, state)
			k.Created = noon.Add(time.Duration(i+1) * time.Minute)
			b.src.put(k)
		}
	}
	put(30, keyring.Destroyed)
	put(300, keyring.Deactivated)
	res := b.mustEnsure(ring("default"))
	count := map[string]int{}
	for _, k := range res.Keys {
		count[k.State]++
	}
	// The active key is older than all of them, and listed all the same.
	if last := res.Keys[len(res.Keys)-1]; len(res.Keys) != 201 || last.ID != active || count["Destroyed"] > 20 {
		t.Errorf("%v", count)
	}
	b = newBench(t)
	b.mustEnsure(ring("default"))
	put(30, keyring.Destroyed)
	if res := b.mustEnsure(ring("default")); len(res.Keys) != 21 {
		t.Errorf("%d keys", len(res.Keys))
	}
}
