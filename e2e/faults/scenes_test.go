package faults_test

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/unseal"
)

// What the controller writes for a GitSecret, as faultproxy.Request.Kind says it. A table below that lacks one of these fails against the recording of a run.
const (
	createSecret = "create secrets"
	applySecret  = "apply secrets"
	takeFields   = "json secrets"             // the fields that a create owns become those of an apply
	stripSecret  = "merge secrets"            // keys of others are removed
	askFrozen    = "merge secrets (dry run)"  // is the Secret immutable?
	rehearse     = "create secrets (dry run)" // would another one be taken?
	deleteSecret = "delete secrets"
	writeStatus  = "merge gitsecrets/status"
	writeEvent   = "create events"
)

// scene is one way to have the controller write.
type scene struct {
	name string
	// before brings an object to where the writing begins; the controller runs, and what it writes for this is not looked at.
	before func(*stage)
	// now is what the controller has to write for.
	now func(*stage)
	// writes are all requests by which it changes something for that, in order but for the events, which have a queue of their own.
	writes []string
	// kill are the indices in writes at which it is killed, before and after. Those that are the same code and the same state as in an earlier scene are left out.
	kill []int
	want want
	// then holds what else must be so in the end; nil: nothing.
	then func(*stage)
}

// stage is a world with one object's name.
type stage struct {
	*world
	name     string
	holder   seal.Holder
	versions map[int]*v1alpha1.GitSecret // what put has sealed
}

// stage is one of an object whose mark is not in the first ConfigMap: that is written without any mark, too, and made anew as often as it goes.
func (w *world) stage(name string, holder seal.Holder) *stage {
	for w.marksOf(name) == "waxwing-marks-00" {
		name += "-x"
	}
	return &stage{world: w, name: name, holder: holder}
}

// writesFor chooses what the controller writes for the stage's object.
func (s *stage) writesFor(r faultproxy.Request) bool {
	if r.Resource == "configmaps" {
		return r.Write() && r.Namespace == home && r.Name == s.marksOf(s.name)
	}
	return r.Write() && r.Namespace == s.namespace && (strings.HasPrefix(r.Name, s.name) || r.DryRun)
}

func (s *stage) object(version int, items ...string) *v1alpha1.GitSecret {
	return s.sealed(s.holder, s.name, version, items...)
}

// changed gives o with these changes.
func changed(o *v1alpha1.GitSecret, changes []func(*v1alpha1.GitSecret)) *v1alpha1.GitSecret {
	for _, c := range changes {
		c(o)
	}
	return o
}

// first makes the object at version 1 and has it opened.
func (s *stage) first(changes ...func(*v1alpha1.GitSecret)) {
	s.t.Helper()
	s.create(changed(s.object(1, "user"), changes))
	s.told(unsealed(1, "user"))
}

// told waits until a new object has converged and there is an event about it.
func (s *stage) told(want want) {
	s.t.Helper()
	s.settle(s.name, want)
	harness.Eventually(s.ctx, s.t, "that is told", func(context.Context) error {
		if s.said()[s.name] == 0 {
			return errors.New("there is no event")
		}
		return nil
	})
}

func (s *stage) foreign(annotations map[string]string) {
	s.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name, Annotations: annotations},
		Data:       map[string][]byte{"theirs": []byte("x")},
	})
}

var adopt = map[string]string{v1alpha1.AnnotationAdopt: "true"}

func frozen(o *v1alpha1.GitSecret) {
	yes := true
	o.Spec.Immutable = &yes
}

func anew(o *v1alpha1.GitSecret) { o.Spec.OnImmutable = seal.OnImmutableRecreate }

