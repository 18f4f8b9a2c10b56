package faults_test

import (
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// What the controller writes to remember what it has opened.
const (
	makeMarks  = "create configmaps"
	storeMarks = "merge configmaps"
)

// ofMarks chooses what is written of the ConfigMaps of marks.
func ofMarks(r faultproxy.Request) bool {
	return r.Write() && r.Resource == "configmaps" && strings.HasPrefix(r.Name, "waxwing-marks-")
}

// marksRest waits until the controller has written no marks for more than two of its turns, which are five seconds apart: all that it has noted is stored then.
func (p *pod) marksRest() {
	p.w.t.Helper()
	began := time.Now()
	harness.Eventually(p.w.ctx, p.w.t, "marks are at rest", func(context.Context) error {
		last := began
		for _, r := range p.proxy.Records(ofMarks) {
			if r.At.After(last) {
				last = r.At
			}
		}
		if rest := time.Since(last); rest < 11*time.Second {
			return fmt.Errorf("the last were written %s ago", rest)
		}
		return nil
	})
}

// marksRest has the marks at rest, without the ConfigMap of the stage's object: an object that is going elsewhere may have had it made anew.
func (s *stage) marksRest(p *pod, without bool) {
	s.t.Helper()
	for tries := 1; ; tries++ {
		if without {
			s.withoutMarks(p)
		}
		p.marksRest()
		err := s.Get(s.ctx, client.ObjectKey{Namespace: home, Name: s.marksOf(s.name)}, &corev1.ConfigMap{})
		switch {
		case !without || apierrors.IsNotFound(err):
			return
		case err != nil:
			s.t.Fatal(err)
		case tries == 5:
			s.t.Fatalf("%s is made anew each time", s.marksOf(s.name))
		}
	}
}

// rule makes a Keyring whose rules hold in the test's namespace besides those of the default one, which opens the objects, and waits until the controller has it.
func (w *world) rule(change func(*v1alpha1.KeyringSpec)) {
	w.t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "rule-" + w.namespace[len(w.namespace)-5:]}}
	kr.Spec.Source.Secret = &v1alpha1.SecretSource{}
	kr.Spec.Namespaces = []string{w.namespace}
	change(&kr.Spec)
	w.create(kr)
	w.t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx := context.Background()
		err := errors.Join(w.Delete(ctx, kr), w.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: kr.Name}))
		if err != nil {
			w.t.Error(err)
		}
	})
	harness.Eventually(w.ctx, w.t, "the controller knows the rules", func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(kr), kr); err != nil {
			return err
		}
		if kr.Status.ObservedGeneration != kr.Generation || kr.Status.ActiveKey == "" {
			return fmt.Errorf("generation %d, status %+v", kr.Generation, kr.Status)
		}
		return nil
	})
}

func deny(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny }

// signer is who may sign.
func signer(t *testing.T) (ssh.Signer, v1alpha1.Signer) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, v1alpha1.Signer{Name: "alice", Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))}
}

func (w *world) signed(o *v1alpha1.GitSecret, by ssh.Signer) *v1alpha1.GitSecret {
	w.t.Helper()
	checked, err := seal.Check(&o.Spec)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := checked.Sign(o.Annotations, by, crand.Reader); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// marksOf names the ConfigMap with an object's mark: it must stay where it was found before.
func (w *world) marksOf(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(w.namespace + "_" + name)) // never fails
	return fmt.Sprintf("waxwing-marks-%02d", h.Sum32()%32)
}

// marked says whether the stored mark of an object has this envelope as its newest.
func (w *world) marked(ctx context.Context, name, envelope string) error {
	cm := &corev1.ConfigMap{}
	if err := w.Get(ctx, types.NamespacedName{Namespace: home, Name: w.marksOf(name)}, cm); err != nil {
		return err
	}
	text, ok := cm.Data[w.namespace+"_"+name]
	if !ok {
		return errors.New("there is no mark")
	}
	mark, err := unseal.ParseMark(text)
	if err != nil {
		return harness.Permanent(err)
	}
	if mark.Newest() != envelope {
		return fmt.Errorf("the mark says %s, not %s", text, envelope)
	}
	return nil
}

// holdsMark holds that the mark is stored already.
func (w *world) holdsMark(name, envelope string) {
	w.t.Helper()
	if err := w.marked(w.ctx, name, envelope); err != nil {
		w.t.Errorf("the mark of %s: %v", name, err)
	}
}

// newest is the newest envelope of an object.
func newest(o *v1alpha1.GitSecret) string {
	newest := ""
	for id := range o.Spec.Envelopes {
		newest = max(newest, id)
	}
	return newest
}

