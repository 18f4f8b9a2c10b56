package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// marked gives the stored marks of the test's namespace by name. One that is damaged fails the test.
func (w *world) marked(ctx context.Context, t *testing.T) map[string]unseal.Mark {
	t.Helper()
	var all corev1.ConfigMapList
	if err := w.List(ctx, &all, client.InNamespace(home)); err != nil {
		t.Fatal(err)
	}
	marks := map[string]unseal.Mark{}
	for _, cm := range all.Items {
		for key, text := range cm.Data {
			name, ours := strings.CutPrefix(key, w.namespace+"_")
			if !ours || !strings.HasPrefix(cm.Name, "waxwing-marks-") {
				continue
			}
			m, err := unseal.ParseMark(text)
			if err != nil {
				t.Errorf("the mark of %s in %s: %v: %s", name, cm.Name, err, text)
			}
			marks[name] = m
		}
	}
	return marks
}

// allMarked waits until n objects have a stored mark of what was opened; one that was only looked at has a mark of the keys that it names.
func (w *world) allMarked(t *testing.T, n int) map[string]unseal.Mark {
	t.Helper()
	var marks map[string]unseal.Mark
	harness.Eventually(w.ctx, t, "all marks are stored", func(ctx context.Context) error {
		marks = w.marked(ctx, t)
		maps.DeleteFunc(marks, func(_ string, m unseal.Mark) bool { return m.Newest() == "" })
		if len(marks) != n {
			return fmt.Errorf("%d of %d", len(marks), n)
		}
		return nil
	})
	return marks
}

