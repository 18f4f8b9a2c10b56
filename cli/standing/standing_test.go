package standing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// spec is a spec in short: "item@envelope=ciphertext", "envelope/holder=key,key<before", "envelope!day" for the day of November on which it was sealed.
// Ciphertexts are none, since nothing opens them.
func spec(t *testing.T, scope, short string) map[string]any {
	t.Helper()
	items, envelopes := map[string]any{}, map[string]any{}
	envelope := func(id string) map[string]any {
		if envelopes[id] == nil {
			envelopes[id] = map[string]any{"sealedAt": "2026-11-01T00:00:00Z", "commit": "c" + id, "wraps": map[string]any{}}
		}
		return envelopes[id].(map[string]any)
	}
	for _, word := range strings.Fields(short) {
		if left, value, ok := strings.Cut(word, "="); ok && strings.Contains(left, "@") {
			name, id, _ := strings.Cut(left, "@")
			items[name] = map[string]any{"envelope": id, "value": value}
			envelope(id)
		} else if ok {
			id, holder, _ := strings.Cut(left, "/")
			keys, before, _ := strings.Cut(value, "<")
			wrap := map[string]any{"keys": strings.Split(keys, ","), "age": "for " + keys}
			if before != "" {
				wrap["wrappedBefore"] = strings.Split(before, ",")
			}
			envelope(id)["wraps"].(map[string]any)[holder] = wrap
		} else if id, day, ok := strings.Cut(word, "!"); ok {
			envelope(id)["sealedAt"] = fmt.Sprintf("2026-11-%02sT00:00:00Z", day)
		} else {
			t.Fatalf("%s means nothing", word)
		}
	}
	bound := map[string]any{"scope": scope}
	switch {
	case scope == "strict":
		bound["namespace"], bound["name"] = "prod", "db"
	case strings.HasPrefix(scope, "match:"):
		bound["name"] = "db"
	}
	return map[string]any{"format": 1, "for": bound, "items": items, "envelopes": envelopes}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func file(t *testing.T, place, name, scope, short string) File {
	t.Helper()
	meta := map[string]any{"name": name}
	if place != "" {
		meta["namespace"] = place
	}
	s, err := Read(marshal(t, map[string]any{"metadata": meta, "spec": spec(t, scope, short)}))
	if err != nil {
		t.Fatal(err)
	}
	return File{Sealed: s, Path: name + ".yaml", Document: 1, Place: place}
}

// live is an object of the cluster; says is "Ready=True:Reason" and the like, status what else the status has.
func live(t *testing.T, place, name, scope, short, says string, change func(status, meta map[string]any)) Live {
	t.Helper()
	meta := map[string]any{"name": name, "namespace": place, "generation": 3}
	status := map[string]any{"observedGeneration": 3, "secret": map[string]any{"name": name, "uid": "u", "resourceVersion": "7", "generation": 3}}
	var conditions []any
	for _, word := range strings.Fields(says) {
		kind, rest, _ := strings.Cut(word, "=")
		is, reason, _ := strings.Cut(rest, ":")
		conditions = append(conditions, map[string]any{"type": kind, "status": is, "reason": reason, "message": "why " + reason, "lastTransitionTime": "2026-11-02T00:00:00Z"})
	}
	status["conditions"] = conditions
	if change != nil {
		change(status, meta)
	}
	l, err := ReadLive(marshal(t, map[string]any{"metadata": meta, "spec": spec(t, scope, short), "status": status}))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const (
	base  = "a@e1=1 e1/prod=k1"
	ready = "Ready=True:Unsealed"
)

func TestGitAndClusterAreCompared(t *testing.T) {
	cases := map[string]struct {
		git, cluster string
		want         Git
		wrapsOnly    bool
	}{
		"the same":                                      {base, base, InSync, false},
		"a newer envelope in Git":                       {"a@e2=2 e2/prod=k1 e2!5", base, ClusterOlder, false},
		"a newer envelope in the cluster":               {base, "a@e2=2 e2/prod=k1 e2!5", ClusterNewer, false},
		"an item more in Git":                           {base + " b@e2=2 e2/prod=k1 e2!5", base, ClusterOlder, false},
		"an item less in Git, of the same envelope":     {base, base + " b@e1=2", Differs, false},
		"a value that was changed in its place":         {"a@e1=9 e1/prod=k1", base, Differs, false},
		"rewrapped in Git":                              {"a@e1=1 e1/prod=k2<k1", base, ClusterOlder, true},
		"rewrapped in the cluster":                      {base, "a@e1=1 e1/prod=k2<k1", ClusterNewer, true},
		"rewrapped back":                                {"a@e1=1 e1/prod=k1<k1,k2", "a@e1=1 e1/prod=k2<k1", ClusterOlder, true},
		"rewrapped on both sides":                       {"a@e1=1 e1/prod=k2<k1", "a@e1=1 e1/prod=k3<k1", Differs, true},
		"a holder more":                                 {base + " e1/glass=k9", base, Differs, true},
		"an unused envelope, dated ahead, says nothing": {base + " e9/prod=k1 e9!9", base, Differs, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f, o := file(t, "prod", "db", "strict", tc.git), live(t, "prod", "db", "strict", tc.cluster, ready, nil)
			got, wrapsOnly := compare(&f.Sealed, &o.Sealed)
			if got != tc.want || wrapsOnly != tc.wrapsOnly {
				t.Errorf("%s (wraps only: %v), not %s (%v)", got, wrapsOnly, tc.want, tc.wrapsOnly)
			}
		})
	}
}

func TestWhatTheControllerSays(t *testing.T) {
	cases := map[string]struct {
		says   string
		change func(status, meta map[string]any)
		want   Ready
	}{
		"ready":               {ready, nil, Yes},
		"stalled":             {"Ready=False:Tampered Stalled=True:Tampered", nil, Stalled},
		"trying again":        {"Ready=False:ApplyFailed Reconciling=True:ApplyFailed", nil, Waiting},
		"pending":             {"Ready=Unknown:Pending", nil, Waiting},
		"suspended":           {"Ready=True:Suspended", nil, Suspended},
		"neither":             {"Ready=False:Odd", nil, No},
		"no condition":        {"", nil, Unseen},
		"of an older version": {ready, func(status, _ map[string]any) { status["observedGeneration"] = 2 }, Unseen},
		"being deleted":       {ready, func(_, meta map[string]any) { meta["deletionTimestamp"] = "2026-11-02T00:00:00Z" }, Deleting},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := live(t, "prod", "db", "strict", base, tc.says, tc.change).Ready; got != tc.want {
				t.Errorf("%s, not %s", got, tc.want)
			}
		})
	}
}

