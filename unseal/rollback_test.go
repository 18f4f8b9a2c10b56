package unseal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

func wantRefusal(t *testing.T, d unseal.Decision, reason unseal.Reason, says string) {
	t.Helper()
	if d.Action != unseal.Report || d.Outcome.Reason != reason || !strings.Contains(d.Outcome.Message, says) {
		t.Errorf("got %s %s %q, want %s with %q", d.Action, d.Outcome.Reason, d.Outcome.Message, reason, says)
	}
}

func template(key, value string) *seal.Template {
	return &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{key: value}}}
}

// TestGoingBack holds an object, signed by alice, with and without an override, against what is remembered of it.
func TestGoingBack(t *testing.T) {
	mine := newKey(t, "prod-eu")
	people := map[string]ssh.Signer{"alice": sshKey(t), "mallory": sshKey(t)}
	deny, listed, event := spec(people, "deny", "alice"), spec(people, "alice"), spec(people)
	o := sealed(t, strict(), mine)
	at := only(o)
	seen := func(newest, accepted string) map[string]unseal.Seen {
		items := all(o, newest)
		for name := range items {
			items[name] = unseal.Seen{Newest: newest, Accepted: accepted}
		}
		return items
	}
	one := func(name, newest string) map[string]unseal.Seen {
		return map[string]unseal.Seen{name: {Newest: newest}}
	}
	for name, c := range map[string]struct {
		rules  []*v1alpha1.KeyringSpec
		signer string
		from   string // the annotation
		mark   unseal.Mark
		want   unseal.Reason
		says   string
		told   bool // an event tells that it went back
		after  *unseal.Mark
	}{
		"nothing is known":           {rules: []*v1alpha1.KeyringSpec{deny}, after: &unseal.Mark{Items: seen(at, "")}},
		"an older one is known":      {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(older, "")}, after: &unseal.Mark{Items: seen(at, "")}},
		"the same is known":          {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(at, "")}},
		"going back, told":           {rules: []*v1alpha1.KeyringSpec{event}, mark: unseal.Mark{Items: seen(later, "")}, told: true, after: &unseal.Mark{Items: seen(later, at)}},
		"going back again":           {rules: []*v1alpha1.KeyringSpec{event}, mark: unseal.Mark{Items: seen(later, at)}},
		"going back, denied":         {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "goes back from envelope " + later},
		"the dates are told":         {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "(sealed 2026-11-23T01:30:00Z)"},
		"the way out is told":        {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: v1alpha1.AnnotationRollbackFrom + "=" + later},
		"others are counted":         {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "spec.items.password: goes back from"},
		"so are the others":          {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "and 1 more do"},
		"no way that there is not":   {rules: []*v1alpha1.KeyringSpec{spec(people, "deny")}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "to go back to it; the mark is key prod_db"},
		"one item alone":             {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: one("user", later)}, want: unseal.RollbackDenied, says: "spec.items.user"},
		"another keyring denies":     {rules: []*v1alpha1.KeyringSpec{event, deny}, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: `keyring "other-b" refuses`},
		"accepted before it denied":  {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, at)}},
		"between accepted and new":   {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(later, older)}, want: unseal.RollbackDenied, says: "goes back"},
		"of an item that is gone":    {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: one("token", later)}, after: &unseal.Mark{Items: merge(seen(at, ""), one("token", later))}},
		"forward clears what it was": {rules: []*v1alpha1.KeyringSpec{deny}, mark: unseal.Mark{Items: seen(older, ancient)}, after: &unseal.Mark{Items: seen(at, "")}},

		"override: by alice":           {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, "")}, told: true, after: &unseal.Mark{Items: seen(later, at), Spent: later, Signed: true}},
		"override: it is on afterward": {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, at), Spent: later}, after: &unseal.Mark{Items: seen(later, at), Spent: later, Signed: true}},
		"override: unsigned":           {rules: []*v1alpha1.KeyringSpec{spec(people, "deny")}, from: later, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "in signed objects only"},
		"override: nobody is listed":   {rules: []*v1alpha1.KeyringSpec{spec(people, "deny")}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: `keyring "prod-eu" lists no signers`},
		"override: another lists":      {rules: []*v1alpha1.KeyringSpec{spec(people, "deny"), listed}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: `keyring "prod-eu" lists no signers`},
		"override: by a stranger":      {rules: []*v1alpha1.KeyringSpec{deny}, signer: "mallory", from: later, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.PolicyDenied, says: "not among the signers"},
		"override: of another":         {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: older, mark: unseal.Mark{Items: seen(later, "")}, want: unseal.RollbackDenied, says: "the newest envelope is " + later},
		"override: spent":              {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, ""), Spent: later}, want: unseal.RollbackDenied, says: "used already"},
		"override: an earlier is spent": {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: latest, mark: unseal.Mark{Items: seen(latest, ""), Spent: later}, told: true,
			after: &unseal.Mark{Items: seen(latest, at), Spent: latest, Signed: true}},
		"override: of a gone item": {rules: []*v1alpha1.KeyringSpec{deny}, signer: "alice", from: latest, mark: unseal.Mark{Items: merge(seen(later, ""), one("token", latest))}, told: true,
			after: &unseal.Mark{Items: merge(seen(later, at), one("token", latest)), Spent: latest, Signed: true}},
		"override: counts with events, too": {rules: []*v1alpha1.KeyringSpec{listed}, signer: "alice", from: later, mark: unseal.Mark{Items: seen(later, "")}, told: true,
			after: &unseal.Mark{Items: seen(later, at), Spent: later, Signed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			o := o.DeepCopy()
			if c.from != "" {
				o.Annotations = map[string]string{v1alpha1.AnnotationRollbackFrom: c.from}
			}
			if c.signer != "" {
				sign(t, o, people[c.signer])
			}
			in := input(o, governed(t, mine, c.rules...))
			in.Marks = known(c.mark)
			d := unseal.Decide(in)
			if c.want != "" {
				wantRefusal(t, d, c.want, c.says)
				return
			}
			if d.Action != unseal.Open {
				t.Fatalf("%s: %s", d.Outcome.Reason, d.Outcome.Message)
			}
			mark, _ := d.Plan.Remember(unseal.MACs{})
			if mark != nil {
				mark.Signature = ""
			}
			if diff := cmp.Diff(c.after, apartFromKeys(mark, c.mark)); diff != "" {
				t.Errorf("what is remembered after it:\n%s", diff)
			}
			contents, err := d.Plan.Open(target(o))
			if err != nil {
				t.Fatal(err)
			}
			if out := d.Plan.Written(contents, o, *ours(o)); (out.RolledBack != "") != c.told {
				t.Errorf("it is told: %q", out.RolledBack)
			}
		})
	}
}

