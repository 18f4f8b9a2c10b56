package audittest

import "golang.org/x/sys/unix"

// roomy says whether the file system of dir has room for so many bytes.
func roomy(dir string, bytes uint64) bool {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return false
	}
	return s.Blocks == 0 || s.Bavail*uint64(s.Bsize) >= bytes // a tmpfs without a limit says 0
}
