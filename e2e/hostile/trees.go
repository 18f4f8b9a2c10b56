package hostile

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
)

const mib = 1 << 20

// treeCases are repositories that are too large, most of them small as they come over the network.
func treeCases() []Case {
	return []Case{
		{
			Name: "bomb: files beyond counting",
			Tree: func(b *Builder) pack.ID {
				return nest(b, b.Tree(b.File("f.yaml", b.Sealed("victim"))))
			},
			Fetch: source.RepositoryTooLarge, Says: "more than 100000",
		},
		{
			Name:  "bomb: folders beyond counting",
			Tree:  func(b *Builder) pack.ID { return nest(b, b.Tree()) },
			Fetch: source.RepositoryTooLarge, Says: "more than 100000 folders",
		},
		{
			Name: "bomb: 100,001 files",
			Lines: func(b *Builder) []Line {
				lines := make([]Line, 100_001)
				id := b.Blob("x: y\n")
				for i := range lines {
					lines[i] = Line{ModeFile, fmt.Sprintf("%06d.yaml", i), id}
				}
				return lines
			},
			Fetch: source.RepositoryTooLarge, Says: "more than 100000 files",
		},
		{
			Name: "bomb: 36 MB of paths",
			Lines: func(b *Builder) []Line {
				var lines []Line
				id := b.Blob("x: y\n")
				for i := range 9000 {
					lines = append(lines, Line{ModeFile, fmt.Sprintf("%05d%s", i, strings.Repeat("n", 4000)), id})
				}
				return lines
			},
			Limits: source.Limits{ObjectBytes: 64 * mib},
			Fetch:  source.RepositoryTooLarge, Says: "32 MiB",
		},
		{
			Name:  "bomb: a file of 64 MiB of nothing",
			Lines: func(b *Builder) []Line { return []Line{b.File(Victim, string(make([]byte, 64*mib)))} },
			Fetch: source.RepositoryTooLarge,
		},
		{
			Name: "bomb: many files of 8 MiB of nothing",
			Lines: func(b *Builder) []Line {
				var lines []Line
				for i := range 12 {
					lines = append(lines, b.File(fmt.Sprintf("%02d.yaml", i), string(make([]byte, 8*mib-i))))
				}
				return lines
			},
			Limits: source.Limits{TotalBytes: 64 * mib},
			Fetch:  source.RepositoryTooLarge,
		},
		{
			Name: "bomb: too many objects",
			Lines: func(b *Builder) []Line {
				var lines []Line
				for i := range 3000 {
					lines = append(lines, b.File(fmt.Sprintf("%04d.yaml", i), fmt.Sprintf("x: %d\n", i)))
				}
				return lines
			},
			Limits: source.Limits{Objects: 2000},
			Fetch:  source.RepositoryTooLarge,
		},
		{
			Name: "bomb: a pack that is too large",
			Lines: func(b *Builder) []Line {
				noise := make([]byte, 2*mib)
				_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
				return []Line{b.File("noise.bin", string(noise))}
			},
			Limits: source.Limits{PackBytes: mib},
			Fetch:  source.RepositoryTooLarge,
		},
		{
			Name:    "size: one byte over a file's",
			Lines:   func(b *Builder) []Line { return []Line{b.File(Victim, filled(b.Sealed("victim"), mib+1))} },
			Refused: []string{Victim + " 0 TooLarge?"},
		},
		{
			Name:    "size: just a file's",
			Lines:   func(b *Builder) []Line { return []Line{b.File(Victim, filled(b.Sealed("victim"), mib))} },
			Applied: []string{"victim"},
		},
		{
			Name:    "size: 20 MiB of spaces",
			Lines:   func(b *Builder) []Line { return []Line{b.File(Victim, strings.Repeat(" ", 20*mib))} },
			Refused: []string{Victim + " 0 TooLarge?"},
		},
		{
			Name:    "empty: no files at all",
			Tree:    func(b *Builder) pack.ID { return b.Tree() },
			Lacks:   true,
			Refused: []string{"/ 0 PathNotFound?"},
		},
		{
			Name:  "empty: no manifests",
			Tree:  func(b *Builder) pack.ID { return b.Tree(b.File("README.md", "x")) },
			Lacks: true,
		},
		{
			Name:   "gone: one file, and nothing else",
			Lines:  func(*Builder) []Line { return nil },
			Pruned: true,
		},
		{
			Name:   "gone: a file that is empty",
			Lines:  func(b *Builder) []Line { return []Line{b.File(Victim, "")} },
			Pruned: true,
		},
	}
}

// nest puts a folder into folders into folders, three times each.
func nest(b *Builder, id pack.ID) pack.ID {
	for range 25 {
		id = b.Tree(Line{ModeFolder, "a", id}, Line{ModeFolder, "b", id}, Line{ModeFolder, "c", id})
	}
	return id
}

// filled is a text with a comment, so that it has n bytes.
func filled(text string, n int) string { return text + "#" + strings.Repeat("x", n-len(text)-2) + "\n" }
