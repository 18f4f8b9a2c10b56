package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestLargestObjectsFit holds that the API server's own budget for validation rules lets the largest objects of the format pass, and that they open.
func TestLargestObjectsFit(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	many, long := map[string]string{}, map[string]string{}
	for i := range seal.MaxItems {
		many[fmt.Sprintf("item-%d", i)] = "x"
	}
	for i := range 2000 {
		long[fmt.Sprintf("%04d-%s", i, strings.Repeat("n", 248))] = "x"
	}
	for name, items := range map[string]map[string]string{
		"items": many,
		"names": long,
		"value": {"large": strings.Repeat("x", 980<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			values := seal.Values{}
			for k, v := range items {
				values[k] = seal.NewValue([]byte(v))
			}
			spec, err := sealer().Seal(w.strict(name), values, []seal.Holder{w.holder(t)})
			if err != nil {
				t.Fatal(err)
			}
			w.create(t, w.object(name, spec))
			w.eventually(t, name, unseal.Unsealed)
			if s := w.seen(t, name); len(s.Data) != len(items) {
				t.Errorf("the Secret has %d keys of %d", len(s.Data), len(items))
			}
		})
	}
}
