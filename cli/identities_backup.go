package cli

import (
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// lockedBackup is a backup of a keyring among the files of identities.
type lockedBackup struct {
	name    string
	content []byte
}

// open gives the identities in the backup. Who made it does not matter to who opens with them: a wrong identity opens nothing.
func (l lockedBackup) open(with []seal.Identity) ([]seal.Identity, error) {
	b, err := statement.ReadBackup(l.content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	contents, err := unlockBackup(l.name, b, with)
	if err != nil {
		return nil, err
	}
	return identitiesOf(contents)
}

// unlockBackup opens what is inside of a backup.
func unlockBackup(name string, b statement.Backup, with []seal.Identity) (statement.Contents, error) {
	contents, err := b.Unlock(seal.NewIdentities(with...))
	switch {
	case errors.Is(err, statement.ErrNotForKey) && len(with) == 0:
		return contents, cannotUse("add -i with the file of one of them", "%s: is a backup, which break glass opens: keys %s", name, displayRecipients(b.BreakGlass))
	case errors.Is(err, statement.ErrNotForKey):
		return contents, cannotUse("the identities given are "+displayIDs(with), "%s: break glass opens it: keys %s", name, displayRecipients(b.BreakGlass))
	case err != nil:
		return contents, fmt.Errorf("%s: %w", name, err)
	}
	return contents, nil
}

func identitiesOf(contents statement.Contents) ([]seal.Identity, error) {
	var ids []seal.Identity
	for _, text := range contents.Identities() {
		id, err := seal.ParseIdentity(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// displayRecipients lists the ids of recipients as people see them.
func displayRecipients(rs []seal.Recipient) string {
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.KeyID()[:seal.KeyIDDisplay]
	}
	return some(ids)
}
