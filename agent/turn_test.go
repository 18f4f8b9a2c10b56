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
	large := []byte("# GitSecret\nx: [" + strings.Repeat("1,", 10_000) + "]\n")
	texts := map[string][]byte{"large": large, "small": []byte("# GitSecret\nx: y\n")}
	done, err := one.turn.Take(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for name, want := range map[string]error{"large": context.Canceled, "small": nil} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		read := func(_ context.Context, blob string) ([]byte, error) {
			if name == "large" {
				cancel() // it would wait for ever
			}
			return texts[blob], nil
		}
		files := []source.File{{Path: name + ".yaml", Kind: source.Regular, Size: int64(len(texts[name])), Blob: name}}
		if _, err := other.reader.Read(ctx, "", files, read); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if other.turn != one.turn {
		t.Error("write-back has another turn")
	}
}
