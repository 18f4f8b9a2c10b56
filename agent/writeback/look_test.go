package writeback_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

func TestEveryCopyOfAnEnvelopeGetsItsWrap(t *testing.T) {
	eu, us := newKeyring(t, "prod-eu"), newKeyring(t, "prod-us")
	db, web := sealed(t, "prod", "db", eu, us), sealed(t, "prod", "web", eu, us)
	files := tree{
		".seal.yaml": settings(eu, us), ".seal/prod-eu.note": eu.note(), ".seal/prod-us.note": us.note(),
		"base/db.yaml":     db,
		"overlay/all.yaml": "# all\nkind: ConfigMap\napiVersion: v1\n---\n" + db + "---\n# and\n" + web,
		"list/list.yaml":   "apiVersion: v1\nkind: List\nitems:\n  # first\n  - " + strings.TrimPrefix(strings.ReplaceAll(db, "\n", "\n    "), "    "),
		"README.md":        "prod-eu",
	}
	eu.rotate()
	shows := []writeback.Keyring{eu.shows(), us.shows()}
	found := files.look(t, "", shows, live(t, db, eu), live(t, web, eu))
	if len(found.Due) != 1 || len(found.Problems) > 0 || len(found.Unhelped) > 0 || found.RefusedOffers > 0 || found.Digest == "" {
		t.Fatalf("%+v", found)
	}
	d := found.Due[0]
	if d.Holder != "prod-eu" || d.Set.Number != 2 || d.Objects != 4 || d.Wraps != 4 || len(d.Old) != 1 || len(d.Changes) != 4 {
		t.Errorf("%+v", d)
	}
	if want := "chore(seal): rewrap 4 objects for prod-eu's recipient set 2"; d.Subject() != want {
		t.Errorf("%q", d.Subject())
	}
	after := files.with(found.Want)
	for name := range found.Want {
		if name == ".seal/prod-eu.note" {
			if after[name] != eu.note() {
				t.Error("the note is not the keyring's")
			}
			continue
		}
		if !eu.opens(after[name]) || !us.opens(after[name]) {
			t.Errorf("%s does not open with the new key, or with the other holder's", name)
		}
		if !slices.Equal(withoutWraps(files[name], "prod-eu"), withoutWraps(after[name], "prod-eu")) {
			t.Errorf("%s: other lines have changed:\n%s", name, after[name])
		}
	}
	// What was written is known by its content: nothing is due any more, though everything is still offered.
	if again := after.look(t, "", shows, live(t, db, eu), live(t, web, eu)); len(again.Due) != 0 || again.Digest != "" || len(again.Unhelped) > 0 {
		t.Errorf("%+v", again)
	}
}

func TestTwoHoldersAreTwoCommitsUponEachOther(t *testing.T) {
	a, b := newKeyring(t, "a"), newKeyring(t, "b")
	db := sealed(t, "prod", "db", a, b)
	files := tree{".seal.yaml": settings(a, b), "db.yaml": db}
	a.rotate()
	b.rotate()
	found := files.look(t, "", []writeback.Keyring{b.shows(), a.shows()}, live(t, db, a, b))
	if len(found.Due) != 2 || found.Due[0].Holder != "a" || found.Due[1].Holder != "b" {
		t.Fatalf("%+v", found)
	}
	if one := string(found.Due[0].Changes["db.yaml"]); !a.opens(one) || b.opens(one) {
		t.Error("the first one is not of the first holder alone")
	}
	if two := string(found.Due[1].Changes["db.yaml"]); !a.opens(two) || !b.opens(two) || two != string(found.Want["db.yaml"]) {
		t.Error("the second one is not upon the first")
	}
	// A note that was not there is written, too.
	if found.Want[".seal/a.note"] == nil || found.Want[".seal/b.note"] == nil {
		t.Error("no notes")
	}
}

