package cli

import (
	"context"
	"errors"
	"os"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// backups say which backups of a key are known: that of the cluster, and the one that .seal.yaml names.
func (t *keyringTask) backups(ctx context.Context, namespace, id string) []string {
	lines := []string{t.clusterBackup(ctx, namespace, id)}
	h, err := pinnedHolder(t.env, t.kr.Name)
	if err != nil || h == nil || h.Backup == "" {
		return append(lines, ".seal.yaml names no file for backups of "+t.kr.Name+" here")
	}
	name := shownPath(t.env, h.Backup)
	signed, err := readFile(ctx, h.Backup, name, maxKeyFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return append(lines, "the backup "+name+" is not there: seal keys backup --keyring "+t.kr.Name+" makes it")
	case err != nil:
		return append(lines, "the backup "+name+" cannot be read: "+err.Error())
	}
	return append(lines, t.backupLine("the backup "+name, signed, id, ""))
}

// clusterBackup says what the controller keeps.
func (t *keyringTask) clusterBackup(ctx context.Context, namespace, id string) string {
	signed, err := unlessDone(ctx, func() ([]byte, error) { return t.client.Backup(ctx, namespace, t.kr.Name) })
	switch {
	case errors.Is(err, cluster.ErrNoBackup):
		return "there is no backup of the keys in the cluster"
	case err != nil:
		return "whether there is a backup of the keys in the cluster cannot be seen: " + err.Error()
	}
	return t.backupLine("the backup in the cluster", signed, id, "; it is made anew without it then, so keep a copy of this one with seal keys backup if it may be needed")
}

// backupLine says whether a backup has the private half of a key; has is what to add where it does.
func (t *keyringTask) backupLine(what string, signed []byte, id, has string) string {
	b, err := statement.OpenBackup(signed, t.kr.Status.StatementKey)
	if err != nil {
		return what + " is none that this keyring has signed: " + err.Error()
	}
	what += ", of " + day(b.At) + ","
	for _, k := range b.Keys {
		if k.Recipient.KeyID() == id && k.Private == statement.Inside {
			return what + " has this key" + has
		}
	}
	return what + " does not have this key"
}
