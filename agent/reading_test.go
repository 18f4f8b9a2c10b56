package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// TestACommitIsReadForAWhileOnly has the files of a commit take for ever: the worker is given back, the status says why, what was there stays, and what has been read is not read again.
func TestACommitIsReadForAWhileOnly(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
	w.look()
	w.push(map[string]string{"b.json": "", "c.json": w.sealed("c")})
	st := w.memory.known(w.key)
	stuck := &stuckReader{reader: st.reader, stuck: true}
	st.reader, w.patience = stuck, 2*time.Second
	o := w.due()
	w.ready(o, string(source.TimedOut), "it took longer than 2s", "goes on from there")
	same(t, "in the cluster", w.hands.there(), "a", "b")
	if o = w.due(); o.Status.Pruning != nil && o.Status.Pruning.Held == "" {
		t.Errorf("something is to be deleted: %+v", o.Status.Pruning)
	}
	same(t, "deleted", w.hands.deleted)
	stuck.stuck, w.patience = false, 0
	w.ready(w.due(), Synced)
	same(t, "in the cluster", w.hands.there(), "a", "b", "c")
}

// stuckReader is a reader that reads until its context ends, while it is stuck.
type stuckReader struct {
	reader
	stuck bool
}

func (s *stuckReader) Read(ctx context.Context, folder string, files []source.File, read blobs) (*desired.Set, error) {
	if s.stuck {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.reader.Read(ctx, folder, files, read)
}

// TestTheWorstOfManyRefusalsAreShown has more refusals than a status lists: what holds something up is among those that it does, and all are counted.
func TestTheWorstOfManyRefusalsAreShown(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{
		"a.json": w.sealed("a"), "y.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: y, namespace: prod}\n", "z.yaml": broken,
	}
	for i := range 2 * maxRefused {
		files[fmt.Sprintf("b%03d.yaml", i)] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
	}
	w.push(files)
	w.look()
	o := w.object()
	if o.Status.Refusals != 2*maxRefused+2 || len(o.Status.Refused) != maxRefused {
		t.Fatalf("%d are listed of %d", len(o.Status.Refused), o.Status.Refusals)
	}
	var first []string
	for _, r := range o.Status.Refused[:3] {
		first = append(first, r.Path)
	}
	same(t, "the first", first, "z.yaml", "y.yaml", "b000.yaml")
	c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionRefused)
	if c == nil || !strings.Contains(c.Message, "102 are not taken") || !strings.Contains(c.Message, "the first: z.yaml") {
		t.Errorf("the condition is %+v", c)
	}
}
