package vaultkv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// store is the folder of one keyring. Names are relative to it.
type store struct {
	vault       Vault
	mount, path string
	now         func() time.Time
}

// version is one version of an entry. Its number alone does not name it: a Vault that was restored from a snapshot gives numbers a second time.
type version struct {
	number int
	at     string // when it was written, as Vault says it
}

func (v version) String() string { return strconv.Itoa(v.number) + " " + v.at }

// fields of an entry. Those that this version of Waxwing does not know are kept when it is written again.
type fields map[string]any

// text gives a field; empty if it is absent or no text.
func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

func (s store) full(name string) string { return s.path + "/" + name }

// where names an entry for people.
func (s store) where(name string) string { return "Vault's " + s.mount + "/" + s.full(name) }

func (s store) problem(name, format string, args ...any) *keyring.Problem {
	return &keyring.Problem{Where: s.where(name), Msg: fmt.Sprintf(format, args...)}
}

// failed is the error of a request: what only a person can mend is a Problem.
func (s store) failed(name string, err error) error {
	if vault.KindOf(err) == vault.Refused {
		var e *vault.Error
		errors.As(err, &e)
		return s.problem(name, "cannot be used as it is: Vault refuses %s: %s", e.Doing, e.Msg)
	}
	return err
}

// look reads the metadata of an entry: its current version and, if Vault will delete that, when. nil stands for an entry that does not exist. A current version that was
// deleted or destroyed is a *keyring.Problem.
func (s store) look(ctx context.Context, name string) (*version, time.Time, error) {
	answer, err := s.vault.Read(ctx, s.mount+"/metadata/"+s.full(name))
	if vault.KindOf(err) == vault.Missing {
		return nil, time.Time{}, s.known(ctx)
	}
	if err != nil {
		return nil, time.Time{}, s.failed(name, err)
	}
	var meta metadata
	if err := json.Unmarshal(answer.Data, &meta); err != nil {
		return nil, time.Time{}, s.problem(name, "has metadata of another form than version 2 of the key/value store gives")
	}
	if meta.Current == 0 { // somebody has written metadata alone
		return nil, time.Time{}, nil
	}
	now, ok := meta.Versions[strconv.Itoa(meta.Current)]
	if !ok {
		return nil, time.Time{}, s.problem(name, "has lost the metadata of its version %d", meta.Current)
	}
	v := &version{meta.Current, now.Created}
	if now.Destroyed {
		return nil, time.Time{}, s.destroyed(name, meta)
	}
	if now.Deletion == "" {
		return v, time.Time{}, nil
	}
	// Vault dates what was deleted by hand at that time, and what delete_version_after will delete ahead.
	at, err := time.Parse(time.RFC3339Nano, now.Deletion)
	if err != nil || !at.After(s.now()) {
		return nil, time.Time{}, s.problem(name, "was deleted (version %d): bring it back with `vault kv undelete -mount=%s -versions=%d %s`", v.number, s.mount, v.number, s.full(name))
	}
	return v, at, nil
}

// unchanged is the version of an entry that is as it was loaded; otherwise keyring.ErrConflict: what is wrong with it is told when it is loaded again.
func (s store) unchanged(ctx context.Context, name, loaded string) (*version, error) {
	v, _, err := s.look(ctx, name)
	if p := (*keyring.Problem)(nil); errors.As(err, &p) || (err == nil && (v == nil || v.String() != loaded)) {
		return nil, keyring.ErrConflict
	}
	return v, err
}

// metadata of an entry, as Vault gives them.
type metadata struct {
	Current  int                 `json:"current_version"`
	Versions map[string]lifespan `json:"versions"`
}

type lifespan struct {
	Created   string `json:"created_time"`
	Deletion  string `json:"deletion_time"`
	Destroyed bool   `json:"destroyed"`
}

