package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// maxNote bounds a note, in bytes.
const maxNote = 1 << 20

// Holder is a holder as settings define it.
type Holder struct {
	Name         string
	StatementKey string   // the pin; empty for people
	Note         string   // where the note of a pinned holder lies, absolute
	Recipients   []string // of people
	Backup       string   // where the backup of its keys is kept, absolute; empty: nowhere
	File         string   // the .seal.yaml that defines it, as messages name it

	shownNote string
	files     files
}

// Dir is the folder of the settings that define it, absolute.
func (h Holder) Dir() string { return filepath.Dir(filepath.Dir(h.Note)) }

// Set is a holder's recipients.
type Set struct {
	seal.Holder
	// Statement is what the keyring has signed; nil for people.
	Statement *statement.Recipients
}

// Read gives the recipients to seal to now: those listed, or those of the note, which has to verify under the pin. Errors are *Error.
func (h Holder) Read() (Set, error) {
	if h.StatementKey != "" {
		return h.readNote()
	}
	set := Set{Holder: seal.Holder{Name: h.Name}}
	for i, text := range h.Recipients {
		r, err := ParseRecipient(text)
		if err != nil {
			return Set{}, &Error{File: h.File, Msg: fmt.Sprintf("holders[%q].recipients[%d]: %v", h.Name, i, err)}
		}
		set.Recipients = append(set.Recipients, r)
	}
	return set, nil
}

// ParseRecipient reads a recipient as settings may list it: of age, or an SSH public key. Those of age's plugins are refused, as settings must not make anything run.
func ParseRecipient(text string) (seal.Recipient, error) {
	if sshkey.Is(text) {
		return sshkey.ParseRecipient(text)
	}
	return seal.ParseRecipient(text)
}

// setRead is what came of reading a holder.
type setRead struct {
	set Set
	err error
}

// Set is h.Read, done once for each holder.
func (t *Tree) Set(h Holder) (Set, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.sets[h.Note]
	if !ok {
		known.set, known.err = h.Read()
		t.sets[h.Note] = known
	}
	return known.set, known.err
}

func (h Holder) readNote() (Set, error) {
	fetch := fmt.Sprintf("get it with: seal keys fetch --keyring %s --save", h.Name)
	files := h.files
	if files == nil {
		files = disk{}
	}
	b, err := files.read(h.Note, h.shownNote, maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return Set{}, &Error{File: h.shownNote, Msg: fmt.Sprintf("the note of holder %s is missing", h.Name), Hint: fetch}
	}
	if err != nil {
		return Set{}, err
	}
	r, err := statement.OpenRecipients(b, h.StatementKey)
	if err != nil {
		return Set{}, &Error{File: h.shownNote, Msg: fmt.Sprintf("%v (pinned in %s)", err, h.File),
			Hint: "if the keyring was made anew, check its new key with those who did, and change the pin; otherwise restore the note from Git, or " + fetch}
	}
	return Set{Holder: r.SealHolder(), Statement: &r}, nil
}

// readRegular reads a regular file of at most limit bytes, which messages call name. A file that does not exist is fs.ErrNotExist; other errors are *Error. Symbolic links are
// followed: what is read is checked, and never shown.
func readRegular(path, name string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, &Error{File: name, Msg: cause(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: name, Msg: "is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{File: name, Msg: cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, &Error{File: name, Msg: cause(err)}
	case int64(len(b)) > limit:
		return nil, &Error{File: name, Msg: fmt.Sprintf("is longer than %d KiB", limit>>10)}
	}
	return b, nil
}

// cause is err without operation and path.
func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}
