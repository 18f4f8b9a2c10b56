package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func TestCachesOfWhatIsGoneAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	repos, err := openRepositories(dir, func() source.Limits { return source.Limits{} }, openSource)
	if err != nil {
		t.Fatal(err)
	}
	defer repos.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	for _, uid := range []types.UID{"a", "b", "c"} {
		if _, err := repos.of(uid); err != nil {
			t.Fatal(err)
		}
	}
	one, _ := repos.of("a")
	if again, err := repos.of("a"); err != nil || again != one {
		t.Errorf("it is another the second time: %v", err)
	}
	for _, uid := range []types.UID{"", ".", "..", "../a", "a/b"} {
		if _, err := repos.of(uid); err == nil {
			t.Errorf("%q has a folder", uid)
		}
		if err := repos.forget(uid); err != nil {
			t.Error(err)
		}
	}
	if err := repos.forget("b"); err != nil {
		t.Error(err)
	}
	for _, uid := range []string{"kept", "old"} { // from before the start
		if err := os.Mkdir(filepath.Join(dir, uid), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := repos.sweep(map[types.UID]bool{"a": true, "kept": true}); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 || left[0].Name() != "a" || left[1].Name() != "c" || left[2].Name() != "kept" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestMetricsAreNamedAsPrometheusWants(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"agent.yaml": `credentials: [{name: infra, urls: ["https://h/"], namespaces: ["*"]}]`, "credentials/infra/expires": "2027-01-31T00:00:00Z",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := settings.OpenFile(filepath.Join(dir, "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := settings.OpenFolder(filepath.Join(dir, "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	reg := prometheus.NewPedanticRegistry()
	m, err := newMetrics(reg, conf, folder)
	if err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: "team", Name: "infra"}
	m.looked(key, &report{outcome: outcome{reason: Synced}}, time.Unix(1, 0))
	m.fetched(time.Second, refuse(PathNotFound, ""))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%+v, %v", problems, err)
	}
	found := map[string]float64{}
	for _, f := range families {
		if g := f.GetMetric()[0].GetGauge(); g != nil {
			found[f.GetName()] = g.GetValue()
		}
	}
	for name, want := range map[string]float64{
		"waxwing_agent_credentials_expiry_timestamp_seconds": float64(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC).Unix()), "waxwing_agent_credentials_readable": 1,
		"waxwing_agent_configuration_valid": 1, "waxwing_agent_sync_ready": 1, "waxwing_agent_sync_last_success_timestamp_seconds": 1,
	} {
		if found[name] != want {
			t.Errorf("%s is %v, want %v", name, found[name], want)
		}
	}
	m.forget(key)
	if families, _ := reg.Gather(); len(families) == 0 {
		t.Error("nothing is left")
	} else {
		for _, f := range families {
			if f.GetName() == "waxwing_agent_sync_ready" {
				t.Error("a SecretSync that is gone is still counted")
			}
		}
	}
}

func TestWhereAForgeIs(t *testing.T) {
	for _, c := range []struct {
		source       string
		forge        v1alpha1.Forge
		server, name string
	}{
		{"https://git.example.com/team/app.git", v1alpha1.Forge{}, "https://git.example.com", "team/app"},
		{"https://git.example.com:8443/team/app", v1alpha1.Forge{}, "https://git.example.com:8443", "team/app"},
		{"ssh://git@git.example.com:2222/team/app.git", v1alpha1.Forge{}, "https://git.example.com", "team/app"},
		{"ssh://git@[fd00::1]:2222/team/app.git", v1alpha1.Forge{}, "https://[fd00::1]", "team/app"},
		{"https://[fd00::1]:8443/team/app.git", v1alpha1.Forge{}, "https://[fd00::1]:8443", "team/app"},
		{"http://127.0.0.1:3000/team/app", v1alpha1.Forge{}, "http://127.0.0.1:3000", "team/app"},
		{"https://git.example.com/git/team/app", v1alpha1.Forge{URL: "https://git.example.com/gitea/", Repository: "team/app"}, "https://git.example.com/gitea", "team/app"},
	} {
		server, name, err := forgeAddress(c.source, &c.forge)
		if err != nil || server != c.server || name != c.name {
			t.Errorf("%s: %s, %s, %v", c.source, server, name, err)
		}
	}
}

// TestATokenGoesOnlyToForgesThatTheConfigurationNames has a SecretSync name a server of its own.
func TestATokenGoesOnlyToForgesThatTheConfigurationNames(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Source.URL, o.Spec.Source.Credentials = "https://git.example.com/team/app", "infra"
		o.Spec.WriteBack = &v1alpha1.WriteBack{Forge: &v1alpha1.Forge{Type: v1alpha1.ForgeGitea}}
	})
	w.configure(`credentials: [{name: infra, urls: ["https://git.example.com/team/"], namespaces: [team]}]`)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "infra"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "infra/forge-token"), []byte("not-a-real-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := settings.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	w.credentials, w.forges = folder, forge.New
	conf, err := w.settings.Now()
	if err != nil {
		t.Fatal(err)
	}
	// The repository, too, is one that they may be used for.
	for repository, allowed := range map[string]bool{
		"": true, "team/app": true, "team/app.git": true, "/team/web": true, "other/app": false, "teamster/app": false, "team/app/../../other": false, "team/..;": false, "team/%2e%2e": false,
		"team/app?x=1": false,
	} {
		o := w.object()
		o.Spec.WriteBack.Forge.Repository = repository
		f, err := w.forge(o, conf)
		if (err == nil) != allowed || (f != nil) != allowed {
			t.Errorf("repository %q: %v", repository, err)
		}
	}
	for url, allowed := range map[string]bool{
		"": true, "https://git.example.com": true, "https://evil.example": false, "http://git.example.com": false, "https://git.example.com:8443": false,
		"https://git.example.com.evil.example": false,
	} {
		o := w.object()
		o.Spec.WriteBack.Forge.URL = url
		f, err := w.forge(o, conf)
		if (err == nil) != allowed || (f != nil) != allowed {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestWhatAGoneSecretSyncHasLeftIsNobodys holds that its mark does not keep others from an object.
func TestWhatAGoneSecretSyncHasLeftIsNobodys(t *testing.T) {
	w := newWorld(t)
	key := types.NamespacedName{Namespace: "prod", Name: "a"}
	w.hands.put(key, "x", "y", "team/gone")
	for exists, want := range map[bool]string{true: "team/gone", false: ""} {
		u := owned(w.store, func(string) bool { return exists })()
		if l, there := u.Live(key); !there || l.Sync != want {
			t.Errorf("while it exists (%t) the mark is %q", exists, l.Sync)
		}
	}
}

// TestAPlanAsksOnceForEachSecretSync holds that it does not cost more the more objects a SecretSync has, and that the next plan asks anew.
func TestAPlanAsksOnceForEachSecretSync(t *testing.T) {
	w := newWorld(t)
	var asked []string
	plan := owned(w.store, func(name string) bool { asked = append(asked, name); return true })
	for range 2 {
		u := plan()
		for _, name := range []string{"a", "b", "c"} {
			key := types.NamespacedName{Namespace: "prod", Name: name}
			w.hands.put(key, "x", "y", "team/infra")
			if l, _ := u.Live(key); l.Sync != "team/infra" {
				t.Errorf("%s is %q's", name, l.Sync)
			}
		}
	}
	same(t, "asked for", asked, "team/infra", "team/infra")
}

// TestTheAPIServerIsNotAskedToCompress holds it for what the agent sends as itself: accounts are made from the same.
func TestTheAPIServerIsNotAskedToCompress(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Accept-Encoding") }))
	defer server.Close()
	to, err := rest.HTTPClientFor(connection(Config{REST: &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}}))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := to.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := <-asked; got != "" {
		t.Errorf("it is asked for %s", got)
	}
}
