package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ramSectors is the size of the RAM disk: 32 MiB in sectors of 512 bytes.
const ramSectors = 64 << 10

// memoryScratch is a folder on a RAM disk of its own.
func memoryScratch(*Env) (*scratch, error) {
	dir, err := os.MkdirTemp("", scratchPattern)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("hdiutil", "attach", "-nomount", fmt.Sprintf("ram://%d", ramSectors)).Output()
	device, _, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || device == "" {
		return nil, errors.Join(fmt.Errorf("%w: hdiutil makes no RAM disk", errNoMemory), os.Remove(dir))
	}
	detach := func() error { return exec.Command("hdiutil", "detach", "-force", device).Run() }
	for _, args := range [][]string{
		{"newfs_hfs", "-M", "700", device},
		{"mount", "-t", "hfs", "-o", "noatime", "-o", "nobrowse", device, dir},
	} {
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %s fails on the RAM disk", errNoMemory, args[0]), detach(), os.Remove(dir))
		}
	}
	return &scratch{dir: dir, close: func() error {
		// A program of the editor's that is still there keeps the disk mounted; taken away by force, it is away.
		unmounted := exec.Command("umount", dir).Run()
		detached := detach()
		if detached == nil {
			unmounted = nil
		}
		return errors.Join(unmounted, detached, os.Remove(dir))
	}}, nil
}
