package cli_test

import "github.com/waxwing-io/waxwing/crypto/seal"

// destroyedCluster has a controller that has done what a restore asks for, but for the key of the backup: what is left of it says that it was destroyed. Without ready it has not.
func destroyedCluster(k keys, ready bool) (map[string]answer, error) {
	mine, err := seal.ParseRecipient(k.recipient)
	if err != nil {
		return nil, err
	}
	conditions := []any{map[string]any{"type": "Ready", "status": map[bool]string{true: "True", false: "False"}[ready], "reason": "KeyActive", "message": "sealing to a key"}}
	if ready {
		conditions = append(conditions, map[string]any{"type": "Restoring", "status": "False", "reason": "Done", "message": "0 keys of the backup are there; key 3f2a (Secret left) is destroyed (request u1)"})
	}
	const secrets = "/api/v1/namespaces/waxwing-system/secrets"
	return map[string]answer{
		"/apis/waxwing.io/v1alpha1/keyrings/prod": {200, map[string]any{"metadata": map[string]any{"name": "prod"}, "status": map[string]any{
			"recipients": string(k.note), "statementKey": k.vkey, "activeKey": "77aa77aa77aa77aa", "conditions": conditions,
			"keys": []any{map[string]any{"id": mine.KeyID(), "recipient": k.recipient, "state": "Destroyed"}},
		}}},
		"POST " + secrets:                 {201, map[string]any{"metadata": map[string]any{"name": "waxwing-restore-prod", "uid": "u1"}}},
		secrets + "/waxwing-restore-prod": {404, map[string]any{"kind": "Status", "reason": "NotFound", "code": 404, "message": "not found"}},
	}, nil
}
