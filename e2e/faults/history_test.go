package faults_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// history is every version that the Secrets of a namespace went through, as etcd has it: it is watched past all proxies.
type history struct {
	w    *world
	done chan struct{}
	stop func()

	mu     sync.Mutex
	writes map[string][]write // by the Secret's name
	ended  bool
	err    error
}

// write is one state of a Secret.
type write struct {
	uid     string
	rv      string
	version int // 0: deleted
}

// record begins a history of the test's namespace.
func (w *world) record() *history {
	w.t.Helper()
	list, err := w.Clientset().CoreV1().Secrets(w.namespace).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	// Not client-go's informer: it may compress what it sees.
	watcher, err := w.Clientset().CoreV1().Secrets(w.namespace).Watch(w.ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		w.t.Fatal(err)
	}
	h := &history{w: w, done: make(chan struct{}), stop: watcher.Stop, writes: map[string][]write{}}
	for i := range list.Items {
		h.note(watch.Added, &list.Items[i])
	}
	go func() {
		defer close(h.done)
		for e := range watcher.ResultChan() {
			if s, ok := e.Object.(*corev1.Secret); ok {
				h.note(e.Type, s)
				continue
			}
			h.mu.Lock()
			if !h.ended {
				h.err = fmt.Errorf("the watch of the history ended: %+v", e.Object)
			}
			h.mu.Unlock()
		}
	}()
	return h
}

func (h *history) note(kind watch.EventType, s *corev1.Secret) {
	entry := write{uid: string(s.UID), rv: s.ResourceVersion}
	if kind != watch.Deleted {
		// A Secret of somebody else has no version; it is as good as deleted.
		entry.version, _ = versionOf(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes[s.Name] = append(h.writes[s.Name], entry)
}

// catchesUp waits until the history has every Secret as it is now: what is on its way when the watch is stopped is lost, and the last write with it.
func (h *history) catchesUp() {
	h.w.t.Helper()
	list, err := h.w.Clientset().CoreV1().Secrets(h.w.namespace).List(h.w.ctx, metav1.ListOptions{})
	if err != nil {
		h.w.t.Fatal(err)
	}
	harness.Eventually(h.w.ctx, h.w.t, "the history has the last writes", func(context.Context) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.err != nil {
			return harness.Permanent(h.err)
		}
		for _, s := range list.Items {
			isNow := func(e write) bool { return e.uid == string(s.UID) && e.rv == s.ResourceVersion }
			if !slices.ContainsFunc(h.writes[s.Name], isNow) {
				return fmt.Errorf("it has not seen Secret %s at %s", s.Name, s.ResourceVersion)
			}
		}
		return nil
	})
}

// check ends the history and holds that no Secret went from a newer version to an older one, not even by way of being deleted.
func (h *history) check() {
	h.w.t.Helper()
	h.catchesUp()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.stop()
	<-h.done
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		h.w.t.Error(h.err)
	}
	if len(h.writes) == 0 {
		h.w.t.Error("the history is empty")
	}
	for name, writes := range h.writes {
		newest := 0
		for _, entry := range writes {
			if entry.version > 0 && entry.version < newest {
				h.w.t.Errorf("Secret %s went from version %d back to %d at %s: %v", name, newest, entry.version, entry.rv, writes)
			}
			newest = max(newest, entry.version)
		}
	}
}