// TestAnOverrideNeedsASignerOfToday holds that a signature that was accepted once, of somebody who may not sign any more, does not let an object go back.
func TestAnOverrideNeedsASignerOfToday(t *testing.T) {
	mine := newKey(t, "prod-eu")
	people := map[string]ssh.Signer{"alice": sshKey(t), "bob": sshKey(t)}
	o := sealed(t, strict(), mine)
	o.Annotations = map[string]string{v1alpha1.AnnotationRollbackFrom: later}
	sign(t, o, people["alice"])
	in := input(o, governed(t, mine, spec(people, "deny", "alice")))
	in.Marks = known(unseal.Mark{})
	mark, _ := unseal.Decide(in).Plan.Remember(unseal.MACs{})
	mark.Items = all(o, later)
	in.Marks, in.Ring = known(*mark), governed(t, mine, spec(people, "deny", "bob"))
	wantRefusal(t, unseal.Decide(in), unseal.RollbackDenied, "no signer who is listed now has signed")
}

// apartFromKeys is what a mark remembers against going back; nil where that is as it was before.
func apartFromKeys(mark *unseal.Mark, before unseal.Mark) *unseal.Mark {
	if mark == nil {
		return nil
	}
	m := *mark
	m.Ledger, before.Ledger = unseal.Ledger{}, unseal.Ledger{}
	if cmp.Equal(m, before, cmpopts.EquateEmpty()) {
		return nil
	}
	return &m
}

