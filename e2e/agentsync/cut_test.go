package agentsync_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// cutter ends answers that have a pack in the middle of it, while it is on.
type cutter struct {
	on   atomic.Bool
	cuts atomic.Int64
}

func (c *cutter) wrap(git http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.on.Load() || !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			git.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		git.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		if !bytes.Contains(body, []byte("PACK")) {
			_, _ = w.Write(body)
			return
		}
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		c.cuts.Add(1)
		panic(http.ErrAbortHandler)
	})
}

// TestAServerThatGoesInTheMiddleOfAFetch has a server end its answers in the middle of a pack, again and again: what is in the cluster stays, also what the commit lacks, and all comes
// right by itself when the server does.
func TestAServerThatGoesInTheMiddleOfAFetch(t *testing.T) {
	c := &cutter{}
	repo := githttp.Start(t, githttp.Options{Wrap: c.wrap}).Repo(t, "infra")
	w := newWhole(t, func(o *v1alpha1.SecretSync) { o.Spec.Source.URL, o.Spec.Source.Credentials = repo.URL, "" })
	w.repo = repo
	first := w.push("a", "b")
	w.start()
	if err := w.Create(t.Context(), w.sync); err != nil {
		t.Fatal(err)
	}
	w.synced(first)
	kept, _ := w.live(t, "b")

	c.on.Store(true)
	noise := make([]byte, 256<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	repo.Write(map[string]string{"noise.bin": string(noise)})
	second := w.push("a", "c")
	w.touch()
	o := w.until("the fetch has failed", func(o *v1alpha1.SecretSync) bool {
		ready := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == "FetchFailed" && c.cuts.Load() >= 2
	})
	if !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReconciling) || !strings.HasSuffix(o.Status.Applied.Revision, first) {
		t.Errorf("it says %+v", o.Status)
	}
	if got := w.there(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("there are %q", got)
	}
	if b, _ := w.live(t, "b"); b.UID != kept.UID {
		t.Error("b was made anew")
	}

	c.on.Store(false)
	w.synced(second) // it is tried again by itself
	if got := w.there(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("there are %q", got)
	}
	w.stop()
}

// touch has the repository be asked.
func (w *whole) touch() {
	w.Helper()
	w.eventually("it is asked for a look", func(ctx context.Context) error {
		o := w.sync.DeepCopy()
		if err := w.Get(ctx, client.ObjectKeyFromObject(w.sync), o); err != nil {
			return err
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		if o.Annotations[v1alpha1.AnnotationSyncNow] == "now" {
			return errors.New("it was asked before")
		}
		o.Annotations[v1alpha1.AnnotationSyncNow] = "now"
		return w.Update(ctx, o)
	})
}
