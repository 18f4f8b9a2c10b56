package merge

import (
	"bytes"
	"maps"
)

// comments brings the comments that theirs changed into text, which is ours made into want: base and theirs are made into want, too, so that nothing but comments
// and layout is left to differ, and the three are merged as text. Where that fails, conflicted is the text with markers around the comments.
func (m *merger) comments(text []byte, base, ours, theirs *piece, p *plan) (merged, conflicted []byte, err error) {
	if m.Text == nil || base == nil || maps.Equal(remarks(base.body), remarks(theirs.body)) {
		return text, nil, nil
	}
	lost := func() ([]byte, []byte, error) {
		if !within(remarks(theirs.body), remarks(text)) {
			p.warnings = append(p.warnings, "comments that the other side changed are left out: they cannot be merged")
		}
		return text, nil, nil
	}
	if base.unsure {
		return lost()
	}
	was, whole1, err1 := m.become(base.body, base.sealed.tree, p.want)
	other, whole2, err2 := m.become(theirs.body, theirs.sealed.tree, p.want)
	if err1 != nil || err2 != nil || whole1 || whole2 {
		return lost()
	}
	out, clean, err := m.Text(was, text, other)
	switch {
	case err != nil:
		return nil, nil, err
	case clean && m.means(out, p.want):
		return out, nil, nil
	case clean || len(p.clashes) > 0 || within(remarks(theirs.body), remarks(text)) || !m.onlyLayout(out, p.want):
		return lost()
	}
	return text, out, nil
}

// onlyLayout says whether the conflicts of a text are over nothing but comments and layout: it means want whichever side is taken in each of them. An item that
// has another place on the two sides would be there twice, or not at all, where one side is taken above and the other below.
func (m *merger) onlyLayout(text []byte, want tree) bool {
	ours, n, ok := resolve(text, func(int) bool { return false })
	if !ok || n == 0 || n > maxRegions || n*len(text) > maxWork || !m.means(ours, want) {
		return false
	}
	for i := range n {
		one, _, _ := resolve(text, func(nth int) bool { return nth == i })
		rest, _, _ := resolve(text, func(nth int) bool { return nth != i })
		if !m.means(one, want) || !m.means(rest, want) {
			return false
		}
	}
	return true
}

func (m *merger) means(text []byte, want tree) bool {
	d, err := m.parseOne(text)
	if err != nil {
		return false
	}
	b, err := d.JSON()
	return err == nil && sameTree(decodeTree(b), any(want))
}

// remarks counts the lines with a "#", by what stands after it. Nothing that is sealed has one.
func remarks(text []byte) map[string]int {
	counts := map[string]int{}
	for line := range bytes.Lines(text) {
		if _, remark, ok := bytes.Cut(line, []byte("#")); ok {
			counts[string(bytes.TrimSpace(remark))]++
		}
	}
	return counts
}

func within(a, b map[string]int) bool {
	for remark, n := range a {
		if b[remark] < n {
			return false
		}
	}
	return true
}
