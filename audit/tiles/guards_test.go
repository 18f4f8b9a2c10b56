package tiles_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Without the comparison with the anchor Tessera goes on from the old copy, and the same key signs two trees of one size: the intent is not refused then.
func TestAFolderThatWasRolledBackIsRefusedUntilItIsGivenUp(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(10)
	p.close()
	backup := filepath.Join(t.TempDir(), "backup")
	copyTo(t, backup, w.dir)
	p = w.start()
	p.write(10)
	p.close()
	last := w.anchors.Anchor()
	copyTo(t, w.dir, backup)
	size, root := w.published("0001")

	p = w.start()
	p.refused("part 0001 does not contain what is anchored", "as if the volume had been rolled back", "seal audit restart --replica replica-0 --reason TEXT")
	if err := p.Err(); err == nil {
		t.Error("a log that is refused counts as healthy")
	}
	if s, r := w.published("0001"); s != size || r != root {
		t.Error("a refused log has signed something")
	}
	w.restart(1)
	p.write(1)
	p.close()

	records := w.records("0002")
	begin := records[0]
	if begin.Operation.Action != audit.ActionLogRestarted || begin.Operation.Log.Cites != last.Checkpoint || begin.Outcome.Message != "the volume was restored" {
		t.Errorf("the new part begins with %+v %+v", begin.Operation, begin.Outcome)
	}
	a := w.anchors.Anchor()
	if a.Part != 2 || a.Restart != nil || len(a.Closed) != 1 || a.Closed[0] != last.Checkpoint || !strings.HasPrefix(a.Checkpoint, "test/replica-0/0002\n") {
		t.Errorf("the anchor is %+v", a)
	}
	w.clean()
	w.start().write(1) // and it goes on from there
}

// Tessera reads the tree anew for each batch: without the look at it before, it goes on from whatever is there, and acknowledges.
func TestAFolderThatIsExchangedWhileItIsWrittenIsRefused(t *testing.T) {
	for name, what := range map[string]string{"the folder": "", "the part in it": "0001"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.AnchorEvery = time.Hour // the anchor does not know
			p := w.start()
			p.write(5)
			eventually(t, "all is published", func() bool { size, _ := w.published("0001"); return size == p.store.Status().Size })
			backup := filepath.Join(t.TempDir(), "backup")
			copyTo(t, backup, filepath.Join(w.dir, what))
			p.write(5)
			// What was in the journal alone would come into the other folder, and be in order there.
			eventually(t, "all is published again", func() bool { size, _ := w.published("0001"); return size == p.store.Status().Size })
			copyTo(t, filepath.Join(w.dir, what), backup)
			p.refused("part 0001 cannot be gone on with", "no anchor to ask for a restart in")
			w.anchors.Change(func(a *audit.Anchor) { a.Restart = &audit.Restart{Reason: "it was exchanged", Part: a.Part} })
			p.write(1)
			p.close()
			if got := told(w.records("0002"), audit.ActionLogRestarted); len(got) != 1 {
				t.Errorf("the new part says %d times that it was restarted", len(got))
			}
		})
	}
}