func merge(a, b map[string]unseal.Seen) map[string]unseal.Seen {
	for name, s := range b {
		a[name] = s
	}
	return a
}

// TestMarksThatCannotBeUsed holds that what hangs on marks is refused without them, and that everything else goes on.
func TestMarksThatCannotBeUsed(t *testing.T) {
	mine := newKey(t, "prod-eu")
	deny, event := spec(nil, "deny"), spec(nil)
	o := sealed(t, strict(), mine)
	in := input(o, governed(t, mine, deny))
	wantRefusal(t, unseal.Decide(in), unseal.Pending, "cannot be read")
	in.Marks = unseal.Marks{Loaded: true, Damaged: true, Where: "key prod_db"}
	wantRefusal(t, unseal.Decide(in), unseal.RollbackDenied, "remove it if the object is as it should be: key prod_db")
	in.Ring = governed(t, mine, event)
	d := unseal.Decide(in)
	if mark, _ := d.Plan.Remember(unseal.MACs{}); d.Action != unseal.Open || mark != nil {
		t.Errorf("a damaged mark where going back is told only: %s, and %v is remembered in its place", d.Action, mark)
	}
	in.Marks = unseal.Marks{}
	d = unseal.Decide(in)
	if mark, durable := d.Plan.Remember(unseal.MACs{}); d.Action != unseal.Open || mark == nil || durable {
		t.Errorf("no marks where going back is told only: %s, %v, durable %v", d.Action, mark, durable)
	}
}

// TestWhatIsInTheClusterStays holds that an unchanged object is judged by none of these rules, and that what is not known of it is remembered as it stands.
func TestWhatIsInTheClusterStays(t *testing.T) {
	mine := newKey(t, "prod-eu")
	people := map[string]ssh.Signer{"alice": sshKey(t)}
	o, secret := written(t, mine)
	in := input(o, governed(t, mine, spec(people, "alice", "required", "deny")))
	in.Secret = secret
	for name, c := range map[string]struct {
		marks unseal.Marks
		want  *unseal.Mark
	}{
		"without marks":               {unseal.Marks{}, &unseal.Mark{Items: all(o, only(o))}},
		"with none":                   {known(unseal.Mark{}), &unseal.Mark{Items: all(o, only(o))}},
		"with its own":                {known(unseal.Mark{Items: all(o, only(o))}), nil},
		"with an older one":           {known(unseal.Mark{Items: all(o, older), Spent: ancient}), &unseal.Mark{Items: all(o, only(o)), Spent: ancient}},
		"with a newer one, lost":      {known(unseal.Mark{Items: all(o, later)}), nil},
		"with a damaged one":          {unseal.Marks{Loaded: true, Damaged: true}, nil},
		"unsigned, which it once was": {known(unseal.Mark{Items: all(o, only(o)), Signed: true}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := in
			in.Marks = c.marks
			d := unseal.Decide(in)
			if d.Action != unseal.Report || d.Outcome.Reason != unseal.Unsealed {
				t.Fatalf("%s %s %s", d.Action, d.Outcome.Reason, d.Outcome.Message)
			}
			if diff := cmp.Diff(c.want, apartFromKeys(d.Remember, in.Marks.Mark)); diff != "" {
				t.Error(diff)
			}
		})
	}
	sign(t, o, people["alice"])
	in.Marks = known(unseal.Mark{Items: all(o, only(o))})
	if d := unseal.Decide(in); d.Remember == nil || !d.Remember.Signed || d.Remember.Signature == "" {
		t.Errorf("a signed object that was opened before signers were listed: %+v", d.Remember)
	}
}
