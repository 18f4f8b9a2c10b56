//go:build !linux && !darwin

package cli

import "os"

// Here no program is known to be stopped at its terminal.
func withoutSuspend(int) error                { return nil }
func watchContinue() (chan os.Signal, func()) { return nil, func() {} }
