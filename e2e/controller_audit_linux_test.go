//go:build amd64 || arm64

package e2e_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestNothingIsOpenedWithoutAnAuditLog has the log's disk fail under a controller that runs: full, then read-only, then broken.
func TestNothingIsOpenedWithoutAnAuditLog(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	disk := diskfault.New(t, log)
	w.launcher = disk.Command
	ctl := w.controllerWithLog(t, log)
	w.create(t, w.sealed(t, "before", "user"))
	w.eventually(t, "before", unseal.Unsealed)
	ctl.checkOutcomes(t, 0)
	w.holds(t, "before", "user")
	for _, d := range []struct {
		name string
		hook diskfault.Hook
	}{{"full", diskfault.Full}, {"readonly", diskfault.ReadOnly}, {"broken", diskfault.Broken}} {
		disk.Hook(d.hook)
		w.create(t, w.sealed(t, d.name, "user"))
		if msg := readyOf(w.eventually(t, d.name, unseal.AuditUnavailable)).Message; !strings.Contains(msg, "nothing was opened") {
			t.Errorf("on a disk that is %s it says %q", d.name, msg)
		}
		w.absent(t, d.name)
		w.holds(t, "before", "user")
		until(w.ctx, t, "the replica is not ready", func() bool {
			body, err := get("http://" + ctl.health + "/readyz?verbose")
			return err == nil && bytes.Contains(body, []byte("[-]audit failed"))
		})
		until(w.ctx, t, "the metric says so", func() bool { return ctl.metric(t, "waxwing_audit_healthy") == 0 })
		disk.Hook(nil)
		repaired := time.Now()
		ctl.ready(t)
		t.Logf("ready %s after the disk was no longer %s", time.Since(repaired).Round(time.Millisecond), d.name)
		w.eventually(t, d.name, unseal.Unsealed)
		w.holds(t, d.name, "user")
		until(w.ctx, t, "the metric says so", func() bool { return ctl.metric(t, "waxwing_audit_healthy") == 1 })
		ctl.checkOutcomes(t, 0) // an outcome that comes after its status would meet the next disk
	}
	if !ctl.Running() {
		t.Errorf("the controller has ended: %s", ctl.State())
	}
	ctl.checkOutcomes(t, 0)
}