func TestTheSecretIsHeldAgainstWhatWasWritten(t *testing.T) {
	without := func(status, _ map[string]any) { delete(status, "secret") }
	old := func(status, _ map[string]any) { status["secret"].(map[string]any)["generation"] = 2 }
	same := &Written{"u", "7"}
	cases := map[string]struct {
		says    string
		change  func(status, meta map[string]any)
		written *Written
		known   bool
		want    Secret
	}{
		"as it was written":          {ready, nil, same, true, SecretOK},
		"by the status alone":        {ready, nil, nil, false, SecretSaid},
		"changed":                    {ready, nil, &Written{"u", "8"}, true, SecretChanged},
		"made anew by somebody":      {ready, nil, &Written{"v", "7"}, true, SecretChanged},
		"gone":                       {ready, nil, nil, true, SecretMissing},
		"of an earlier version":      {ready, old, same, true, SecretOld},
		"of one, by the status":      {ready, old, nil, false, SecretOld},
		"never written":              {"Ready=False:Tampered Stalled=True:Tampered", without, nil, true, SecretNone},
		"nothing known of it so far": {"", without, nil, true, SecretUnknown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := live(t, "prod", "db", "strict", base, tc.says, tc.change)
			if got := l.secretState(tc.written, tc.known); got != tc.want {
				t.Errorf("%s, not %s", got, tc.want)
			}
		})
	}
}

