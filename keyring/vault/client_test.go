package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

func TestRequests(t *testing.T) {
	f := newFakeVault(t)
	cfg, _ := f.config()
	cfg.Connection.Namespace = "team/a"
	c := open(t, cfg)
	if got := f.count(""); got != 0 {
		t.Fatalf("a client that nobody has asked made %d requests", got)
	}
	ctx, noted := keyring.WithRequests(t.Context())
	a, err := c.Read(ctx, "secret/data/x?version=3")
	if err != nil || string(a.Data) != `{"keys":["a","b/"]}` || a.RequestID != "7d1c" || !slices.Equal(a.Warnings, []string{"careful"}) {
		t.Errorf("read: %+v, %v", a, err)
	}
	f.answers(func(w http.ResponseWriter, _ *http.Request) { say(w, 403, "permission denied") })
	if _, err := c.Read(t.Context(), "denied"); err == nil || !strings.Contains(err.Error(), f.URL+", namespace team/a: permission denied") {
		t.Errorf("an error does not name the namespace: %v", err)
	}
	f.takesOver(nil)
	if names, err := c.List(ctx, "secret/metadata/x"); err != nil || !slices.Equal(names, []string{"a", "b/"}) {
		t.Errorf("list: %v, %v", names, err)
	}
	if _, err := c.Write(ctx, "transit/encrypt/k", map[string]any{"plaintext": "eA=="}); err != nil {
		t.Errorf("write: %v", err)
	}
	if err := c.Delete(ctx, "secret/data/x"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if noted.String() != "login-1 7d1c" {
		t.Errorf("noted the requests %q", noted)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var asked []string
	for i, a := range f.asked {
		if !strings.Contains(a, "renew-self") {
			asked = append(asked, a)
		}
		if ns := f.headers[i].Get("X-Vault-Namespace"); ns != "team/a" {
			t.Errorf("%s goes to namespace %q", a, ns)
		}
	}
	want := []string{"PUT /v1/auth/kubernetes/login", "GET /v1/secret/data/x?version=3", "GET /v1/denied", "GET /v1/secret/metadata/x?list=true", "PUT /v1/transit/encrypt/k", "DELETE /v1/secret/data/x"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked\n%q, want\n%q", asked, want)
	}
	if want := `{"jwt":"` + fakeJWT + `-vault","role":"waxwing"}`; f.bodies[0] != want {
		t.Errorf("logged in with %s, want %s", f.bodies[0], want)
	}
}

func TestKindsOfErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		kind   vault.Kind
		says   string
	}{
		"locked":                 {503, `{"errors":["Vault is sealed"]}`, vault.Locked, "it is locked; unlock it: vault operator unseal"},
		"never set up":           {501, `{"errors":["Vault is not initialized"]}`, vault.Locked, "vault operator init"},
		"a standby alone":        {500, `{"errors":["local node not active but active cluster node not found"]}`, vault.Locked, "no active node"},
		"a quota":                {429, `{"errors":["request path \"transit/decrypt/k\": rate limit quota exceeded"]}`, vault.Throttled, "rate limit quota"},
		"a proxy's overload":     {429, `slow down`, vault.Throttled, "429 Too Many Requests"},
		"denied":                 {403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, vault.Denied, "1 error occurred: * permission denied; compare the policies"},
		"no such key":            {404, `{"errors":[]}`, vault.Missing, "there is nothing there"},
		"no such mount":          {404, `{"errors":["no handler for route \"transit/keys/k\". route entry not found."]}`, vault.Missing, "vault secrets list"},
		"check-and-set":          {400, `{"errors":["check-and-set parameter did not match the current version"]}`, vault.Conflict, "did not match"},
		"nonsense":               {400, `{"errors":["invalid ciphertext: no prefix"]}`, vault.Refused, "no prefix"},
		"a method not supported": {405, `{"errors":["unsupported operation"]}`, vault.Refused, "unsupported operation"},
		"an error inside":        {500, `{"errors":["internal error"]}`, vault.Unreachable, "internal error"},
		"a gateway":              {502, `<html>upstream secret</html>`, vault.Unreachable, "502 Bad Gateway"},
		"another server":         {404, `<html>not here</html>`, vault.Unreachable, "see that address is that of Vault"},
		"another server's yes":   {200, `<html>hello</html>`, vault.Unreachable, "see that address is that of Vault"},
		"a redirect":             {307, ``, vault.Unreachable, "standby that does not forward"},
		"too long":               {200, `{"data":"` + strings.Repeat("x", 5<<20) + `"}`, vault.Unreachable, "longer than that of a Vault"},
		"cut":                    {400, `{"errors":["` + strings.Repeat("é", 1000) + `"]}`, vault.Refused, "…"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeVault(t)
			f.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			cfg, _ := f.config()
			_, err := open(t, cfg).Read(t.Context(), "transit/keys/k")
			var e *vault.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.says) || strings.ContainsAny(e.Error(), "\n\t") || len(e.Error()) > 1000 {
				t.Fatalf("got %+v, want kind %q with %q", err, c.kind, c.says)
			}
			if !strings.HasPrefix(e.Error(), "reading transit/keys/k: Vault at "+f.URL+": ") || strings.Contains(strings.ReplaceAll(e.Error(), "vault secrets list", ""), "secret") {
				t.Errorf("got %q", e.Error())
			}
		})
	}
}

