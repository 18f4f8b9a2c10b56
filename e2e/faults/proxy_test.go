package faults_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// behind is a client behind a proxy, for the ConfigMaps of the test's namespace.
func (w *world) behind() (*faultproxy.Proxy, typedcorev1.ConfigMapInterface) {
	w.t.Helper()
	w.kubeconfig = w.ServiceAccountKubeconfig(w.t, w.namespace, "proxied")
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "proxied"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "proxied"}},
	})
	p, kubeconfig := w.proxy()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	maps := c.CoreV1().ConfigMaps(w.namespace)
	harness.Eventually(w.ctx, w.t, "the client may do what it has to", func(ctx context.Context) error {
		_, err := maps.List(ctx, metav1.ListOptions{})
		return err
	})
	return p, maps
}

// TestTheProxyDoesWhatItIsTold holds the tool of these tests to its words, on the real API server: what is cut before did not arrive, what is cut after did.
func TestTheProxyDoesWhatItIsTold(t *testing.T) {
	w := newWorld(t)
	p, maps := w.behind()
	there := func(name string) bool {
		_, err := w.Clientset().CoreV1().ConfigMaps(w.namespace).Get(w.ctx, name, metav1.GetOptions{})
		return err == nil
	}
	create := func(name string) error {
		_, err := maps.Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{FieldManager: "faults"})
		return err
	}
	cut := func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Cut() }
	for _, c := range []struct {
		name    string
		fault   faultproxy.Fault
		arrives bool
		says    func(error) bool
	}{
		{"cut-before", faultproxy.Fault{Before: cut}, false, func(err error) bool { return err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown }},
		{"cut-after", faultproxy.Fault{After: func(faultproxy.Request, int) faultproxy.Verdict { return faultproxy.Cut() }}, true,
			func(err error) bool { return err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown }},
		{"answered-before", faultproxy.Fault{Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Answer(http.StatusConflict, 0) }}, false, apierrors.IsConflict},
		{"answered-after", faultproxy.Fault{After: func(_ faultproxy.Request, code int) faultproxy.Verdict {
			if code != http.StatusCreated {
				t.Errorf("the API server answered %d", code)
			}
			return faultproxy.Answer(http.StatusInternalServerError, 0)
		}}, true, apierrors.IsInternalError},
		{"passed", faultproxy.Fault{Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Pass() }}, true, func(err error) bool { return err == nil }},
		{"not-meant", faultproxy.Fault{Match: func(r faultproxy.Request) bool { return r.Name == "another" }, Before: cut}, true, func(err error) bool { return err == nil }},
		{"let-through-first", faultproxy.Fault{Skip: 1, Before: cut}, true, func(err error) bool { return err == nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			active := p.Add(c.fault)
			defer active.Remove()
			if err := create(c.name); !c.says(err) {
				t.Errorf("the client got %v", err)
			}
			if there(c.name) != c.arrives {
				t.Errorf("it arrived: %v", !c.arrives)
			}
		})
	}
	t.Run("down", func(t *testing.T) {
		p.Down()
		if err := create("down"); err == nil || there("down") {
			t.Errorf("the client got %v", err)
		}
		p.Up()
		if err := create("up"); err != nil {
			t.Error(err)
		}
	})
	t.Run("recorded", func(t *testing.T) {
		for name, want := range map[string]faultproxy.Record{
			"cut-before": {Fault: true}, "cut-after": {Code: http.StatusCreated, Fault: true}, "passed": {Code: http.StatusCreated},
		} {
			got := p.Records(func(r faultproxy.Request) bool { return r.String() == "create configmaps "+w.namespace+"/"+name })
			if len(got) != 1 || got[0].Code != want.Code || got[0].Fault != want.Fault {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// TestTheProxyKeepsWatches holds the same for watches: what is held back comes in order when it is released, and what ends ends as it is told.
func TestTheProxyKeepsWatches(t *testing.T) {
	w := newWorld(t)
	p, maps := w.behind()
	watcher, err := maps.Watch(w.ctx, metav1.ListOptions{FieldSelector: "metadata.name=held"})
	if err != nil {
		t.Fatal(err)
	}
	direct := w.Clientset().CoreV1().ConfigMaps(w.namespace)
	release := p.Hold(watches("configmaps"))
	cm, err := direct.Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cm.Data = map[string]string{"a": "b"}
	if _, err := direct.Update(w.ctx, cm, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-watcher.ResultChan():
		t.Errorf("%s came all the same", e.Type)
	case <-time.After(200 * time.Millisecond): // enough to see it come if it did
	}
	release()
	if first, second := <-watcher.ResultChan(), <-watcher.ResultChan(); first.Type != "ADDED" || second.Type != "MODIFIED" {
		t.Errorf("it gave %s, %s", first.Type, second.Type)
	}
	if n := p.ExpireWatches(); n != 1 {
		t.Errorf("%d watches", n)
	}
	if e := <-watcher.ResultChan(); e.Type != "ERROR" || !apierrors.IsResourceExpired(apierrors.FromObject(e.Object)) {
		t.Errorf("it gave %+v", e)
	}
	if _, more := <-watcher.ResultChan(); more {
		t.Error("it goes on")
	}
}
