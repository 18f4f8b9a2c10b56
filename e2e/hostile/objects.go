package hostile

import (
	"fmt"
	"strings"
)

// objectCases are GitSecrets that are not sound, or want more than they may.
func objectCases() []Case {
	changed := func(name, refused string, change func(o, meta, spec map[string]any)) Case {
		return content("object: "+name, refused, func(b *Builder) string {
			o := b.Object("prod", "victim")
			change(o, o["metadata"].(map[string]any), o["spec"].(map[string]any))
			return b.YAML(o)
		})
	}
	envelope := func(spec map[string]any) map[string]any {
		for _, e := range spec["envelopes"].(map[string]any) {
			return e.(map[string]any)
		}
		panic("no envelope")
	}
	return []Case{
		changed("no namespace", "1 NoNamespace?", func(_, meta, _ map[string]any) { delete(meta, "namespace") }),
		changed("an empty namespace", "1 NoNamespace?", func(_, meta, _ map[string]any) { meta["namespace"] = "" }),
		changed("a namespace that leads elsewhere", "1 InvalidFormat?", func(_, meta, _ map[string]any) { meta["namespace"] = "../kube-system" }),
		changed("no name, and one to be made up", "1 InvalidFormat?", func(_, meta, _ map[string]any) { delete(meta, "name"); meta["generateName"] = "x-" }),
		changed("a name that leads elsewhere", "1 InvalidFormat?", func(_, meta, _ map[string]any) { meta["name"] = "victim/status" }),
		changed("a name that is a number", "1 InvalidFormat?", func(_, meta, _ map[string]any) { meta["name"] = 5 }),
		changed("metadata that is a list", "1 InvalidFormat?", func(o, _, _ map[string]any) { o["metadata"] = []any{"victim"} }),
		changed("no spec", "1 InvalidFormat?", func(o, _, _ map[string]any) { delete(o, "spec") }),
		changed("a field that is not known", "1 InvalidFormat?", func(_, _, spec map[string]any) { spec["stringData"] = map[string]any{"x": "y"} }),
		changed("a field in other letters", "1 InvalidFormat?", func(_, _, spec map[string]any) { spec["Items"] = spec["items"]; delete(spec, "items") }),
		changed("another format", "1 InvalidFormat?", func(_, _, spec map[string]any) { spec["format"] = 2 }),
		changed("an item without its envelope", "1 InvalidFormat?", func(_, _, spec map[string]any) { spec["envelopes"] = map[string]any{} }),
		changed("a value that is none", "1 InvalidFormat?", func(_, _, spec map[string]any) {
			spec["items"].(map[string]any)["password"].(map[string]any)["value"] = "AAAA"
		}),
		changed("a commit that is none", "1 InvalidFormat?", func(_, _, spec map[string]any) { envelope(spec)["commit"] = "AAAA" }),
		changed("a time that is not the envelope's", "1 InvalidFormat?", func(_, _, spec map[string]any) { envelope(spec)["sealedAt"] = "2020-01-01T00:00:00Z" }),
		changed("no wraps", "1 InvalidFormat?", func(_, _, spec map[string]any) { envelope(spec)["wraps"] = map[string]any{} }),
		changed("33 holders", "1 InvalidFormat?", func(_, _, spec map[string]any) {
			wraps := envelope(spec)["wraps"].(map[string]any)
			for i := range 32 {
				wraps[fmt.Sprint("holder", i)] = wraps["prod"]
			}
		}),
		changed("a label that Kubernetes does not take", "1 InvalidFormat?", func(_, meta, _ map[string]any) { meta["labels"] = map[string]any{"-": "-"} }),
		changed("a label that is a number", "1 InvalidFormat?", func(_, meta, _ map[string]any) { meta["labels"] = map[string]any{"a": 1} }),
		changed("300 KiB of annotations", "1 InvalidFormat?", func(_, meta, _ map[string]any) {
			meta["annotations"] = map[string]any{"a": strings.Repeat("b", 300<<10)}
		}),
		changed("marks of others", "", func(o, meta, _ map[string]any) {
			meta["finalizers"], meta["uid"], meta["resourceVersion"] = []any{"example.com/never"}, "x", "1"
			meta["ownerReferences"] = []any{map[string]any{"apiVersion": "v1", "kind": "Namespace", "name": "prod", "uid": "x", "blockOwnerDeletion": true}}
			meta["annotations"] = map[string]any{"agent.waxwing.io/sync": "team/other", "audit.waxwing.io/applied-by": "system:admin", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
			o["status"] = map[string]any{"rewrap": []any{map[string]any{"holder": "prod", "note": "forged"}}}
		}),
	}
}

// crowdCases have too many of what is well, or the same more than once.
func crowdCases() []Case {
	sealedBeside := func(name string, files func(b *Builder) []Line, refused ...string) Case {
		return Case{Name: "twice: " + name, Lines: files, Refused: refused}
	}
	return []Case{
		sealedBeside("in two files", func(b *Builder) []Line {
			return []Line{b.File(Victim, b.Sealed("victim")), b.File("x.yaml", b.Sealed("victim"))}
		}, Victim+" 1 DuplicateObject?", "x.yaml 1 DuplicateObject?"),
		sealedBeside("the same file in two folders", func(b *Builder) []Line {
			f := b.File(Victim, b.Sealed("victim"))
			return []Line{f, b.Folder("a", f)}
		}, "a/"+Victim+" 1 DuplicateObject?", Victim+" 1 DuplicateObject?"),
		sealedBeside("in one file", func(b *Builder) []Line {
			return []Line{b.File(Victim, b.Sealed("victim")+"---\n"+b.Sealed("victim"))}
		}, Victim+" 1 DuplicateObject?", Victim+" 2 DuplicateObject?"),
		sealedBeside("in a List", func(b *Builder) []Line {
			return []Line{b.File(Victim, b.YAML(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{b.Object("prod", "victim"), b.Object("prod", "victim")}}))}
		}, Victim+" 1 DuplicateObject?", Victim+" 1 DuplicateObject?"),
		{
			Name:    "twice: good itself, in somebody's folder",
			Lines:   func(b *Builder) []Line { return []Line{b.Folder("team", b.File("x.yaml", b.Sealed("good")))} },
			Lacks:   true,
			Refused: []string{Good + " 1 DuplicateObject?", "team/x.yaml 1 DuplicateObject?"},
		},
		{
			Name: "crowd: 25,000 GitSecrets",
			Lines: func(b *Builder) []Line {
				var lines []Line
				for i := range 100 {
					lines = append(lines, b.File(fmt.Sprintf("x%02d.yaml", i), b.Many(fmt.Sprintf("x%02d-", i), 250)))
				}
				return lines
			},
			More: true, Thousands: true,
			Refused: []string{"x79.yaml 0 TooMany?", "x80.yaml 0 TooMany?", "x99.yaml 0 TooMany?"},
		},
		{
			Name: "crowd: one file under 50,000 paths",
			Lines: func(b *Builder) []Line {
				var lines []Line
				id := b.Blob(b.Many("x", 250))
				for i := range 50_000 {
					lines = append(lines, Line{ModeFile, fmt.Sprintf("x%05d.yaml", i), id})
				}
				return lines
			},
			More:    true,
			Refused: []string{"x00000.yaml 1 DuplicateObject?", "x00079.yaml 0 TooMany?", "x49999.yaml 0 TooMany?"},
		},
		{
			Name: "crowd: 90,000 links",
			Lines: func(b *Builder) []Line {
				var lines []Line
				id := b.Blob(Good)
				for i := range 90_000 {
					lines = append(lines, Line{ModeLink, fmt.Sprintf("x%05d", i), id})
				}
				return lines
			},
			More:    true,
			Refused: []string{"x00000 0 Symlink?", "x89999 0 Symlink?"},
		},
		{
			Name: "crowd: 40 files that break at their end",
			Lines: func(b *Builder) []Line {
				var lines []Line
				text := numbered("k%d: v\n", 60_000)
				for i := range 40 {
					lines = append(lines, b.File(fmt.Sprintf("x%03d.yaml", i), fmt.Sprintf("# %d\nkind: GitSecret\n", i)+text+"broken: [\n"))
				}
				return lines
			},
			More:    true,
			Refused: []string{"x000.yaml 0 InvalidYAML?", "x039.yaml 0 InvalidYAML?"},
		},
		{
			Name: "crowd: files full of key ids",
			Lines: func(b *Builder) []Line {
				var lines []Line
				for i := range 60 {
					lines = append(lines, b.File(fmt.Sprintf("x%02d.yaml", i), "# GitSecret\nbroken: [\n"+numbered(fmt.Sprintf("# %02x%%030x\n", i), 28_000)))
				}
				return lines
			},
			More:    true,
			Refused: []string{"x00.yaml 0 InvalidYAML?", "x59.yaml 0 InvalidYAML?"},
		},
	}
}