func TestWrapsAreHeldAgainstTheKeysOfNow(t *testing.T) {
	k := &v1alpha1.Keyring{}
	for id, state := range map[string]string{"k1": "Deactivated", "k2": "Active", "k3": "Compromised"} {
		k.Status.Keys = append(k.Status.Keys, v1alpha1.KeyStatus{ID: id, State: state})
	}
	ring, none := NewKeyring(k), Keyring{Asked: true}
	cases := map[string]struct {
		keys   string
		ring   Keyring
		people []string
		want   Wraps
	}{
		"the active key":                         {"k2", ring, nil, WrapsCurrent},
		"a key that opens only":                  {"k1", ring, nil, WrapsRewrap},
		"one of two is old":                      {"k1,k2", ring, nil, WrapsRewrap},
		"a key that it does not have":            {"k9", ring, nil, WrapsRewrap},
		"a compromised key":                      {"k2,k3", ring, nil, WrapsCompromised},
		"the keyring says more than an old note": {"k2", ring, []string{"k1"}, WrapsCurrent},
		"a keyring that has published no keys":   {"k1", NewKeyring(&v1alpha1.Keyring{}), nil, WrapsUnknown},
		"people, as the settings have them":      {"p1,p2", none, []string{"p1", "p2"}, WrapsCurrent},
		"people who have other keys":             {"p1", none, []string{"p2"}, WrapsRewrap},
		"nobody knows the holder":                {"p1", none, nil, WrapsNoKeyring},
		"the cluster could not be asked":         {"k1", Keyring{}, nil, WrapsUnknown},
		"nor could it, and there is a note":      {"k1", Keyring{}, []string{"k1"}, WrapsCurrent},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := wraps(Holder{Name: "prod", Keys: strings.Split(tc.keys, ",")}, tc.ring, tc.people); got != tc.want {
				t.Errorf("%s, not %s", got, tc.want)
			}
		})
	}
}

