package standing

import (
	"cmp"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// File is a GitSecret in a file.
type File struct {
	Sealed
	// Path names the file, and Document the document in it, counted from 1.
	Path     string
	Document int
	// Place is the namespace that the object goes to, as far as file and settings say; empty where they do not.
	Place string
	// People maps holders that the settings know to their present key ids, in byte order.
	People map[string][]string
	// Problem is why the format refuses the object; empty where it does not. What else is known of it may be wrong then.
	Problem string
}

// Look is what the cluster was asked, and what it answered.
type Look struct {
	// Namespaces are those whose GitSecrets were listed; All says that all of them were.
	Namespaces map[string]bool
	All        bool
	// Objects are the GitSecrets in them.
	Objects []Live
	// SecretsIn are the namespaces whose Secrets could be looked at, AllSecrets says that it is all of them; Secrets are those of the controller.
	SecretsIn  map[string]bool
	AllSecrets bool
	Secrets    map[Key]Written
	// Keyrings are the holders that were asked for.
	Keyrings map[string]Keyring
	// Rest says that objects of the cluster which no file has are wanted, too.
	Rest bool
}

// Key is the place of an object.
type Key struct{ Namespace, Name string }

func (l *Look) asked(namespace string) bool { return l.All || l.Namespaces[namespace] }

// Join pairs files and objects of the cluster, and judges each pair. Rows are in byte order of namespace, name and file.
//
// A file stands for the object of its place and name. Where its place is not known, and where kustomize has renamed what it applied, it stands for objects
// with the same sealed content, or of the same name that are bound to the same place.
func Join(files []File, look *Look) []Row {
	j := joiner{look: look, taken: make([]bool, len(look.Objects)), at: map[Key]int{}}
	for i := range look.Objects {
		o := &look.Objects[i]
		j.at[Key{o.Namespace, o.Name}] = i
	}
	var loose []*File
	for i := range files {
		f := &files[i]
		at, found := j.at[Key{f.Place, f.Name}]
		if f.Place == "" || !found {
			loose = append(loose, f)
			continue
		}
		j.pair(f, at)
	}
	j.match(loose)
	for i := range look.Objects {
		if look.Rest && !j.taken[i] {
			j.rows = append(j.rows, j.row(nil, &look.Objects[i]))
		}
	}
	slices.SortStableFunc(j.rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File), cmp.Compare(a.Document, b.Document))
	})
	return j.rows
}

type joiner struct {
	look  *Look
	at    map[Key]int // index of the object in the cluster
	taken []bool      // objects that a file stands for
	rows  []Row
}

func (j *joiner) pair(f *File, at int) {
	j.taken[at] = true
	j.rows = append(j.rows, j.row(f, &j.look.Objects[at]))
}

// match finds objects for files whose place or name the cluster does not have.
func (j *joiner) match(loose []*File) {
	if len(loose) == 0 {
		return
	}
	free := map[[32]byte][]int{}
	named := map[string][]int{}
	for i := range j.look.Objects {
		if o := &j.look.Objects[i]; !j.taken[i] {
			free[o.whole] = append(free[o.whole], i)
			named[o.Name] = append(named[o.Name], i)
		}
	}
	for _, f := range loose {
		candidates := slices.DeleteFunc(slices.Clone(free[f.whole]), func(i int) bool {
			return j.taken[i] || f.Place != "" && f.Place != j.look.Objects[i].Namespace
		})
		for _, i := range named[f.Name] {
			o := &j.look.Objects[i]
			if f.Place == "" && !j.taken[i] && o.For == f.For && !slices.Contains(candidates, i) && f.For.Allows(seal.Target{Namespace: o.Namespace, Name: o.Name}) {
				candidates = append(candidates, i)
			}
		}
		for _, i := range candidates {
			j.pair(f, i)
		}
		if len(candidates) == 0 {
			j.rows = append(j.rows, j.row(f, nil))
		}
	}
}
