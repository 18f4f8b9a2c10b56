//go:build !linux || !(amd64 || arm64)

package diskfault

// Launch does nothing where there is no Disk.
func Launch() {}