func TestWhatIsLeftOfSomethingDeletedComesWithTheError(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = w.Write([]byte(`{"request_id":"1","data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}`))
	})
	cfg, _ := f.config()
	c := open(t, cfg)
	a, err := c.Read(t.Context(), "secret/data/x")
	var e *vault.Error
	if !errors.As(err, &e) || e.Kind != vault.Missing || a == nil || !strings.Contains(string(a.Data), "deletion_time") {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestAnEmptyFolderIsNoError(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "nomount") {
			say(w, 404, `no handler for route "nomount/x"`)
			return
		}
		say(w, 404)
	})
	cfg, _ := f.config()
	c := open(t, cfg)
	if names, err := c.List(t.Context(), "secret/metadata/x"); err != nil || len(names) != 0 {
		t.Errorf("an empty folder: %v, %v", names, err)
	}
	if _, err := c.List(t.Context(), "nomount/x"); err == nil {
		t.Error("a folder of a mount that there is not is taken for an empty one")
	}
}

// TestTheEnvironmentDoesNotCount has an environment that sends everything elsewhere.
func TestTheEnvironmentDoesNotCount(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request went to where the environment says") }))
	defer elsewhere.Close()
	for name, value := range map[string]string{
		"VAULT_ADDR": elsewhere.URL, "VAULT_AGENT_ADDR": elsewhere.URL, "VAULT_PROXY_ADDR": elsewhere.URL, "VAULT_HTTP_PROXY": elsewhere.URL,
		"HTTP_PROXY": elsewhere.URL, "HTTPS_PROXY": elsewhere.URL, "https_proxy": elsewhere.URL,
		"VAULT_TOKEN": "hvs.environment", "VAULT_NAMESPACE": "environment", "VAULT_HEADERS": `{"Environment":"yes"}`, "VAULT_WRAP_TTL": "5m",
		"VAULT_MAX_RETRIES": "5", "VAULT_CLIENT_TIMEOUT": "1ns",
	} {
		t.Setenv(name, value)
	}
	f := newFakeVault(t)
	cfg, _ := f.config()
	if _, err := open(t, cfg).Read(t.Context(), "secret/data/x"); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, h := range f.headers {
		for _, name := range []string{"X-Vault-Namespace", "Environment", "X-Vault-Wrap-TTL"} {
			if h.Get(name) != "" {
				t.Errorf("%s has header %s: %q", f.asked[i], name, h.Get(name))
			}
		}
		if h.Get("X-Vault-Token") == "hvs.environment" {
			t.Errorf("%s has the environment's token", f.asked[i])
		}
	}

	t.Setenv("VAULT_SKIP_VERIFY", "true")
	cfg.Connection.CABundle = ""
	_, err := open(t, cfg).Read(t.Context(), "secret/data/x")
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("the environment has any certificate taken: %v", err)
	}
}

