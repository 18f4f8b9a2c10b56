package agent

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/source"
)

// TestSecretSyncsShareOneTurn has one SecretSync parse a file that takes much memory: what another one has to parse of that kind waits, and what is small does not.
func TestSecretSyncsShareOneTurn(t *testing.T) {
	all := newMemory(newReader)
	one, other := all.of(types.NamespacedName{Namespace: "team", Name: "one"}, "1"), all.of(types.NamespacedName{Namespace: "team", Name: "other"}, "2")
	large := "# GitSecret\nx: [" + strings.Repeat("1,", 10_000) + "]\n"
	reads := 0
	// read has the other one read a file, and wait no longer than until then if it says so.
	read := func(text string, wait bool) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := other.reader.Read(ctx, "", []source.File{{Path: "x.yaml", Kind: source.Regular, Size: int64(len(text)), Blob: text}}, func(context.Context, string) ([]byte, error) {
			if reads++; !wait {
				cancel()
			}
			return []byte(text), nil
		})
		return err
	}
	done, err := one.turn.Take(t.Context(), []byte(large))
	if err != nil {
		t.Fatal(err)
	}
	if err := read("# GitSecret\nx: y\n", true); err != nil {
		t.Errorf("what is small: %v", err)
	}
	if err := read(large, false); !errors.Is(err, context.Canceled) {
		t.Errorf("what is large: %v", err)
	}
	done()
	if err := read(large, true); err != nil || reads != 3 {
		t.Errorf("what is large was parsed in spite of the turn: there were %d reads (%v)", reads, err)
	}
	if other.turn != one.turn {
		t.Error("write-back has another turn")
	}
}
