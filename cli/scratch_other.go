//go:build !linux && !darwin

package cli

import "fmt"

// memoryScratch has nothing to offer here: no folder is known to be in memory only.
func memoryScratch(*Env) (*scratch, error) {
	return nil, fmt.Errorf("%w: this system has none that is known to be", errNoMemory)
}
