package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// backups say which backups of a keyring are known, and whether a key's private half is in them.
func (t *keyringTask) backups(ctx context.Context, namespace, id string) []string {
	var lines []string
	signed, err := unlessDone(ctx, func() ([]byte, error) { return t.client.Backup(ctx, namespace, t.kr.Name) })
	place := "the cluster's backup of the keys (ConfigMap " + namespace + "/" + cluster.BackupName(t.kr.Name) + ")"
	switch {
	case errors.Is(err, cluster.ErrNoBackup):
		lines = append(lines, "the cluster keeps no backup of the keys")
	case err != nil:
		lines = append(lines, fmt.Sprintf("%s cannot be read: %v", place, err))
	default:
		lines = append(lines, hasKey(place, signed, t.kr.Status.StatementKey, id)+"; it is made anew without the key when that is destroyed")
	}
	h, err := pinnedHolder(t.env, t.kr.Name)
	if err != nil || h == nil || h.Backup == "" {
		return lines
	}
	name := shownPath(t.env, h.Backup)
	content, err := readFile(ctx, h.Backup, name, maxKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append(lines, name+", where .seal.yaml has the backup, is not there")
	case err != nil:
		return append(lines, err.Error())
	}
	return append(lines, hasKey(name, content, h.StatementKey, id)+"; what Git has of it stays")
}

// hasKey says whether the private half of a key is in a backup.
func hasKey(place string, signed []byte, verifierKey, id string) string {
	b, err := statement.OpenBackup(signed, verifierKey)
	if err != nil {
		return place + " cannot be relied on: " + err.Error()
	}
	for _, k := range b.Keys {
		if k.Recipient.KeyID() == id && k.Private == statement.Inside {
			return fmt.Sprintf("%s, of %s, has this key", place, day(b.At))
		}
	}
	return fmt.Sprintf("%s, of %s, does not have this key", place, day(b.At))
}
