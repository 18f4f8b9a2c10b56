package hostile

import "github.com/waxwing-io/waxwing/agent/source/pack"

// entryCases have entries that are no ordinary files.
func entryCases() []Case {
	link := func(name, target string) Case {
		return Case{Name: "link: " + name, Lines: func(b *Builder) []Line { return []Line{b.Link(Victim, target)} }, Refused: []string{Victim + " 0 Symlink?"}}
	}
	return append([]Case{
		link("to a file of the repository", Good),
		link("to a file of the machine", "/etc/passwd"),
		link("to a token", "../../../../var/run/secrets/kubernetes.io/serviceaccount/token"),
		link("to itself", Victim),
		link("to nothing", ""),
		link("with a NUL byte", "good.yaml\x00/etc/passwd"),
		{
			Name:    "link: two that lead to each other",
			Lines:   func(b *Builder) []Line { return []Line{b.Link("a", "b"), b.Link("b", "a")} },
			Refused: []string{"a 0 Symlink?", "b 0 Symlink?"},
		},
		{
			Name:    "link: a folder",
			Lines:   func(b *Builder) []Line { return []Line{b.Link("apps", ".")} },
			Refused: []string{"apps 0 Symlink?"},
		},
		{
			Name: "link: to what is no manifest",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(Victim, b.Sealed("victim")), b.File("README.md", "x"), b.Link("README", "README.md")}
			},
			Applied: []string{"victim"},
		},
		{
			Name: "link: one as large as a file may be",
			Lines: func(b *Builder) []Line {
				return []Line{b.Link("x", string(make([]byte, 1<<20)))}
			},
			Refused: []string{"x 0 Symlink?"},
		},
		{
			Name:   "link: the folder that is followed",
			Folder: "apps",
			Lines: func(b *Builder) []Line {
				return []Line{b.Folder("other", b.File(Victim, b.Sealed("victim"))), b.Link("apps", "other")}
			},
			Lacks:   true,
			Refused: []string{"apps 0 Symlink?"},
		},
		{
			Name:    "submodule: the folder that is followed",
			Folder:  "apps",
			Lines:   func(b *Builder) []Line { return []Line{{ModeModule, "apps", pack.ID{1}}} },
			Lacks:   true,
			Refused: []string{"apps 0 Submodule?"},
		},
		{
			Name:    "submodule: in the place of a file",
			Lines:   func(b *Builder) []Line { return []Line{{ModeModule, Victim, pack.ID{1}}} },
			Refused: []string{Victim + " 0 Submodule?"},
		},
		{
			Name:    "folder: what is followed is gone",
			Folder:  "apps",
			Lines:   func(b *Builder) []Line { return []Line{b.Folder("other", b.File(Victim, b.Sealed("victim")))} },
			Lacks:   true,
			Refused: []string{"apps 0 PathNotFound?"},
		},
		{
			Name:    "folder: what is followed is a file",
			Folder:  "apps",
			Lines:   func(b *Builder) []Line { return []Line{b.File("apps", "x")} },
			Lacks:   true,
			Refused: []string{"apps 0 PathNotFound?"},
		},
		{
			Name:    "folder: in the place of a file",
			Lines:   func(b *Builder) []Line { return []Line{b.Folder(Victim, b.File("x.yaml", b.Sealed("victim")))} },
			Applied: []string{"victim"},
		},
		{
			Name: "file: a program",
			Lines: func(b *Builder) []Line {
				return []Line{{ModeProgram, Victim, b.Blob(b.Sealed("victim"))}}
			},
			Applied: []string{"victim"},
		},
	}, malformedCases()...)
}

// malformedCases have entries that git does not make.
func malformedCases() []Case {
	return []Case{
		{
			Name: "entry: a name that is there twice",
			Lines: func(b *Builder) []Line {
				return []Line{b.File(Victim, b.Sealed("victim")), b.File(Victim, b.Sealed("other"))}
			},
			Refused: []string{Victim + " 0 PathUnsafe?", Victim + " 0 PathUnsafe?"},
		},
		{
			Name:    "entry: a / in a name",
			Lines:   func(b *Builder) []Line { return []Line{b.File("a/"+Victim, b.Sealed("victim"))} },
			Refused: []string{"a/" + Victim + " 0 PathUnsafe?"},
		},
		{
			Name:    "entry: no name",
			Fake:    true,
			Lines:   func(b *Builder) []Line { return []Line{b.File("", b.Sealed("victim"))} },
			Refused: []string{`"" 0 PathUnsafe?`},
		},
		{
			Name:    "entry: an unknown mode",
			Lines:   func(b *Builder) []Line { return []Line{{"60000", Victim, b.Blob(b.Sealed("victim"))}} },
			Refused: []string{Victim + " 0 PathUnsafe?"},
		},
		{
			Name: "entry: a file that is a folder",
			Lines: func(b *Builder) []Line {
				return []Line{{ModeFile, Victim, b.Tree(b.File("x.yaml", b.Sealed("victim")))}}
			},
			Fake:    true,
			Refused: []string{Victim + " 0 PathUnsafe?"},
		},
		{
			Name:  "entry: a folder that is a file",
			Lines: func(b *Builder) []Line { return []Line{{ModeFolder, "apps", b.Blob(b.Sealed("victim"))}} },
			Fake:  true,
			Fetch: "RepositoryUnsafe",
		},
		{
			Name:  "entry: a file that is not there",
			Lines: func(*Builder) []Line { return []Line{{ModeFile, Victim, pack.ID{1}}} },
			Fake:  true,
			Fetch: "FetchFailed",
			Says:  Victim,
		},
		{
			Name: "entry: a tree that ends in the middle",
			Tree: func(b *Builder) pack.ID {
				return b.RawTree([]byte("100644 " + Victim + "\x00cut"))
			},
			Fake:  true,
			Fetch: "RepositoryUnsafe",
		},
	}
}
