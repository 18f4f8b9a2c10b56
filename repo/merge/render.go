package merge

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/waxwing-io/waxwing/manifest"
)

const (
	// maxRegions is how many conflicts of one document are shown each for itself.
	maxRegions = 64
	// maxCombined is up to how many of them all combinations of choices are tried.
	maxCombined = 5
)

// render writes the plan into the text of ours.
func (m *merger) render(base, ours, theirs *piece, p *plan) (outcome, error) {
	text, asWhole, err := m.become(ours.body, ours.sealed.tree, p.want)
	if err != nil {
		return outcome{}, err
	}
	if asWhole {
		p.warnings = append(p.warnings, "it is written anew: comments and layout inside of it are lost")
	}
	text, comments, err := m.comments(text, base, ours, theirs, p)
	if err != nil {
		return outcome{}, err
	}
	if comments != nil {
		m.result.Conflicts = append(m.result.Conflicts, Conflict{Document: ours.label(), Reason: "has comments that do not merge"})
		return outcome{piece: ours, text: comments, ours: text, theirs: text}, nil
	}
	if len(p.clashes) == 0 {
		return whole(ours, text), nil
	}
	return m.conflicts(ours, text, p)
}

// group is clashes that are shown in one conflict.
type group struct {
	region
	clashes []clash
}

// conflicts shows each clash where it stands in text, which has ours everywhere.
func (m *merger) conflicts(ours *piece, text []byte, p *plan) (outcome, error) {
	text = endLine(bytes.Clone(text), m.eol)
	chosen := p.theirs()
	theirs, _, err := m.become(text, p.want, chosen)
	if err != nil {
		return outcome{}, err
	}
	groups, err := m.groups(text, p)
	if err != nil || !m.goTogether(text, groups, p) {
		groups = []group{{region: difference(text, theirs), clashes: p.clashes}}
	}
	all := lines(text)
	var out []byte
	at := 0
	for _, g := range groups {
		c := Conflict{Document: ours.label(), Reason: "is changed on both sides", Ours: g.side(p.want), Theirs: g.side(chosen)}
		if len(g.clashes) == 1 {
			c.Field = field(g.clashes[0].path)
			c.Ours.Removed, c.Theirs.Removed = g.clashes[0].ours == nil, g.clashes[0].theirs == nil
			if c.Ours.Removed || c.Theirs.Removed {
				c.Reason = "is removed on one side and changed on the other"
			}
		}
		m.result.Conflicts = append(m.result.Conflicts, c)
		out = append(out, bytes.Join(all[at:g.start], nil)...)
		out = append(out, m.marked(c, bytes.Join(g.ours, nil), bytes.Join(g.theirs, nil))...)
		at = g.end
	}
	out = append(out, bytes.Join(all[at:], nil)...)
	return outcome{piece: ours, text: out, ours: text, theirs: theirs}, nil
}

// goTogether says whether each combination of choices is the object that it says. Each for itself is, by the way in which its lines were found; but one that
// takes the last member of a mapping away leaves no place for what another one adds.
func (m *merger) goTogether(text []byte, groups []group, p *plan) bool {
	n := len(groups)
	if n < 2 {
		return true
	}
	if n <= maxCombined && len(text)<<n <= maxWork {
		for set := range 1 << n {
			if !m.holdsChoice(text, groups, p, func(i int) bool { return set>>i&1 == 1 }) {
				return false
			}
		}
		return true
	}
	for but := range n + 1 { // all of theirs, and all but one
		if !m.holdsChoice(text, groups, p, func(i int) bool { return i != but }) {
			return false
		}
	}
	return true
}

func (m *merger) holdsChoice(text []byte, groups []group, p *plan, theirs func(i int) bool) bool {
	all := lines(text)
	var out []byte
	var chosen []clash
	at := 0
	for i, g := range groups {
		side := g.ours
		if theirs(i) {
			side, chosen = g.theirs, append(chosen, g.clashes...)
		}
		out = append(append(out, bytes.Join(all[at:g.start], nil)...), bytes.Join(side, nil)...)
		at = g.end
	}
	return m.means(append(out, bytes.Join(all[at:], nil)...), withTheirs(p.want, chosen))
}

// side tells what one choice has for the clashes of g, by the newest of the envelopes that their items name.
func (g group) side(t tree) Side {
	var s Side
	for _, c := range g.clashes {
		id, _ := at(t, append(slices.Clone(c.path), "envelope")...).(string)
		if len(c.path) == 3 && c.path[1] == "items" && id > s.Envelope {
			sealedAt, _ := at(t, "spec", "envelopes", id, "sealedAt").(string)
			s = Side{Envelope: id, SealedAt: sealedAt}
		}
	}
	return s
}

// groups finds the lines of each clash: those that change when theirs is chosen there and nowhere else. Clashes that share lines are one conflict. So any
// combination of choices gives the object that it says.
func (m *merger) groups(text []byte, p *plan) ([]group, error) {
	var todo []group
	if work := len(p.clashes) * len(text); len(p.clashes) > maxRegions || work > maxWork && len(p.clashes) > 1 {
		todo = []group{{clashes: p.clashes}}
	} else {
		for _, c := range p.clashes {
			todo = append(todo, group{clashes: []clash{c}})
		}
	}
	for {
		for i := range todo {
			if err := m.locate(&todo[i], text, p); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(todo, func(a, b group) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end)) })
		merged := m.joinOverlaps(todo)
		if len(merged) == len(todo) {
			return merged, nil
		}
		todo = merged
	}
}

func (m *merger) locate(g *group, text []byte, p *plan) error {
	if g.ours != nil || g.theirs != nil {
		return nil
	}
	theirs, _, err := m.become(text, p.want, withTheirs(p.want, g.clashes))
	if err != nil {
		return err
	}
	g.region = difference(text, endLine(bytes.Clone(theirs), m.eol))
	return nil
}

// joinOverlaps joins neighbours that share lines; in JSON also those that touch, where a comma depends on both.
func (m *merger) joinOverlaps(sorted []group) []group {
	var out []group
	for _, g := range sorted {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if g.start < last.end || m.isJSON() && g.start <= last.end {
				// The lines of the two together are looked for again.
				*last = group{clashes: append(slices.Clone(last.clashes), g.clashes...), region: region{start: last.start, end: max(last.end, g.end)}}
				continue
			}
		}
		out = append(out, g)
	}
	return out
}

func (m *merger) isJSON() bool { return m.syntax == manifest.JSON }
