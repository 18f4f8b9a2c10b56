package keyring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

func identity(t testing.TB, class seal.Class) (seal.Identity, string) {
	t.Helper()
	text := ""
	if class == seal.Classical {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		text = id.String()
	} else {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		text = id.String()
	}
	id, err := seal.ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	return id, text
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB, name string, state keyring.State) keyring.Key {
	t.Helper()
	id, _ := identity(t, seal.PostQuantum)
	return keyring.NewKey(name, id, state, noon, time.Time{})
}

func TestWhatAPolicyAllows(t *testing.T) {
	strict := seal.For{Scope: "strict", Namespace: "prod", Name: "db"}
	for name, c := range map[string]struct {
		policy    keyring.Policy
		namespace string
		f         seal.For
		nsOK, ok  bool
	}{
		"a star is every namespace":              {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}, "prod", strict, true, true},
		"a namespace by name":                    {keyring.Policy{Namespaces: []string{"dev", "prod"}, Scopes: []string{"strict"}}, "prod", strict, true, true},
		"a name is not a prefix":                 {keyring.Policy{Namespaces: []string{"pro"}, Scopes: []string{"strict"}}, "prod", strict, false, true},
		"nor a suffix":                           {keyring.Policy{Namespaces: []string{"rod"}, Scopes: []string{"strict"}}, "prod", strict, false, true},
		"a pattern":                              {keyring.Policy{Namespaces: []string{"team-*-eu"}, Scopes: []string{"strict"}}, "team-a-b-eu", strict, true, true},
		"a pattern matches the whole name":       {keyring.Policy{Namespaces: []string{"team-*-eu"}, Scopes: []string{"strict"}}, "team-a-eu2", strict, false, true},
		"a dot is no wildcard":                   {keyring.Policy{Namespaces: []string{"pr.d"}, Scopes: []string{"strict"}}, "prod", strict, false, true},
		"no namespaces: none":                    {keyring.Policy{Scopes: []string{"strict"}}, "prod", strict, false, true},
		"an empty pattern: none":                 {keyring.Policy{Namespaces: []string{""}, Scopes: []string{"strict"}}, "prod", strict, false, true},
		"no namespace at all":                    {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}, "", strict, false, true},
		"no scopes: none":                        {keyring.Policy{Namespaces: []string{"*"}}, "prod", strict, true, false},
		"another scope":                          {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"namespace", "cluster", "match"}}, "prod", strict, true, false},
		"cluster":                                {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"cluster"}}, "prod", seal.For{Scope: "cluster"}, true, true},
		"match, whatever the pattern":            {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"match"}}, "prod", seal.For{Scope: "match:p*", Name: "db"}, true, true},
		"a pattern needs match":                  {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}, "prod", seal.For{Scope: "match:strict", Name: "db"}, true, false},
		"match without a pattern is no scope":    {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"match"}}, "prod", seal.For{Scope: "match"}, true, false},
		"a scope with something behind is none":  {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}, "prod", seal.For{Scope: "strict:x"}, true, false},
		"an empty scope is none even if allowed": {keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}, "prod", seal.For{}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			nsOK, ok := c.policy.Allows(c.namespace, c.f)
			if nsOK != c.nsOK || ok != c.ok {
				t.Errorf("namespace %t, scope %t", nsOK, ok)
			}
		})
	}
}

func TestARingGivesIdentitiesByStateOnly(t *testing.T) {
	var keys []keyring.Key
	for _, s := range keyring.States() {
		keys = append(keys, newKey(t, "default", s))
	}
	r := keyring.NewRing([]keyring.Part{{Keyring: "default", Keys: keys}}, nil)
	for _, k := range keys {
		got, ok := r.Key(k.ID)
		if !ok || got.State != k.State {
			t.Errorf("key in state %s: %v, %t", k.State, got, ok)
		}
		if id, ok := r.Identity(k.ID); ok != k.State.Opens() || (id != nil) != ok {
			t.Errorf("identity in state %s: %t", k.State, ok)
		}
	}
	if _, ok := r.Key("00"); ok {
		t.Error("there is a key that nobody gave")
	}
	// A key of which only the public half is known opens nothing.
	public := keys[1]
	r = keyring.NewRing([]keyring.Part{{Keyring: "default", Keys: []keyring.Key{{ID: public.ID, State: keyring.Active}}}}, nil)
	if _, ok := r.Identity(public.ID); ok {
		t.Error("a key without its private half gave one")
	}
}

