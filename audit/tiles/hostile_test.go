package tiles_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
)

// Whoever has the volume writes what he likes into Tessera's own record of the tree, which nothing has signed.
func TestStateOfAbsurdSizeIsRefused(t *testing.T) {
	for _, size := range []int64{1 << 40, 1<<61 + 3, 1 << 62, math.MaxInt64 - 1, math.MaxInt64} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := newWorld(t)
			p := w.start()
			p.write(3)
			p.close()
			state := fmt.Sprintf(`{"size":%d,"root":%q}`, size, base64.StdEncoding.EncodeToString(make([]byte, tlog.HashSize)))
			if err := os.WriteFile(filepath.Join(w.dir, "0001", ".state", "treeState"), []byte(state), 0o600); err != nil {
				t.Fatal(err)
			}
			w.start().refused("0001")
		})
	}
}

// A ConfigMap takes 1 MiB: an anchor that does not fit is never written again, and all that is recorded from there on can be cut off unnoticed.
func TestAnAnchorKeepsItsSizeHoweverManyPartsAreClosed(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(3)
	p.close()
	given := w.anchors.Anchor().Checkpoint
	w.anchors.Change(func(a *audit.Anchor) {
		for range 5000 {
			a.Closed = append(a.Closed, given)
		}
	})
	w.restart(1)
	p = w.start()
	p.write(1)
	p.close()
	a := w.anchors.Anchor()
	if a.Part != 2 || len(a.Closed) > audit.MaxClosed || a.Closed[len(a.Closed)-1] != given {
		t.Errorf("part %d is anchored with %d closed ones", a.Part, len(a.Closed))
	}
}

// Two processes of one replica's name, each with a folder of its own that began as the same one: the anchor is the first one's, also when the other has begun a new part meanwhile.
func TestANewPartDoesNotReplaceWhatSomebodyElseHasAnchored(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(3)
	p.close()
	other := *w
	other.dir = filepath.Join(t.TempDir(), "audit")
	other.cfg.Dir, other.cfg.AnchorEvery, other.cfg.PartSize = other.dir, time.Hour, 10
	copyTo(t, other.dir, w.dir)
	second := other.start()
	second.write(1)
	first := w.start()
	first.write(1)
	first.close()
	second.write(20)
	if second.store.Status().Part == 1 {
		t.Fatal("no new part was begun")
	}
	anchored := w.anchors.Anchor()
	second.close()
	if got := w.anchors.Anchor(); got.Part != 1 || got.Checkpoint != anchored.Checkpoint {
		t.Errorf("part %d was anchored over the other process' records", got.Part)
	}
}

// A request that is there when a full part was followed by the next, and the process killed before that was anchored, is not one that was granted.
func TestARequestThatNobodyHasMindedIsMindedAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.cfg.PartSize, w.cfg.AnchorEvery = 10, time.Hour
	p := w.start()
	p.write(5)
	p.close()
	p = w.start()
	p.write(10)
	if p.store.Status().Part != 2 {
		t.Fatalf("part %d is written", p.store.Status().Part)
	}
	w.anchors.Break(errors.New("as if it was killed"))
	p.close()
	w.anchors.Break(nil)
	w.restart(1)
	p = w.start()
	p.write(1)
	p.close()
	if got := told(audittest.Records(t, w.dir), audit.ActionLogRestarted); len(got) != 1 || w.anchors.Anchor().Restart != nil {
		t.Errorf("the log says %d times that it was restarted", len(got))
	}
}
