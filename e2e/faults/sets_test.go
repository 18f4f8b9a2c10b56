package faults_test

import (
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// sets are all recipient sets that were to be seen, by number.
type sets struct {
	w    *world
	stop []func()
	done sync.WaitGroup

	mu    sync.Mutex
	text  map[uint64]string
	ended bool
	errs  []error
}

// recordSets begins to watch the statement key's Secret and the ConfigMap of the recipients: every set that was ever signed or published is in one of their versions.
func (w *world) recordSets() *sets {
	w.t.Helper()
	s := &sets{w: w, text: map[uint64]string{}}
	ofSecrets, ofConfigMaps := whereSetsAre()
	secrets, configMaps := s.list(ofSecrets, ofConfigMaps)
	// A watch from no version begins with what the API server has in its cache, where a keyring that was just wiped may still be, with a set 1 of its own.
	ofSecrets.ResourceVersion, ofConfigMaps.ResourceVersion = secrets, configMaps
	secretsWatch, err1 := w.Clientset().CoreV1().Secrets(home).Watch(w.ctx, ofSecrets)
	configMapsWatch, err2 := w.Clientset().CoreV1().ConfigMaps(home).Watch(w.ctx, ofConfigMaps)
	if err := errors.Join(err1, err2); err != nil {
		w.t.Fatal(err)
	}
	for _, watcher := range []watch.Interface{secretsWatch, configMapsWatch} {
		s.stop = append(s.stop, watcher.Stop)
		s.done.Go(func() {
			for e := range watcher.ResultChan() {
				s.see(e.Object)
			}
		})
	}
	return s
}

// whereSetsAre chooses the statement key's Secret and the ConfigMap of the recipients.
func whereSetsAre() (ofSecrets, ofConfigMaps metav1.ListOptions) {
	return metav1.ListOptions{LabelSelector: secretsource.LabelKeyring + "=default"}, metav1.ListOptions{FieldSelector: "metadata.name=waxwing-recipients-default"}
}

// list sees what is there now, and says as of which versions.
func (s *sets) list(ofSecrets, ofConfigMaps metav1.ListOptions) (secrets, configMaps string) {
	s.w.t.Helper()
	allSecrets, err1 := s.w.Clientset().CoreV1().Secrets(home).List(s.w.ctx, ofSecrets)
	allConfigMaps, err2 := s.w.Clientset().CoreV1().ConfigMaps(home).List(s.w.ctx, ofConfigMaps)
	if err := errors.Join(err1, err2); err != nil {
		s.w.t.Fatal(err)
	}
	for i := range allSecrets.Items {
		s.see(&allSecrets.Items[i])
	}
	for i := range allConfigMaps.Items {
		s.see(&allConfigMaps.Items[i])
	}
	return allSecrets.ResourceVersion, allConfigMaps.ResourceVersion
}

// see takes the sets out of an object; what is none of the two kinds ends a watch.
func (s *sets) see(object runtime.Object) {
	switch o := object.(type) {
	case *corev1.Secret:
		for _, b := range o.Data {
			s.note(b)
		}
	case *corev1.ConfigMap:
		for _, text := range o.Data {
			s.note([]byte(text))
		}
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			s.errs = append(s.errs, fmt.Errorf("the watch of recipient sets ended: %+v", object))
		}
	}
}

func (s *sets) note(signed []byte) {
	set, err := statement.ReadRecipients(signed)
	if err != nil {
		return // something else
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.text[set.Set]; ok && before != set.Text() {
		s.errs = append(s.errs, fmt.Errorf("two sets have the number %d:\n%s\n%s", set.Set, before, set.Text()))
	}
	s.text[set.Set] = set.Text()
}

// check ends the record and holds that there were n sets at least, and never two under one number.
func (s *sets) check(n int) {
	s.w.t.Helper()
	s.list(whereSetsAre()) // what the watches have not brought yet
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	for _, stop := range s.stop {
		stop()
	}
	s.done.Wait()
	for _, err := range s.errs {
		s.w.t.Error(err)
	}
	if len(s.text) < n {
		s.w.t.Errorf("%d recipient sets were seen, not %d", len(s.text), n)
	}
}
