package hostile

import (
	"strings"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// pathCases have names that lead elsewhere, or look like others.
func pathCases() []Case {
	named := func(name, path, shown string) Case {
		return Case{Name: "path: " + name, Lines: func(b *Builder) []Line { return []Line{b.File(path, b.Sealed("victim"))} }, Refused: []string{shown + " 0 PathUnsafe?"}}
	}
	inside := func(name, folder string) Case {
		return Case{
			Name:    "path: " + name,
			Lines:   func(b *Builder) []Line { return []Line{b.Folder(folder, b.File(Victim, b.Sealed("victim")))} },
			Refused: []string{folder + "/" + Victim + " 0 PathUnsafe?"},
		}
	}
	return []Case{
		inside("..", ".."),
		inside(".", "."),
		inside(".git", ".git"),
		inside(".GIT", ".GIT"),
		inside("git~1", "git~1"),
		inside(".git with a dot", ".git."),
		named("a line break", "a\nb.yaml", `"a\nb.yaml"`),
		named("a terminal's escape", "\x1b[2Jx.yaml", `"\x1b[2Jx.yaml"`),
		named("written from right to left", "\u202elmay.x.yaml", `"\u202elmay.x.yaml"`),
		named("a space without width", "victim\u200b.yaml", `"victim\u200b.yaml"`),
		named("not UTF-8", "victim\xff.yaml", `"victim\xff.yaml"`),
		{
			Name: "path: names that differ in case only",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(Victim, b.Sealed("victim")), b.File("VICTIM.yaml", b.Sealed("other"))}
			},
			Refused: []string{"VICTIM.yaml 0 PathUnsafe?", Victim + " 0 PathUnsafe?"},
		},
		{
			Name: "path: folders that differ in case only",
			Lines: func(b *Builder) []Line {
				return []Line{b.Folder("a", b.File(Victim, b.Sealed("victim"))), b.Folder("A", b.File(Victim, b.Sealed("other")))}
			},
			Refused: []string{"A/" + Victim + " 0 PathUnsafe?", "a/" + Victim + " 0 PathUnsafe?"},
		},
		{
			Name: "path: 500 folders deep",
			Lines: func(b *Builder) []Line {
				l := b.File(Victim, b.Sealed("victim"))
				for range 500 {
					l = b.Folder("d", l)
				}
				return []Line{l}
			},
			Refused: []string{strings.Repeat("d/", 31) + "d 0 PathUnsafe?"},
		},
		{
			Name: "path: 5,000 characters",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(strings.Repeat("n", 5000)+".yaml", b.Sealed("victim"))}
			},
			Refused: []string{strings.Repeat("n", 300) + "… 0 PathUnsafe?"},
		},
		{
			Name: "path: hooks and a configuration of git",
			Lines: func(b *Builder) []Line {
				return []Line{
					b.File(Victim, b.Sealed("victim")),
					b.Folder(".git", b.File("config", "[core]\nfsmonitor = touch /tmp/pwned\n"), b.Folder("hooks", Line{ModeProgram, "post-checkout", b.Blob("#!/bin/sh\ntouch /tmp/pwned\n")})),
				}
			},
			Applied: []string{"victim"},
			Refused: []string{".git/config 0 PathUnsafe", ".git/hooks/post-checkout 0 PathUnsafe"},
		},
		{
			Name: "path: .gitmodules and .gitattributes that run programs",
			Lines: func(b *Builder) []Line {
				return []Line{
					b.File(".gitmodules", "[submodule \"x\"]\npath = x\nurl = -u./payload\nupdate = !touch /tmp/pwned\n"),
					b.File(".gitattributes", "* filter=evil\n"),
					{ModeModule, "x", pack.ID{1}},
				}
			},
			Refused: []string{"x 0 Submodule?"},
		},
		{
			Name:    "path: what is no manifest",
			Lines:   func(b *Builder) []Line { return []Line{b.File("victim.txt", b.Sealed("victim")), b.File("a\nb", "x")} },
			Refused: nil,
			Pruned:  true,
		},
	}
}
