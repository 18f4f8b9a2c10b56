package agentsync_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/hostile"
)

// rightsInProd are those of the account in the namespace that the hostile repositories write to.
const rightsInProd = `
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: waxwing-sync, namespace: prod}
rules: [{apiGroups: [waxwing.io], resources: [gitsecrets], verbs: [get, create, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: waxwing-sync, namespace: prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: waxwing-sync}
subjects: [{kind: ServiceAccount, name: waxwing-sync, namespace: %[1]s}]
`

// siege is a whole world whose agent follows a history of hostile commits.
type siege struct {
	*whole
	history *hostile.History
	pid     int
	peak    int // MiB
}

// TestHostileCommitsThroughTheWholeAgent has one process of the agent take all of them, one after the other. Git lacks two objects of the inventory for longer than a second fetch has
// to be away, so that each commit would have them deleted at once, if anything but what has to hold it up did not.
func TestHostileCommitsThroughTheWholeAgent(t *testing.T) {
	var holding, certain, elsewhere []hostile.Case
	for _, c := range hostile.Cases() {
		switch {
		case !c.Usual():
		case c.Folder != "": // the spec changes for it, and with another spec all that waits to be deleted waits anew
			elsewhere = append(elsewhere, c)
		case c.Holds():
			holding = append(holding, c)
		default:
			certain = append(certain, c)
		}
	}
	if len(holding) < 50 || len(certain) < 10 {
		t.Fatalf("only %d and %d cases", len(holding), len(certain))
	}
	s := newSiege(t)
	first := s.lose(holding[0])
	for _, c := range holding {
		o := s.attack(c)
		if o.Status.Pruning == nil || o.Status.Pruning.Held == "" {
			t.Errorf("%s: nothing would be deleted, so nothing is shown by it: %+v", c.Name, o.Status.Pruning)
		}
		if got := s.uids("good", "victim", "gone"); !maps.Equal(got, first) {
			t.Fatalf("%s: wrongly deleted: there are %v, and were %v", c.Name, got, first)
		}
	}
	// That it was only for that is shown by a commit that is well: what it lacks goes at once.
	s.history.Lose(t)
	s.ask("")
	if got := s.uids("gone"); got["gone"] != "" {
		t.Errorf("what Git has lacked for long is not deleted by the first commit that is whole: %v", got)
	}
	for _, c := range slices.Concat(certain, elsewhere) {
		s.attack(c)
		if got := s.uids("good"); got["good"] != first["good"] {
			t.Fatalf("%s: wrongly deleted: good is %q, and was %q", c.Name, got["good"], first["good"])
		}
	}
	t.Logf("%d cases; the process took %d MiB at most", len(holding)+len(certain)+len(elsewhere), s.peak)
	s.stop()
	if out := s.agent.Output(); strings.Contains(out, "canary-not-a-secret") || strings.Contains(out, "panic") {
		t.Error("what the agent says has a value, or a panic")
	}
}

// newSiege is a siege whose agent has applied good, victim and gone.
func newSiege(t *testing.T) *siege {
	t.Helper()
	h := hostile.StartHistory(t)
	all := int32(100)
	s := &siege{history: h, whole: newWhole(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Source.URL, o.Spec.Source.Credentials = h.URL, ""
		o.Spec.Prune = &v1alpha1.SyncPrune{MaxPercent: &all}
		o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush} // nothing is due, but all files are looked into
	})}
	s.ApplyYAML(t, "", fmt.Sprintf(rightsInProd, s.team))
	first := h.Begin(t)
	s.start()
	s.pid = s.agent.PID()
	if err := s.Create(t.Context(), s.sync); err != nil {
		t.Fatal(err)
	}
	s.synced(first)
	return s
}

// lose has Git lack victim and gone, has that be held up by a hostile commit at once, and waits until they could have been deleted. It gives the objects that there are.
func (s *siege) lose(c hostile.Case) map[string]types.UID {
	s.Helper()
	before := s.uids("good", "victim", "gone")
	s.history.Lose(s.T)
	o := s.ask("")
	s.attack(c)
	if o.Status.Pruning == nil || o.Status.Pruning.Count != 2 || o.Status.Pruning.Since == nil || before["gone"] == "" {
		s.Fatalf("two of %v should be to be deleted: %+v", before, o.Status.Pruning)
	}
	s.eventually("they could be deleted", func(context.Context) error {
		if ago := time.Since(o.Status.Pruning.Since.Time); ago < sync.Settle+2*time.Second {
			return fmt.Errorf("Git lacks them since %s", ago)
		}
		return nil
	})
	return before
}

