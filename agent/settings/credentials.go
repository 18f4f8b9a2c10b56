package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of a folder of credentials.
const (
	fileUsername   = "username"
	filePassword   = "password"
	fileToken      = "token"
	fileIdentity   = "identity"
	fileKnownHosts = "known_hosts"
	fileCA         = "ca.crt"
	fileHookSecret = "hook-secret"
	fileSigningKey = "signing-key"
	fileForgeToken = "forge-token"
	fileExpires    = "expires"
)

// maxFile bounds a file of credentials, in bytes.
const maxFile = 256 << 10

// Credentials are what a folder holds. What it lacks is empty.
type Credentials struct {
	Username, Password, Token string
	// Identity and SigningKey are SSH private keys in OpenSSH's form; KnownHosts has lines as ssh's file has them; CA are certificates in PEM.
	Identity, KnownHosts, CA, SigningKey []byte
	HookSecret                           []byte
	// ForgeToken is for pull requests.
	ForgeToken string
	// Expires is when the password or token ends to be taken; zero: nobody says.
	Expires time.Time
}

// String, and Format by it, say nothing of what is inside.
func (Credentials) String() string { return "credentials" }

// GoString is String.
func (Credentials) GoString() string { return "credentials" }

// Folder is the folder that all folders of credentials are in. It may be used from several goroutines.
type Folder struct{ root *os.Root }

// OpenFolder opens the folder dir. No link leads out of it.
func OpenFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of credentials: %w", err)
	}
	return &Folder{root}, nil
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Read reads the credentials of a name, as they are now: they change while the agent runs. The error names the file and never holds what is in it.
func (f *Folder) Read(name string) (*Credentials, error) {
	if !nameRE.MatchString(name) {
		return nil, fmt.Errorf("%q is no name of credentials", name)
	}
	if info, err := f.root.Stat(name); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("no credentials %q are mounted into the agent", name)
	}
	c := &Credentials{}
	var expires string
	for _, into := range []struct {
		file string
		text *string
		raw  *[]byte
	}{
		{file: fileUsername, text: &c.Username}, {file: filePassword, text: &c.Password}, {file: fileToken, text: &c.Token},
		{file: fileIdentity, raw: &c.Identity}, {file: fileKnownHosts, raw: &c.KnownHosts}, {file: fileCA, raw: &c.CA},
		{file: fileSigningKey, raw: &c.SigningKey}, {file: fileHookSecret, raw: &c.HookSecret},
		{file: fileForgeToken, text: &c.ForgeToken}, {file: fileExpires, text: &expires},
	} {
		b, err := f.file(name, into.file)
		if err != nil {
			return nil, err
		}
		if into.raw != nil {
			*into.raw = b
		} else if *into.text = strings.TrimRight(string(b), "\r\n"); strings.ContainsAny(*into.text, "\r\n\x00") {
			return nil, fmt.Errorf("credentials %q: file %s is not one line", name, into.file)
		}
	}
	c.HookSecret = []byte(strings.TrimRight(string(c.HookSecret), "\r\n"))
	if expires != "" {
		at, err := time.Parse(time.RFC3339, strings.TrimSpace(expires))
		if err != nil {
			return nil, fmt.Errorf("credentials %q: file %s is no time such as 2027-01-31T00:00:00Z", name, fileExpires)
		}
		c.Expires = at
	}
	return c, nil
}

// file reads one file; nothing where it is not there.
func (f *Folder) file(name, file string) ([]byte, error) {
	r, err := f.root.Open(filepath.Join(name, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("credentials %q: file %s cannot be opened: %w", name, file, errors.Unwrap(err))
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("credentials %q: file %s cannot be read", name, file)
	case len(b) > maxFile:
		return nil, fmt.Errorf("credentials %q: file %s is larger than %d KiB", name, file, maxFile>>10)
	}
	return b, nil
}
