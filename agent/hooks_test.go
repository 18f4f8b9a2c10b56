package agent

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func TestAddressesOfOneRepository(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://git.example.com/team/app.git", "https://git.example.com/team/app", true},
		{"git@git.example.com:team/app.git", "ssh://git@git.example.com:2222/team/app", true},
		{"https://git.example.com/team/app", "http://gitea.gitea.svc:3000/team/app.git", true},
		{"https://example.com/gitea/Team/App", "https://gitea.svc/team/app/", true},
		{"https://git.example.com/team/app", "https://git.example.com/team/app2", false},
		{"https://git.example.com/team/app", "https://git.example.com/steam/app", false},
		{"https://git.example.com/team/app", "https://git.example.com/", false},
		{"nothing", "nothing", false},
		{"https://git.example.com/%zz", "https://git.example.com/%zz", false},
	} {
		if sameRepository(c.a, c.b) != c.same || sameRepository(c.b, c.a) != c.same {
			t.Errorf("%s and %s: want %t", c.a, c.b, c.same)
		}
	}
}

// TestAHookWakesThoseThatItIsFor has the cache be a fake that holds objects and decides nothing.
func TestAHookWakesThoseThatItIsFor(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	of := func(name, credentials, url string) *v1alpha1.SecretSync {
		return &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}, Spec: v1alpha1.SecretSyncSpec{Source: v1alpha1.SyncSource{URL: url, Credentials: credentials}}}
	}
	cache := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		of("app", "infra", "https://git.example.com/team/app"), of("web", "infra", "https://git.example.com/team/web"),
		of("other", "other", "https://git.example.com/team/app"), of("open", "", "https://git.example.com/team/app"),
	).Build()
	for name, c := range map[string]struct {
		credentials, addresses []string
		woken                  []string
	}{
		"one repository":     {[]string{"infra"}, []string{"https://git.example.com/team/app.git", "git@git.example.com:team/app.git"}, []string{"app"}},
		"no repository":      {[]string{"infra"}, nil, []string{"app", "web"}},
		"several secrets":    {[]string{"infra", "other"}, []string{"https://git.example.com/team/app"}, []string{"app", "other"}},
		"another repository": {[]string{"infra"}, []string{"https://git.example.com/team/none"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			known := newMemory(newReader)
			for _, each := range []string{"app", "web", "other", "open"} {
				known.of(types.NamespacedName{Namespace: "team", Name: each}, types.UID(each))
			}
			h := &hooks{cache: cache, memory: known, queue: &queue{}, now: time.Now}
			h.wake(c.credentials, c.addresses)
			var woken []string
			for _, each := range []string{"app", "open", "other", "web"} {
				if known.known(types.NamespacedName{Namespace: "team", Name: each}).takeWake(time.Now()) {
					woken = append(woken, each)
				}
			}
			same(t, "woken", woken, c.woken...)
		})
	}
}

func TestHooksWakeAsOftenAsFetchesLetThem(t *testing.T) {
	for took, pace := range map[time.Duration]time.Duration{
		0: 200 * time.Millisecond, 30 * time.Millisecond: 200 * time.Millisecond, 150 * time.Millisecond: 300 * time.Millisecond, time.Minute: time.Second,
	} {
		s, now := &state{}, time.Now()
		s.paced(took)
		if after := s.wake(now); after != 0 || !s.takeWake(now) {
			t.Errorf("a fetch takes %s: the first waits for %s", took, after)
		}
		if after := s.wake(now.Add(50 * time.Millisecond)); after != pace-50*time.Millisecond || s.takeWake(now.Add(pace-1)) || !s.takeWake(now.Add(pace)) {
			t.Errorf("a fetch takes %s: the second waits for %s", took, after)
		}
		if after := s.wake(now.Add(2 * pace)); after != 0 {
			t.Errorf("a fetch takes %s: the third waits for %s", took, after)
		}
	}
}

