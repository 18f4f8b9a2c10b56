// Package keyringtest holds every keyring.Source to the same: what keyring.KeyStore and keyring.StatementStore promise, and what a Manager makes of it. It is for tests.
package keyringtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// World is a place where keys are kept, which is empty at first, and what can be done to it behind a source's back.
type World struct {
	Class seal.Class
	// Source opens the keys of a keyring with an empty memory, as another controller has it.
	Source func(keyring string) keyring.Source
	// RemoveKey and RemoveStatement delete without leaving a trace.
	RemoveKey       func(keyring, id string)
	RemoveStatement func(keyring string)
	// LosePrivate deletes a private half alone, without leaving a trace. Nil: RemoveKey does.
	LosePrivate func(keyring, id string)
	// BreakKey and BreakStatement put Junk in the place of private halves.
	BreakKey       func(keyring, id string)
	BreakStatement func(keyring string)
	// Away takes the place away from all sources, until back.
	Away func() (back func())
	// Content is everything that is stored, in a form that differs after each write.
	Content func() string
	// Holds looks whether the place has the private half of a key, in whatever form the source keeps it, and any version of it.
	Holds func(keyring, id string) bool
	// Watched is Source with each write to the place handed to at.
	Watched func(keyring string, at func(write func() error) error) keyring.Source
	// Memorizes says that a source gives the keys that it has in memory while the place is away.
	Memorizes bool
}

// Junk takes the place of private halves. No error may quote it.
const Junk = "waxwing-canary-junk"

// bench is a World with an audit log.
type bench struct {
	World
	t   *testing.T
	log *audit.Recorder
	// texts are all messages so far.
	texts []string
}

// Run runs the suite; world makes a World for each test.
func Run(t *testing.T, world func(t *testing.T) World) {
	for name, test := range map[string]func(*bench){
		"from nothing to a published key":          fromNothing,
		"writes are compare-and-set":               compareAndSet,
		"what is gone is not written to":           gone,
		"controllers that race agree":              race,
		"an end at any point is picked up":         crashes,
		"a broken key hinders no other":            brokenKey,
		"a broken statement key is for a person":   brokenStatement,
		"a lost key is not replaced":               lostKey,
		"keyrings are apart":                       apart,
		"away, what is in memory stays":            away,
		"states and dates are kept":                states,
		"what is destroyed is gone, and known":     destroyed,
		"a key is destroyed once":                  destroyedByTwo,
		"an end in a destruction is picked up":     endedDestructions,
		"what is active is not destroyed":          activatedMeanwhile,
		"a destruction is taken back":              takenBack,
		"keys come back from a backup":             restored,
		"while nothing changes nothing is written": quiet,
	} {
		t.Run(name, func(t *testing.T) { run(t, world(t), test) })
	}
}

// RunBound is for sources that bind a key to its keyring. copy puts a key of one keyring where another has its keys, as somebody with write access would.
func RunBound(t *testing.T, world func(t *testing.T) (w World, copy func(from, to, id string))) {
	t.Run("a key in another keyring is none", func(t *testing.T) {
		w, copy := world(t)
		run(t, w, func(b *bench) { copied(b, copy) })
	})
}

func run(t *testing.T, w World, test func(*bench)) {
	b := &bench{World: w, t: t, log: audittest.Open(t, audittest.Dir(t))}
	t.Cleanup(func() { _ = b.log.Close() })
	test(b)
	b.mustQuoteNothing()
}

// controller is one Manager with its memory.
type controller struct {
	b       *bench
	live    *keyring.Live
	manager *keyring.Manager
}

// controller gives one that opens its own sources, once for each keyring, through wrap.
func (b *bench) controller(wrap func(keyring.Source) keyring.Source) *controller {
	c := &controller{b: b, live: &keyring.Live{}}
	sources := map[string]keyring.Source{}
	for _, name := range []string{first, second} {
		if sources[name] = b.Source(name); wrap != nil {
			sources[name] = wrap(sources[name])
		}
	}
	c.manager = keyring.NewManager(keyring.Config{Source: opener(sources), Audit: b.log, Now: now, Rand: rand(), Live: c.live})
	return c
}

// The keyrings of the suite.
const first, second = "first", "second"

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (b *bench) keyring(name string) *v1alpha1.Keyring {
	return &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-1", Generation: 1},
		Spec: v1alpha1.KeyringSpec{
			Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: string(b.Class), Namespaces: []string{"*"}, Scopes: []string{seal.ScopeStrict},
		},
	}
}

// ensure notes all that is said.
func (c *controller) ensure(name string) (keyring.Result, error) {
	res, err := c.manager.Ensure(c.b.t.Context(), c.b.keyring(name))
	c.b.texts = append(c.b.texts, res.Message)
	for _, d := range res.Done {
		c.b.texts = append(c.b.texts, d.Message)
	}
	c.b.says(err)
	return res, err
}

func (b *bench) says(err error) {
	if err != nil {
		b.texts = append(b.texts, err.Error(), fmt.Sprintf("%+v", err))
	}
}

func (c *controller) ready(name string) keyring.Result {
	c.b.t.Helper()
	res, err := c.ensure(name)
	if err != nil || !res.Ready {
		c.b.t.Fatalf("keyring %s: %+v, %v", name, res, err)
	}
	return res
}

// eventually waits until the keyring is well: a client may leave a place that was away alone for a while.
func (c *controller) eventually(name string) keyring.Result {
	c.b.t.Helper()
	for {
		res, err := c.ensure(name)
		if err == nil && res.Ready {
			return res
		}
		select {
		case <-c.b.t.Context().Done():
			c.b.t.Fatalf("keyring %s: %+v, %v", name, res, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *controller) opens(id string) bool {
	_, ok := c.live.Load().Identity(id)
	return ok
}

// mustQuoteNothing looks for private halves in all that was said.
func (b *bench) mustQuoteNothing() {
	b.t.Helper()
	for _, text := range b.texts {
		for _, secret := range []string{"AGE-SECRET-KEY", "PRIVATE+KEY", Junk, "vault:v"} {
			if strings.Contains(text, secret) {
				b.t.Errorf("a message quotes %s…: %s", secret, text)
			}
		}
	}
}

// load reads a keyring's keys, which must all be usable.
func (b *bench) load(src keyring.Source, name string) []keyring.Stored {
	b.t.Helper()
	keys, faults, err := src.Load(b.t.Context(), name)
	if err != nil || len(faults) > 0 {
		b.t.Fatalf("keyring %s: %v, %v", name, faults, err)
	}
	return keys
}

// one reads a keyring's only key.
func (b *bench) one(src keyring.Source, name string) keyring.Stored {
	b.t.Helper()
	keys := b.load(src, name)
	if len(keys) != 1 {
		b.t.Fatalf("keyring %s has %d keys", name, len(keys))
	}
	return keys[0]
}
