//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package tiles

import (
	"fmt"
	"os"
)

// lock refuses: two processes on one file would cut each other's records.
func lock(f *os.File) error {
	return fmt.Errorf("locking %s: this operating system has no flock", f.Name())
}

// writable has nothing to ask: lock has refused.
func writable(string) error { return nil }