func TestALookForSomethingElseIsNoneForAHook(t *testing.T) {
	s, began := &state{}, time.Now()
	s.paced(time.Minute)
	for _, c := range []struct {
		at, after time.Duration // -1: no hook comes
		due       bool
	}{
		{0, 0, true},
		{400 * time.Millisecond, 600 * time.Millisecond, false},
		{700 * time.Millisecond, -1, false}, // a look for something else is none for the hook
		{900 * time.Millisecond, 100 * time.Millisecond, false},
		{time.Second, -1, true},
		{time.Second, -1, false},
		{1100 * time.Millisecond, 900 * time.Millisecond, false},
		{2 * time.Second, -1, true},
		{3 * time.Second, 0, true},
	} {
		now := began.Add(c.at)
		if c.after >= 0 {
			if after := s.wake(now); after != c.after {
				t.Errorf("after %s a hook waits for %s, not %s", c.at, after, c.after)
			}
		}
		if due := s.takeWake(now); due != c.due {
			t.Errorf("after %s it is due: %t", c.at, due)
		}
	}
	s.wake(began.Add(3100 * time.Millisecond))
	if s.ask(); !s.takeWake(began.Add(3200 * time.Millisecond)) {
		t.Error("what the agent asks for itself waits")
	}
}

func TestSecretsOfHooksAreThoseOfCredentialsThatAreNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("agent.yaml", `credentials: [{name: infra, urls: ["https://h/"], namespaces: ["*"]}, {name: none, urls: ["https://h/"], namespaces: ["*"]}, {name: gone, urls: ["https://h/"], namespaces: ["*"]}]`)
	write("credentials/infra/hook-secret", "not-a-real-secret\n")
	write("credentials/none/token", "not-a-real-token\n")
	write("credentials/unnamed/hook-secret", "another-secret\n")
	conf, err := settings.OpenFile(filepath.Join(dir, "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := settings.OpenFolder(filepath.Join(dir, "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	now := time.Now()
	h := &hooks{settings: conf, credentials: folder, now: func() time.Time { return now }}
	if all := h.known(); len(all) != 1 || all[0].Credentials != "infra" || string(all[0].Secret) != "not-a-real-secret" {
		t.Errorf("%d secrets", len(all))
	}
	write("credentials/infra/hook-secret", "a-new-secret")
	now = now.Add(secretsStand)
	if all := h.known(); len(all) != 1 || string(all[0].Secret) != "a-new-secret" {
		t.Errorf("a new secret is not known: %d", len(all))
	}
}

// TestEachHookHasAConnectionOfItsOwn has a client that keeps connections, as forges do, send several: none goes over a connection that the agent may be about to close.
func TestEachHookHasAConnectionOfItsOwn(t *testing.T) {
	from := make(chan string, 3)
	server := httptest.NewUnstartedServer(nil)
	server.Config = hookServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from <- r.RemoteAddr
		w.WriteHeader(http.StatusAccepted)
	}))
	server.Start()
	defer server.Close()
	seen := map[string]bool{}
	for range cap(from) {
		resp, err := server.Client().Post(server.URL, "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || !resp.Close {
			t.Errorf("the answer does not end the connection (%v)", err)
		}
		seen[<-from] = true
	}
	if len(seen) != cap(from) {
		t.Errorf("%d hooks came over %d connections", cap(from), len(seen))
	}
}

// TestConnectionsOfHooksAreCounted has more than there may be: the next one is taken when one of them goes.
func TestConnectionsOfHooksAreCounted(t *testing.T) {
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := make(chan net.Conn, 2*maxConnections)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				close(taken)
				return
			}
			taken <- c
		}
	}()
	for range maxConnections + 1 {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	var first net.Conn
	for range maxConnections {
		first = <-taken
	}
	if n := len(taken); n > 0 {
		t.Errorf("%d more were taken", n)
	}
	_ = first.Close()
	<-taken
}
