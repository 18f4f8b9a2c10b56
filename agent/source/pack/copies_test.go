package pack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// looks is a context that counts how often it is looked at, which is once in so many steps.
type looks struct {
	context.Context
	had int
}

func (l *looks) Err() error {
	l.had++
	return l.Context.Err()
}

// TestDeltasWaitForOneOfAllCopies has an object many times, and as many deltas that name it by its id. Each delta is one step, however many copies could be its base.
func TestDeltasWaitForOneOfAllCopies(t *testing.T) {
	const many = 3000
	base := []byte("x")
	id := pack.Hash(pack.Blob, base)
	again := delta(1, 1, copies(0, 1))
	for name, copied := range map[string]func(b *builder){
		"side by side": func(b *builder) {
			for range many {
				b.object(pack.Blob, base)
			}
		},
		"upon each other": func(b *builder) {
			at := b.object(pack.Blob, base)
			for range many {
				at = b.deltaAt(at, again)
			}
		},
		"upon the first": func(b *builder) {
			at := b.object(pack.Blob, base)
			for range many {
				b.deltaAt(at, again)
			}
		},
		"by its id": func(b *builder) {
			b.object(pack.Blob, base)
			for range many {
				b.deltaOf(id, again)
			}
		},
		"upon what is made of it": func(b *builder) {
			b.object(pack.Blob, base)
			for range many {
				at := b.deltaOf(id, delta(1, 2, copies(0, 1), inserts("y")))
				b.deltaAt(at, delta(2, 1, copies(0, 1)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := builder{light: true}
			result := func(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }
			want := map[pack.ID]bool{id: true}
			for i := range many {
				if i == many/2 {
					copied(&b)
				}
				b.deltaOf(id, delta(1, 4, inserts(string(result(i)))))
				want[pack.Hash(pack.Blob, result(i))] = true
			}
			if name == "upon what is made of it" {
				want[pack.Hash(pack.Blob, []byte("xy"))] = true
			}
			content := b.bytes()
			ctx := &looks{t.Context(), 0}
			var x bytes.Buffer
			count, err := pack.Index(ctx, bytes.NewReader(content), int64(len(content)), limits(), &x)
			if err != nil || count != len(want) {
				t.Fatalf("%d objects, and there are %d (%v)", count, len(want), err)
			}
			for id := range want {
				if !bytes.Contains(x.Bytes(), id[:]) {
					t.Errorf("%s is not in the index", id)
				}
			}
			if t.Logf("the context was looked at %d times", ctx.had); ctx.had > 5*many/64 {
				t.Errorf("the context was looked at %d times: that is %d steps or so", ctx.had, 256*ctx.had)
			}
		})
	}
}
