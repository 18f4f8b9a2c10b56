package scan

// Index finds files by what they name: rotation looks up who still uses a key, write-back where an envelope lies. It holds one entry for each file and id.
// It goes by claims, and can leave out files that are Unsure: those are to be parsed whenever the answer has to be complete.
type Index struct {
	envelopes, keys, holders map[string][]string
	unsure                   []string
}

// NewIndex indexes files; answers keep their order.
func NewIndex(files []File) *Index {
	x := &Index{envelopes: map[string][]string{}, keys: map[string][]string{}, holders: map[string][]string{}}
	for _, f := range files {
		add(x.envelopes, f.Envelopes, f.Path)
		add(x.keys, f.Keys, f.Path)
		add(x.holders, f.Holders, f.Path)
		if f.Unsure {
			x.unsure = append(x.unsure, f.Path)
		}
	}
	return x
}

func add(m map[string][]string, ids []string, path string) {
	for _, id := range ids {
		m[id] = append(m[id], path)
	}
}

// Envelope lists the files that name an envelope.
func (x *Index) Envelope(id string) []string { return x.envelopes[id] }

// Key lists the files with a wrap that names a key id, as one of its own or of those before.
func (x *Index) Key(id string) []string { return x.keys[id] }

// Holder lists the files that have a wrap of a holder.
func (x *Index) Holder(name string) []string { return x.holders[name] }

// Unsure lists the files that can name more than the Index knows.
func (x *Index) Unsure() []string { return x.unsure }
