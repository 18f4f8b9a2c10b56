package desired

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/repo/scan"
)

const (
	// maxShown bounds what is shown of a path, in bytes.
	maxShown = 300
	// maxLinks is how many links are looked at for where they lead; maxTarget how long such a text may be, in bytes.
	maxLinks  = 1000
	maxTarget = 1024
)

// Shown is a path as it can be shown anywhere: quoted where it has unusual characters, and cut where it is long.
func Shown(p string) string {
	cut := ""
	if len(p) > maxShown {
		end := maxShown
		for end > 0 && !utf8.RuneStart(p[end]) {
			end--
		}
		p, cut = strings.ToValidUTF8(p[:end], "\ufffd"), "…"
	}
	if p == "" || unprintable(p) || strings.HasPrefix(p, `"`) {
		p = strconv.QuoteToASCII(p)
	}
	return p + cut
}

func unprintable(p string) bool {
	return !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) })
}

// candidate is a file whose content is looked at.
type candidate struct {
	path, blob string
	json       bool
}

// picker picks, of the entries of a commit, those that are looked at.
type picker struct {
	folder  string // without / around it; empty: the root
	files   []File
	read    ReadFunc
	limit   int64 // bytes of a file
	pick    []candidate
	refused []Refusal

	folded  map[string]int      // how many manifests have a path, but for its case
	regular map[string]struct{} // all files of the commit that are no manifests, once somebody asks
	links   int
}

// cleanFolder is a folder's path without / around it; empty: the root.
func cleanFolder(folder string) string {
	return strings.TrimPrefix(path.Clean("/"+folder), "/")
}

// run goes through all entries. Only the end of ctx is an error.
func (p *picker) run(ctx context.Context) error {
	inside := 0
	p.folded = map[string]int{}
	for _, f := range p.files {
		if p.below(f.Path) && scan.IsManifest(f.Path) {
			p.folded[fold(f.Path)]++
		}
	}
	for _, f := range p.files {
		switch {
		case p.below(f.Path):
			inside++
			if err := p.entry(ctx, f); err != nil {
				return err
			}
		case p.folder == f.Path || strings.HasPrefix(p.folder, f.Path+"/"):
			inside++
			p.standsInTheWay(f)
		}
	}
	if inside == 0 {
		p.refuse(cmp.Or(p.folder, "/"), PathNotFound, "there is nothing at this path: look at spec.source.path", false)
	}
	return ctx.Err()
}

func (p *picker) below(file string) bool {
	return p.folder == "" || len(file) > len(p.folder) && file[len(p.folder)] == '/' && file[:len(p.folder)] == p.folder
}

func (p *picker) refuse(file, reason, message string, known bool) {
	p.refused = append(p.refused, Refusal{Path: Shown(file), Reason: reason, Message: message, Known: known})
}

// standsInTheWay refuses what stands where spec.source.path should lead through folders.
func (p *picker) standsInTheWay(f File) {
	const hint = ": spec.source.path has to name a folder, through folders"
	switch f.Kind {
	case Link:
		p.refuse(f.Path, Symlink, "is a symbolic link, which is not followed"+hint, false)
	case Module:
		p.refuse(f.Path, Submodule, "is a submodule, which is not fetched"+hint, false)
	case Regular:
		p.refuse(f.Path, PathNotFound, "is a file"+hint, false)
	default:
		p.refuse(f.Path, PathUnsafe, "is nothing that can be looked into"+hint, false)
	}
}

// entry judges an entry by its path and kind.
func (p *picker) entry(ctx context.Context, f File) error {
	manifest := scan.IsManifest(f.Path)
	switch wrong := wrongPart(f.Path); {
	case f.Kind == Malformed:
		p.refuse(f.Path, PathUnsafe, "Git does not make such an entry: a name that is there twice, is empty or has a / in it, or an unknown mode", false)
	case wrong != "":
		p.refuse(f.Path, PathUnsafe, wrong, f.Kind == Regular && !manifest)
	case f.Kind == Folder:
		p.refuse(f.Path, PathUnsafe, "lies too deep, or has too long a path, to be looked into", false)
	case f.Kind == Module:
		p.refuse(f.Path, Submodule, "is a submodule, which is not fetched: put the files here, or let a SecretSync follow that repository", false)
	case f.Kind == Link:
		return p.link(ctx, f, manifest)
	case manifest:
		p.regularFile(f)
	}
	return nil
}

func (p *picker) regularFile(f File) {
	switch {
	case unprintable(f.Path):
		p.refuse(f.Path, PathUnsafe, "its path has characters that cannot be seen, or is not UTF-8: rename it", false)
	case p.folded[fold(f.Path)] > 1:
		p.refuse(f.Path, PathUnsafe, "another path differs from this one in case only, so that not everybody sees the same files: rename one", false)
	case f.Size > p.limit:
		p.refuse(f.Path, TooLarge, tooLarge(f.Size, p.limit), false)
	default:
		p.pick = append(p.pick, candidate{path: f.Path, blob: f.Blob, json: strings.EqualFold(path.Ext(f.Path), ".json")})
	}
}

func tooLarge(size, limit int64) string {
	return fmt.Sprintf("has %d bytes, and files of %d at most are read: split it, or move it out of spec.source.path", size, limit)
}

// fold is a path without the difference between upper and lower case.
func fold(p string) string { return strings.ToLower(strings.ToUpper(p)) }

// wrongPart says what is wrong with a part of a path; empty: nothing.
func wrongPart(p string) string {
	for part := range strings.SplitSeq(p, "/") {
		switch name := strings.ToLower(strings.TrimRight(part, ". ")); {
		case part == "", part == ".", part == "..":
			return "has a part that leads elsewhere (., .. or nothing between two /)"
		case name == ".git", name == "git~1":
			return "lies in a folder .git, which is Git's own"
		}
	}
	return ""
}

// link refuses a symbolic link, unless it hides nothing: it leads, by its text, to a file of this commit that is no manifest.
func (p *picker) link(ctx context.Context, f File, manifest bool) error {
	if !manifest {
		harmless, err := p.leadsToOther(ctx, f)
		if harmless || err != nil {
			return err
		}
	}
	p.refuse(f.Path, Symlink, "is a symbolic link, which is not followed: put the file, or the folder, in its place", false)
	return nil
}

func (p *picker) leadsToOther(ctx context.Context, f File) (bool, error) {
	if p.links++; p.links > maxLinks {
		return false, nil
	}
	text, err := p.read(ctx, f.Blob)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || len(text) > maxTarget || strings.HasPrefix(string(text), "/") {
		// That a link cannot be read is no reason to read nothing else.
		return false, nil
	}
	_, is := p.others()[path.Join(path.Dir(f.Path), string(text))]
	return is, nil
}

// others are the files that are no manifests.
func (p *picker) others() map[string]struct{} {
	if p.regular == nil {
		p.regular = map[string]struct{}{}
		for _, f := range p.files {
			if f.Kind == Regular && !scan.IsManifest(f.Path) {
				p.regular[f.Path] = struct{}{}
			}
		}
	}
	return p.regular
}