func TestConnection(t *testing.T) {
	f := newFakeVault(t)
	plain := httptest.NewServer(http.HandlerFunc(f.serve))
	defer plain.Close()
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied.Add(1)
		f.serve(w, r)
	}))
	defer proxy.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct {
		change func(*vault.Config)
		kind   vault.Kind
		says   string
	}{
		"HTTP that is not allowed": {func(c *vault.Config) { c.Connection.Address = plain.URL }, vault.Refused, "set allowHTTP"},
		"HTTP that is allowed":     {func(c *vault.Config) { c.Connection.Address, c.Connection.AllowHTTP = plain.URL, true }, "", ""},
		"a proxy": {func(c *vault.Config) {
			c.Connection.Address, c.Connection.AllowHTTP, c.Connection.Proxy = "http://vault.invalid:8200", true, proxy.URL
		}, "", ""},
		"no address":                    {func(c *vault.Config) { c.Connection.Address = "vault:8200" }, vault.Refused, "its address is none"},
		"no certificates":               {func(c *vault.Config) { c.Connection.CABundle = "x" }, vault.Refused, "caBundle has no certificate"},
		"a name of another certificate": {func(c *vault.Config) { c.Connection.ServerName = "vault.example.org" }, vault.Unreachable, "not for vault.example.org"},
		"a name that it has":            {func(c *vault.Config) { c.Connection.ServerName = "example.com" }, "", ""},
		"nobody there":                  {func(c *vault.Config) { c.Connection.Address, c.Connection.AllowHTTP = gone.URL, true }, vault.Unreachable, "connection refused"},
		"TLS asked for HTTP": {func(c *vault.Config) {
			c.Connection.Address, c.Connection.AllowHTTP = strings.Replace(f.URL, "https", "http", 1), true
		}, vault.NoLogin, "speaks TLS"},
		"HTTP asked for TLS": {func(c *vault.Config) { c.Connection.Address = strings.Replace(plain.URL, "http", "https", 1) }, vault.Unreachable, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := f.config()
			c.change(&cfg)
			_, err := open(t, cfg).Read(t.Context(), "secret/data/x")
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *vault.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.says) {
				t.Errorf("got %v, want kind %q with %q", err, c.kind, c.says)
			}
		})
	}
	if proxied.Load() == 0 {
		t.Error("the proxy was not asked")
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a token went elsewhere: %s", r.URL) }))
	defer other.Close()
	f := newFakeVault(t)
	f.takesOver(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
	cfg, _ := f.config()
	if _, err := open(t, cfg).Read(t.Context(), "secret/data/x"); err == nil {
		t.Error("a redirect is an answer")
	}
}

// TestASlowVault takes the limit of the client, and that of the caller.
func TestASlowVault(t *testing.T) {
	f := newFakeVault(t)
	enough := make(chan struct{})
	defer close(enough)
	f.answers(func(http.ResponseWriter, *http.Request) { <-enough })
	cfg, _ := f.config()
	cfg.Timeout = 50 * time.Millisecond
	_, err := open(t, cfg).Read(t.Context(), "secret/data/x")
	var e *vault.Error
	if !errors.As(err, &e) || e.Kind != vault.Unreachable || !strings.Contains(e.Error(), "no answer in time") {
		t.Errorf("got %v", err)
	}
	cfg.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = open(t, cfg).Read(ctx, "secret/data/x"); !errors.As(err, &e) || e.Kind != vault.Unreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestNoStorm has many ask a Vault that is away, for a while.
func TestNoStorm(t *testing.T) {
	f := newFakeVault(t)
	f.takesOver(func(w http.ResponseWriter, _ *http.Request) bool { say(w, 503, "Vault is sealed"); return true })
	cfg, clock := f.config()
	c := open(t, cfg)
	ask := func() {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := c.Read(t.Context(), "secret/data/x")
				var e *vault.Error
				if !errors.As(err, &e) || e.Kind != vault.Locked {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
	}
	for range 300 { // a minute
		ask()
		clock.pass(200 * time.Millisecond)
	}
	if n := f.count(""); n < 10 || n > 20 {
		t.Errorf("4800 calls in a minute made %d requests to a Vault that is locked", n)
	}
	f.takesOver(nil)
	clock.pass(6 * time.Second)
	if _, err := c.Read(t.Context(), "secret/data/x"); err != nil {
		t.Errorf("a Vault that is back is not asked: %v", err)
	}
	if _, err := c.Read(t.Context(), "secret/data/x"); err != nil {
		t.Errorf("the second request waits: %v", err)
	}
}

func TestVaultSaysHowLongToWait(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		say(w, 429, "rate limit quota exceeded")
	})
	cfg, clock := f.config()
	c := open(t, cfg)
	for range 10 {
		if _, err := c.Read(t.Context(), "x"); err == nil {
			t.Fatal("no error")
		}
		clock.pass(2 * time.Second)
	}
	if n := f.count("/v1/x"); n != 1 {
		t.Errorf("%d requests within the time that Vault has asked for", n)
	}
}

// TestOneAnswerOf500IsNotTheWholeVault: that may be about one key.
func TestOneAnswerOf500IsNotTheWholeVault(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "bad") {
			say(w, 500, "cannot")
			return
		}
		fmt.Fprint(w, `{"data":{}}`)
	})
	cfg, _ := f.config()
	c := open(t, cfg)
	if _, err := c.Read(t.Context(), "bad"); err == nil {
		t.Fatal("no error")
	}
	if _, err := c.Read(t.Context(), "good"); err != nil {
		t.Error(err)
	}
}

