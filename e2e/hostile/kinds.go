package hostile

import "strings"

// kindCases are manifests of other kinds, or nearly GitSecrets.
func kindCases() []Case {
	const (
		secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: victim, namespace: prod}\nstringData: {password: canary-not-a-secret}\n"
		pod    = "apiVersion: v1\nkind: Pod\nmetadata: {name: victim, namespace: prod}\nspec: {containers: [{name: x, image: evil}]}\n"
		admin  = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: evil}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n"
		sync   = "apiVersion: waxwing.io/v1alpha1\nkind: SecretSync\nmetadata: {name: evil, namespace: prod}\nspec: {source: {url: https://evil.example.com/x, branch: main}}\n"
	)
	known := func(name, refused, text string) Case {
		c := content(name, refused, func(*Builder) string { return text })
		c.Pruned = true // there is no GitSecret in it, for certain
		return c
	}
	return []Case{
		known("kind: a Secret", "0 Plaintext", secret),
		known("kind: a Pod", "0 OtherKind", pod),
		known("kind: a ClusterRoleBinding", "0 OtherKind", admin),
		known("kind: a SecretSync", "1 OtherKind", sync),
		known("kind: a GitSecret of another group", "1 OtherKind", "apiVersion: example.com/v1\nkind: GitSecret\nmetadata: {name: victim, namespace: prod}\n"),
		{
			Name:    "kind: a Secret before a GitSecret",
			Lines:   func(b *Builder) []Line { return []Line{b.File(Victim, secret+"---\n"+b.Sealed("victim"))} },
			Applied: []string{"victim"},
			Refused: []string{Victim + " 1 Plaintext"},
		},
		{
			Name: "kind: all of them around a GitSecret",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(Victim, strings.Join([]string{pod, sync, b.Sealed("victim"), admin, secret}, "---\n"))}
			},
			Applied: []string{"victim"},
			Refused: []string{Victim + " 1 OtherKind", Victim + " 5 Plaintext"},
		},
		{
			Name: "kind: a GitSecret in a ConfigMap",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(Victim, "apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    "+strings.ReplaceAll(b.Sealed("victim"), "\n", "\n    ")+"\n")}
			},
			Refused: []string{Victim + " 1 OtherKind"},
			Pruned:  true,
		},
		content("kind: another version", "1 InvalidFormat?", as(func(s string) string { return strings.Replace(s, "/v1alpha1", "/v9", 1) })),
		content("kind: in small letters", "1 InvalidFormat?", as(func(s string) string { return strings.Replace(s, "GitSecret", "gitsecret", 1) })),
		content("kind: a list", "1 InvalidFormat?", as(func(s string) string { return strings.Replace(s, "kind: GitSecret", "kind: [GitSecret]", 1) })),
		content("kind: none", "1 InvalidFormat?", as(func(s string) string { return strings.Replace(s, "kind: GitSecret\n", "", 1) })),
		content("kind: no apiVersion", "1 InvalidFormat?", as(func(s string) string { return strings.Replace(s, "apiVersion: waxwing.io/v1alpha1\n", "", 1) })),
		content("kind: a GitSecretList", "1 InvalidFormat?", func(b *Builder) string {
			return b.YAML(map[string]any{"apiVersion": "waxwing.io/v1alpha1", "kind": "GitSecretList", "items": []any{b.Object("prod", "victim")}})
		}),
		content("kind: a list of something else", "1 InvalidFormat?", func(b *Builder) string {
			return b.YAML(map[string]any{"apiVersion": "v1", "kind": "SecretList", "items": []any{b.Object("prod", "victim")}})
		}),
		content("kind: a List", "", func(b *Builder) string {
			return b.YAML(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{b.Object("prod", "victim")}})
		}),
		content("kind: a List of nothing that is a list", "1 InvalidFormat?", func(*Builder) string {
			return "apiVersion: v1\nkind: List\nitems: {kind: GitSecret}\n"
		}),
		content("kind: Lists in Lists", "1 InvalidFormat?", func(b *Builder) string {
			var o any = b.Object("prod", "victim")
			for range 12 {
				o = map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{o}}
			}
			return b.YAML(o)
		}),
	}
}
