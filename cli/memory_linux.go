package cli

import "golang.org/x/sys/unix"

// memoryFolder finds a folder whose files are in memory only.
func memoryFolder(env *Env) (string, bool) {
	for _, folder := range []string{env.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"} {
		var info unix.Statfs_t
		if folder == "" || unix.Statfs(folder, &info) != nil {
			continue
		}
		if kind := uint32(info.Type); kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC {
			return folder, true
		}
	}
	return "", false
}
