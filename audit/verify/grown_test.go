package verify_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/verify"
)

func TestALogContainsWhatItHasSigned(t *testing.T) {
	w := newWorld(t, "cluster/replica", 300)
	for i, a := range w.anchors {
		if err := verify.Contains(w.log.dir(), []byte(a.Checkpoint), w.vkey); err != nil {
			t.Errorf("anchor %d: %v", i, err)
		}
	}
	// Each tree on the way of one of them is a part of the other, and not the other way round.
	if err := verify.Contains(w.old.dir(), []byte(w.anchors[0].Checkpoint), w.vkey); err != nil {
		t.Errorf("the older copy contains its own: %v", err)
	}
}

func TestALogThatDoesNotContainWhatItHasSigned(t *testing.T) {
	w, other := newWorld(t, "cluster/replica", 300), newWorld(t, "cluster/replica", 280)
	stranger := vkey(t, "cluster/replica", audittest.Key(t))
	newest := []byte(w.anchors[1].Checkpoint)
	altered := w.log.clone()
	for name, b := range altered {
		if strings.Contains(name, "/tile/0/") {
			b = append([]byte{}, b...)
			b[0] ^= 1
			altered[name] = b
		}
	}
	again := w.log.clone()
	all := records(t, w.log)
	all[0], all[1] = all[1], all[0]
	forged(t, "cluster/replica", 1, w.key, all, again)
	for name, c := range map[string]struct {
		log    files
		signed []byte
		key    string
		want   string
	}{
		"an older copy":        {w.old, newest, w.vkey, "they were cut off, or this is an older copy"},
		"another key":          {w.log, newest, stranger, "no good signature"},
		"another key's log":    {other.log, []byte(w.anchors[0].Checkpoint), w.vkey, "the newest checkpoint of part 1"},
		"made anew":            {again, []byte(w.anchors[0].Checkpoint), w.vkey, "is another log than the one"},
		"as long, made anew":   {again, newest, w.vkey, "is another log than the one"},
		"altered tiles":        {altered, []byte(w.anchors[0].Checkpoint), w.vkey, "do not fit to its checkpoint"},
		"no checkpoint":        {w.log, []byte("one\n2\n3\n"), w.vkey, "not a signed checkpoint"},
		"nothing of that part": {files{}, newest, w.vkey, "there is no part 1"},
	} {
		if err := verify.Contains(c.log.dir(), c.signed, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
