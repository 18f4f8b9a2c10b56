//go:build !unix

package cli

import "os"

// endSignal ends a program: there is no way to ask for it.
func endSignal() os.Signal { return os.Kill }
