package keyuse

import (
	"cmp"
	"slices"
)

// place is where an object is.
type place struct{ namespace, name string }

// Exposure is an object with values that a key could ever open.
type Exposure struct {
	Namespace string   `json:"namespace,omitempty"` // empty where it is not known
	Name      string   `json:"name"`
	Items     []string `json:"items"`
	// Said are those of Items that the controller calls exposed; the others are so by what envelopes say.
	Said []string `json:"said,omitempty"`
	// Cluster says that the cluster has it; otherwise only files do.
	Cluster bool `json:"cluster"`
	// Files have the object, or one of its envelopes.
	Files []string `json:"files,omitempty"`
}

// Exposures lists what keys could ever open, in the cluster and in files, and what the controller calls exposed; in byte order of namespace and name.
//
// A file belongs to the object of its place and name, and to each that has an envelope with the same id, whatever it is called there.
func Exposures(files []File, objects []Live, keys map[string]bool) []Exposure {
	index := newIndex(files)
	taken := map[int]bool{}
	var all []Exposure
	for i := range objects {
		o := &objects[i]
		items := union(o.Could(keys), o.Exposed)
		mine := index.filesOf(&o.Object)
		for _, f := range mine {
			taken[f] = true
		}
		if len(items) == 0 && !index.could(mine, keys) {
			continue
		}
		e := Exposure{Namespace: o.Namespace, Name: o.Name, Items: items, Said: sorted(o.Exposed), Cluster: true}
		for _, f := range mine {
			e.Files = append(e.Files, files[f].Path)
			e.Items = union(e.Items, files[f].Could(keys))
		}
		e.Files = sorted(e.Files)
		all = append(all, e)
	}
	for i := range files {
		f := &files[i]
		if items := f.Could(keys); !taken[i] && len(items) > 0 {
			all = append(all, Exposure{Namespace: f.Place, Name: f.Name, Items: items, Files: []string{f.Path}})
		}
	}
	slices.SortStableFunc(all, func(a, b Exposure) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Unsaid counts the objects of the cluster that the controller will have to call exposed, by what their envelopes say, and does not yet.
func Unsaid(objects []Live, keys map[string]bool) (n int) {
	for i := range objects {
		if o := &objects[i]; len(union(o.Could(keys), o.Exposed)) > len(sorted(o.Exposed)) {
			n++
		}
	}
	return n
}

// fileIndex finds the files of an object.
type fileIndex struct {
	files      []File
	byPlace    map[place][]int
	byEnvelope map[string][]int
}

func newIndex(files []File) *fileIndex {
	x := &fileIndex{files: files, byPlace: map[place][]int{}, byEnvelope: map[string][]int{}}
	for i := range files {
		f := &files[i]
		if f.Place != "" {
			at := place{f.Place, f.Name}
			x.byPlace[at] = append(x.byPlace[at], i)
		}
		for id := range f.Wraps {
			x.byEnvelope[id] = append(x.byEnvelope[id], i)
		}
	}
	return x
}

// filesOf are the indices of the files of an object, in their order.
func (x *fileIndex) filesOf(o *Object) []int {
	found := slices.Clone(x.byPlace[place{o.Namespace, o.Name}])
	for id := range o.Wraps {
		found = append(found, x.byEnvelope[id]...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (x *fileIndex) could(indices []int, keys map[string]bool) bool {
	return slices.ContainsFunc(indices, func(i int) bool { return len(x.files[i].Could(keys)) > 0 })
}

func union(a, b []string) []string { return sorted(slices.Concat(a, b)) }

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
