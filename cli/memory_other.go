//go:build !linux

package cli

// memoryFolder finds a folder whose files are in memory only. Systems other than Linux have none without being told to.
func memoryFolder(*Env) (string, bool) { return "", false }
