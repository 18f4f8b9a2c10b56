package e2e_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// anchor reads the anchor of the replica's log, the zero one where there is none.
func (r *replica) anchor(ctx context.Context) (audit.Anchor, error) {
	cm := &corev1.ConfigMap{}
	err := r.w.Get(ctx, types.NamespacedName{Namespace: home, Name: cluster.AnchorName(harness.ReplicaOf(r.log))}, cm)
	if err != nil {
		return audit.Anchor{}, client.IgnoreNotFound(err)
	}
	return cluster.Parse(cm)
}

// anchoredFrom waits until the anchor has at least this many records, and gives it.
func (r *replica) anchoredFrom(t *testing.T, size int) audit.Anchor {
	t.Helper()
	var a audit.Anchor
	harness.Eventually(r.w.ctx, t, fmt.Sprintf("%d records are anchored", size), func(ctx context.Context) error {
		var err error
		if a, err = r.anchor(ctx); err != nil {
			return err
		}
		if n := sizeOf(a.Checkpoint); n < size {
			return fmt.Errorf("the anchor has %d", n)
		}
		return nil
	})
	return a
}

// anchoredIn waits until the anchor is about a part, and gives it.
func (r *replica) anchoredIn(t *testing.T, part int) audit.Anchor {
	t.Helper()
	var a audit.Anchor
	harness.Eventually(r.w.ctx, t, fmt.Sprintf("part %d is anchored", part), func(ctx context.Context) (err error) {
		if a, err = r.anchor(ctx); err == nil && a.Part != part {
			err = fmt.Errorf("part %d is", a.Part)
		}
		return err
	})
	return a
}

// sizeOf is the size that a checkpoint claims.
func sizeOf(checkpoint string) int {
	lines := strings.SplitN(checkpoint, "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(lines[1])
	return n
}

// signedBy holds that the key of an anchor signs its checkpoint, under the part's name.
func signedBy(a audit.Anchor) error {
	parts := strings.SplitN(a.Key, "+", 3) // base64 may have a +
	if len(parts) != 3 || parts[0] != a.Origin {
		return fmt.Errorf("%s is no key of %s", a.Key, a.Origin)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return errors.Join(fmt.Errorf("%s is no key", a.Key), err)
	}
	vkey, err := note.NewEd25519VerifierKey(tiles.PartOrigin(a.Origin, a.Part), raw[1:])
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	_, err = note.Open([]byte(a.Checkpoint), note.VerifierList(v))
	return err
}

// metric reads one without labels.
func (r *replica) metric(t *testing.T, name string) float64 {
	t.Helper()
	body, err := get("http://" + r.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(body)
	if m == nil {
		t.Fatalf("there is no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// notReady waits until the replica says that its audit log is why it is not ready.
func (r *replica) notReady(t *testing.T) {
	t.Helper()
	until(r.w.ctx, t, "the replica is not ready, for its audit log", func() bool {
		body, err := get("http://" + r.health + "/readyz?verbose")
		return err == nil && bytes.Contains(body, []byte("[-]audit failed"))
	})
}

// firstNote finds the first note of an action.
func firstNote(records []audit.Record, action audit.Action) *audit.Record {
	for i, r := range records {
		if r.Phase == audit.PhaseNote && r.Operation.Action == action {
			return &records[i]
		}
	}
	return nil
}

// partRecords reads one part of the log.
func (r *replica) partRecords(t *testing.T, part int) []audit.Record {
	t.Helper()
	dir := t.TempDir()
	name := fmt.Sprintf("%04d", part)
	if err := os.Symlink(filepath.Join(r.log, name), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return audittest.Records(t, dir)
}
