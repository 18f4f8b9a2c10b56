package controller

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestAnEnvelopeIsNotedOncePerObject(t *testing.T) {
	r := &reporter{noted: newNoted()}
	db, other := object("u", "1", ""), object("u2", "1", "")
	other.Name = "other"
	decision := func(unmet ...string) unseal.Decision { return unseal.Decision{Unmet: unmet, Signer: "SHA256:x"} }
	want := func(o *v1alpha1.GitSecret, d unseal.Decision, envelopes ...string) {
		t.Helper()
		var got []string
		for _, s := range r.unmet(&unseal.Input{Object: o}, d) {
			if s.Operation.Action != audit.ActionEnvelopeSeen || s.Operation.Object.UID != string(o.UID) || s.Operation.Actor.Signer != d.Signer || !s.Outcome.OK {
				t.Errorf("%+v", s)
			}
			for _, k := range s.Operation.Keys {
				got = append(got, k.Envelope)
			}
		}
		if diff := cmp.Diff(envelopes, got); diff != "" {
			t.Error(diff)
		}
	}
	want(db, decision("e1", "e2"), "e1", "e2")
	want(db, decision("e1", "e2"), "e1", "e2") // the log did not take it
	r.noted.refuses(db, decision("e1", "e2"))
	want(db, decision("e1", "e2"))
	want(other, decision("e1", "e2"), "e1", "e2")
	want(db, decision("e1", "e2", "e3"), "e3")
	r.noted.opens(db, decision("e1", "e2", "e3"))
	want(db, decision("e1", "e3"))
	want(object("made-anew", "1", ""), decision("e1", "e2"), "e1", "e2")
	r.noted.forget(keyOf(db))
	want(db, decision("e1", "e2"), "e1", "e2")
}