func TestOnlyTheFolderIsLookedInto(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	files := tree{
		".seal.yaml": settings(k), "clusters/prod/db.yaml": db, "clusters/prod-2/db.yaml": db, "elsewhere/db.yaml": db,
		"clusters/prod/../x.yaml": db, "clusters/prod/a\nb.yaml": db, "clusters/prod/.GIT/x.yaml": db, "clusters/prod/\xff.yaml": db, "clusters/prod/link.yaml": "-> db.yaml",
		"clusters/prod/large.yaml": tooLarge,
	}
	k.rotate()
	for _, folder := range []string{"clusters/prod", "clusters/prod/", "./clusters/prod"} {
		found := files.look(t, folder, []writeback.Keyring{k.shows()}, live(t, db, k))
		if len(found.Want) != 2 || found.Want["clusters/prod/db.yaml"] == nil || found.Want[".seal/prod.note"] == nil {
			t.Errorf("%s: %d files", folder, len(found.Want))
		}
	}
}

func TestNothingIsWrittenForAHolderWhoseKeysDiffer(t *testing.T) {
	k, other := newKeyring(t, "prod"), newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	old := k.note()
	k.rotate()
	same := *k
	same.set.At = same.set.At.Add(1e9)
	unnamed := k.shows()
	unnamed.StatementKey = ""
	for name, c := range map[string]struct {
		files tree
		shows writeback.Keyring
		want  string
	}{
		"another pin":            {tree{".seal.yaml": settings(other)}, k.shows(), k.pin + ", but " + other.pin + " is pinned"},
		"no statement key":       {tree{".seal.yaml": settings(k)}, unnamed, "keyring prod shows no statement key"},
		"no recipients":          {tree{".seal.yaml": settings(k)}, writeback.Keyring{Name: "prod", Published: rewrap.Published{StatementKey: k.pin}}, "keyring prod shows no recipients"},
		"another one's note":     {tree{".seal.yaml": settings(k), ".seal/prod.note": other.note()}, k.shows(), ".seal/prod.note: the note is not signed by the statement key"},
		"a changed note":         {tree{".seal.yaml": settings(k), ".seal/prod.note": strings.Replace(old, "set: 1", "set: 3", 1)}, k.shows(), "was changed after"},
		"two sets of one number": {tree{".seal.yaml": settings(k), ".seal/prod.note": same.note()}, k.shows(), "different sets 2"},
		"a link as the note":     {tree{".seal.yaml": settings(k), ".seal/prod.note": "-> /etc/passwd"}, k.shows(), ".seal/prod.note: is not a regular file"},
		"a link as its folder":   {tree{".seal.yaml": settings(k), ".seal": "-> elsewhere"}, k.shows(), ".seal is no folder"},
	} {
		files := c.files.with(map[string][]byte{"db.yaml": []byte(db)})
		found := files.look(t, "", []writeback.Keyring{c.shows}, live(t, db, k))
		if len(found.Due) > 0 || !strings.Contains(strings.Join(found.Problems, "\n"), c.want) {
			t.Errorf("%s: %d due, %q", name, len(found.Due), found.Problems)
		}
	}
}

func TestANoteNeverGoesBack(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	before := k.shows()
	k.rotate()
	files := tree{".seal.yaml": settings(k), ".seal/prod.note": k.note(), "db.yaml": db}
	found := files.look(t, "", []writeback.Keyring{before}, live(t, db))
	if len(found.Due) > 0 || len(found.Problems) != 1 || !strings.Contains(found.Problems[0], "has set 2 of holder prod, and the keyring shows set 1") {
		t.Errorf("%+v", found)
	}
}

func TestAKeyringOfTheSameNameInAnotherClusterIsLeftAlone(t *testing.T) {
	here, there := newKeyring(t, "prod"), newKeyring(t, "prod")
	mine, theirs := sealed(t, "prod", "db", here), sealed(t, "prod", "db", there)
	files := tree{"eu/.seal.yaml": settings(here), "eu/db.yaml": mine, "us/.seal.yaml": settings(there), "us/db.yaml": theirs, "us/.seal/prod.note": there.note()}
	here.rotate()
	found := files.look(t, "", []writeback.Keyring{here.shows()}, live(t, mine, here))
	if len(found.Problems) > 0 || len(found.Want) != 2 || found.Want["eu/db.yaml"] == nil || found.Want["eu/.seal/prod.note"] == nil {
		t.Errorf("%q, %d files", found.Problems, len(found.Want))
	}
}

