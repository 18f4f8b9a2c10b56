package unseal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestMarksAsText(t *testing.T) {
	digest := strings.Repeat("A", 22)
	for text, want := range map[string]unseal.Mark{
		"1":                                      {},
		"1 signed":                               {Signed: true},
		"1 signed=" + digest + " spent=" + older: {Signed: true, Signature: digest, Spent: older},
		"1 floor=" + older + " spent=" + later:   {Floor: older, Spent: later},
		"1 " + older + "=a.b,c_d " + later + "/" + ancient + "=~" + digest: {Items: map[string]unseal.Seen{
			"a.b": {Newest: older}, "c_d": {Newest: older}, "~" + digest: {Newest: later, Accepted: ancient}}},
	} {
		got, err := unseal.ParseMark(text)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
		if again := want.Text(); again != text {
			t.Errorf("%s is written as %s", text, again)
		}
	}
	for _, text := range []string{
		"", "2", "1 ", " 1", "1  signed", "1 signed signed", "1 signed=x", "1 spent=", "1 spent=x", "1 floor=", "1 floor=x", "1 spent=" + older + " floor=" + older, "1 " + older, "1 " + older + "=", "1 " + older + "=a,a",
		"1 " + older + "=a " + later + "=a", "1 " + older + "=b,a", "1 " + later + "=b " + older + "=a", "1 " + older + "/" + later + "=a", "1 " + older + "/=a", "1 " + older + "/" + older + "=a",
		"1 " + strings.ToUpper(older) + "=É", "1 8" + older[1:] + "=a", "1 " + older[1:] + "=a", "1 " + older[:25] + "u=a", "1 " + older + "=~short", "1 " + older + "=" + strings.Repeat("a", 41), "1 x", "1 signed=\n",
	} {
		if m, err := unseal.ParseMark(text); err == nil {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
}

// FuzzParseMark holds that what is read is written as it was, and that nothing else is read.
func FuzzParseMark(f *testing.F) {
	f.Add("1 signed spent=" + older + " " + older + "=a,b " + later + "/" + ancient + "=c")
	f.Add("1 signed=" + strings.Repeat("A", 22))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := unseal.ParseMark(text)
		if err == nil && m.Text() != text {
			t.Errorf("%q is written as %q", text, m.Text())
		}
	})
}

func TestMergingMarks(t *testing.T) {
	a := unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: later}, "b": {Newest: older}, "c": {Newest: later, Accepted: older}}, Floor: older, Spent: ancient}
	b := unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: older}, "b": {Newest: later}, "c": {Newest: later}, "d": {Newest: ancient}}, Spent: older, Signed: true, Signature: "x"}
	want := unseal.Mark{
		Items: map[string]unseal.Seen{"a": {Newest: later}, "b": {Newest: later}, "c": {Newest: later, Accepted: older}, "d": {Newest: ancient}},
		Floor: older, Spent: older, Signed: true, Signature: "x",
	}
	if diff := cmp.Diff(want, a.Merge(b), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if newest := want.Newest(); newest != later {
		t.Errorf("the newest is %s", newest)
	}
}

// TestMarksAreBounded holds that an object whose items are renamed again and again is not remembered without end, and that what it has now is never forgotten.
func TestMarksAreBounded(t *testing.T) {
	mine := newKey(t, "prod-eu")
	o := sealed(t, strict(), mine)
	mark := unseal.Mark{Items: map[string]unseal.Seen{"oldest": {Newest: ancient}, "user": {Newest: ancient}}}
	for i := range 4095 {
		mark.Items[fmt.Sprintf("gone-%d", i)] = unseal.Seen{Newest: older}
	}
	in := input(o, ringOf(mine.part(keyring.Active)))
	in.Marks = known(mark)
	next, _ := unseal.Decide(in).Plan.Remember(unseal.MACs{})
	_, oldest := next.Items["oldest"]
	_, password := next.Items["password"]
	_, user := next.Items["user"]
	if len(next.Items) != 4096 || oldest || !password || !user || next.Floor != older {
		t.Errorf("%d items, the oldest among them: %v, the object's own: %v %v, the floor %s", len(next.Items), oldest, password, user, next.Floor)
	}
	// What is forgotten cannot be put back all the same.
	mark = unseal.Mark{Items: map[string]unseal.Seen{"user": {Newest: ancient}}, Floor: later}
	strictly := mine.part(keyring.Active)
	strictly.Policy.DenyRollback = true
	in.Marks, in.Ring = known(mark), ringOf(strictly)
	wantRefusal(t, unseal.Decide(in), unseal.RollbackDenied, "spec.items.password: goes back from envelope "+later)
	mark.Floor = ancient // older than the object
	in.Marks = known(mark)
	if d := unseal.Decide(in); d.Action != unseal.Open {
		t.Errorf("an item newer than all that was forgotten: %+v", d.Outcome)
	}
	long := strings.Repeat("x", 41)
	o.Spec = *sealedWith(t, mine, seal.Values{long: value("x")})
	in.Marks = known(unseal.Mark{})
	next, _ = unseal.Decide(in).Plan.Remember(unseal.MACs{})
	if _, err := unseal.ParseMark(next.Text()); err != nil || strings.Contains(next.Text(), long) {
		t.Errorf("the mark of a long name: %s (%v)", next.Text(), err)
	}
}