// told writes rows in short.
func told(rows []Row) string {
	var out []string
	for _, r := range rows {
		words := []string{r.Namespace + "/" + r.Name, string(r.Git), string(r.Ready), string(r.Secret)}
		if r.File != "" {
			words = append(words, r.File)
		}
		if r.FileName != "" {
			words = append(words, "as "+r.FileName)
		}
		if r.Wrong {
			words = append(words, "WRONG: "+r.Why)
		}
		out = append(out, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return strings.Join(out, "\n")
}

// exposed is an object with a value to renew.
func exposed(l Live) Live {
	l.Exposed = []string{"a"}
	return l
}

func TestJoin(t *testing.T) {
	inProd := func(short string) File { return file(t, "prod", "db", "strict", short) }
	here := func(name, scope, short string) Live { return live(t, "prod", name, scope, short, ready, nil) }
	db := here("db", "strict", base)
	broken := inProd(base)
	broken.Problem = "spec.items: no"
	cases := map[string]struct {
		files []File
		look  Look
		want  string
	}{
		"one of each":                              {[]File{inProd(base)}, Look{Objects: []Live{db}}, "prod/db in-sync yes ok db.yaml"},
		"not applied":                              {[]File{inProd(base)}, Look{}, "prod/db not-applied db.yaml WRONG: not applied"},
		"only in the cluster":                      {nil, Look{Objects: []Live{db}, Rest: true}, "prod/db cluster-only yes ok"},
		"only in the cluster, and not asked for":   {nil, Look{Objects: []Live{db}}, ""},
		"a namespace that could not be asked":      {[]File{file(t, "other", "db", "cluster", base)}, Look{}, "other/db unknown db.yaml WRONG: not known"},
		"a broken file":                            {[]File{broken}, Look{Objects: []Live{db}}, "prod/db broken yes ok db.yaml WRONG: broken"},
		"two files, one object":                    {[]File{inProd(base), inProd("a@e2=2 e2/prod=k1 e2!5")}, Look{Objects: []Live{db}}, "prod/db in-sync yes ok db.yaml\nprod/db cluster-older yes ok db.yaml WRONG: not in sync"},
		"kustomize gave it another name":           {[]File{file(t, "prod", "db", "namespace", base)}, Look{Objects: []Live{here("pre-db", "namespace", base)}, Rest: true}, "prod/pre-db in-sync yes ok db.yaml as db"},
		"another object of that name is no match":  {[]File{file(t, "prod", "db", "namespace", base)}, Look{Objects: []Live{here("pre-db", "namespace", "a@e1=7 e1/prod=k1")}}, "prod/db not-applied db.yaml WRONG: not applied"},
		"no namespace, two places":                 {[]File{file(t, "", "db", "cluster", base)}, Look{All: true, Objects: []Live{here("db", "cluster", base), live(t, "stage", "db", "cluster", "a@e0=1 e0/prod=k1", ready, nil)}}, "prod/db in-sync yes ok db.yaml\nstage/db differs yes ok db.yaml WRONG: not in sync"},
		"no namespace, and not all were looked at": {[]File{file(t, "", "db", "cluster", base)}, Look{}, "/db unknown db.yaml WRONG: not known"},
		"no namespace, and all were":               {[]File{file(t, "", "db", "cluster", base)}, Look{All: true}, "/db not-applied db.yaml WRONG: not applied"},
		"no namespace, bound to another place":     {[]File{file(t, "", "db", "match:stage-*", base)}, Look{All: true, Objects: []Live{here("db", "cluster", "a@e5=1 e5/prod=k1")}}, "/db not-applied db.yaml WRONG: not applied"},
		"for a keyring of another cluster":         {[]File{inProd(base)}, Look{Keyrings: map[string]Keyring{"prod": {Asked: true}}}, "prod/db elsewhere db.yaml"},
		"for another cluster, and applied here":    {[]File{inProd(base)}, Look{Objects: []Live{db}, Keyrings: map[string]Keyring{"prod": {Asked: true}}}, "prod/db in-sync yes ok db.yaml"},
		"for another cluster, which has its own of that name": {[]File{inProd("a@e1=1 e1/stage=k1")}, Look{Objects: []Live{db}, Keyrings: map[string]Keyring{"stage": {Asked: true}, "prod": {Asked: true, Found: true}}},
			"prod/db elsewhere yes ok db.yaml"},
		"stalled comes before not in sync": {[]File{inProd("a@e2=2 e2/prod=k1 e2!5")}, Look{Objects: []Live{live(t, "prod", "db", "strict", base, "Ready=False:Tampered Stalled=True:Tampered", nil)}},
			"prod/db cluster-older stalled ok db.yaml WRONG: stalled"},
		"suspended is not wrong": {[]File{inProd(base)}, Look{Objects: []Live{live(t, "prod", "db", "strict", base, "Ready=True:Suspended", nil)}}, "prod/db in-sync suspended ok db.yaml"},
		"unseen is":              {[]File{inProd(base)}, Look{Objects: []Live{live(t, "prod", "db", "strict", base, "", nil)}}, "prod/db in-sync unseen ok db.yaml WRONG: not seen by the controller"},
		"deleted is, with a file": {[]File{inProd(base)}, Look{Objects: []Live{live(t, "prod", "db", "strict", base, ready, func(_, meta map[string]any) { meta["deletionTimestamp"] = "2026-11-02T00:00:00Z" })}},
			"prod/db in-sync deleting ok db.yaml WRONG: being deleted"},
		"deleted is not, without one": {nil, Look{Rest: true, Objects: []Live{live(t, "prod", "db", "strict", base, ready, func(_, meta map[string]any) { meta["deletionTimestamp"] = "2026-11-02T00:00:00Z" })}},
			"prod/db cluster-only deleting ok"},
		"no namespace, the same name, and bound to another place": {[]File{file(t, "", "db", "match:pro*", base)}, Look{All: true, Objects: []Live{here("db", "cluster", "a@e5=1 e5/prod=k1")}}, "/db not-applied db.yaml WRONG: not applied"},
		"the same content in another namespace is no match":       {[]File{file(t, "prod", "db", "cluster", base)}, Look{All: true, Objects: []Live{live(t, "stage", "db", "cluster", base, ready, nil)}}, "prod/db not-applied db.yaml WRONG: not applied"},
		"a missing Secret is":  {[]File{inProd(base)}, Look{Objects: []Live{db}, Secrets: map[Key]Written{}}, "prod/db in-sync yes missing db.yaml WRONG: with a Secret that is not as it was written"},
		"a compromised key is": {[]File{inProd(base)}, Look{Objects: []Live{db}, Keyrings: map[string]Keyring{"prod": {Asked: true, Found: true, States: map[string]string{"k1": "Compromised"}}}}, "prod/db in-sync yes ok db.yaml WRONG: sealed for a compromised key"},
		"an exposed value is":  {[]File{inProd(base)}, Look{Objects: []Live{exposed(db)}}, "prod/db in-sync yes ok db.yaml WRONG: exposed to a compromised key"},
		"an old key is not":    {[]File{inProd(base)}, Look{Objects: []Live{db}, Keyrings: map[string]Keyring{"prod": {Asked: true, Found: true, States: map[string]string{"k1": "Deactivated"}}}}, "prod/db in-sync yes ok db.yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if !tc.look.All {
				tc.look.Namespaces = map[string]bool{"prod": true}
			}
			if tc.look.Secrets == nil {
				tc.look.Secrets = map[Key]Written{}
				for _, o := range tc.look.Objects {
					tc.look.Secrets[Key{o.Namespace, o.Name}] = Written{"u", "7"}
				}
			}
			tc.look.AllSecrets = true
			if got := told(Join(tc.files, &tc.look)); got != tc.want {
				t.Errorf("got\n%s\nnot\n%s", got, tc.want)
			}
		})
	}
}