// other is a name whose mark is in the same ConfigMap as the stage's object's, or is not.
func (s *stage) other(same bool) *stage {
	for i := 0; ; i++ {
		o := &stage{world: s.world, name: fmt.Sprintf("other-%d-%s", i, s.name), holder: s.holder}
		if (s.marksOf(o.name) == s.marksOf(s.name)) == same {
			return o
		}
	}
}

// withoutMarks starts the controller anew where there are no objects and the ConfigMap of the stage's object is not there.
func (s *stage) withoutMarks(p *pod) {
	s.t.Helper()
	p.kill()
	p.dies("it is started anew")
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: s.marksOf(s.name)}}
	err := errors.Join(s.DeleteAllOf(s.ctx, &v1alpha1.GitSecret{}, client.InNamespace(s.namespace)), client.IgnoreNotFound(s.Delete(s.ctx, cm)))
	if err != nil {
		s.t.Fatal(err)
	}
	p.ready()
}

// marksScenes are those in which something hangs on what was opened before. The names of envelopes are in the order in which they were sealed.
func marksScenes(p *pod, alice ssh.Signer) []scene {
	sign := func(s *stage) func(*v1alpha1.GitSecret) { return func(o *v1alpha1.GitSecret) { s.signed(o, alice) } }
	sameFirst := func(s *stage) { s.other(true).first() }
	return []scene{
		{
			name:   "the first mark of a ConfigMap",
			before: func(s *stage) { s.withoutMarks(p); s.other(false).first() },
			now:    func(s *stage) { s.put(1) },
			writes: []string{makeMarks, createSecret, writeStatus, writeEvent}, kill: []int{0, 1},
			want: unsealed(1, "user"),
			then: func(s *stage) { s.holdsMark(s.name, newest(s.versions[1])) },
		}, {
			name:   "a new object",
			before: sameFirst,
			now:    func(s *stage) { s.put(1) },
			writes: []string{storeMarks, createSecret, writeStatus, writeEvent}, kill: []int{0, 1},
			want: unsealed(1, "user"),
			then: func(s *stage) { s.holdsMark(s.name, newest(s.versions[1])) },
		}, {
			name:   "a new version, and back",
			before: func(s *stage) { s.put(1); s.told(unsealed(1, "user")) },
			now:    func(s *stage) { s.put(2) },
			writes: []string{storeMarks, applySecret, takeFields, applySecret, writeStatus}, kill: []int{0, 1, 3},
			want: unsealed(2, "user"),
			then: func(s *stage) {
				s.holdsMark(s.name, newest(s.versions[2]))
				s.put(1)
				s.settle(s.name, want{unseal.RollbackDenied, 2, []string{"user"}, corev1.SecretTypeOpaque})
			},
		}, {
			name:   "a signed object, and an unsigned one",
			before: sameFirst,
			now:    func(s *stage) { s.put(1, sign(s)) },
			writes: []string{storeMarks, createSecret, writeStatus, writeEvent}, kill: []int{0, 1},
			want: unsealed(1, "user"),
			then: func(s *stage) {
				s.put(2)
				s.settle(s.name, want{unseal.PolicyDenied, 1, []string{"user"}, corev1.SecretTypeOpaque})
			},
		}, {
			name: "going back by a signed annotation, which counts once",
			before: func(s *stage) {
				s.put(1)
				s.told(unsealed(1, "user"))
				s.put(2)
				s.settle(s.name, unsealed(2, "user"))
			},
			now: func(s *stage) {
				s.versions[1].Annotations = map[string]string{v1alpha1.AnnotationRollbackFrom: newest(s.versions[2])}
				s.signed(s.versions[1], alice)
				s.signed(s.versions[2], alice)
				s.put(1)
			},
			writes: []string{storeMarks, applySecret, writeStatus, writeEvent}, kill: []int{0, 1},
			want: unsealed(1, "user"),
			then: func(s *stage) {
				s.put(2)
				s.settle(s.name, unsealed(2, "user"))
				s.put(1)
				s.settle(s.name, want{unseal.RollbackDenied, 2, []string{"user"}, corev1.SecretTypeOpaque})
			},
		},
	}
}

// put makes the object what it is in a version, which is sealed only once.
func (s *stage) put(version int, changes ...func(*v1alpha1.GitSecret)) {
	s.t.Helper()
	if s.versions[version] == nil {
		if s.versions == nil {
			s.versions = map[int]*v1alpha1.GitSecret{}
		}
		s.versions[version] = changed(s.object(version, "user"), changes)
	}
	s.apply(s.versions[version])
}

// TestKilledAtTheWritesOfMarks is TestKilledAtEveryWrite where something hangs on marks: they are stored before the Secret is written.
func TestKilledAtTheWritesOfMarks(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	alice, listed := signer(t)
	w.rule(func(s *v1alpha1.KeyringSpec) {
		s.Rollback, s.Signers = v1alpha1.RollbackDeny, []v1alpha1.Signer{listed}
	})
	everyKindIsHit(t, append(scenes(), marksScenes(p, alice)...))
	p.playAll(t, marksScenes(p, alice), func(name string) *stage { return w.stage(name, w.holder()) })
}