func TestAfterClose(t *testing.T) {
	f := newFakeVault(t)
	cfg, _ := f.config()
	c := open(t, cfg)
	if _, err := c.Read(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	f.comesToTokens(0)
	if n := f.count("revoke-self"); n != 1 {
		t.Errorf("the token was given back %d times", n)
	}
	if _, err := c.Read(t.Context(), "x"); err == nil || f.count("login") != 1 {
		t.Errorf("a client that was closed answers: %v", err)
	}
}

func TestErrorsHaveNoTokenThatComesBack(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, r *http.Request) {
		say(w, 400, "what is "+r.Header.Get("X-Vault-Token")+"?")
	})
	cfg, _ := f.config()
	if _, err := open(t, cfg).Read(t.Context(), "x"); err == nil || strings.Contains(err.Error(), "hvs.") {
		t.Errorf("got %v", err)
	}
	f.takesOver(func(w http.ResponseWriter, r *http.Request) bool {
		say(w, 400, "what is "+fakeJWT+"-vault?")
		return true
	})
	if _, err := open(t, cfg).Read(t.Context(), "x"); err == nil || strings.Contains(err.Error(), fakeJWT) {
		t.Errorf("got %v", err)
	}
}

// TestErrorsHaveNothingOfWhatWasWritten has something in front of Vault quote the request that it refuses, whole or cut.
func TestErrorsHaveNothingOfWhatWasWritten(t *testing.T) {
	const private = "AGE-SECRET-KEY-FAKE-1QQQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
	f := newFakeVault(t)
	cfg, _ := f.config()
	c := open(t, cfg)
	write := func() error {
		_, err := c.Write(t.Context(), "secret/data/x", map[string]any{
			"options": map[string]any{"cas": 0}, "data": map[string]any{"identity": "# public key: age1fake\n" + private + "\n"},
			"batch_input": []map[string]string{{"plaintext": private}},
		})
		return err
	}
	for name, says := range map[string]string{
		"whole": "policy: secret/data/x may not have " + private, "its beginning": "may not have " + private[:30], "its end": "…" + private[20:] + " is too long",
		"in JSON": `{"identity":"# public key: age1fake\n` + private + `\n"}`, "far behind": strings.Repeat("x", 290) + private,
	} {
		f.answers(func(w http.ResponseWriter, _ *http.Request) { say(w, 400, says) })
		if err := write(); err == nil || strings.Contains(err.Error(), "AGE-SECRET") || strings.Contains(err.Error(), private[20:40]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.answers(func(w http.ResponseWriter, _ *http.Request) { say(w, 400, "check the mount: it has no such option") })
	if err := write(); err == nil || !strings.Contains(err.Error(), "check the mount: it has no such option") {
		t.Errorf("what Vault says is lost: %v", err)
	}
	f.answers(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("X-Vault-Token"), private)
		conn.Close()
	})
	if err := write(); err == nil || strings.Contains(err.Error(), "AGE-SECRET") || strings.Contains(err.Error(), "hvs.") {
		t.Errorf("no HTTP: %v", err)
	}
}

// TestARequestIDIsOne: it goes into the audit log.
func TestARequestIDIsOne(t *testing.T) {
	f := newFakeVault(t)
	cfg, _ := f.config()
	cfg.Connection.Auth = v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{RoleID: "r", SecretID: v1alpha1.SecretName{Name: "s"}}}
	for _, id := range []string{strings.Repeat("a", 65), "a b", "a\nb", "é", fakeSecretID, "hvs.fake-1"} {
		f.takesOver(func(w http.ResponseWriter, r *http.Request) bool {
			id, auth := id, ""
			if !strings.HasSuffix(r.URL.Path, "/login") {
				id = strings.Replace(id, fakeSecretID, "", 1) // nobody remembers that after the login
			} else {
				auth = `,"auth":{"client_token":"hvs.fake-1","lease_duration":3600}`
			}
			fmt.Fprintf(w, `{"request_id":%s,"data":{}%s}`, strconv.Quote(id), auth)
			return true
		})
		ctx, noted := keyring.WithRequests(t.Context())
		if a, err := open(t, cfg).Read(ctx, "x"); err != nil || a.RequestID != "" || noted.String() != "" {
			t.Errorf("%q: %+v, %v, noted %q", id, a, err, noted)
		}
	}
}