func TestManyEnvelopesAreNotedInSeveralRecords(t *testing.T) {
	var d unseal.Decision
	for i := range 2*envelopesANote + 1 {
		d.Unmet = append(d.Unmet, fmt.Sprintf("%026d", i))
	}
	var sizes []int
	for _, s := range (&reporter{noted: newNoted()}).unmet(&unseal.Input{Object: object("u", "1", "")}, d) {
		sizes = append(sizes, len(s.Operation.Keys))
	}
	if diff := cmp.Diff([]int{envelopesANote, envelopesANote, 1}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestARefusalIsNotedOnceForGenerationAndReason(t *testing.T) {
	n, o := newNoted(), object("u", "1", "")
	tampered := unseal.Decision{Outcome: unseal.Outcome{Reason: unseal.Tampered}}
	n.refuses(o, tampered)
	if !n.refusal(o, unseal.Tampered) || n.refusal(o, unseal.ScopeMismatch) || n.refusal(object("u2", "1", ""), unseal.Tampered) {
		t.Error("another refusal is taken for the one that was noted, or it is not known")
	}
	o.Generation++
	if n.refusal(o, unseal.Tampered) {
		t.Error("that of a generation before is taken for the one of this")
	}
	n.refuses(o, tampered)
	n.opens(o, unseal.Decision{})
	if n.refusal(o, unseal.Tampered) {
		t.Error("after an opening, a refusal is news")
	}
}

func secretOf(name, uid, origin string) *metav1.PartialObjectMetadata {
	s := bareMetadata(corev1.SchemeGroupVersion.WithKind("Secret"), types.NamespacedName{Namespace: "prod", Name: name})
	s.UID, s.ResourceVersion = types.UID(uid), "7"
	s.Annotations = map[string]string{v1alpha1.AnnotationOrigin: origin}
	return s
}

func TestDeletedSecretsAreKeptUntilTheyAreNoted(t *testing.T) {
	g, key := newGone(), types.NamespacedName{Namespace: "prod", Name: "db"}
	uids := func() (all []string) {
		for _, o := range g.take(key) {
			if o.Kind != "Secret" || o.Namespace != "prod" || o.Name != "db" || o.ResourceVersion != "7" {
				t.Errorf("%+v", o)
			}
			all = append(all, o.UID)
		}
		return all
	}
	want := func(why string, uid ...string) {
		t.Helper()
		if diff := cmp.Diff(uid, uids()); diff != "" {
			t.Errorf("%s: %s", why, diff)
		}
	}
	g.observe(secretOf("db", "early", "prod/db"))
	want("a replica that does not lead keeps nothing")
	g.lead()
	g.observe(secretOf("db", "a", "prod/db"))
	g.observe(secretOf("db", "foreign", ""))
	g.observe(secretOf("db", "copied", "prod/another"))
	g.observe(secretOf("another", "b", "prod/another"))
	taken := g.take(key)
	g.observe(secretOf("db", "c", "prod/db"))
	g.untake(key, taken)
	want("what could not be noted comes first", "a", "c")
	want("and once")
	g.replace(key, "ours")
	g.observe(secretOf("db", "ours", "prod/db"))
	g.observe(secretOf("db", "theirs", "prod/db"))
	want("our own replacement is none", "theirs")
	for range 2 * maxGone {
		g.observe(secretOf("db", "x", "prod/db"))
	}
	if n := len(uids()); n != maxGone {
		t.Errorf("%d wait", n)
	}
}

func TestTheManagerOfASpecIsKnown(t *testing.T) {
	at := func(minute int) *metav1.Time { return new(metav1.Unix(int64(minute)*60, 0)) }
	entry := func(manager, sub string, minute int, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{APIVersion: "waxwing.io/v1alpha1", Manager: manager, Subresource: sub, Time: at(minute), FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const spec, labels = `{"f:spec":{"f:items":{}}}`, `{"f:metadata":{"f:labels":{"f:spec":{}}}}`
	for name, c := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    string
	}{
		"nobody": {nil, ""},
		"one":    {[]metav1.ManagedFieldsEntry{entry("flux", "", 1, spec)}, "flux"},
		"the youngest of several": {
			[]metav1.ManagedFieldsEntry{entry("kubectl", "", 1, spec), entry("flux", "", 3, spec), entry("argocd", "", 2, spec)}, "flux",
		},
		"not who wrote labels, nor the status": {
			[]metav1.ManagedFieldsEntry{entry("flux", "", 1, spec), entry("labeller", "", 2, labels), entry("waxwing-controller", "status", 3, spec)}, "flux",
		},
		"fields that are none": {[]metav1.ManagedFieldsEntry{entry("x", "", 1, `no`)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := object("u", "1", "")
			o.ManagedFields = c.entries
			for _, when := range []string{"whole", "cached", "cached again"} {
				if got := actorOf(o, false, "s"); got != (audit.Actor{User: audit.Unattributed, Manager: c.want, Signer: "s"}) {
					t.Errorf("%s: %+v", when, got)
				}
				o.ManagedFields = slimManagers(o.ManagedFields)
			}
			if len(o.ManagedFields) > 1 || (len(o.ManagedFields) == 1 && o.ManagedFields[0].FieldsV1 != nil) {
				t.Errorf("the cache keeps %+v", o.ManagedFields)
			}
		})
	}
}

func TestAMissingBreakGlassIsToldOnce(t *testing.T) {
	n, o := newNoted(), object("u", "1", "")
	for i, c := range []struct {
		lacks string
		news  bool
	}{{"", false}, {"e1", true}, {"e1", false}, {"e2", true}, {"", false}, {"e2", true}} {
		if got := n.glass(o, c.lacks); got != c.news {
			t.Errorf("%d: %q is news: %t", i, c.lacks, got)
		}
	}
	n.opens(o, unseal.Decision{})
	if n.glass(o, "e2") || !n.glass(object("made-anew", "1", ""), "e2") {
		t.Error("what was said of an object is not said of the next one of its name")
	}
}

func TestWhatIsLeftOfAMoveIsACondition(t *testing.T) {
	var s v1alpha1.KeyringStatus
	for _, c := range []struct {
		move *keyring.Move
		want map[string]string
	}{
		{nil, map[string]string{}},
		{&keyring.Move{Message: "keys"}, map[string]string{"Moving": "True KeysLeft: keys"}},
		{&keyring.Move{Done: true, Message: "none"}, map[string]string{"Moving": "False NothingLeft: none"}},
		{nil, map[string]string{}},
	} {
		setMoving(&s, 3, c.move, keyringNoon())
		if diff := cmp.Diff(c.want, keyringConditions(s)); diff != "" {
			t.Error(diff)
		}
	}
}
