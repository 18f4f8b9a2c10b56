package cluster

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxKeyFile bounds a file with a key, in bytes.
const maxKeyFile = 4 << 10

// KeyFile gives the key that signs the checkpoints of a log from a file, and makes it where there is none. It is for a process that must not read Secrets. Whoever has the volume with the file has
// the key, so a log is then protected by its anchor alone. A file that is there is never changed.
func KeyFile(path string, random io.Reader, origin string) (ed25519.PrivateKey, error) {
	key, err := readKeyFile(path, origin)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	signer, _, err := newKey(random, origin)
	if err != nil {
		return nil, fmt.Errorf("making the key of the audit log: %w", err)
	}
	if err := writeKeyFile(path, signer); err != nil {
		return nil, fmt.Errorf("making the key of the audit log: %w", err)
	}
	return readKeyFile(path, origin)
}

func readKeyFile(path, origin string) (ed25519.PrivateKey, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("the audit log's key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fmt.Errorf("the audit log's key: %s is no file with a key", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the audit log's key: %w", err)
	}
	of, key, err := parseKey(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the audit log's key: %s is malformed", path)
	case of != origin:
		return nil, fmt.Errorf("the audit log's key: %s is that of the audit log of another cluster or replica, not of %s: begin with an empty volume", path, origin)
	}
	return key, nil
}

// writeKeyFile has the whole of a new file be there, or none of it. Of two processes the first wins.
func writeKeyFile(path, signer string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".audit-key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = io.WriteString(f, signer+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
