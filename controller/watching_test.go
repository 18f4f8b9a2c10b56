package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// replayed answers watches with what API servers send, so that it can be held what becomes of the very bytes; e2e/faults has the real one. The first watch ends
// after an event, the second is told that it is too old, the third starts anew.
type replayed struct {
	watches atomic.Int32
	paths   chan string
}

// oneSpec is a spec that no encoder of ours would write like this.
const oneSpec = `{"type":"Opaque", "items":{"user":{"value":"AAAA","envelope":"e"}},"unknown":1,"envelopes":{"e":{"commit":"c"}},"format":1}`

func replayedObject(name string, generation int, version string) string {
	return fmt.Sprintf(`{"apiVersion":"waxwing.io/v1alpha1","kind":"GitSecret","metadata":{"name":%q,"namespace":"prod","uid":"u-%s","generation":%d,"resourceVersion":%q},"spec":%s,"status":{}}`,
		name, name, generation, version, oneSpec)
}

func (s *replayed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.paths <- r.URL.Path
	send := func(kind, object string) {
		fmt.Fprintf(w, `{"type":%q,"object":%s}`+"\n", kind, object)
		w.(http.Flusher).Flush()
	}
	bookmark := func(version string) string {
		return `{"kind":"GitSecret","apiVersion":"waxwing.io/v1alpha1","metadata":{"resourceVersion":"` + version + `","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}},"spec":{"format":0,"for":{"scope":""}}}`
	}
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	fresh := q.Get("sendInitialEvents") == "true" && q.Get("watch") == "true" && q.Get("allowWatchBookmarks") == "true"
	switch n := s.watches.Add(1); {
	case n == 1 && fresh:
		send("ADDED", replayedObject("a", 1, "10"))
		send("ADDED", replayedObject("b", 1, "11"))
		send("BOOKMARK", bookmark("12"))
		send("MODIFIED", replayedObject("a", 2, "13"))
	case n == 2 && !fresh && q.Get("resourceVersion") == "13":
		send("ERROR", `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}`)
	case n == 3 && fresh:
		send("ADDED", replayedObject("a", 3, "20"))
		send("BOOKMARK", bookmark("21"))
		send("ADDED", replayedObject("c", 1, "22"))
		<-r.Context().Done()
	default:
		http.Error(w, "not expected: watch "+r.URL.String(), http.StatusTeapot)
	}
}

func TestCachesReadWatchesByPackageWire(t *testing.T) {
	for _, namespace := range []string{"", "prod"} {
		t.Run("namespace "+namespace, func(t *testing.T) {
			replay := &replayed{paths: make(chan string, 100)}
			server := httptest.NewServer(replay)
			t.Cleanup(server.Close) // when the test's context, and with it the last watch, has ended
			scheme := runtime.NewScheme()
			if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
				t.Fatal(err)
			}
			mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion()})
			mapper.Add(v1alpha1.GroupVersion().WithKind("GitSecret"), meta.RESTScopeNamespace)
			mapper.Add(v1alpha1.GroupVersion().WithKind("GitSecretList"), meta.RESTScopeNamespace)
			mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
			mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
			b := newBodies(newMemory(func() float64 { return 0 }), 1<<20)
			o := cacheOptions(b)
			path := "/apis/waxwing.io/v1alpha1/gitsecrets"
			if namespace != "" {
				o, path = onlyIn(namespace, b), "/apis/waxwing.io/v1alpha1/namespaces/prod/gitsecrets"
			}
			o.Scheme, o.Mapper, o.HTTPClient = scheme, mapper, server.Client()
			c, err := newCache(b)(&rest.Config{Host: server.URL}, o)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = c.Start(t.Context()) }()
			if _, err := c.GetInformer(t.Context(), &v1alpha1.GitSecret{}); err != nil {
				t.Fatal(err)
			}
			shown := waitFor(t, c, "c", 1)
			if got := <-replay.paths; got != path {
				t.Errorf("%s was asked for", got)
			}
			b.mu.Lock()
			kept, stray := b.specs[keyOf(shown)], b.specs[types.NamespacedName{}]
			b.mu.Unlock()
			if got := string(kept.json); got != oneSpec || len(shown.Spec.Items) != 0 || shown.Spec.Type != "Opaque" {
				t.Errorf("%s was kept of %v", got, shown.Spec)
			}
			if a := waitFor(t, c, "a", 3); !b.get(a) || len(a.Spec.Items) != 1 || len(a.Spec.Envelopes) != 1 {
				t.Errorf("there is no sealed part of the newest generation: %v", a.Spec)
			}
			var all v1alpha1.GitSecretList
			if err := c.List(t.Context(), &all); err != nil || len(all.Items) != 2 {
				t.Errorf("%d objects, %v: one that was gone after the watch expired is there still", len(all.Items), err)
			}
			if stray.json != nil {
				t.Errorf("of a bookmark is kept %s", stray.json)
			}
		})
	}
}

// waitFor waits until the cache has that generation of an object.
func waitFor(t *testing.T, c cache.Cache, name string, generation int64) *v1alpha1.GitSecret {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		o := &v1alpha1.GitSecret{}
		err := c.Get(ctx, types.NamespacedName{Namespace: "prod", Name: name}, o)
		if err == nil && o.Generation == generation && strings.HasPrefix(string(o.UID), "u-") {
			return o
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not in the cache: %v", name, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
