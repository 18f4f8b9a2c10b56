//go:build unix

package repo_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/repo"
)

func TestSettingsThatAreNoFileDoNotBlock(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".git/": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, ".seal.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.NewTree("").Rules(filepath.Join(dir, "x.yaml")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("the error is %v", err)
	}
}
