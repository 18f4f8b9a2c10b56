package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// run starts the server and waits until it answers, locked.
func (v *Vault) run() {
	v.t.Helper()
	v.process = harness.StartProcess(v.t, harness.Command{
		Name: "vault", Path: v.binary, Args: []string{"server", "-config=" + v.config}, Dir: v.dir,
	})
	p := v.process
	harness.Eventually(v.t.Context(), v.t, "Vault answers", func(ctx context.Context) error {
		running := p.Running()
		_, err := v.client.Sys().SealStatusWithContext(ctx)
		if err != nil && !running {
			return harness.Permanent(fmt.Errorf("%w, and it has ended: %s", err, p.State()))
		}
		return err
	})
}

// Stop kills Vault.
func (v *Vault) Stop() { v.process.Kill() }

// StartLocked starts Vault again with the same data and at the same address. It is locked then, as every Vault is after its start.
func (v *Vault) StartLocked() {
	v.t.Helper()
	if v.process.Running() {
		v.t.Fatal("vaulttest: it runs already")
	}
	v.run()
}

// StartAgain is StartLocked and Unlock.
func (v *Vault) StartAgain() {
	v.t.Helper()
	v.StartLocked()
	v.Unlock()
}

// Lock makes Vault forget its keys ("seals" it, in its own words): it refuses all requests until Unlock.
func (v *Vault) Lock() {
	v.t.Helper()
	if err := v.client.Sys().SealWithContext(v.t.Context()); err != nil {
		v.t.Fatalf("locking Vault: %v", err)
	}
	harness.Eventually(v.t.Context(), v.t, "Vault is locked", func(ctx context.Context) error {
		s, err := v.client.Sys().SealStatusWithContext(ctx)
		if err == nil && !s.Sealed {
			err = errors.New("it is not")
		}
		return err
	})
}

// Unlock gives Vault its unseal key and waits until it serves.
func (v *Vault) Unlock() {
	v.t.Helper()
	if _, err := v.client.Sys().UnsealWithContext(v.t.Context(), v.unlock); err != nil {
		v.t.Fatalf("unlocking Vault: %v", err)
	}
	v.serves()
}

func (v *Vault) serves() {
	v.t.Helper()
	harness.Eventually(v.t.Context(), v.t, "Vault serves", v.healthy)
}

// Pause stops the process where it is: connections stay open, new ones are accepted by the kernel, and nothing is answered, until Resume.
func (v *Vault) Pause() {
	v.t.Helper()
	v.process.Signal(v.t, syscall.SIGSTOP)
	// It stops a moment after the signal was sent.
	harness.Eventually(v.t.Context(), v.t, "Vault is paused", func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := v.client.Sys().HealthWithContext(short); err == nil {
			return errors.New("it answers")
		}
		return nil
	})
}

// Resume ends Pause.
func (v *Vault) Resume() {
	v.t.Helper()
	v.process.Signal(v.t, syscall.SIGCONT)
}

// Snapshot is all that Vault has stored.
func (v *Vault) Snapshot() []byte {
	v.t.Helper()
	var b bytes.Buffer
	if err := v.client.Sys().RaftSnapshotWithContext(v.t.Context(), &b); err != nil {
		v.t.Fatalf("taking a snapshot of Vault: %v", err)
	}
	return b.Bytes()
}

// Restore puts a Snapshot of this Vault back and waits until it serves.
func (v *Vault) Restore(snapshot []byte) {
	v.t.Helper()
	// What only the state after the snapshot has tells when that state is gone.
	const mark = "sys/policies/acl/not-in-the-snapshot"
	v.write(mark, map[string]any{"policy": "# nothing"})
	if err := v.client.Sys().RaftSnapshotRestoreWithContext(v.t.Context(), bytes.NewReader(snapshot), false); err != nil {
		v.t.Fatalf("restoring a snapshot of Vault: %v", err)
	}
	harness.Eventually(v.t.Context(), v.t, "Vault serves what the snapshot has", func(ctx context.Context) error {
		if err := v.healthy(ctx); err != nil {
			return err
		}
		there, err := v.client.Logical().ReadWithContext(ctx, mark)
		if err == nil && there != nil {
			err = errors.New("it still serves what was there")
		}
		return err
	})
}
