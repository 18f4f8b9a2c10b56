package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// answer is what the API server says to one GET.
type answer struct {
	code int
	body any
}

// serveCluster answers as kube-apiserver 1.37 does (the texts are its own) and writes kubeconfigs: the contexts differ in what they may read. The real
// server is met in e2e; here every refusal is wanted at will.
func serveCluster(env *testscript.Env, k keys) error {
	const keyring, other = "/apis/waxwing.io/v1alpha1/keyrings/prod", "/apis/waxwing.io/v1alpha1/keyrings/default"
	const configMap = "/api/v1/namespaces/waxwing-system/configmaps/waxwing-recipients-prod"
	conditions := []any{map[string]any{"type": "Ready", "status": "True", "reason": "KeyActive", "message": "sealing to a key"}}
	ready := answer{200, map[string]any{"metadata": map[string]any{"name": "prod"}, "status": map[string]any{"recipients": string(k.note), "statementKey": k.vkey, "conditions": conditions}}}
	glass := answer{200, map[string]any{
		"metadata": map[string]any{"name": "prod"}, "spec": map[string]any{"breakGlass": map[string]any{"recipients": []string{k.other}}},
		"status": map[string]any{"recipients": string(k.note), "statementKey": k.vkey, "conditions": conditions},
	}}
	move := func(spec map[string]any, conditions ...any) answer {
		return answer{200, map[string]any{
			"metadata": map[string]any{"name": "prod", "generation": 4, "resourceVersion": "7", "labels": map[string]any{"team": "a"}}, "spec": spec,
			"status": map[string]any{"observedGeneration": 4, "conditions": conditions},
		}}
	}
	condition := func(kind, status, reason, message string) any {
		return map[string]any{"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 4}
	}
	inSecrets := map[string]any{"source": map[string]any{"secret": map[string]any{}}, "class": "postquantum"}
	leaving := map[string]any{"source": map[string]any{"vaultKV": map[string]any{}}, "moveFrom": map[string]any{"secret": map[string]any{}}, "class": "postquantum"}
	unready := answer{200, map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "Ready", "status": "False", "reason": "KeySourceUnavailable", "message": "the key Secret cannot be read"}}}}}
	notFound := answer{404, map[string]any{"kind": "Status", "reason": "NotFound", "code": 404,
		"message": `keyrings.waxwing.io "default" not found`, "details": map[string]any{"name": "default", "group": "waxwing.io", "kind": "keyrings"}}}
	forbidden := answer{403, map[string]any{"kind": "Status", "reason": "Forbidden", "code": 403,
		"message": `keyrings.waxwing.io "prod" is forbidden: User "dev" cannot get resource "keyrings" in API group "waxwing.io" at the cluster scope`}}
	unauthorized := answer{401, map[string]any{"kind": "Status", "reason": "Unauthorized", "code": 401, "message": "Unauthorized"}}
	published := answer{200, map[string]any{"data": map[string]any{"recipients.note": string(k.note), "statement-key": k.vkey}}}
	noteOnly := answer{200, map[string]any{"data": map[string]any{"recipients.note": string(k.note)}}}
	contexts := map[string]map[string]answer{
		"admin": {keyring: ready, other: notFound, "/apis/waxwing.io/v1alpha1/keyrings": {200, map[string]any{
			"items": []any{map[string]any{"metadata": map[string]any{"name": "prod"}}}}}},
		"dev":       {keyring: forbidden, configMap: published},
		"glass":     {keyring: glass},
		"glassdev":  {keyring: forbidden, configMap: {200, map[string]any{"data": map[string]any{"recipients.note": string(k.note), "statement-key": k.vkey, "breakglass": k.other + "\n"}}}},
		"insecrets": {keyring: move(inSecrets)},
		"unseen":    {keyring: move(leaving)},
		"left":      {keyring: move(leaving, condition("Moving", "True", "KeysLeft", "left in spec.moveFrom: keys 3f2a"))},
		"blocked":   {keyring: move(leaving, condition("Moving", "True", "KeysLeft", "left"), condition("Stalled", "True", "MoveBlocked", "another statement key"))},
		"moved":     {keyring: move(leaving, condition("Moving", "False", "NothingLeft", "nothing is left"))},
		"backup":    {keyring: ready, "/api/v1/namespaces/waxwing-system/configmaps/waxwing-backup-prod": {200, map[string]any{"data": map[string]any{"backup.note": string(k.backup)}}}},
		"nobackup": {keyring: move(inSecrets, condition("BackedUp", "False", "NoBreakGlass", "there is nobody to encrypt it to")), "/api/v1/namespaces/waxwing-system/configmaps/waxwing-backup-prod": {404, map[string]any{
			"kind": "Status", "reason": "NotFound", "code": 404, "message": `configmaps "waxwing-backup-prod" not found`, "details": map[string]any{"name": "waxwing-backup-prod", "kind": "configmaps"}}}},
		"keyless":      {keyring: forbidden, configMap: noteOnly},
		"noteless":     {keyring: forbidden, configMap: {200, map[string]any{"data": map[string]any{"statement-key": k.vkey}}}},
		"nobody":       {keyring: forbidden, configMap: forbidden},
		"unready":      {keyring: unready},
		"older":        {keyring: {200, map[string]any{"status": map[string]any{"recipients": string(k.oldNote), "statementKey": k.vkey}}}},
		"forged":       {keyring: {200, map[string]any{"status": map[string]any{"recipients": string(k.note), "statementKey": k.otherVkey}}}},
		"uninstalled":  {},
		"unauthorized": {keyring: unauthorized, "/version": unauthorized},
		"proxy":        {keyring: {502, "<html>bad gateway</html>"}},
		"elsewhere":    {keyring: {302, "moved"}},
	}
	for name, ready := range map[string]bool{"destroyed": true, "destroyed-unready": false} {
		answers, err := destroyedCluster(k, ready)
		if err != nil {
			return err
		}
		contexts[name] = answers
	}
	healthy, err := healthyCluster()
	if err != nil {
		return err
	}
	for _, name := range []string{"admin", "older", "nobody", "unready"} {
		maps.Copy(contexts[name], healthy)
	}
	maps.Copy(contexts, sickClusters(contexts["admin"]))
	maps.Copy(contexts["admin"], secretsOfACluster())
	maps.Copy(contexts["dev"], secretsForbidden())
	for name, answers := range contexts {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, ok := answers[pathAndPage(r)]
			if !ok {
				a = answer{404, "404 page not found"}
			}
			if a.code == http.StatusFound {
				w.Header().Set("Location", "https://elsewhere.invalid/")
			}
			w.WriteHeader(a.code)
			_ = json.NewEncoder(w).Encode(a.body)
		}))
		env.Defer(server.Close)
		if err := writeKubeconfig(filepath.Join(env.WorkDir, "keys", name+".kubeconfig"), server); err != nil {
			return err
		}
	}
	return nil
}

func writeKubeconfig(path string, server *httptest.Server) error {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	b, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "main",
		"clusters": []any{map[string]any{"name": "main", "cluster": map[string]any{"server": server.URL, "certificate-authority-data": ca}}},
		"contexts": []any{map[string]any{"name": "main", "context": map[string]any{"cluster": "main", "user": "main"}}},
		"users":    []any{map[string]any{"name": "main", "user": map[string]any{"token": "not-a-token"}}},
	})
	if err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return os.WriteFile(path, b, 0o600)
}
