package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waxwing-io/waxwing/unseal"
)

// TestNothingIsOpenedWithoutAnAuditLog makes the log's disk full for one process, by its limit of the size of a file.
func TestNothingIsOpenedWithoutAnAuditLog(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	ctl := w.controllerWithLog(t, log)
	w.create(t, w.sealed(t, "before", "user"))
	w.eventually(t, "before", unseal.Unsealed)
	ctl.checkOutcomes(t, 0)
	w.holds(t, "before", "user")
	full, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	limit(t, ctl.PID(), uint64(full.Size()))
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
	limit(t, ctl.PID(), unix.RLIM_INFINITY)
	w.eventually(t, "during", unseal.Unsealed)
	w.holds(t, "during", "user")
	ctl.checkOutcomes(t, 0)
}

func limit(t *testing.T, pid int, size uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}