// ask has the repository be asked, in a folder, and gives the status after that.
func (s *siege) ask(folder string) *v1alpha1.SecretSync {
	s.Helper()
	at := time.Now().Format(time.RFC3339Nano)
	s.eventually("it is asked for a look", func(ctx context.Context) error {
		o := &v1alpha1.SecretSync{}
		if err := s.Get(ctx, client.ObjectKeyFromObject(s.sync), o); err != nil {
			return err
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[v1alpha1.AnnotationSyncNow], o.Spec.Source.Path = at, folder
		return s.Update(ctx, o)
	})
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute) // a repository may take a while
	defer cancel()
	o := &v1alpha1.SecretSync{}
	harness.Eventually(ctx, s.T, "the look is done", func(ctx context.Context) error {
		if !s.agent.Running() {
			return harness.Permanent(fmt.Errorf("the agent has ended: %s", s.agent.State()))
		}
		err := s.Get(ctx, client.ObjectKeyFromObject(s.sync), o)
		if err == nil && (o.Status.LastHandledSyncAt != at || o.Status.ObservedGeneration != o.Generation) {
			err = errors.New("not yet")
		}
		return err
	})
	return o
}

// attack has the agent take the hostile commit of a case, and holds what its status says, and that it lives, within its memory.
func (s *siege) attack(c hostile.Case) *v1alpha1.SecretSync {
	s.Helper()
	s.history.Attack(s.T, c)
	o := s.ask(c.Folder)
	s.settles(c, o)
	ready := readyOf(o)
	var found []string
	for _, r := range o.Status.Refused {
		found = append(found, fmt.Sprintf("%s %d %s", r.Path, r.Document, r.Reason))
		if r.Path == "" || r.Reason == "" || r.Message == "" || strings.Contains(r.Message, "canary") {
			s.Errorf("%s: a refusal does not say what is refused, and why: %+v", c.Name, r)
		}
	}
	switch {
	case c.Fetch != "":
		if ready.Reason != string(c.Fetch) || !strings.Contains(ready.Message, c.Says) || ready.Message == "" {
			s.Errorf("%s: Ready says %s: %s, and should say %s: %q", c.Name, ready.Reason, ready.Message, c.Fetch, c.Says)
		}
	case ready.Reason == "PathNotFound" && c.Folder != "":
		if len(c.Refused) != 1 || !strings.HasSuffix(c.Refused[0], "PathNotFound?") {
			s.Errorf("%s: Ready says %s: %s", c.Name, ready.Reason, ready.Message)
		}
	default:
		s.taken(c, o, found)
		if ready.Reason != "Synced" {
			s.Errorf("%s: Ready says %s: %s", c.Name, ready.Reason, ready.Message)
		}
	}
	s.lives(c)
	return o
}

// settles waits while the status says that it is not done yet: on a busy machine some take several tries, a minute each.
func (s *siege) settles(c hostile.Case, o *v1alpha1.SecretSync) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
	defer cancel()
	harness.Eventually(ctx, s.T, c.Name+": it is read to its end", func(ctx context.Context) error {
		if reason := readyOf(o).Reason; reason == "TimedOut" || reason == "Progressing" {
			return errors.Join(errors.New(reason), s.Get(ctx, client.ObjectKeyFromObject(s.sync), o))
		}
		return nil
	})
}

func readyOf(o *v1alpha1.SecretSync) metav1.Condition {
	if c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// taken holds what is refused, and what is applied, of a commit that is taken.
func (s *siege) taken(c hostile.Case, o *v1alpha1.SecretSync, found []string) {
	s.Helper()
	var want []string
	for _, r := range c.Refused {
		want = append(want, strings.TrimSuffix(r, "?"))
	}
	slices.Sort(found)
	slices.Sort(want)
	if c.More {
		if len(found) != 50 && int64(len(found)) != o.Status.Refusals || o.Status.Refusals < int64(len(want)) {
			s.Errorf("%s: %d refusals are listed of %d", c.Name, len(found), o.Status.Refusals)
		}
	} else if !slices.Equal(found, want) || o.Status.Refusals != int64(len(want)) {
		s.Errorf("%s: refused: %q, should be %q", c.Name, found, want)
	}
	for name, uid := range s.uids(c.Applied...) {
		if uid == "" {
			s.Errorf("%s: %s is not applied", c.Name, name)
		}
	}
}

// lives holds that the agent is the process that it was, and how much memory it has taken.
func (s *siege) lives(c hostile.Case) {
	s.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil || !s.agent.Running() || s.agent.PID() != s.pid {
		s.Fatalf("%s: the agent is %s (%v)", c.Name, s.agent.State(), err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		s.Fatal("/proc does not say how much memory it has taken")
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		s.Fatal(err)
	}
	if mib := kib >> 10; mib > s.peak {
		s.Logf("%s: %d MiB", c.Name, mib)
		if s.peak = mib; mib > hostile.MaxMemory>>20 {
			s.Errorf("%s: the process took %d MiB", c.Name, mib)
		}
	}
}

// uids are those of objects of namespace prod; empty: it is not there.
func (s *siege) uids(names ...string) map[string]types.UID {
	s.Helper()
	all := map[string]types.UID{}
	for _, name := range names {
		o := &v1alpha1.GitSecret{}
		if err := s.Get(s.Context(), types.NamespacedName{Namespace: "prod", Name: name}, o); client.IgnoreNotFound(err) != nil {
			s.Fatal(err)
		}
		all[name] = o.UID
		if o.DeletionTimestamp != nil {
			all[name] = ""
		}
	}
	return all
}