// writesOfMarks counts the writes of ConfigMaps of marks from now until the end of the test.
func (w *world) writesOfMarks(t *testing.T) func() int {
	t.Helper()
	watch, err := w.Clientset().CoreV1().ConfigMaps(home).Watch(w.ctx, metav1.ListOptions{LabelSelector: "waxwing.io/marks=true", ResourceVersion: w.version0(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watch.Stop)
	var mu sync.Mutex
	n := 0
	go func() {
		for range watch.ResultChan() {
			mu.Lock()
			n++
			mu.Unlock()
		}
	}()
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// version0 is the present version of all ConfigMaps.
func (w *world) version0(t *testing.T) string {
	t.Helper()
	var all corev1.ConfigMapList
	if err := w.List(w.ctx, &all, client.InNamespace(home)); err != nil {
		t.Fatal(err)
	}
	return all.ResourceVersion
}

// TestMarksCostFewWrites makes objects without and with a rule that hangs on marks, restarts the controller, and holds how often marks are written: in the
// background together, under the rule at most once an object, and after a restart never.
func TestMarksCostFewWrites(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	ctl := w.controllerWithLog(t, log)
	const objects, strict = 200, 40
	one := w.sealed(t, "x", "user", "password", "token")
	make1 := func(name string) {
		o := w.sealed(t, name, "user")
		w.create(t, o)
	}
	w.create(t, one)
	writes := w.writesOfMarks(t)
	for i := range objects - 1 {
		make1(fmt.Sprintf("quiet-%d", i))
	}
	marks := w.allMarked(t, objects)
	// Each of the 32 ConfigMaps is written at least once, which is nothing with 10,000 objects; what the rest costs depends on how long it takes, and is held by
	// a test of the controller. One write an object it is not.
	if n := writes(); n > objects/2 {
		t.Errorf("%d writes of marks for %d objects", n, objects)
	}
	if m := marks["x"]; len(m.Items) != 3 || m.Newest() != envelope(one) {
		t.Errorf("the mark of one object: %+v", m)
	}
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	before := writes()
	for i := range strict {
		make1(fmt.Sprintf("strict-%d", i))
	}
	w.allMarked(t, objects+strict)
	if n := writes() - before; n > strict {
		t.Errorf("%d writes of marks for %d objects under a rule that hangs on them", n, strict)
	}
	for i := range strict {
		w.seen(t, fmt.Sprintf("strict-%d", i))
	}
	ctl.Kill()
	before, versions := writes(), w.versions(t)
	w.controllerWithLog(t, log)
	make1("after")
	w.seen(t, "after")
	until(w.ctx, t, "the mark of the new one is stored", func() bool { return writes() > before })
	if n := writes() - before; n != 1 {
		t.Errorf("%d writes of marks after a restart, for one new object", n)
	}
	for name, version := range w.versions(t) {
		if name != "after" && versions[name] != version {
			t.Errorf("something was written for %s after the restart", name)
		}
	}
}

// TestAKillBetweenMarkAndSecret kills the controller again and again while it works under a rule that hangs on marks, and waits for the answer to a new Secret or to a mark. At each
// of these moments there is no Secret whose mark is not stored; and at the end every object is opened.
func TestAKillBetweenMarkAndSecret(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	var atMarks atomic.Bool
	g := w.gate(t, func(r *http.Request) bool {
		if atMarks.Load() {
			return writesMarks(r)
		}
		return w.makesSecrets(r)
	})
	behind := w.behind(t, g)
	ctl := behind.controllerWithLog(t, log)
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	// No Secret before its mark: so the Secrets are listed first.
	check := func() (secrets, marks int) {
		var list corev1.SecretList
		if err := w.List(w.ctx, &list, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		all := w.marked(w.ctx, t)
		maps.DeleteFunc(all, func(_ string, m unseal.Mark) bool { return m.Newest() == "" })
		for _, s := range list.Items {
			if _, ok := all[s.Name]; !ok {
				t.Errorf("Secret %s was written before its mark", s.Name)
			}
		}
		return len(list.Items), len(all)
	}
	var names []string
	for round := range 4 {
		secrets, marks := len(names), len(names)
		atMarks.Store(round%2 == 1)
		g.close()
		for i := range 7 {
			o := w.version(t, fmt.Sprintf("db-%d-%d", round, i), "first")
			names = append(names, o.Name)
			w.create(t, o)
		}
		until(w.ctx, t, fmt.Sprintf("it is at work in round %d", round), func() bool {
			s, m := check()
			return m > marks && (s > secrets || atMarks.Load())
		})
		ctl.Kill()
		if s, _ := check(); atMarks.Load() && s > secrets {
			t.Errorf("Secrets were written, and no answer had come to their marks")
		}
		g.open()
		ctl = behind.controllerWithLog(t, log)
		for _, name := range names {
			w.opened(t, name, "first")
			w.eventually(t, name, unseal.Unsealed)
		}
	}
	check()
	ctl.checkOutcomes(t, 8)
}

// writesMarks is the writing of a ConfigMap with marks.
func writesMarks(r *http.Request) bool {
	all := "/api/v1/namespaces/" + home + "/configmaps"
	return r.Method == http.MethodPost && r.URL.Path == all || r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, all+"/waxwing-marks-")
}

// TestTwoWritersOfMarksLoseNone runs two controllers that both work, as for a moment when a leader does not know yet that it is none any more.
func TestTwoWritersOfMarksLoseNone(t *testing.T) {
	w := newWorld(t)
	const objects = 60
	var both []*replica
	for range 2 {
		both = append(both, w.controller(t, "--leader-elect=false"))
	}
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	newest := map[string]string{}
	for i := range objects {
		o := w.version(t, fmt.Sprintf("db-%d", i), "first")
		newest[o.Name] = envelope(o)
		w.create(t, o)
	}
	for i := range objects {
		w.opened(t, fmt.Sprintf("db-%d", i), "first")
	}
	marks := w.allMarked(t, objects)
	for name, want := range newest {
		if got := marks[name].Newest(); got != want {
			t.Errorf("the mark of %s is %q, not %q", name, got, want)
		}
	}
	// What one has marked, the other refuses to go back from.
	second := w.version(t, "db-0", "second")
	old := &v1alpha1.GitSecret{}
	if err := w.Get(w.ctx, w.key("db-0"), old); err != nil {
		t.Fatal(err)
	}
	w.put(t, second)
	w.opened(t, "db-0", "second")
	w.bothRead(t, "db-0", both)
	w.put(t, old)
	w.refused(t, "db-0", unseal.RollbackDenied, "second")
}

// bothRead has controllers read the ConfigMap with an object's mark as it is now, by a mark that none of them has written, of an object that there is not. One that has not read it yet
// may be told of two changes of the object at once, and then knows nothing of the first.
func (w *world) bothRead(t *testing.T, name string, both []*replica) {
	t.Helper()
	const none = "read-by-both"
	cm := w.shardOf(t, name)
	patch, err := json.Marshal(map[string]any{"data": map[string]string{w.namespace + "_" + none: cm.Data[w.namespace+"_"+name]}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Patch(w.ctx, cm, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
	for _, ctl := range both {
		ctl.WaitForLine(t, "somebody else has changed marks.*_"+none)
	}
}

// TestMarksThatCannotBeReadOrWritten takes the right to ConfigMaps away: objects that hang on marks wait and say so, others go on, and all comes right by itself.
func TestMarksThatCannotBeReadOrWritten(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	w.put(t, w.version(t, "db", "first"))
	w.opened(t, "db", "first")
	quiet := w.Namespace(t)
	pending := func(name, says string) {
		t.Helper()
		harness.Eventually(w.ctx, t, name+" waits", func(ctx context.Context) error {
			o := &v1alpha1.GitSecret{}
			if err := w.Get(ctx, w.key(name), o); err != nil {
				return err
			}
			if b, _ := json.Marshal(o.Status); unseal.ReasonOf(o.Status) != unseal.Pending || !strings.Contains(string(b), says) {
				return errors.New(string(b))
			}
			return nil
		})
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: account}}
	give := func(verbs ...string) {
		w.update(t, role, func() {
			for i, rule := range role.Rules {
				if rule.Resources[0] == "configmaps" {
					role.Rules[i].Verbs = []string{"bind"}
				}
			}
			role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: verbs})
		})
		for _, verb := range []string{"list", "patch"} {
			w.may(t, withConfigMaps(home, account, verb), slices.Contains(verbs, verb))
		}
	}
	give("get", "list", "watch")
	w.put(t, w.version(t, "db", "second"))
	pending("db", "cannot be written, so the Secret was not")
	w.opened(t, "db", "first")
	ctl.Kill()
	give("get", "create", "patch") // the audit log's own anchor is read by get
	w.controller(t)
	pending("db", "cannot be read")
	other := w.version(t, "other", "x")
	w.put(t, other)
	pending("other", "cannot be read")
	// No keyring of this namespace has a rule that hangs on marks.
	there := *w
	there.namespace = quiet
	there.put(t, there.version(t, "db", "y"))
	there.opened(t, "db", "y")
	give("get", "list", "watch", "create", "patch")
	w.opened(t, "db", "second")
	w.opened(t, "other", "x")
	there.allMarked(t, 1)
}

// TestAFullConfigMapOfMarksMakesRoom fills the ConfigMap of an object nearly to the API server's limit with marks of objects that there are not.
func TestAFullConfigMapOfMarksMakesRoom(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	w.put(t, w.version(t, "db", "first"))
	w.opened(t, "db", "first")
	cm := w.shardOf(t, "db")
	data := map[string]any{}
	for key := range cm.Data {
		if !strings.HasPrefix(key, w.namespace+"_") {
			data[key] = nil // of tests before, some of them long enough for the API server to refuse the rest
		}
	}
	for i := range 4100 { // of 245 bytes: more than the controller lets be, and less than the API server takes
		id := fmt.Sprintf("01%024d", i)
		data[fmt.Sprintf("%s_gone-%d", w.namespace, i)] = "1 " + id + "=" + strings.Repeat("a", 40) + "," + strings.Repeat("b", 40) + "," + strings.Repeat("c", 40) + "," + strings.Repeat("d", 40)
	}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Patch(w.ctx, cm, client.RawPatch(types.MergePatchType, body)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		clean := map[string]any{}
		for key := range data {
			clean[key] = nil
		}
		body, _ := json.Marshal(map[string]any{"data": clean})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own context has ended
		defer cancel()
		if err := w.Patch(ctx, cm, client.RawPatch(types.MergePatchType, body)); err != nil {
			t.Error(err)
		}
	})
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	second := w.version(t, "db", "second")
	w.put(t, second)
	w.opened(t, "db", "second")
	cm = w.shardOf(t, "db")
	if _, oldest := cm.Data[w.namespace+"_gone-0"]; oldest || len(cm.Data) < 3000 {
		t.Errorf("%d marks are left, the oldest among them: %v", len(cm.Data), oldest)
	}
	if m := w.marked(w.ctx, t)["db"]; m.Newest() != envelope(second) {
		t.Errorf("the object's own mark: %+v", m)
	}
}

// TestObjectsBeforeMarksGetTheirs is an installation from before marks, or one that has lost some: unchanged objects are marked as they stand, and nothing is opened
// for it.
func TestObjectsBeforeMarksGetTheirs(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	ctl := w.controllerWithLog(t, log)
	first, second := w.version(t, "db", "first"), w.version(t, "db", "second")
	w.put(t, second)
	w.opened(t, "db", "second")
	w.seen(t, "db")
	w.shardOf(t, "db")
	ctl.Kill()
	w.mark(t, "db", "null")
	ctl = w.controllerWithLog(t, log)
	if m := w.allMarked(t, 1)["db"]; m.Newest() != envelope(second) {
		t.Errorf("the mark: %+v", m)
	}
	if n := ctl.intents(t, "db"); n != 1 {
		t.Errorf("it was opened %d times", n)
	}
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	w.put(t, first)
	w.refused(t, "db", unseal.RollbackDenied, "second")
}

// TestAChangeThatTheSecretDidNotTakeCanBeReverted holds that a version whose write is refused for certain, because the Secret is immutable, is none that going
// back from is denied.
func TestAChangeThatTheSecretDidNotTakeCanBeReverted(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	yes := true
	first, second := w.version(t, "db", "first"), w.version(t, "db", "second")
	first.Spec.Immutable, second.Spec.Immutable = &yes, &yes
	w.put(t, first)
	w.opened(t, "db", "first")
	w.put(t, second)
	w.refused(t, "db", unseal.ImmutableConflict, "first")
	w.put(t, first)
	w.eventually(t, "db", unseal.Unsealed)
	w.opened(t, "db", "first")
}

// TestObjectsShareTheWriteOfTheirMarks holds that objects that wait for the same ConfigMap at a time are written together.
func TestObjectsShareTheWriteOfTheirMarks(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	ctl := w.controllerWithLog(t, log)
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	const objects = 80
	var sealed []*v1alpha1.GitSecret
	for i := 0; len(sealed) < objects; i++ {
		// All in one ConfigMap, so that they meet there.
		name, h := fmt.Sprintf("db-%d", i), fnv.New32a()
		if h.Write([]byte(w.namespace + "_" + name)); h.Sum32()%32 == 7 {
			sealed = append(sealed, w.version(t, name, "first"))
		}
	}
	ctl.Kill()
	for _, o := range sealed {
		w.create(t, o)
	}
	writes := w.writesOfMarks(t)
	w.controllerWithLog(t, log, "--workers", "64", "--leader-elect=false")
	w.allMarked(t, objects)
	n := writes()
	if cm := w.shardOf(t, sealed[0].Name); cm.Name != "waxwing-marks-07" {
		t.Errorf("the marks are in %s", cm.Name)
	}
	t.Logf("%d writes of marks for %d objects", n, objects)
	if n > objects/2 {
		t.Errorf("%d writes of marks for %d objects", n, objects)
	}
}
