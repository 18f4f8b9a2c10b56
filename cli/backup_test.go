package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// backUp writes prod.backup.note, which other.txt opens and which has key.txt inside, and older.backup.note of a day before.
func (k *keys) backUp(dir, signerKey string, signer note.Signer) error {
	content, err := os.ReadFile(filepath.Join(dir, "key.txt"))
	if err != nil {
		return err
	}
	identity := strings.Fields(string(content)[strings.Index(string(content), "AGE-SECRET-KEY-"):])[0]
	mine, err := seal.ParseRecipient(k.recipient)
	if err != nil {
		return err
	}
	glass, err := seal.ParseRecipient(k.other)
	if err != nil {
		return err
	}
	now := time.Now()
	b := statement.Backup{
		Holder: "prod", At: now, StatementKey: k.vkey, StatementPrivate: statement.Inside, Recipients: k.note, BreakGlass: []seal.Recipient{glass},
		Keys: []statement.BackupKey{{Recipient: mine, State: "Active", Created: now, Activated: now, Private: statement.Inside}},
	}
	for name, at := range map[string]time.Time{"older.backup.note": now.Add(-24 * time.Hour), "prod.backup.note": now} {
		b.At = at
		locked, err := b.Lock(statement.NewContents(signerKey, []string{identity}))
		if err != nil {
			return err
		}
		signed, err := locked.Sign(signer)
		if err != nil {
			return err
		}
		if name == "prod.backup.note" {
			k.backup = signed
		}
		if err := os.WriteFile(filepath.Join(dir, name), signed, 0o644); err != nil {
			return err
		}
	}
	return nil
}
