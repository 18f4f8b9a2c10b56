package manifest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// genEntry is an entry of a generated document: its path and the lines it was
// written to.
type genEntry struct {
	path        []string
	first, last int  // lines of the entry, from 0
	header      int  // line of the mapping it is in (the key above, the dash)
	only        bool // the mapping has no other entry
	flow        bool // in a flow mapping with a line for each entry
}

// generator writes random YAML and keeps book of where it put what.
type generator struct {
	r       *rand.Rand
	lines   []string
	entries []*genEntry
	serial  int
	anchors []string
	step    int
	indent0 bool // lists are not indented
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *generator) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *generator) add(line string) { g.lines = append(g.lines, line) }

// noise writes blank lines and comments, not deeper than col so that they are
// never content of a block scalar.
func (g *generator) noise(col int) {
	for g.chance(25) {
		switch {
		case g.chance(40):
			g.add("")
		default:
			g.serial++
			g.add(spaces(g.r.IntN(col+1)) + fmt.Sprintf("# note %d: {{ not }} a 'key: [", g.serial))
		}
	}
}

func (g *generator) tail() string {
	if g.chance(20) {
		g.serial++
		return fmt.Sprintf("%s# tail %d", spaces(1+g.r.IntN(3)), g.serial)
	}
	return ""
}

func (g *generator) key() string {
	g.serial++
	n := fmt.Sprintf("%c%d", 'a'+rune(g.r.IntN(26)), g.serial)
	return g.pick(n, n, n, "k.io/"+n, "k-"+n+"_x", "ü"+n)
}

func (g *generator) keyText(key string) string {
	switch g.r.IntN(8) {
	case 0:
		return `"` + key + `"`
	case 1:
		return "'" + key + "'"
	}
	return key
}

// scalar returns a scalar of one line for block context.
func (g *generator) scalar() string {
	return g.pick("plain", "two words", "12", "1e3", "true", "yes", "null", "~", `"double \" \\ # x"`, "'single '' : x'", "2026-11-23",
		"a#b", "x:y", "http://x/y?z=1", "!!str 12", "-5", "0x1f", `"ü\u00e9"`, "ünï", `""`, "''", "YWJj+/==", "{}", "[]", "[1, two, 'three']",
		"{p: 1, \"q\": [x, {y: z}]}", "- dash"[2:], "!!str tagged", "| "[:0]+"a | b", "{p: }", "[ a , b , ]")
}

// mapping writes a block mapping. prefix begins its first line.
func (g *generator) mapping(path []string, prefix string, col, depth int) {
	g.mappingFrom(path, prefix, col, depth, len(g.lines)-1)
}

func (g *generator) mappingFrom(path []string, prefix string, col, depth, header int) {
	n := 1 + g.r.IntN(4)
	var own []*genEntry
	if g.chance(70) {
		g.serial += 100
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = g.key()
	}
	if g.chance(50) {
		for i := range keys {
			keys[i] = fmt.Sprintf("%c-%s", 'a'+rune(i), keys[i])
		}
	}
	for i, key := range keys {
		if i > 0 || strings.TrimSpace(prefix) == "" {
			g.noise(col)
		}
		e := &genEntry{path: append(append([]string{}, path...), key), first: len(g.lines), header: header}
		if strings.TrimSpace(prefix) != "" {
			e.header = len(g.lines)
		}
		g.entries = append(g.entries, e)
		own = append(own, e)
		if i > 0 {
			prefix = spaces(col)
		}
		g.value(e, prefix+g.keyText(key)+":", col, depth)
		e.last = len(g.lines) - 1
	}
	for _, e := range own {
		e.only = n == 1
	}
}