func TestTheSummaryCountsEveryRowOnce(t *testing.T) {
	rows := []Row{
		{Ready: Yes, Git: InSync}, {Ready: Yes, Git: ClusterOnly, SealedFor: []SealedFor{{Wraps: WrapsRewrap}}},
		{Git: NotApplied, Wrong: true, Why: whyNotApplied}, {Ready: Stalled, Git: InSync, Wrong: true, Why: whyStalled},
		{Git: Elsewhere}, {Ready: Suspended, Git: InSync}, {Git: Unknown, Wrong: true, Why: whyUnknown}, {Ready: Deleting, Git: ClusterOnly},
	}
	s := Summarize(rows)
	want := "8 objects: 2 ready, 1 not applied, 1 stalled, 1 being deleted, 1 suspended, 1 for another cluster, 1 not known; 1 to rewrap"
	if s.Text() != want || s.Wrong != 3 {
		t.Errorf("%s (%d wrong), not %s", s.Text(), s.Wrong, want)
	}
	sum := s.Ready
	for _, n := range s.By {
		sum += n
	}
	if sum != s.Objects {
		t.Errorf("%d of %d rows are counted", sum, s.Objects)
	}
	if got := Summarize(nil).Text(); got != "0 objects" {
		t.Errorf("nothing is %q", got)
	}
}

func TestWhatIsNoGitSecretIsAnError(t *testing.T) {
	for _, doc := range []string{`[]`, `{"spec": 3}`, `{"metadata": {"name": 7}}`, `{"spec": {"items": {"a": 3}}}`} {
		if _, err := Read([]byte(doc)); err == nil {
			t.Errorf("%s is read", doc)
		}
		if _, err := ReadLive([]byte(doc)); err == nil {
			t.Errorf("%s is read from the cluster", doc)
		}
	}
}

// TestNewerWithinASecond holds that of two versions of one second the later one is told: a date has no more than seconds, an envelope's id has milliseconds.
func TestNewerWithinASecond(t *testing.T) {
	const earlier, later = "01m833bma06bmx8w6dax6y8ea4", "01m833bma16bmx8w6dax6y8ea4" // a millisecond apart
	a := file(t, "prod", "db", "strict", "a@"+earlier+"=1 "+earlier+"/prod=k1")
	b := file(t, "prod", "db", "strict", "a@"+later+"=2 "+later+"/prod=k1")
	if state, _ := compare(&b.Sealed, &a.Sealed); state != ClusterOlder {
		t.Errorf("the later one in Git: %s", state)
	}
	if state, _ := compare(&a.Sealed, &b.Sealed); state != ClusterNewer {
		t.Errorf("the earlier one in Git: %s", state)
	}
}
