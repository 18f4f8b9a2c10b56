package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// noted are the names of the intents.
type noted [][]string

func (n *noted) Intent(_ context.Context, _ audit.Action, objects []types.NamespacedName) (string, error) {
	var names []string
	for _, key := range objects {
		names = append(names, key.String())
	}
	*n = append(*n, names)
	return fmt.Sprint(len(*n)), nil
}

func (*noted) Outcome(context.Context, string, []sync.Result) error { return nil }

// unreadable has no manifest.
type unreadable struct{}

func (unreadable) Manifest(context.Context, desired.Object) (*v1alpha1.GitSecret, error) {
	return nil, errors.New("no")
}

// TestNoNameIsTooLongForARecord holds that the intents name every object, however long Git has made the names: a record of more than 64 KiB loses some.
func TestNoNameIsTooLongForARecord(t *testing.T) {
	for name, c := range map[string]struct{ length, objects, intents int }{
		"short": {20, 600, 3},
		"long":  {253, 600, 5},
	} {
		var plan sync.Plan
		var want []string
		for i := range c.objects {
			key := types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: fmt.Sprintf("%0*d", c.length, i)}
			plan.Apply = append(plan.Apply, sync.Apply{Object: desired.Object{Key: key}, Why: sync.New})
			want = append(want, key.String())
		}
		got := &noted{}
		a := sync.Actor{Manifests: unreadable{}, Records: got, Memory: &sync.Memory{}, Workers: 4, Now: time.Now}
		if results, err := a.Carry(t.Context(), plan); err != nil || len(results) != c.objects {
			t.Fatalf("%s: %d results, %v", name, len(results), err)
		}
		if len(*got) != c.intents || !slices.Equal(slices.Concat(*got...), want) {
			t.Errorf("%s: %d intents", name, len(*got))
		}
		for _, names := range *got {
			if size := len(strings.Join(names, `","`)); size > 48<<10 || len(names) > 256 {
				t.Errorf("%s: an intent names %d objects in %d bytes", name, len(names), size)
			}
		}
	}
}
