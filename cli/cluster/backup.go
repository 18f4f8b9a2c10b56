package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// backupPrefix and backupKey are where the controller keeps backups of keyrings.
	backupPrefix = "waxwing-backup-"
	backupKey    = "backup.note"
	// restorePrefix, restoreType and refusedAnnotation are those of the Secret that asks for keys to be taken from a backup.
	restorePrefix     = "waxwing-restore-"
	restoreType       = "waxwing.io/restore"
	refusedAnnotation = "waxwing.io/refused"
)

// ErrNoBackup says that the controller keeps no backup of a keyring.
var ErrNoBackup = errors.New("there is no backup")

// BackupName is the name of the ConfigMap with a keyring's backup.
func BackupName(keyring string) string { return backupPrefix + keyring }

// Backup reads the backup of a keyring's keys, which is not verified. Without one the error is ErrNoBackup.
func (c *Client) Backup(ctx context.Context, namespace, keyring string) ([]byte, error) {
	var m ConfigMap
	err := c.get(ctx, &m, "api", "v1", "namespaces", namespace, "configmaps", BackupName(keyring))
	var refusal *StatusError
	switch {
	case errors.As(err, &refusal) && refusal.Code == http.StatusNotFound, err == nil && m.Data[backupKey] == "":
		return nil, ErrNoBackup
	case err != nil:
		return nil, err
	}
	return []byte(m.Data[backupKey]), nil
}

// Restore asks for keys to be taken from a backup: the data of a Secret of the controller's namespace.
type Restore struct {
	Keyring                      string
	Backup, Contents, Recipients []byte
	KeysOnly                     bool
}

// RestoreName is the name of the Secret that asks for keys of a keyring.
func RestoreName(keyring string) string { return restorePrefix + keyring }

// CreateRestore makes the Secret and gives its UID. It holds private keys: its errors have the code of a refusal and not the message, which may quote the request. A
// *StatusError with code 409 says that there is one already.
func (c *Client) CreateRestore(ctx context.Context, namespace string, r Restore) (uid string, err error) {
	data := map[string][]byte{"backup": r.Backup, "contents": r.Contents}
	if len(r.Recipients) > 0 {
		data["recipients"] = r.Recipients
	}
	if r.KeysOnly {
		data["keys-only"] = []byte("true")
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": restoreType, "data": data,
		"metadata": map[string]any{"name": RestoreName(r.Keyring), "labels": map[string]string{"waxwing.io/keyring": r.Keyring}},
	})
	if err != nil {
		return "", err
	}
	defer clear(body)
	to := c.resources(namespace, "secrets", "api", "v1")
	to.RawQuery = url.Values{"fieldManager": {"seal"}}.Encode()
	resp, err := c.send(ctx, http.MethodPost, to, metadataObject, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var made metav1.PartialObjectMetadata
	err = c.answer(resp, &made)
	if refusal := (*StatusError)(nil); errors.As(err, &refusal) {
		return "", &StatusError{Code: refusal.Code, Status: metav1.Status{Message: fmt.Sprintf("making Secret %s/%s: the API server answered %d %s", namespace, RestoreName(r.Keyring), refusal.Code, http.StatusText(refusal.Code))}}
	}
	return string(made.UID), err
}

// RestoreState looks at the Secret with this UID, and not at its data: whether it is still there, and why the controller refuses it; empty where it does not.
func (c *Client) RestoreState(ctx context.Context, namespace, keyring, uid string) (there bool, refused string, err error) {
	var m metav1.PartialObjectMetadata
	err = c.ask(ctx, &m, c.resources(namespace, "secrets", "api", "v1").JoinPath(RestoreName(keyring)), metadataObject)
	var refusal *StatusError
	switch {
	case errors.As(err, &refusal) && refusal.Code == http.StatusNotFound, err == nil && string(m.UID) != uid:
		return false, "", nil
	case err != nil:
		return false, "", err
	}
	return true, m.Annotations[refusedAnnotation], nil
}

// DeleteRestore deletes the Secret with this UID. That it is gone already is no error.
func (c *Client) DeleteRestore(ctx context.Context, namespace, keyring, uid string) error {
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": map[string]string{"uid": uid}})
	if err != nil {
		return err
	}
	to := c.resources(namespace, "secrets", "api", "v1").JoinPath(RestoreName(keyring))
	resp, err := c.send(ctx, http.MethodDelete, to, metadataObject, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var gone json.RawMessage
	err = c.answer(resp, &gone)
	if refusal := (*StatusError)(nil); errors.As(err, &refusal) && refusal.Code == http.StatusNotFound {
		return nil
	}
	return err
}