func TestForgedOffersAreCountedAndHelpNobody(t *testing.T) {
	k, forger := newKeyring(t, "prod"), newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	files := tree{".seal.yaml": settings(k), ".seal/prod.note": k.note(), "db.yaml": db}
	k.rotate()
	forger.ids, forger.set = k.ids, k.set
	found := files.look(t, "", []writeback.Keyring{k.shows()}, live(t, db, forger))
	if found.RefusedOffers != 1 || len(found.Want) != 1 || found.Want[".seal/prod.note"] == nil || found.Due[0].Objects != 0 {
		t.Errorf("%+v", found)
	}
	if want := "chore(seal): renew the note of prod, recipient set 2"; found.Due[0].Subject() != want {
		t.Errorf("%q", found.Due[0].Subject())
	}
	// Of another object it is none either.
	copied := live(t, db, k)
	copied.Name = "web"
	if found := files.look(t, "", []writeback.Keyring{k.shows()}, copied); found.RefusedOffers != 1 || len(found.Want) != 1 {
		t.Errorf("a copied one: %+v", found)
	}
}

func TestWhatNothingHelpsIsListed(t *testing.T) {
	k := newKeyring(t, "prod")
	missing, closed, waiting, moved := sealed(t, "prod", "missing", k), sealed(t, "prod", "closed", k), sealed(t, "prod", "waiting", k), sealed(t, "prod", "moved", k)
	files := tree{
		"in/.seal.yaml": settings(k), "in/.seal/prod.note": k.note(), "unpinned.yaml": sealed(t, "prod", "x", k),
		"in/missing.yaml": "kind: ConfigMap\napiVersion: v1\n---\n" + missing, "in/closed.yaml": closed, "in/waiting.yaml": waiting, "in/moved.yaml": moved,
		"in/invalid.yaml": strings.Replace(sealed(t, "prod", "invalid", k), "scope: strict", "scope: none", 1),
	}
	k.rotate()
	files["in/fresh.yaml"] = sealed(t, "prod", "fresh", k)
	shut := live(t, closed)
	shut.Closed = "NoMatchingKey"
	ready := live(t, waiting, k)
	ready.Offers = nil
	ahead := live(t, moved, k)
	ahead.Offers = nil
	for i := range ahead.Opened {
		ahead.Opened[i].ID = k.set.Recipients[0].KeyID()
	}
	found := files.look(t, "", []writeback.Keyring{k.shows()}, shut, ready, ahead)
	var got []string
	for _, u := range found.Unhelped {
		if u.Message == "" {
			t.Errorf("%s says nothing", u.Path)
		}
		got = append(got, u.Path+" "+u.Reason)
	}
	want := []string{
		"in/closed.yaml NotOpened", "in/invalid.yaml InvalidFormat", "in/missing.yaml NotInCluster", "in/moved.yaml OtherCopy", "in/waiting.yaml NotOffered", "unpinned.yaml NotPinned",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if found.Unhelped[2].Document != 2 {
		t.Errorf("the document is number %d", found.Unhelped[2].Document)
	}
}

func TestSettingsThatLeaveFilesOutLeaveThemOut(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	files := tree{".seal.yaml": settings(k) + "ignore: ['charts/**']\n", "charts/db.yaml": db, "db.yaml": db}
	k.rotate()
	found := files.look(t, "", []writeback.Keyring{k.shows()}, live(t, db, k))
	if found.Want["charts/db.yaml"] != nil || found.Want["db.yaml"] == nil || len(found.Unhelped) > 0 {
		t.Errorf("%+v", found)
	}
	files[".seal.yaml"] = "version: 9\n"
	if found := files.look(t, "", []writeback.Keyring{k.shows()}, live(t, db, k)); len(found.Due) > 0 || len(found.Unhelped) != 2 || !strings.Contains(found.Unhelped[0].Message, "version must be 1") {
		t.Errorf("settings that cannot be read: %+v", found)
	}
}