func scenes() []scene {
	first := func(s *stage) { s.first() }
	return []scene{
		{
			name:   "a new object",
			now:    func(s *stage) { s.create(s.object(1, "user")) },
			writes: []string{createSecret, writeStatus, writeEvent}, kill: []int{0, 1, 2},
			want: unsealed(1, "user"),
		}, {
			name: "a refusal",
			now: func(s *stage) {
				o := s.object(1, "user")
				o.Spec.Type = "bootstrap.kubernetes.io/token"
				s.create(o)
			},
			writes: []string{writeStatus, writeEvent}, kill: []int{0, 1},
			want: want{reason: unseal.UnsupportedType},
		}, {
			name:   "a new version",
			before: first,
			now:    func(s *stage) { s.apply(s.object(2, "user", "more")) },
			writes: []string{applySecret, takeFields, applySecret, writeStatus}, kill: []int{0, 1, 2, 3},
			want: unsealed(2, "user", "more"),
		}, {
			name: "the version after that",
			before: func(s *stage) {
				s.first()
				s.apply(s.object(2, "user", "more"))
				s.settle(s.name, unsealed(2, "user", "more"))
			},
			now:    func(s *stage) { s.apply(s.object(3, "user")) },
			writes: []string{applySecret, writeStatus},
			want:   unsealed(3, "user"),
		}, {
			name:   "a value changed by somebody",
			before: first,
			now:    func(s *stage) { s.patchSecret(s.name, `{"data":{"user":"eA=="}}`) },
			writes: []string{applySecret, takeFields, applySecret, writeStatus},
			want:   unsealed(1, "user"),
		}, {
			name:   "a key added by somebody",
			before: first,
			now:    func(s *stage) { s.patchSecret(s.name, `{"data":{"theirs":"eA=="}}`) },
			writes: []string{applySecret, takeFields, applySecret, stripSecret, writeStatus}, kill: []int{3},
			want: unsealed(1, "user"),
		}, {
			name:   "a Secret deleted by somebody",
			before: first,
			now: func(s *stage) {
				if err := s.Delete(s.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name}}); err != nil {
					s.t.Fatal(err)
				}
			},
			writes: []string{createSecret, writeStatus}, kill: []int{0, 1},
			want: unsealed(1, "user"),
		}, {
			name:   "a Secret that is taken over",
			before: func(s *stage) { s.foreign(adopt) },
			now:    func(s *stage) { s.create(s.object(1, "user")) },
			writes: []string{applySecret, stripSecret, writeStatus, writeEvent}, kill: []int{0, 1},
			want: unsealed(1, "user"),
		}, {
			name:   "a Secret that is taken over and becomes immutable",
			before: func(s *stage) { s.foreign(adopt) },
			now:    func(s *stage) { s.create(changed(s.object(1, "user"), []func(*v1alpha1.GitSecret){frozen})) },
			writes: []string{applySecret, stripSecret, applySecret, writeStatus, writeEvent}, kill: []int{0, 1, 2},
			want: unsealed(1, "user"),
			then: immutable,
		}, {
			name:   "a new object of an immutable Secret",
			now:    func(s *stage) { s.create(changed(s.object(1, "user"), []func(*v1alpha1.GitSecret){frozen})) },
			writes: []string{applySecret, writeStatus, writeEvent}, kill: []int{0},
			want: unsealed(1, "user"),
			then: immutable,
		}, {
			name: "a Secret that loses a key and becomes immutable",
			before: func(s *stage) {
				s.create(s.object(1, "user", "more"))
				s.told(unsealed(1, "user", "more"))
			},
			now:    func(s *stage) { s.apply(changed(s.object(2, "user"), []func(*v1alpha1.GitSecret){frozen})) },
			writes: []string{applySecret, takeFields, applySecret, applySecret, writeStatus}, kill: []int{1, 3},
			want: unsealed(2, "user"),
			then: immutable,
		}, {
			name:   "an immutable Secret that would have to change",
			before: func(s *stage) { s.first(frozen) },
			now:    func(s *stage) { s.apply(changed(s.object(2, "user", "more"), []func(*v1alpha1.GitSecret){frozen})) },
			writes: []string{applySecret, applySecret, writeStatus, writeEvent}, kill: []int{1, 2},
			want: want{unseal.ImmutableConflict, 1, []string{"user"}, corev1.SecretTypeOpaque},
			then: immutable,
		}, {
			name:   "an immutable Secret that is made anew",
			before: func(s *stage) { s.first(frozen, anew) },
			now: func(s *stage) {
				s.apply(changed(s.object(2, "user", "more"), []func(*v1alpha1.GitSecret){frozen, anew}))
			},
			writes: []string{applySecret, applySecret, rehearse, deleteSecret, applySecret, writeEvent, writeStatus}, kill: []int{3, 4, 6},
			want: unsealed(2, "user", "more"),
			then: immutable,
		}, {
			name:   "an immutable Secret that is made anew as one that can change",
			before: func(s *stage) { s.first(frozen, anew) },
			now: func(s *stage) {
				s.apply(changed(s.object(2, "user", "more"), []func(*v1alpha1.GitSecret){anew}))
			},
			writes: []string{applySecret, rehearse, deleteSecret, applySecret, writeEvent, writeStatus}, kill: []int{2},
			want: unsealed(2, "user", "more"),
		}, {
			name:   "another type",
			before: first,
			now: func(s *stage) {
				s.update(s.name, func(o *v1alpha1.GitSecret) { o.Spec.Type = "example.com/other" })
			},
			writes: []string{applySecret, askFrozen, rehearse, deleteSecret, applySecret, writeEvent, writeStatus}, kill: []int{1, 2, 3, 4, 5},
			want: want{unseal.Unsealed, 1, []string{"user"}, "example.com/other"},
		}, {
			name: "a Secret that is to outlive its object",
			now: func(s *stage) {
				o := s.object(1, "user")
				o.Spec.DeletionPolicy = seal.DeletionRetain
				s.create(o)
			},
			writes: []string{createSecret, writeStatus, writeEvent}, kill: []int{0},
			want: unsealed(1, "user"),
		}, {
			name:   "a Secret that is to outlive its object from now on",
			before: first,
			now: func(s *stage) {
				s.update(s.name, func(o *v1alpha1.GitSecret) { o.Spec.DeletionPolicy = seal.DeletionRetain })
			},
			writes: []string{applySecret, takeFields, applySecret, writeStatus}, kill: []int{0},
			want: unsealed(1, "user"),
		},
	}
}
