package faults_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// TestAPausedLeadersStatusArrivesLate is TestAPausedLeaderWritesNothingLate for the status: that of an older generation must not replace that of a newer one,
// because nothing would put it right.
func TestAPausedLeadersStatusArrivesLate(t *testing.T) {
	w := newWorld(t)
	first, second := w.pair()
	w.late(first, second, func(r faultproxy.Request) bool { return r.Kind() == writeStatus && r.Name == "db" })
	w.settle("db", unsealed(3, "user", "more", "most"))
}

// looks waits until the controller has done anything about an object since these were the counts: asked what there is, or opened it.
func (p *pod) looks(name string, opened, asked int) {
	p.w.t.Helper()
	harness.Eventually(p.w.ctx, p.w.t, "the controller looks at "+name, func(context.Context) error {
		if p.intents(name) == opened && p.proxy.Count(looksAt(name)) == asked {
			return errors.New("it has not")
		}
		return nil
	})
}

// TestAStartWithOldObjects has the controller start at an API server that has not heard of the newest version of an object, though it has of its Secret. The
// controller must not write the version before it.
func TestAStartWithOldObjects(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	w.create(w.sealed(holder, "db", 1, "user"))
	w.settle("db", unsealed(1, "user"))
	old, err := w.Clientset().CoreV1().RESTClient().Get().AbsPath("/apis/waxwing.io/v1alpha1/gitsecrets").DoRaw(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	h := w.record()
	w.apply(w.sealed(holder, "db", 2, "user", "more"))
	w.settle("db", unsealed(2, "user", "more"))
	p.kill()
	p.proxy.Add(faultproxy.Fault{
		Match:  func(r faultproxy.Request) bool { return r.Initial && r.Resource == "gitsecrets" },
		Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Answer(http.StatusBadRequest, 0) },
	})
	p.proxy.Add(faultproxy.Fault{
		Match: func(r faultproxy.Request) bool { return r.Verb == "list" && r.Resource == "gitsecrets" }, Times: 1,
		Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Reply(http.StatusOK, old) },
	})
	release := p.proxy.Hold(watches("gitsecrets"))
	opened, asked := p.intents("db"), p.proxy.Count(looksAt("db"))
	p.start()
	p.looks("db", opened, asked)
	release()
	w.settle("db", unsealed(2, "user", "more"))
	h.check()
}

// TestAnObjectThatIsGoneIsNotOpenedAgain deletes an object of whose end the controller does not hear, and makes it anew.
func TestAnObjectThatIsGoneIsNotOpenedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	w.create(w.sealed(holder, "db", 1, "user"))
	w.settle("db", unsealed(1, "user"))
	h := w.record()
	release := p.proxy.Hold(watches("gitsecrets"))
	opened, asked := p.intents("db"), p.proxy.Count(looksAt("db"))
	if err := w.Delete(w.ctx, &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}); err != nil {
		t.Fatal(err)
	}
	p.looks("db", opened, asked) // its Secret is collected
	harness.Eventually(w.ctx, t, "the Secret is gone", func(ctx context.Context) error {
		if err := w.Get(ctx, w.key("db"), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return errors.New("it is there")
		}
		return nil
	})
	w.create(w.sealed(holder, "db", 2, "user"))
	release()
	w.settle("db", unsealed(2, "user"))
	if n := p.intents("db"); n != 2 {
		t.Errorf("opened %d times for two versions", n)
	}
	h.check()
}