func TestARingHasPoliciesAndWhatIsMissing(t *testing.T) {
	r := keyring.NewRing([]keyring.Part{{Keyring: "a", Policy: keyring.Policy{Namespaces: []string{"x"}}}}, []string{"c", "b"})
	if p, ok := r.Policy("a"); !ok || !cmp.Equal(p.Namespaces, []string{"x"}) {
		t.Errorf("policy of a: %+v, %t", p, ok)
	}
	if _, ok := r.Policy("b"); ok {
		t.Error("a keyring that is not there has a policy")
	}
	if diff := cmp.Diff([]string{"b", "c"}, r.Unavailable()); diff != "" {
		t.Error(diff)
	}
	r.Unavailable()[0] = "changed"
	if r.Unavailable()[0] != "b" {
		t.Error("a reader can change the ring")
	}
}

func TestARingKnowsWhichKeysCannotBeRead(t *testing.T) {
	id, _ := identity(t, seal.PostQuantum)
	key := keyring.NewKey("b", id, keyring.Active, noon, noon)
	part := keyring.Part{Keyring: "a", Unreadable: []string{id.KeyID()[:16]}}
	if name, ok := keyring.NewRing([]keyring.Part{part}, nil).Unreadable(id.KeyID()); !ok || name != "a" {
		t.Errorf("it is unreadable in %q, %t", name, ok)
	}
	if _, ok := keyring.NewRing([]keyring.Part{part, {Keyring: "b", Keys: []keyring.Key{key}}}, nil).Unreadable(id.KeyID()); ok {
		t.Error("a key that another keyring has counts as unreadable")
	}
	if _, ok := keyring.NewRing([]keyring.Part{part}, nil).Unreadable("0123456789abcdef0123456789abcdef"); ok {
		t.Error("a key that nobody has counts as unreadable")
	}
}

func TestAKeyInTwoKeyringsBelongsToTheFirstByName(t *testing.T) {
	id, _ := identity(t, seal.PostQuantum)
	part := func(name string) keyring.Part {
		return keyring.Part{Keyring: name, Keys: []keyring.Key{keyring.NewKey(name, id, keyring.Active, noon, noon)}}
	}
	for _, parts := range [][]keyring.Part{{part("a"), part("b")}, {part("b"), part("a")}} {
		if k, _ := keyring.NewRing(parts, nil).Key(id.KeyID()); k.Keyring != "a" {
			t.Errorf("the key belongs to %s", k.Keyring)
		}
	}
}

func TestAKeyNeverPrintsItsPrivateHalf(t *testing.T) {
	for _, class := range []seal.Class{seal.PostQuantum, seal.Classical} {
		id, private := identity(t, class)
		k := keyring.NewKey("default", id, keyring.Active, noon, noon)
		stored := keyring.Stored{Key: k, Where: "Secret x"}
		live := keyring.Live{}
		live.Store(keyring.NewRing([]keyring.Part{{Keyring: "default", Keys: []keyring.Key{k}}}, nil))
		var out bytes.Buffer
		for _, v := range []any{k, &k, []keyring.Key{k}, map[string]keyring.Key{"k": k}, stored, &stored, live.Load(), struct{ K keyring.Key }{k}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				_, _ = fmt.Fprintf(&out, verb+"\n", v)
				if got := fmt.Sprintf(verb, k); got != k.String() {
					t.Errorf("%s prints %s", verb, got)
				}
			}
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(b)
			slog.New(slog.NewTextHandler(&out, nil)).Info("key", "v", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "v", v)
		}
		if b, err := json.Marshal(k); err != nil || string(b) != `"`+k.String()+`"` {
			t.Errorf("as JSON: %s, %v", b, err)
		}
		text := strings.ToUpper(out.String())
		if strings.Contains(text, strings.ToUpper(private[20:40])) || strings.Contains(text, "AGE-SECRET-KEY") {
			t.Errorf("a %s key was printed", class)
		}
		if want := "default/" + k.ID[:16] + " Active"; k.String() != want || !strings.Contains(out.String(), want) {
			t.Errorf("a key prints as %q, want %q", k, want)
		}
	}
}
func TestAKeyThatOthersKnowIsKnownWhereverItIs(t *testing.T) {
	k := newKey(t, "archive", keyring.Deactivated)
	same := func(state keyring.State) keyring.Key {
		k := k
		k.Keyring, k.State = "prod-eu", state
		return k
	}
	archive := keyring.Part{Keyring: "archive", Keys: []keyring.Key{k}}
	if all := keyring.NewRing([]keyring.Part{archive, {Keyring: "prod-eu", Keys: []keyring.Key{same(keyring.Deactivated)}}}, nil).Compromised(); len(all) > 0 {
		t.Errorf("nobody knows it: %v", all)
	}
	for what, other := range map[string]keyring.Key{"compromised": same(keyring.Compromised), "and destroyed": same(keyring.Compromised).Destroyed(noon)} {
		all := keyring.NewRing([]keyring.Part{archive, {Keyring: "prod-eu", Keys: []keyring.Key{other}}}, nil).Compromised()
		if len(all) != 1 || all[0].ID != k.ID {
			t.Errorf("%s in the other keyring: %v", what, all)
		}
	}
}