// value writes a value after lead.
func (g *generator) value(e *genEntry, lead string, col, depth int) {
	switch k := g.r.IntN(20); {
	case k < 7:
		g.add(lead + spaces(1+g.r.IntN(2)) + g.scalar() + g.tail())
	case k < 8:
		g.add(lead + g.tail())
	case k < 9:
		g.add(lead + " first line")
		g.add(spaces(col+g.step) + "second line" + g.tail())
	case k < 10:
		g.add(lead + ` "first line`)
		g.add("")
		g.add(spaces(col+g.step) + `# no comment"` + g.tail())
	case k < 12:
		g.literal(lead, col)
	case k < 13:
		g.flowLines(e, lead, col)
	case k < 14 && len(g.anchors) > 0:
		g.add(lead + " *" + g.pick(g.anchors...) + g.tail())
	case k < 15:
		g.serial++
		name := fmt.Sprintf("n%d", g.serial)
		g.anchors = append(g.anchors, name)
		g.add(lead + " &" + name + " " + g.pick("word", "{p: 1}", "[x]", `"q"`) + g.tail())
	case k < 17 && depth > 0:
		g.add(lead + g.tail())
		g.noise(col)
		g.list(col, depth)
	case depth > 0:
		g.add(lead + g.pick("", "", "", " !!map") + g.tail())
		g.mapping(e.path, spaces(col+g.step), col+g.step, depth-1)
	default:
		g.add(lead + " x" + g.tail())
	}
}

func (g *generator) literal(lead string, col int) {
	g.add(lead + " " + g.pick("|", "|-", "|+", ">", ">-", ">+", "|"+fmt.Sprint(g.step)) + g.tail())
	for i := 0; i <= g.r.IntN(3); i++ {
		g.add(spaces(col+g.step) + g.pick("text", "# no comment", "key: [", "--- x", "- y", "{{ .x }}"))
		if g.chance(25) {
			g.add("")
		}
		if g.chance(15) {
			g.add(spaces(col+g.step) + "  deeper  ")
		}
	}
}

func (g *generator) flowLines(e *genEntry, lead string, col int) {
	pad := spaces(col + g.step)
	g.add(lead + " {")
	n := g.r.IntN(4)
	for i := 0; i < n; i++ {
		key := g.key()
		child := &genEntry{path: append(append([]string{}, e.path...), key), first: len(g.lines), last: len(g.lines), header: e.first, only: n == 1, flow: true}
		g.entries = append(g.entries, child)
		comma := ","
		if i == n-1 {
			comma = g.pick("", ",")
		}
		g.add(pad + g.keyText(key) + ": " + g.pick("1", "word", `"q, {"`, "[a, b]", "{x: y}") + comma + g.tail())
	}
	g.add(spaces(col+1) + "}" + g.tail())
}

func (g *generator) list(col, depth int) {
	at := col
	if !g.indent0 {
		at += g.step
	}
	for i := 0; i <= g.r.IntN(3); i++ {
		if i > 0 {
			g.noise(at)
		}
		switch g.r.IntN(4) {
		case 0:
			inner := depth - 1
			gap := 1 + g.r.IntN(2)
			// Entries in lists have no path: they are there to be left alone.
			kept := g.entries
			g.mappingFrom(nil, spaces(at)+"-"+spaces(gap), at+1+gap, max(inner, 0), len(g.lines))
			g.entries = kept
		case 1:
			g.literal(spaces(at)+"-", at)
		default:
			g.add(spaces(at) + "- " + g.scalar() + g.tail())
		}
	}
}

// document returns a random document and its entries.
func newDocument(r *rand.Rand) (*generator, []byte) {
	g := &generator{r: r, step: 2 + 2*r.IntN(2), indent0: r.IntN(2) == 0}
	g.noise(0)
	if g.chance(30) {
		g.add("--- # mark")
	}
	g.mapping(nil, "", 0, 3)
	g.noise(0)
	if g.chance(10) {
		g.add("...")
		g.add("# after the end")
	}
	eol := g.pick("\n", "\n", "\r\n")
	text := strings.Join(g.lines, eol)
	if g.chance(80) {
		text += eol
	}
	return g, []byte(text)
}