// TestAVersionThatIsTakenBackAfterAKill kills the controller between a mark and its Secret and puts the version before it, or an unsigned one, back while nothing
// runs: the version of which only the mark tells counts.
func TestAVersionThatIsTakenBackAfterAKill(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	alice, listed := signer(t)
	w.rule(func(s *v1alpha1.KeyringSpec) {
		s.Rollback, s.Signers = v1alpha1.RollbackDeny, []v1alpha1.Signer{listed}
	})
	for name, c := range map[string]struct {
		kind   string
		after  bool
		signed bool
		want   want
	}{
		"after-mark":         {storeMarks, true, false, want{unseal.RollbackDenied, 1, []string{"user"}, corev1.SecretTypeOpaque}},
		"before-secret":      {applySecret, false, false, want{unseal.RollbackDenied, 1, []string{"user"}, corev1.SecretTypeOpaque}},
		"signed-after-mark":  {storeMarks, true, true, want{unseal.PolicyDenied, 1, []string{"user"}, corev1.SecretTypeOpaque}},
		"before-mark":        {storeMarks, false, false, unsealed(1, "user")},
		"signed-before-mark": {storeMarks, false, true, unsealed(1, "user")},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t)
			s := w.stage(name, w.holder())
			s.put(1)
			s.settle(s.name, unsealed(1, "user"))
			fault := p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return s.writesFor(r) && r.Kind() == c.kind }, 0, c.after))
			defer fault.Remove()
			if c.signed {
				s.put(2, func(o *v1alpha1.GitSecret) { s.signed(o, alice) })
			} else {
				s.put(2)
			}
			p.dies("killed at " + c.kind)
			if c.signed {
				// Newer than the signed one: only that it is not signed speaks against it.
				s.versions[1] = s.object(1, "user")
			}
			s.put(1)
			p.start()
			s.settle(s.name, c.want)
			s.put(3, func(o *v1alpha1.GitSecret) { s.signed(o, alice) })
			s.settle(s.name, unsealed(3, "user"))
			s.holdsMark(s.name, newest(s.versions[3]))
		})
	}
	w.in(t)
}

// TestKilledAtMarksInTheBackground kills the controller at the write of marks that nothing waits for, which it makes at its end too. They are stored all the same,
// because objects that are as they were opened are marked again.
func TestKilledAtMarksInTheBackground(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	one := w.stage("one", holder)
	for _, c := range []struct {
		of    *stage
		kind  string
		after bool
	}{
		{one, makeMarks, false},
		{one.other(true), storeMarks, false}, // of the ConfigMap that is there now
		{one.other(true).other(true), storeMarks, true},
		{w.stage("two", holder), makeMarks, true},
	} {
		side := map[bool]string{false: "before", true: "after"}[c.after]
		t.Run("killed "+side+" "+c.kind, func(t *testing.T) {
			w.in(t)
			s := c.of
			s.marksRest(p, c.kind == makeMarks) // at its end it has no others to write first
			process, err := os.FindProcess(p.running().PID())
			if err != nil {
				t.Fatal(err)
			}
			defer process.Release()
			fault := p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return r.Kind() == c.kind && r.Name == w.marksOf(s.name) }, 0, c.after))
			defer fault.Remove()
			s.put(1)
			told := false
			harness.Eventually(w.ctx, t, s.name+" has converged, or the controller is gone", func(ctx context.Context) error {
				err := w.converged(ctx, s.name, unsealed(1, "user"))
				told = err == nil
				if !p.running().Running() {
					return nil // its turn came before the status, and nobody starts it again
				}
				return err
			})
			if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) { // killed at its next turn
				t.Fatal(err)
			}
			p.dies("killed at " + c.kind)
			if fault.Hits() != 1 {
				t.Fatal("it was not killed at that write")
			}
			if err := w.marked(w.ctx, s.name, newest(s.versions[1])); (err == nil) != c.after {
				t.Errorf("right after the kill: %v", err)
			}
			opened := p.intents(s.name)
			p.start()
			harness.Eventually(w.ctx, t, "the mark is stored", func(ctx context.Context) error { return w.marked(ctx, s.name, newest(s.versions[1])) })
			s.settle(s.name, unsealed(1, "user"))
			// Without the status nobody knew that it was opened.
			if n := p.intents(s.name) - opened; n != 0 && told || n > 1 {
				t.Errorf("opened %d times for that; its status was written: %v", n, told)
			}
		})
	}
	w.in(t)
}
