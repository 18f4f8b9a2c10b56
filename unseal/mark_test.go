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
	one, two := strings.Repeat("0", 32), strings.Repeat("f", 32)
	keys := "keys=" + digest + ",_____________________w"
	mac, commit := strings.Repeat("M", 16), strings.Repeat("c", 12)
	for text, want := range map[string]unseal.Mark{
		"1":                                      {},
		"1 signed":                               {Signed: true},
		"1 signed=" + digest + " spent=" + older: {Signed: true, Signature: digest, Spent: older},
		"1 floor=" + older + " spent=" + later:   {Floor: older, Spent: later},
		"1 " + older + "=a.b,c_d " + later + "/" + ancient + "=~" + digest: {Items: map[string]unseal.Seen{
			"a.b": {Newest: older}, "c_d": {Newest: older}, "~" + digest: {Newest: later, Accepted: ancient}}},
		"1 " + keys + " lost=1! mac=MMMMMMMM rest=" + digest + " former=0:1,7:2 gone=8/2:" + ancient + "~" + commit + " uses=1/3:" + older + " " + older + "=a:" + mac + "!:2,b:,c:" + mac + "::" + mac + "." + mac + ",d": {
			Items: map[string]unseal.Seen{"a": {Newest: older}, "b": {Newest: older}, "c": {Newest: older}, "d": {Newest: older}},
			Ledger: unseal.Ledger{
				Envelopes: map[string]unseal.Wrapped{older: {Needs: []string{one}, Ever: []string{one, two}}, ancient: {Needs: []string{two}, Ever: []string{two}, Gone: 8, Commit: commit}},
				Former:    map[string]int64{one: 0, two: 7}, Rest: digest, MACKey: "MMMMMMMM", Lost: []string{one}, LostExposed: true,
				Values: map[string]unseal.Valued{"a": {MAC: mac, Exposed: true, Keys: []string{two}}, "b": {}, "c": {MAC: mac, Was: []string{mac, mac}}},
			}},
		"1 lost=0!": {Ledger: unseal.Ledger{LostExposed: true}},
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
		"1 keys=", "1 " + keys, "1 keys=x uses=1:" + older, "1 uses=1:" + older, "1 " + keys + " uses=4:" + older, "1 " + keys + " uses=03:" + older, "1 " + keys + " uses=3:", "1 " + keys + " uses=3/3:" + older,
		"1 " + keys + " uses=3:" + later + "," + older, "1 " + keys + " uses=3:" + older + " uses=3:" + later, "1 " + keys + " gone=0/3:" + older, "1 " + keys + " gone=x/3:" + older, "1 " + keys + " former=1:",
		"1 " + keys + " uses=3:" + older + "~", "1 " + keys + " uses=3:" + older + "~c", "1 " + keys + " uses=3:" + older + "," + older + "~" + commit, "1 " + keys + " former=1:0", "1 " + keys + " former=1:1,1:2", "1 " + keys + " lost=3?", "1 mac=M", "1 rest=M", "1 " + older + "=a:M", "1 " + older + "=a::1", "1 " + older + "=a:" + mac + "!!", "1 " + older + "=a:" + mac + ":", "1 " + older + "=a:" + mac + "::", "1 " + older + "=a:" + mac + "::x",
		"1 " + older + "=a:" + mac + "::" + mac + ":",
	} {
		if m, err := unseal.ParseMark(text); err == nil {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
}

// FuzzParseMark holds that what is read is written as it was, and that nothing else is read.
func FuzzParseMark(f *testing.F) {
	f.Add("1 signed spent=" + older + " " + older + "=a,b " + later + "/" + ancient + "=c")
	f.Add("1 keys=" + strings.Repeat("A", 22) + " lost=1 former=7:1 gone=8/1:" + later + " uses=1:" + older + " " + older + "=a:" + strings.Repeat("M", 16) + "!,b::1")
	f.Add("1 " + older + "=a:" + strings.Repeat("M", 16) + "::" + strings.Repeat("N", 16) + "." + strings.Repeat("O", 16))
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

// TestMergingWhatIsRememberedOfKeys holds that a key counts that one of two marks of an object has.
func TestMergingWhatIsRememberedOfKeys(t *testing.T) {
	id := func(digit string) string { return strings.Repeat(digit, 32) }
	set := func(digits ...string) (ids []string) {
		for _, d := range digits {
			ids = append(ids, id(d))
		}
		return ids
	}
	items := map[string]unseal.Seen{"a": {Newest: older}, "b": {Newest: older}, "c": {Newest: older}, "d": {Newest: older}}
	mine, other := strings.Repeat("c", 12), strings.Repeat("d", 12)
	was := unseal.Mark{Items: items, Ledger: unseal.Ledger{
		Envelopes: map[string]unseal.Wrapped{older: {Needs: set("1"), Ever: set("1")}, ancient: {Needs: set("2"), Ever: set("2"), Gone: 5}, later: {Needs: set("a"), Ever: set("a"), Gone: 4, Commit: mine}},
		Former:    map[string]int64{id("3"): 0, id("4"): 9}, Rest: "r", MACKey: "k", Lost: set("5"),
		Values: map[string]unseal.Valued{"a": {MAC: "x", Keys: set("6"), Exposed: true}, "b": {MAC: "x", Keys: set("7")}, "c": {MAC: "x", Keys: set("8")}},
	}}
	is := unseal.Mark{Items: items, Ledger: unseal.Ledger{
		Envelopes: map[string]unseal.Wrapped{older: {Needs: set("9"), Ever: set("9"), Gone: 7}, later: {Needs: set("b"), Ever: set("b"), Commit: other}},
		Former:    map[string]int64{id("3"): 6, id("4"): 8}, MACKey: "k", LostExposed: true,
		Values: map[string]unseal.Valued{"a": {MAC: "x"}, "b": {MAC: "y"}, "d": {MAC: "z"}},
	}}
	before, after := was.Values, is.Values
	want := unseal.Ledger{
		Envelopes: map[string]unseal.Wrapped{older: {Needs: set("1", "9"), Ever: set("1", "9"), Gone: 7}, ancient: {Needs: set("2"), Ever: set("2"), Gone: 5},
			later: {Needs: set("b"), Ever: set("a", "b"), Commit: other}},
		Former: map[string]int64{id("3"): 6, id("4"): 9, id("a"): 4}, MACKey: "k", Lost: set("5"), LostExposed: true,
		Values: map[string]unseal.Valued{"a": {MAC: "x", Keys: set("6"), Exposed: true}, "b": {MAC: "y"}, "c": {MAC: "x", Keys: set("8")}, "d": {MAC: "z"}},
	}
	if diff := cmp.Diff(want, is.Merge(was).Ledger, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	was.Values = map[string]unseal.Valued{"a": {MAC: "x", Exposed: true, Was: []string{"u", "v"}}, "b": {MAC: "y", Exposed: true}, "c": {MAC: "z"}}
	is.Values = map[string]unseal.Valued{"a": {MAC: "y", Was: []string{"u", "w"}}, "b": {MAC: "y", Was: []string{"x"}}, "c": {MAC: "y", Was: []string{"y"}}}
	values := map[string]unseal.Valued{"a": {MAC: "y", Was: []string{"v", "u", "w", "x"}}, "b": {MAC: "y", Exposed: true, Was: []string{"x"}}, "c": {MAC: "y", Exposed: true, Was: []string{"y"}}}
	if diff := cmp.Diff(values, is.Merge(was).Values); diff != "" {
		t.Error(diff)
	}
	was.Values, is.Values = before, after
	was.MACKey = "l" // then no two MACs can be compared, and those of another key say nothing
	if got := is.Merge(was).Values; got["a"].MAC != "x" || got["c"].MAC != "" || got["b"].MAC != "" || len(got["b"].Keys) != 1 {
		t.Errorf("MACs of two keys: %+v", got)
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
