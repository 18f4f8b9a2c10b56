//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// beforeEnv is what mounted does with its file system before it opens the log; empty for nothing.
const beforeEnv = "WAXWING_AUDIT_BEFORE"

// mounted gives dir a file system of 8 MiB that this process alone sees, and obeys, also these words:
//
//	fill      takes all room
//	free      gives it back
//	readonly  has everything that is opened by dir's name from now on on a file system that is mounted to be read only
//	writable  undoes it
func mounted(dir string) error {
	// Without this the mount would appear outside of the namespace too, where mounts are shared.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		return err
	}
	filler := filepath.Join(dir, "filler")
	words := map[string]func() error{
		"fill": func() error { return fill(filler) },
		"free": func() error { return os.Remove(filler) },
		"readonly": func() error {
			if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
				return err
			}
			return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
		},
		"writable": func() error { return unix.Unmount(dir, unix.MNT_DETACH) },
	}
	if before := os.Getenv(beforeEnv); before != "" {
		if err := words[before](); err != nil {
			return err
		}
	}
	return obeyWith(dir, words)
}

// fill writes until there is no room for a byte.
func fill(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for size := 64 << 10; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(errors.New("the file system does not become full"), err, f.Close())
	}
	return f.Close()
}

// startMounted starts mounted in a mount namespace, and where root may not make one, in a user namespace too.
func startMounted(t *testing.T, dir, before string) (*process, error) {
	t.Helper()
	var tries []error
	for _, flags := range []uintptr{unix.CLONE_NEWNS, unix.CLONE_NEWNS | unix.CLONE_NEWUSER} {
		attributes := &syscall.SysProcAttr{Cloneflags: flags}
		if flags&unix.CLONE_NEWUSER != 0 {
			attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		probe := exec.Command("/proc/self/exe")
		probe.Env, probe.SysProcAttr = append(os.Environ(), programEnv+"=mountable"), attributes
		probe.Args = append(probe.Args, dir)
		out, err := probe.CombinedOutput()
		if err == nil {
			return startWith(t, "mounted", dir, nil, diskPartSize, func(c *exec.Cmd) {
				c.SysProcAttr = attributes
				c.Env = append(c.Env, beforeEnv+"="+before)
			}), nil
		}
		tries = append(tries, fmt.Errorf("flags %#x: %w: %s", flags, err, out))
	}
	return nil, errors.Join(tries...)
}

// mountable tries whether mounted could do its work.
func mountable(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m")
}

// TestARealFileSystemIsFullOrReadOnly has no call left out: Tessera's locks are opened on a disk that is really full, or really mounted to be read only.
func TestARealFileSystemIsFullOrReadOnly(t *testing.T) {
	for _, c := range []struct {
		name, harm, repair string
		errno              syscall.Errno
	}{{"full", "fill", "free", syscall.ENOSPC}, {"read-only", "readonly", "writable", syscall.EROFS}} {
		for _, when := range []string{"while it runs", "before it opens"} {
			t.Run(c.name+" "+when, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "log")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				acked := map[string]bool{}
				before := c.harm
				if when == "while it runs" {
					before = ""
				}
				p, err := startMounted(t, dir, before)
				if err != nil {
					t.Logf("this machine gives no mount namespace, so that the injector's test stands alone: %v", err)
					return
				}
				if before == "" {
					p.must(acked, "append 10")
					p.must(acked, "%s", c.harm)
				}
				for _, line := range []string{"append 1", "health", "append 40", "health"} {
					if text := p.ask(acked, "%s", line); !strings.Contains(text, c.errno.Error()) {
						t.Errorf("on a file system that is %s, %s: %q", c.name, line, text)
					}
				}
				p.must(acked, "%s", c.repair)
				harness.Eventually(t.Context(), t, "the Recorder has resumed by itself", func(context.Context) error {
					if text := p.ask(acked, "health"); text != "" {
						return errors.New(text)
					}
					return nil
				})
				for _, line := range []string{"append 10", "close", "reopen", "append 1", "close"} {
					p.must(acked, "%s", line)
				}
				if n := check(t, fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, dir), acked); n.acknowledged < 11 {
					t.Errorf("%d records acknowledged", n.acknowledged)
				}
				p.end()
			})
		}
	}
}
