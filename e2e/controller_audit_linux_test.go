package e2e_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waxwing-io/waxwing/unseal"
)

// noFiles is a size that no file of the log stays below.
const noFiles = 8

// TestNothingIsOpenedWithoutAnAuditLog makes the log's disk full for one process, by its limit of the size of a file.
func TestNothingIsOpenedWithoutAnAuditLog(t *testing.T) {
	w := newWorld(t)
	ctl := w.controllerWithLog(t, filepath.Join(t.TempDir(), "audit"))
	w.create(t, w.sealed(t, "before", "user"))
	w.eventually(t, "before", unseal.Unsealed) // not before its outcome is in the log
	w.holds(t, "before", "user")
	limit(t, ctl.PID(), noFiles)
	w.create(t, w.sealed(t, "during", "user"))
	if msg := readyOf(w.eventually(t, "during", unseal.AuditUnavailable)).Message; !strings.Contains(msg, "nothing was opened") {
		t.Errorf("it says %q", msg)
	}
	w.absent(t, "during")
	w.holds(t, "before", "user")
	until(w.ctx, t, "the replica is not ready", func() bool {
		body, err := get("http://" + ctl.health + "/readyz?verbose")
		return err == nil && bytes.Contains(body, []byte("[-]audit failed"))
	})
	until(w.ctx, t, "the metric says so", func() bool { return ctl.metric(t, "waxwing_audit_healthy") == 0 })
	limit(t, ctl.PID(), unix.RLIM_INFINITY)
	w.eventually(t, "during", unseal.Unsealed)
	w.holds(t, "during", "user")
	until(w.ctx, t, "the metric says so", func() bool { return ctl.metric(t, "waxwing_audit_healthy") == 1 })
	ctl.checkOutcomes(t, 0)
}

func limit(t *testing.T, pid int, size uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}
