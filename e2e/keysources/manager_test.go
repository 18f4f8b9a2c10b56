package keysources_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
)

// controller is a Manager over one source, for the keyring first.
type controller struct {
	t       testing.TB
	dir     string
	log     *audit.Recorder
	live    *keyring.Live
	manager *keyring.Manager
	shown   string // what the Keyring's status shows as active
}

func newController(t testing.TB, src keyring.Source) *controller {
	c := &controller{t: t, dir: audittest.Dir(t), live: &keyring.Live{}}
	c.log = audittest.Open(t, c.dir)
	t.Cleanup(func() { _ = c.log.Close() })
	c.manager = keyring.NewManager(keyring.Config{Source: keyring.ClearSecrets(src), Audit: c.log, Now: time.Now, Rand: rand.Reader, Live: c.live})
	return c
}

func (c *controller) ensure() (keyring.Result, error) {
	kr := &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: "first", UID: "uid-1", Generation: 1},
		Spec: v1alpha1.KeyringSpec{
			Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: string(seal.PostQuantum), Namespaces: []string{"*"}, Scopes: []string{seal.ScopeStrict},
		},
		Status: v1alpha1.KeyringStatus{ActiveKey: c.shown},
	}
	res, err := c.manager.Ensure(c.t.Context(), kr)
	if strings.Contains(res.Message, "AGE-SECRET-KEY") || strings.Contains(res.Message, "PRIVATE+KEY") {
		c.t.Errorf("a message quotes a key: %s", res.Message)
	}
	if res.Known {
		c.shown = res.ActiveKey
	}
	return res, err
}

// ready has the keyring made, or read.
func (c *controller) ready() keyring.Result {
	c.t.Helper()
	res, err := c.ensure()
	if err != nil || !res.Ready {
		c.t.Fatalf("%+v, %v", res, err)
	}
	return res
}

// eventually waits until the keyring is well again: after a failure a client leaves Vault alone for some seconds.
func (c *controller) eventually() (res keyring.Result) {
	c.t.Helper()
	harness.Eventually(c.t.Context(), c.t, "the keyring is well again", func(context.Context) error {
		var err error
		if res, err = c.ensure(); err != nil || !res.Ready {
			return &notReady{res}
		}
		return nil
	})
	return res
}

type notReady struct{ res keyring.Result }

func (n *notReady) Error() string { return n.res.Reason + ": " + n.res.Message }

// stuck holds that a person must act, is told so, and that nothing was done.
func (c *controller) stuck(reason string, says ...string) keyring.Result {
	c.t.Helper()
	res, err := c.ensure()
	if err != nil || res.Ready || !res.Stalled || res.Reason != reason || len(res.Done) > 0 {
		c.t.Errorf("%+v, %v", res, err)
	}
	c.says(res, says...)
	return res
}

// impaired holds that the keyring is ready, and says of a key that it cannot be used.
func (c *controller) impaired(says ...string) keyring.Result {
	c.t.Helper()
	res := c.ready()
	if res.Reason != keyring.ReasonKeyUnreadable || len(res.Done) > 0 {
		c.t.Errorf("%+v", res)
	}
	c.says(res, says...)
	return res
}

func (c *controller) says(res keyring.Result, says ...string) {
	c.t.Helper()
	for _, s := range says {
		if !strings.Contains(res.Message, s) {
			c.t.Errorf("the message says nothing of %q: %s", s, res.Message)
		}
	}
}

func (c *controller) opens(id string) bool {
	_, ok := c.live.Load().Identity(id)
	return ok
}
