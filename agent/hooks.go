package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	gosync "sync"
	"time"

	"golang.org/x/net/netutil"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/waxwing-io/waxwing/agent/hook"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// secretsStand is how long the secrets of webhooks are remembered: whoever sends anything to the address must not have files read each time.
const secretsStand = time.Second

// hooks wakes SecretSyncs for webhooks. Safe for concurrent use.
type hooks struct {
	settings    *settings.File
	credentials credentials // nil: none
	cache       client.Reader
	memory      *memory
	queue       *queue
	now         func() time.Time

	mu      gosync.Mutex
	secrets []hook.Secret
	read    time.Time
}

// known are the secrets that hooks are signed with now.
func (h *hooks) known() []hook.Secret {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.credentials == nil || (!h.read.IsZero() && h.now().Sub(h.read) < secretsStand) {
		return h.secrets
	}
	h.read, h.secrets = h.now(), nil
	conf, _ := h.settings.Now() // that it is not valid is told elsewhere
	for _, g := range conf.Credentials {
		if c, err := h.credentials.Read(g.Name); err == nil && len(c.HookSecret) > 0 {
			h.secrets = append(h.secrets, hook.Secret{Credentials: g.Name, Secret: c.HookSecret})
		}
	}
	return h.secrets
}

// wake wakes the SecretSyncs that use one of some credentials, and whose repository is one of some addresses; all of them where there are none.
func (h *hooks) wake(names, addresses []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the cache answers from memory
	defer cancel()
	var all v1alpha1.SecretSyncList
	if err := h.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return // it is being filled: all are looked at then in any case
	}
	for i := range all.Items {
		o := &all.Items[i]
		if o.Spec.Source.Credentials == "" || !slices.Contains(names, o.Spec.Source.Credentials) {
			continue
		}
		if len(addresses) > 0 && !slices.ContainsFunc(addresses, func(a string) bool { return sameRepository(a, o.Spec.Source.URL) }) {
			continue
		}
		if st := h.memory.known(keyOf(o)); st != nil {
			h.queue.add(keyOf(o), st.wake(h.now()))
		}
	}
}

// sameRepository says whether two addresses may be of one repository, in the eyes of a server that may have several names and ports: by their paths.
func sameRepository(a, b string) bool {
	a, b = repositoryPath(a), repositoryPath(b)
	return a != "" && b != "" && (a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a))
}

// repositoryPath is the path of an address, also of HOST:PATH as SSH has it, without what servers may leave out.
func repositoryPath(address string) string {
	if !strings.Contains(address, "://") {
		_, after, ok := strings.Cut(address, ":")
		if !ok {
			return ""
		}
		address = "ssh://host/" + strings.TrimPrefix(after, "/")
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"))
}

// serveHooks takes webhooks on every replica; only the leader does anything about them.
func serveHooks(mgr ctrl.Manager, address string, h *hooks, result func(string)) error {
	if address == off {
		return nil
	}
	listener, err := listen(address)
	if err != nil {
		return fmt.Errorf("taking webhooks: %w", err)
	}
	take := &hook.Handler{Secrets: h.known, Wake: h.wake, Result: result}
	mux := http.NewServeMux()
	mux.HandleFunc("/hook", func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-mgr.Elected():
			take.ServeHTTP(w, req)
		default:
			result("elsewhere")
			http.Error(w, "another replica leads", http.StatusServiceUnavailable)
		}
	})
	patience := hookPatience
	return mgr.Add(&manager.Server{Name: "hooks", Listener: listener, ShutdownTimeout: &patience, Server: hookServer(mux)})
}

// hookPatience bounds the reading of a hook, and its answer.
const hookPatience = 10 * time.Second

// hookServer closes a connection with its answer. Forges keep connections, repeat no POST and deliver a hook once: one that came just when a connection was closed for being idle would be
// lost. Hooks are too rare for a connection to be worth it.
func hookServer(take http.Handler) *http.Server {
	s := &http.Server{Handler: take, MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: hookPatience, ReadTimeout: hookPatience, WriteTimeout: hookPatience}
	s.SetKeepAlivesEnabled(false)
	return s
}

// maxConnections is how many there are at a time: each takes memory before anything is known of who has made it. Others wait.
const maxConnections = 256

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(listener, maxConnections), nil
}

// keyFrom reads NAMESPACE/NAME.
func keyFrom(text string) (types.NamespacedName, bool) {
	namespace, name, ok := strings.Cut(text, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}, ok && namespace != "" && name != "" && !strings.Contains(name, "/")
}
