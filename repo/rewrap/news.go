package rewrap

import (
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Published is what a keyring shows: its statement key, which may be empty, and its signed recipients. Neither is believed.
type Published struct {
	StatementKey string
	Note         []byte
}

// News is what is known of the recipients of a holder whose statement key is pinned: the newest set that verifies under the pin, of the repository's note or of what the
// keyring shows.
type News struct {
	Holder, Pin string
	Set         *statement.Recipients // nil where there is none
	Note        []byte                // the keyring's, where it is newer than the repository's
	Was         uint64                // the number of the repository's set; 0 for none
	Behind      uint64                // the number of the keyring's set, where the repository has a newer one
}

// PinError says that a keyring shows another statement key than is pinned for its holder.
type PinError struct{ Holder, Shown, Pinned string }

// Error names both.
func (e *PinError) Error() string {
	return fmt.Sprintf("keyring %s: its statement key is %s, but %s is pinned", e.Holder, e.Shown, e.Pinned)
}

// SetsError says that the repository and the keyring have different sets of one number (docs/statements.md, section 4).
type SetsError struct{ Here, There statement.Recipients }

// Error names holder and number.
func (e *SetsError) Error() string {
	return fmt.Sprintf("the repository and the cluster have different sets %d of holder %s", e.Here.Set, e.Here.Holder)
}

// Here takes the repository's note. The error says why it is not taken.
func (n *News) Here(note []byte) error {
	set, err := statement.OpenRecipients(note, n.Pin)
	if err != nil {
		return err
	}
	n.Set, n.Was = &set, set.Set
	return nil
}

// Hear holds what the keyring shows against the pin and against what the repository has: of the two sets that with the higher number counts. Errors are *PinError, *SetsError,
// or say why the keyring's note is not taken.
func (n *News) Hear(p Published) error {
	if p.StatementKey != "" && p.StatementKey != n.Pin {
		return &PinError{n.Holder, p.StatementKey, n.Pin}
	}
	now, err := statement.OpenRecipients(p.Note, n.Pin)
	switch {
	case err != nil:
		return fmt.Errorf("keyring %s: %w", n.Holder, err)
	case now.Holder != n.Holder:
		return fmt.Errorf("keyring %s: the note is about holder %s", n.Holder, now.Holder)
	case n.Set == nil || now.Set > n.Set.Set:
		n.Set, n.Note = &now, p.Note
	case now.Set < n.Set.Set:
		n.Behind = now.Set
	case now.Text() != n.Set.Text():
		return &SetsError{*n.Set, now}
	}
	return nil
}
