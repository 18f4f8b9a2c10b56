package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
)

// healthyCluster is what a cluster answers, besides keyrings, in which Waxwing is installed and runs, to somebody who may see all of it.
func healthyCluster() (map[string]answer, error) {
	const apis, home = "/apis/waxwing.io/v1alpha1", "/namespaces/waxwing-system"
	answers := map[string]answer{
		"/version": {200, map[string]any{"gitVersion": "v1.37.2"}},
		apis:       {200, map[string]any{"resources": []any{map[string]any{"name": "gitsecrets"}, map[string]any{"name": "keyrings"}}}},
		"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {201, map[string]any{"status": map[string]any{"allowed": true}}},
		"/apis/coordination.k8s.io/v1" + home + "/leases/waxwing-controller": {200, map[string]any{"spec": map[string]any{
			"holderIdentity": "waxwing-controller-0_3f", "renewTime": time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"), "leaseDurationSeconds": 3600}}},
		"/apis/apps/v1" + home + "/statefulsets": {200, map[string]any{"items": []any{map[string]any{
			"metadata": map[string]any{"name": "waxwing-controller"},
			"spec": map[string]any{
				"replicas":             1,
				"template":             map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "example.org/waxwing-controller:v0.1.0"}}}},
				"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "audit"}}},
			},
			"status": map[string]any{"replicas": 1, "readyReplicas": 1},
		}}}},
		"/api/v1" + home + "/persistentvolumeclaims/audit-waxwing-controller-0": {200, map[string]any{"status": map[string]any{"phase": "Bound"}}},
	}
	for _, plural := range []string{"gitsecrets", "keyrings"} {
		b, err := os.ReadFile(filepath.Join("..", "charts", "waxwing", "files", "crds", "waxwing.io_"+plural+".yaml"))
		if err != nil {
			return nil, err
		}
		crd := map[string]any{}
		if b, err = yaml.YAMLToJSON(b); err == nil {
			err = json.Unmarshal(b, &crd)
		}
		if err != nil {
			return nil, err
		}
		crd["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}}
		answers["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+plural+".waxwing.io"] = answer{200, crd}
	}
	return answers, nil
}

// refuse is an answer to somebody without the right.
func refuse(what string) answer {
	return answer{403, map[string]any{"kind": "Status", "reason": "Forbidden", "code": 403, "message": what + ` is forbidden: User "dev" cannot look at it`}}
}

// sickClusters are healthy ones with something wrong in each.
func sickClusters(healthy map[string]answer) map[string]map[string]answer {
	const home = "/namespaces/waxwing-system"
	ready := healthy["/apis/waxwing.io/v1alpha1/keyrings/prod"]
	status, _ := ready.body.(map[string]any)["status"].(map[string]any)
	changed := map[string]map[string]answer{
		"blind": {
			"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gitsecrets.waxwing.io": refuse("crd"),
			"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":                        {201, map[string]any{"status": map[string]any{"allowed": false}}},
			"/apis/coordination.k8s.io/v1" + home + "/leases/waxwing-controller":            refuse("lease"),
			"/apis/apps/v1" + home + "/statefulsets":                                        refuse("statefulset"),
			"/api/v1" + home + "/persistentvolumeclaims/audit-waxwing-controller-0":         refuse("claim"),
		},
		"stopped": {
			"/apis/coordination.k8s.io/v1" + home + "/leases/waxwing-controller": {200, map[string]any{"spec": map[string]any{
				"holderIdentity": "waxwing-controller-0_3f", "renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15}}},
			"/apis/apps/v1" + home + "/statefulsets": {200, map[string]any{"items": []any{map[string]any{
				"metadata": map[string]any{"name": "waxwing-controller"},
				"spec":     map[string]any{"replicas": 2, "template": map[string]any{"spec": map[string]any{"volumes": []any{map[string]any{"name": "audit", "emptyDir": map[string]any{}}}}}},
			}}}},
		},
		"unbound": {
			"/api/v1" + home + "/persistentvolumeclaims/audit-waxwing-controller-0": {200, map[string]any{"status": map[string]any{"phase": "Pending"}}},
		},
		"sick-keyring": {
			"/apis/waxwing.io/v1alpha1/keyrings/prod": {200, map[string]any{"metadata": map[string]any{"name": "prod"}, "status": map[string]any{
				"recipients": status["recipients"], "statementKey": status["statementKey"], "conditions": []any{
					map[string]any{"type": "Ready", "status": "False", "reason": "SourceUnavailable", "message": "the key Secret cannot be read"},
					map[string]any{"type": "Degraded", "status": "True", "reason": "NoVolume", "message": "the audit log goes with the pod"}}}}},
		},
	}
	for _, answers := range changed {
		for path, a := range healthy {
			if _, ok := answers[path]; !ok {
				answers[path] = a
			}
		}
	}
	return changed
}