// destroyed says what is left to do about an entry whose current version is destroyed.
func (s store) destroyed(name string, meta metadata) error {
	for n := meta.Current - 1; n > 0; n-- {
		if v, ok := meta.Versions[strconv.Itoa(n)]; ok && !v.Destroyed {
			return s.problem(name, "has lost its version %d, which was destroyed: version %d is still there and holds the same key, as it was before; bring it back with "+
				"`vault kv undelete -mount=%s -versions=%d %s` and `vault kv rollback -mount=%s -version=%d %s`", meta.Current, n, s.mount, n, s.full(name), s.mount, n, s.full(name))
		}
	}
	return s.problem(name, "was destroyed, in all its versions: restore it from a snapshot of Vault; if nothing needs it any more, take the rest away with "+
		"`vault kv metadata delete -mount=%s %s`", s.mount, s.full(name))
}

// data reads one version. Where it is not there any more, the error is of kind vault.Missing.
func (s store) data(ctx context.Context, name string, v version) (fields, error) {
	answer, err := s.vault.Read(ctx, s.mount+"/data/"+s.full(name)+"?version="+strconv.Itoa(v.number))
	if err != nil {
		return nil, s.failed(name, err)
	}
	defer clear(answer.Data)
	var read struct {
		Data     fields `json:"data"`
		Metadata struct {
			Version int    `json:"version"`
			Created string `json:"created_time"`
		} `json:"metadata"`
	}
	if json.Unmarshal(answer.Data, &read) != nil || read.Data == nil {
		return nil, s.problem(name, "has data of another form than version 2 of the key/value store gives")
	}
	if (version{read.Metadata.Version, read.Metadata.Created}) != v {
		return nil, keyring.ErrConflict
	}
	return read.Data, nil
}

// put writes the version that follows on number, which is 0 for an entry that does not exist; keyring.ErrConflict if that is not the current one.
func (s store) put(ctx context.Context, name string, number int, f fields) error {
	answer, err := s.vault.Write(ctx, s.mount+"/data/"+s.full(name), map[string]any{"options": map[string]any{"cas": number}, "data": map[string]any(f)})
	if vault.KindOf(err) == vault.Conflict {
		return keyring.ErrConflict
	}
	if err != nil {
		return s.failed(name, err)
	}
	var written struct {
		Version  int    `json:"version"`
		Deletion string `json:"deletion_time"`
	}
	if json.Unmarshal(answer.Data, &written) != nil || written.Version != number+1 {
		return s.problem(name, "was written, and Vault does not say as which version: is %s a key/value store of version 2?", s.mount)
	}
	if written.Deletion != "" {
		return s.problem(name, "%s", s.vanishes(name, written.Version, written.Deletion))
	}
	return nil
}

// vanishes says that Vault will delete what must stay.
func (s store) vanishes(name string, number int, at string) string {
	return fmt.Sprintf("will be deleted by Vault at %s: have the mount delete nothing by itself (`vault write %s/config delete_version_after=0s`), and write this anew "+
		"(`vault kv rollback -mount=%s -version=%d %s`)", at, s.mount, s.mount, number, s.full(name))
}

// known makes sure that a missing entry is missing, and that not the mount is: nothing is made anew because somebody has moved a mount, and no key goes into a store that
// keeps no versions and sets without a check.
func (s store) known(ctx context.Context) error {
	answer, err := s.vault.Read(ctx, "sys/internal/ui/mounts/"+s.mount+"/"+s.path)
	if err != nil {
		return fmt.Errorf("nothing was found in %s, and what is mounted there is not known: %w", s.mount+"/"+s.path, err)
	}
	var mount struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	problem := &keyring.Problem{Where: "Vault's mount " + s.mount}
	switch {
	case json.Unmarshal(answer.Data, &mount) != nil || mount.Type != "kv":
		problem.Msg = fmt.Sprintf("is no key/value store but of type %q: name one in source.vaultKV.mount", mount.Type)
		return problem
	case mount.Options["version"] != "2":
		problem.Msg = fmt.Sprintf("is a key/value store of version 1, which keeps no versions: name another in source.vaultKV.mount, or change this one with `vault kv enable-versioning %s`", s.mount)
		return problem
	}
	return nil
}
