package controller

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

func keyringNoon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// conditions are those of a status in words.
func keyringConditions(s v1alpha1.KeyringStatus) map[string]string {
	all := map[string]string{}
	for _, c := range s.Conditions {
		all[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
	}
	return all
}

func TestTheStatusOfAKeyring(t *testing.T) {
	ready := keyring.Result{
		Ready: true, Reason: keyring.ReasonKeyActive, Message: "sealing", Known: true, StatementKey: "default+1+A", ActiveKey: "3f2a", Note: "note",
		Keys: []v1alpha1.KeyStatus{{ID: "3f2a", State: "Active", Created: metav1.NewTime(keyringNoon())}},
	}
	stalled := keyring.Result{Stalled: true, Reason: keyring.ReasonSeveralActiveKeys, Message: "two", Known: true, StatementKey: "default+1+A"}
	retrying := keyring.Result{Reason: keyring.ReasonKeySourceUnavailable, Message: "away"}
	for name, c := range map[string]struct {
		before []keyring.Result
		res    keyring.Result
		want   map[string]string
		fields [3]string
	}{
		"ready":                            {nil, ready, map[string]string{"Ready": "True KeyActive: sealing"}, [3]string{"default+1+A", "3f2a", "note"}},
		"a person must act":                {nil, stalled, map[string]string{"Ready": "False SeveralActiveKeys: two", "Stalled": "True SeveralActiveKeys: two"}, [3]string{"default+1+A", "", ""}},
		"it is tried again":                {nil, retrying, map[string]string{"Ready": "False KeySourceUnavailable: away", "Reconciling": "True KeySourceUnavailable: away"}, [3]string{}},
		"what is not known any more stays": {[]keyring.Result{ready}, retrying, map[string]string{"Ready": "False KeySourceUnavailable: away", "Reconciling": "True KeySourceUnavailable: away"}, [3]string{"default+1+A", "3f2a", "note"}},
		"what is known to be gone goes":    {[]keyring.Result{ready}, stalled, map[string]string{"Ready": "False SeveralActiveKeys: two", "Stalled": "True SeveralActiveKeys: two"}, [3]string{"default+1+A", "", ""}},
		"ready again":                      {[]keyring.Result{stalled, retrying}, ready, map[string]string{"Ready": "True KeyActive: sealing"}, [3]string{"default+1+A", "3f2a", "note"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := v1alpha1.KeyringStatus{ObservedGeneration: -1}
			for _, res := range c.before {
				s = keyringStatus(s, 3, res, keyringNoon())
			}
			s = keyringStatus(s, 4, c.res, keyringNoon().Add(time.Hour))
			if diff := cmp.Diff(c.want, keyringConditions(s)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.fields, [3]string{s.StatementKey, s.ActiveKey, s.Recipients}); diff != "" {
				t.Error(diff)
			}
			for _, cond := range s.Conditions {
				if cond.ObservedGeneration != 4 {
					t.Errorf("%s speaks of generation %d", cond.Type, cond.ObservedGeneration)
				}
			}
			if s.ObservedGeneration != 4 {
				t.Errorf("the status speaks of generation %d", s.ObservedGeneration)
			}
			if diff := cmp.Diff(s, keyringStatus(s, 4, c.res, keyringNoon().Add(2*time.Hour))); diff != "" {
				t.Errorf("the same again changes it: %s", diff)
			}
		})
	}
}

func TestAnEventFitsIntoItsLimit(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", maxEvent), strings.Repeat("x", maxEvent+1), strings.Repeat("ü", maxEvent), "x" + strings.Repeat("𝄞", maxEvent)} {
		got := shorten(s, maxEvent)
		if len(got) > maxEvent || !utf8.ValidString(got) || (len(s) <= maxEvent) != (got == s) || (len(s) > maxEvent && len(got) < maxEvent-8) {
			t.Errorf("%d bytes became %d: …%q", len(s), len(got), got[max(0, len(got)-8):])
		}
	}
}

// sets are recipient sets as a Manager would have them.
type sets []keyring.Published

func (s sets) Published() []keyring.Published { return s }

func TestRecipientsOverHTTP(t *testing.T) {
	a := keyring.Published{Keyring: "a", Note: "note of a\n", Set: 7, At: keyringNoon()}
	b := keyring.Published{Keyring: "b.c", Note: "note of b\n", Set: 1, At: keyringNoon()}
	for name, c := range map[string]struct {
		sets         sets
		method, path string
		code         int
		body         string
	}{
		"the only one":                           {sets{a}, "GET", "/v1/recipients", 200, "note of a\n"},
		"one of several":                         {sets{a, b}, "GET", "/v1/recipients/b.c", 200, "note of b\n"},
		"the head of one":                        {sets{a, b}, "HEAD", "/v1/recipients/a", 200, ""},
		"several without a name are not guessed": {sets{a, b}, "GET", "/v1/recipients", 404, "there are several keyrings; ask for one of them:\n/v1/recipients/a\n/v1/recipients/b.c\n"},
		"one that is not there":                  {sets{a}, "GET", "/v1/recipients/b.c", 404, "there is no keyring of this name with a recipient set\n"},
		"none is loaded yet":                     {nil, "GET", "/v1/recipients", 503, "no keyring has published its recipients yet\n"},
		"none is loaded yet, by name":            {nil, "GET", "/v1/recipients/a", 503, "no keyring has published its recipients yet\n"},
		"nothing can be sent":                    {sets{a}, "POST", "/v1/recipients/a", 405, "Method Not Allowed\n"},
		"there is nothing else":                  {sets{a}, "GET", "/v1/open", 404, "404 page not found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(RecipientsHandler(c.sets))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.code || string(body) != c.body {
				t.Errorf("%d %q, %v", res.StatusCode, body, err)
			}
			if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") || res.Header.Get("X-Content-Type-Options") != "nosniff" && c.code == 200 {
				t.Errorf("headers %v", res.Header)
			}
			if c.code != 200 {
				return
			}
			req.Header.Set("If-None-Match", res.Header.Get("ETag"))
			again, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Body.Close()
			if again.StatusCode != http.StatusNotModified {
				t.Errorf("asked again with its ETag: %d", again.StatusCode)
			}
		})
	}
}

func TestKeyringsInAVaultAreLookedAtMoreOften(t *testing.T) {
	vault := v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{}}
	clear := v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}
	sealed := v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{}}}
	for want, specs := range map[time.Duration][]v1alpha1.KeyringSpec{
		keyringResync:      {{Source: clear}, {Source: clear, MoveFrom: &clear}},
		keyringVaultResync: {{Source: vault}, {Source: sealed}, {Source: clear, MoveFrom: &vault}, {Source: v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{}}}},
	} {
		for _, spec := range specs {
			for _, jitter := range []float64{0, 0.5} {
				r := KeyringReconciler{Jitter: func() float64 { return jitter }}
				if got := r.resync(&spec); got != want-time.Duration(jitter*float64(want)/10) {
					t.Errorf("%s with jitter %g: looked at again after %s", sourceName(spec.Source), jitter, got)
				}
			}
		}
	}
	for want, source := range map[string]v1alpha1.KeySource{"secret": clear, "secret/transit": sealed, "vaultKV": vault, "vaultTransit": {VaultTransit: &v1alpha1.VaultTransitSource{}}} {
		if got := sourceName(source); got != want {
			t.Errorf("%s is shown as %s", want, got)
		}
	}
}
