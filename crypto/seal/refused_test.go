package seal_test

import (
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// failing reads from the system and fails for good at its nth read.
type failing struct{ left *int }

var errRand = errors.New("the random source failed")

func (f failing) Read(p []byte) (int, error) {
	if *f.left--; *f.left < 0 {
		return 0, errRand
	}
	return rand.Read(p)
}

func TestARandomSourceThatFailsAnywhereChangesNothing(t *testing.T) {
	for name, change := range map[string]func(w *world, s seal.Sealer) error{
		"put":    func(w *world, s seal.Sealer) error { return s.Put(w.spec, values("a", "1", "user", "2"), w.holders()) },
		"reseal": func(w *world, s seal.Sealer) error { return s.Reseal(w.spec, prodDB, w.holders(), keysOf(w.prod)) },
		"seal": func(w *world, s seal.Sealer) error {
			spec, err := s.Seal(strictDB, values("a", "1", "b", "2"), w.holders())
			if err != nil && spec != nil {
				t.Error("a spec beside an error")
			}
			return err
		},
	} {
		// An id, a key and a nonce for each of two items.
		for n := range 5 {
			w := newWorld(t)
			before := w.spec.DeepCopy()
			left := n
			err := change(w, seal.Sealer{Rand: failing{&left}, Now: at("2026-11-23T02:22:00Z")})
			if n == 4 {
				if err != nil {
					t.Errorf("%s with %d reads: %v", name, n, err)
				}
				continue
			}
			if !errors.Is(err, errRand) {
				t.Errorf("%s with %d reads: %v", name, n, err)
			}
			if diff := cmp.Diff(before, w.spec); diff != "" {
				t.Errorf("%s with %d reads changed:\n%s", name, n, diff)
			}
		}
	}
}

type brokenRecipient struct{}

func (brokenRecipient) Wrap([]byte) ([]*age.Stanza, error) { return nil, io.ErrClosedPipe }

func TestARefusedChangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	pq, stranger := hybrid(t), classical(t)
	prod := holder("prod", w.prod)
	var many []seal.Holder
	for i := range seal.MaxWraps + 1 {
		many = append(many, holder("h"+strings.Repeat("x", i), w.prod))
	}
	nine := seal.Holder{Name: "prod"}
	for range seal.MaxRecipients + 1 {
		nine.Recipients = append(nine.Recipients, classical(t).Recipient)
	}
	put := func(v seal.Values, hs ...seal.Holder) error { return sealer().Put(w.spec, v, hs) }
	rewrap := func(h seal.Holder, parties ...party) error {
		_, err := seal.Rewrap(w.spec, h, keysOf(parties...))
		return err
	}
	x := values("x", "y")
	year10000 := func() time.Time { return time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"put without holders":                             {put(x), ""},
		"put with 33 holders":                             {put(x, many...), ""},
		"put with a holder without recipients":            {put(x, holder("prod")), ""},
		"put with 9 recipients":                           {put(x, nine), ""},
		"put with a holder twice":                         {put(x, prod, prod), ""},
		"put with a recipient twice":                      {put(x, holder("prod", w.prod, w.prod)), ""},
		"put with a holder's name that is none":           {put(x, holder("Prod", w.prod)), ""},
		"put with a recipient that fails":                 {put(x, seal.Holder{Name: "prod", Recipients: []seal.Recipient{seal.NewRecipient("x", brokenRecipient{}, seal.Classical)}}), ""},
		"put in a year of five digits":                    {seal.Sealer{Rand: rand.Reader, Now: year10000}.Put(w.spec, x, []seal.Holder{prod}), ""},
		"put with mixed recipients":                       {put(x, holder("prod", w.prod, pq)), "InvalidFormat"},
		"put with mixed holders":                          {put(x, prod, holder("pq", pq)), "InvalidFormat"},
		"put of another class than what is there":         {put(x, holder("prod", pq)), "InvalidFormat"},
		"put of a class that is not what it says":         {put(x, prod, seal.Holder{Name: "pq", Recipients: []seal.Recipient{mislabelled(t)}}), "InvalidFormat"},
		"put of an item with a wrong name":                {put(values("ok", "1", "a/b", "2"), prod), "InvalidFormat"},
		"put of more than 1 MiB":                          {put(values("x", strings.Repeat("v", seal.MaxValues+1)), prod), "TooLarge"},
		"put of more than 1 MiB in sum":                   {put(values("x", strings.Repeat("v", seal.MaxValues), "y", "v"), prod), "TooLarge"},
		"remove of an item that is not there":             {seal.Remove(w.spec, "user", "ghost"), "InvalidFormat"},
		"remove of an item twice":                         {seal.Remove(w.spec, "user", "user"), "InvalidFormat"},
		"rewrap without a key":                            {rewrap(prod, stranger), "NoMatchingKey"},
		"rewrap without recipients":                       {rewrap(holder("prod"), w.prod), ""},
		"rewrap for another class":                        {rewrap(holder("prod", pq), w.prod), "InvalidFormat"},
		"rewrap with a recipient that fails":              {rewrap(seal.Holder{Name: "prod", Recipients: []seal.Recipient{seal.NewRecipient("x", brokenRecipient{}, seal.Classical)}}, w.prod), ""},
		"reseal without a key":                            {sealer().Reseal(w.spec, prodDB, []seal.Holder{prod}, keysOf(stranger)), "NoMatchingKey"},
		"reseal elsewhere":                                {sealer().Reseal(w.spec, seal.Target{}, []seal.Holder{prod}, keysOf(w.prod)), "ScopeMismatch"},
		"reseal for nobody":                               {sealer().Reseal(w.spec, prodDB, nil, keysOf(w.prod)), ""},
		"seal with a recipient under a class not its own": {sealWith(mislabelled(t), w.prod), "InvalidFormat"},
	} {
		if c.err == nil || seal.Outcome(c.err) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, seal.Outcome(c.err), c.err, c.want)
		}
	}
	if _, err := mustCheck(t, w.spec).VerifySignature(nil); err != nil {
		t.Errorf("the object changed: %v", err)
	}
	wantValues(t, w.spec, w.prod, map[string]string{"user": "app", "password": "canary-not-a-secret"})
}

// mislabelled is a post-quantum recipient that its maker calls classical.
func mislabelled(t testing.TB) seal.Recipient {
	t.Helper()
	p := forge.Hybrid()
	return seal.NewRecipient(p.Recipient, p.Age, seal.Classical)
}

func sealWith(r seal.Recipient, p party) error {
	_, err := sealer().Seal(strictDB, values("x", "y"), []seal.Holder{holder("a", p), {Name: "b", Recipients: []seal.Recipient{r}}})
	return err
}