// Without the guard before the signature Tessera signs, within a tenth of a second, whatever tree somebody puts on the volume.
func TestATreeThatSomebodyPutsOnTheVolumeIsNotSigned(t *testing.T) {
	w, forged := newWorld(t), newWorld(t)
	w.cfg.AnchorEvery = time.Hour // no record by the log itself comes in between
	p, other := w.start(), forged.start()
	p.write(5)
	other.write(50)
	other.close()
	eventually(t, "all is published", func() bool { size, _ := w.published("0001"); return size == p.store.Status().Size })
	size, root := w.published("0001")
	copyTo(t, filepath.Join(w.dir, "0001", "tile"), filepath.Join(forged.dir, "0001", "tile"))
	state, err := os.ReadFile(filepath.Join(forged.dir, "0001", ".state", "treeState"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "0001", ".state", "treeState"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is found", func() bool { return p.Err() != nil })
	p.refused("part 0001")
	if s, r := w.published("0001"); s != size || r != root {
		t.Errorf("a tree of %d records was signed that somebody else has made", s)
	}
}

// Without the comparison of the lock file with the one that is locked both write.
func TestALockFileThatIsReplacedMayBeSomebodyElses(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(1)
	// The second has a folder of its own until it holds the lock there: where there is no lock file, the first may be the one that makes it.
	other, dir, key := *w, filepath.Join(t.TempDir(), "second"), w.cfg.Key
	locked, goOn := make(chan struct{}, 1), make(chan struct{})
	other.cfg.Dir = dir
	other.cfg.Key = func(ctx context.Context) (ed25519.PrivateKey, error) { // is asked for with the lock held
		select {
		case locked <- struct{}{}:
		default:
		}
		select {
		case <-goOn:
			return key(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	second := other.start()
	<-locked
	if err := errors.Join(os.Rename(filepath.Join(dir, "lock"), filepath.Join(w.dir, "lock")), os.Remove(dir), os.Symlink(w.dir, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Intent(t.Context(), unsealDB()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the first process: %v", err)
	}
	close(goOn)
	second.write(1)
}

// Without the check of the checkpoint's signature Tessera opens the log and signs on with the other key.
func TestALogThatAnotherKeyHasSignedIsRefused(t *testing.T) {
	for name, anchors := range map[string]audit.Anchors{"with an anchor": nil, "without": &audittest.MemoryAnchors{}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.start()
			p.write(3)
			p.close()
			other := audittest.Key(t)
			w.cfg.Key = func(context.Context) (ed25519.PrivateKey, error) { return other, nil }
			words := []string{"the anchored log was signed by"}
			if anchors != nil {
				w.cfg.Anchors, words = anchors, []string{"part 0001 cannot be gone on with: a checkpoint is not signed by this log's key"}
			}
			p = w.start()
			p.refused(words...)
			if anchors != nil {
				return
			}
			// Who has lost the key goes on with another one, in another part.
			w.restart(1)
			p.write(1)
			p.close()
			if size, _ := w.published("0002"); size == 0 || w.anchors.Anchor().Part != 2 {
				t.Errorf("the new part has %d records, the anchor is %+v", size, w.anchors.Anchor())
			}
			p = w.start()
			p.write(1)
			if got := p.store.Status().Part; got != 2 {
				t.Errorf("part %d is gone on with", got)
			}
		})
	}
}

// Without our setting the checkpoint's time Tessera holds the one that is there for younger than the interval, and publishes nothing for an hour.
func TestACheckpointFromTheFutureKeepsNothingFromBeingPublished(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(1)
	p.close()
	future := func() {
		at := time.Now().Add(time.Hour)
		if err := os.Chtimes(filepath.Join(w.dir, "0001", "checkpoint"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	published := func() bool {
		size, _ := w.published("0001")
		return size == int64(len(audittest.Records(t, w.dir)))
	}
	future() // the clock was set back while the process was away
	p = w.start()
	p.write(1)
	eventually(t, "what was appended after the start is published", published)
	future() // and once more while it runs
	p.write(1)
	eventually(t, "what was appended while it ran is published", published)
	eventually(t, "it is anchored", func() bool {
		return w.anchors.Anchor().Checkpoint != "" && p.store.Status().Anchored == p.store.Status().Size
	})
}

func TestAFullPartIsClosedAndTheNextCitesIt(t *testing.T) {
	w := newWorld(t)
	w.cfg.PartSize = 10
	p := w.start()
	p.write(35)
	p.close()
	parts := audittest.Parts(t, w.dir)
	if len(parts) < 4 {
		t.Fatalf("parts %v", parts)
	}
	a := w.anchors.Anchor()
	if a.Part != len(parts) || len(a.Closed) != len(parts)-1 {
		t.Fatalf("the anchor of %d parts is %+v", len(parts), a)
	}
	for i, part := range parts[1:] {
		begin := w.records(part)[0]
		before, err := os.ReadFile(filepath.Join(w.dir, parts[i], "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		if begin.Operation.Action != audit.ActionLogContinued || begin.Operation.Log.Cites != string(before) || a.Closed[i] != string(before) {
			t.Errorf("part %s begins with %+v", part, begin.Operation)
		}
		if size, _ := w.published(parts[i]); size != int64(len(w.records(parts[i]))) {
			t.Errorf("the last checkpoint of part %s covers %d records", parts[i], size)
		}
	}
	w.clean()
	// A process that died when it had made the folder of the next part.
	next := filepath.Join(w.dir, "0099")
	if err := os.Mkdir(next, 0o700); err != nil {
		t.Fatal(err)
	}
	p = w.start()
	p.write(1)
	if got := p.store.Status().Part; got > len(parts)+1 || got < len(parts) {
		t.Errorf("part %d is written after part %d", got, len(parts))
	}
}

func TestAnEphemeralLogThatIsGoneBeginsANewPart(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(3)
	p.close()
	last := w.anchors.Anchor().Checkpoint
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	p = w.start()
	p.refused("the folder is empty, and part 0001 of this log is anchored")
	p.close() // it would make the folder again
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	w.cfg.Ephemeral = true
	w.start().write(1)
	if begin := w.records("0002")[0]; begin.Operation.Action != audit.ActionLogRestarted || begin.Operation.Log.Cites != last {
		t.Errorf("the new part begins with %+v", begin.Operation)
	}
}

func TestAStartTellsWhatTheProcessBeforeHasNotFinished(t *testing.T) {
	w := newWorld(t)
	w.cfg.PartSize = 8
	want := map[string]bool{}
	for range 2 { // what the first left is told by the second alone
		p := w.start()
		clear(want)
		for i := range 12 {
			id, err := p.Intent(t.Context(), unsealDB())
			if err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				want[id] = true
			} else if err := p.Outcome(t.Context(), id, audit.Outcome{OK: true}); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.Stats().Unmatched; n != len(want) {
			t.Errorf("%d intents are open, want %d", n, len(want))
		}
		p.close()
	}
	p := w.start()
	p.write(1)
	started := told(audittest.Records(t, w.dir), audit.ActionLogStarted)
	if len(started) != 3 {
		t.Fatalf("%d starts", len(started))
	}
	got := started[2].Operation.Log.Unmatched
	for _, id := range got {
		if !want[id] {
			t.Errorf("intent %s is told", id)
		}
	}
	if len(got) != len(want) || p.store.Status().Unmatched != len(want) {
		t.Errorf("%d intents are told, want %d", len(got), len(want))
	}
	if started[0].Operation.Log.Cites != "" || !strings.Contains(started[0].Outcome.Message, "no anchor was found") || started[2].Operation.Log.Cites == "" {
		t.Error("a start does not say whether there was an anchor")
	}
}

func TestTheFirstAnchorOfAProcessIsNotedOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 2 {
		p := w.start()
		p.write(1)
		eventually(t, "it is anchored and noted", func() bool {
			return len(told(audittest.Records(t, w.dir), audit.ActionLogAnchored)) > i && p.store.Status().Anchored == p.store.Status().Size
		})
		p.write(1)
		p.close()
	}
	noted := told(audittest.Records(t, w.dir), audit.ActionLogAnchored)
	if len(noted) != 2 || noted[0].Operation.Log.Cites == "" {
		t.Errorf("two processes have noted %d anchors", len(noted))
	}
	vkey, err := os.ReadFile(filepath.Join(w.dir, "log.vkey"))
	if err != nil || string(vkey) != w.anchors.Anchor().Key+"\n" || w.anchors.Anchor().Origin != audittest.Origin {
		t.Errorf("log.vkey is %q, the anchor %+v: %v", vkey, w.anchors.Anchor(), err)
	}
}

func TestAnAnchorThatSomebodyElseChanges(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(1)
	w.anchors.Change(func(*audit.Anchor) {}) // a label, say
	p.write(1)
	eventually(t, "it is anchored all the same", func() bool { return p.store.Status().Anchored == p.store.Status().Size })
	w.restart(1)
	p.write(1)
	eventually(t, "a part that is in order is given up when somebody wants it", func() bool { return p.store.Status().Part == 2 })
	p.write(1)
	eventually(t, "the request is taken back", func() bool { return w.anchors.Anchor().Restart == nil && w.anchors.Anchor().Part == 2 })
	// Nothing is left to be anchored but the next record: the log would be refused before that.
	eventually(t, "all is anchored, and that is noted", func() bool {
		return len(told(audittest.Records(t, w.dir), audit.ActionLogAnchored)) > 0 && p.store.Status().Anchored == p.store.Status().Size
	})
	// Somebody who writes the same log elsewhere.
	w.anchors.Change(func(a *audit.Anchor) { a.Part = 7 })
	p.write(1)
	eventually(t, "the log is refused without an operation", func() bool { return p.Err() != nil })
	p.refused("part 0007 does not contain what is anchored")
}

func TestWithoutTheAPIServerALogIsWrittenButNotOpened(t *testing.T) {
	w := newWorld(t)
	away := errors.New("the API server is away")
	w.anchors.Break(away)
	p := w.start()
	if _, err := p.Intent(t.Context(), unsealDB()); !errors.Is(err, away) {
		t.Errorf("intent: %v", err)
	}
	w.anchors.Break(nil)
	eventually(t, "it opens by itself", func() bool { return p.Err() == nil })
	w.anchors.Break(away)
	p.write(3)
	p.close()
	w.anchors.Break(nil)
	p = w.start()
	p.write(1)
	eventually(t, "it is anchored later", func() bool { return p.store.Status().Anchored == p.store.Status().Size })
}

func TestACloseCoversAllAndIsAnchored(t *testing.T) {
	w := newWorld(t)
	w.cfg.AnchorEvery = time.Hour
	p := w.start()
	p.write(300)
	p.close()
	size, _ := w.published("0001")
	if records := audittest.Records(t, w.dir); size != int64(len(records)) || records[size-1].Operation.Action != audit.ActionLogStopped {
		t.Errorf("%d records are published, %d are there", size, len(records))
	}
	if a := w.anchors.Anchor(); !strings.HasPrefix(a.Checkpoint, tiles.PartOrigin(audittest.Origin, 1)+"\n302\n") {
		t.Errorf("the anchor is %q", a.Checkpoint)
	}
	w.clean()
}
