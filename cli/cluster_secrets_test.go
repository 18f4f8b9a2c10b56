package cli_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// pathAndPage is the key of an answer: the path, with what tells one list from another.
func pathAndPage(r *http.Request) string {
	key := r.URL.Path
	if !strings.HasSuffix(key, "/secrets") {
		return key
	}
	if r.Method == http.MethodPost {
		return "POST " + key
	}
	if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		return "lists are asked for without their data"
	}
	for _, name := range []string{"labelSelector", "continue"} {
		if v := r.URL.Query().Get(name); v != "" {
			key += "?" + name + "=" + v
		}
	}
	return key
}

const secretsPath = "/api/v1/namespaces/prod/secrets"

// secretIn is a Secret as an API server gives it, with more metadata and other members.
func secretIn(name string, metadata, members map[string]any) answer {
	m := map[string]any{
		"name": name, "namespace": "prod", "uid": "0d6f7c0e-8a52-4d4c-b1a9-0123456789ab", "resourceVersion": "812", "creationTimestamp": "2026-11-23T02:22:00Z",
		"managedFields": []any{map[string]any{"manager": "kubectl", "operation": "Update", "fieldsV1": map[string]any{"f:data": map[string]any{}}}},
	}
	for k, v := range metadata {
		m[k] = v
	}
	s := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": m, "type": "Opaque",
		"data": map[string]any{"password": base64.StdEncoding.EncodeToString([]byte(canary))},
	}
	for k, v := range members {
		s[k] = v
	}
	return answer{200, s}
}

func ownedBy(apiVersion, kind, name string) map[string]any {
	return map[string]any{"ownerReferences": []any{map[string]any{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": "x", "controller": true}}}
}

// page is one page of a list, without data.
func page(next string, names ...string) answer {
	var items []any
	for _, name := range names {
		items = append(items, map[string]any{"metadata": map[string]any{"name": name, "namespace": "prod"}})
	}
	return answer{200, map[string]any{"kind": "PartialObjectMetadataList", "metadata": map[string]any{"continue": next}, "items": items}}
}

// secretsOfACluster are Secrets of every kind that seal from-cluster tells apart.
func secretsOfACluster() map[string]answer {
	applied := map[string]any{
		"labels": map[string]any{"team": "a", "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": "apps", "argocd.argoproj.io/instance": "shop"},
		"annotations": map[string]any{
			"kubectl.kubernetes.io/last-applied-configuration": fmt.Sprintf(`{"kind":"Secret","stringData":{"password":"%s"}}`, canary),
			"meta.helm.sh/release-name":                        "shop", "meta.helm.sh/release-namespace": "prod", "waxwing.io/adopt": "true", "note": "kept",
		},
	}
	answers := map[string]answer{
		"db":       secretIn("db", map[string]any{"labels": map[string]any{"team": "a"}}, nil),
		"web":      secretIn("web", nil, map[string]any{"immutable": true, "type": "example.com/web"}),
		"applied":  secretIn("applied", applied, nil),
		"owned":    secretIn("owned", ownedBy("cert-manager.io/v1", "Certificate", "web-tls"), nil),
		"ours":     secretIn("ours", ownedBy("waxwing.io/v1alpha1", "GitSecret", "ours"), nil),
		"token":    secretIn("token", nil, map[string]any{"type": "kubernetes.io/service-account-token"}),
		"release":  secretIn("release", nil, map[string]any{"type": "helm.sh/release.v1"}),
		"key":      secretIn("key", nil, map[string]any{"type": "waxwing.io/sealing-key"}),
		"deleting": secretIn("deleting", map[string]any{"deletionTimestamp": "2026-11-23T02:22:00Z"}, nil),
		"empty":    secretIn("empty", nil, map[string]any{"data": nil}),
	}
	out := map[string]answer{
		secretsPath:                            page("2", "db", "owned"),
		secretsPath + "?continue=2":            page("3", "web"),
		secretsPath + "?continue=3":            page("", "gone", "key"),
		secretsPath + "?labelSelector=team=a":  page("", "db"),
		secretsPath + "?labelSelector=team=b":  page(""),
		secretsPath + "?labelSelector=team=c":  page("", "owned"),
		secretsPath + "?labelSelector=team=d":  page("", "db", "empty"),
		secretsPath + "?labelSelector=team in": {400, map[string]any{"kind": "Status", "reason": "BadRequest", "code": 400, "message": "unable to parse requirement: found '', expected: '('"}},
		secretsPath + "?labelSelector=team=e":  page("", "../../../../../apis"),
		secretsPath + "/nope":                  {404, map[string]any{"kind": "Status", "reason": "NotFound", "code": 404, "message": `secrets "nope" not found`}},
		secretsPath + "/gone":                  {404, map[string]any{"kind": "Status", "reason": "NotFound", "code": 404, "message": `secrets "gone" not found`}},
		secretsPath + "/strange":               {200, "no object"},
		"/api/v1/namespaces/default/secrets":   page(""),
	}
	for name, a := range answers {
		out[secretsPath+"/"+name] = a
	}
	return out
}

func secretsForbidden() map[string]answer {
	deny := func(verb, name string) answer {
		return answer{403, map[string]any{"kind": "Status", "reason": "Forbidden", "code": 403,
			"message": fmt.Sprintf(`secrets%s is forbidden: User "dev" cannot %s resource "secrets" in API group "" in the namespace "prod"`, name, verb)}}
	}
	return map[string]answer{secretsPath: deny("list", ""), secretsPath + "/db": deny("get", ` "db"`)}
}
