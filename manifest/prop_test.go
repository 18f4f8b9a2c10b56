package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	kubeyaml "sigs.k8s.io/yaml"
)

// randomJSON returns a random value with strings that are easy to get wrong.
func randomJSON(r *rand.Rand, depth int) any {
	words := []string{"x", "", " ", "true", "null", "yes", "off", "y", "~", "123", "0x1f", "1e3", "-", "---", "...", "- a", "a: b", "a #b", "#a", "{", "}", "[a]",
		"a,b", "*a", "&a", "!a", "%a", "@a", "`a`", "|", ">", "?", "? a", ":", "a:", ":a", "'", `"`, "\\", "{{ .x }}", "\t", "a\tb", "a\n", "a\nb", "a\nb\n", "a\n\nb\n\n",
		"\na", " a\nb", "\ta\nb", "a\n b\n", "a  \nb", "a\r\nb", "\n", "\n\n", "a\u2028b", "a\u0085b", "\ufeffa", "\u0000", "\u007f", "ü", "😀", "2026-11-23", "1:30", "1_000", "=", "<<",
		"-----BEGIN AGE ENCRYPTED FILE-----\nYWJj\n-----END AGE ENCRYPTED FILE-----\n", "YWJj+/8=", "12345678e90", "0b1", ".5", ".inf", "+1", "a\n#b\n", "a\n---\nb", "\U000e0001", strings.Repeat("long ", 40)}
	switch n := r.IntN(10); {
	case n < 5 || depth == 0 && n > 6:
		return words[r.IntN(len(words))]
	case n == 5:
		return []any{nil, true, false, 0.0, -7.0, 1.5, 1e21, 123456789.0}[r.IntN(8)]
	case n == 6:
		return []any{map[string]any{}, []any{}}[r.IntN(2)]
	case n == 7:
		list := make([]any, 1+r.IntN(3))
		for i := range list {
			list[i] = randomJSON(r, depth-1)
		}
		return list
	default:
		m := map[string]any{}
		for range 1 + r.IntN(3) {
			m[words[r.IntN(len(words))]] = randomJSON(r, depth-1)
		}
		return m
	}
}

// kubectlReads returns what kubectl reads from the YAML.
func kubectlReads(t *testing.T, text []byte) any {
	t.Helper()
	data, err := kubeyaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("kubectl refuses it: %v\n%s", err, text)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// setIn and deleteIn are the model that edits are compared with.
func setIn(v any, path []string, to any) {
	m := v.(map[string]any)
	if len(path) == 1 {
		m[path[0]] = to
		return
	}
	if m[path[0]] == nil {
		m[path[0]] = map[string]any{}
	}
	setIn(m[path[0]], path[1:], to)
}

func deleteIn(v any, path []string) {
	for _, key := range path[:len(path)-1] {
		v = v.(map[string]any)[key]
	}
	delete(v.(map[string]any), path[len(path)-1])
}

// touched returns which lines of a are not in b, in order.
func touched(a, b []string) []int {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			length[i][j] = max(length[i+1][j], length[i][j+1])
			if a[i] == b[j] {
				length[i][j] = max(length[i][j], 1+length[i+1][j+1])
			}
		}
	}
	var out []int
	for i, j := 0, 0; i < len(a); {
		switch {
		case j < len(b) && a[i] == b[j] && length[i][j] == 1+length[i+1][j+1]:
			i, j = i+1, j+1
		case j < len(b) && length[i][j+1] >= length[i+1][j]:
			j++
		default:
			out = append(out, i)
			i++
		}
	}
	return out
}

func linesOf(text []byte) []string {
	return strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}

// randomEdit picks an edit of the document and the lines it may touch.
func randomEdit(g *generator, r *rand.Rand) (path []string, del bool, allowed func(line int) bool) {
	e := g.entries[r.IntN(len(g.entries))]
	switch r.IntN(3) {
	case 0:
		allowed = func(line int) bool {
			return line >= e.first && line <= e.last ||
				line == e.header && (e.only || e.header == e.first) || // becomes {}, or begins with a dash
				e.flow && (e.only && line == e.last+1 || isNeighbour(g, e, line))
		}
		return e.path, true, allowed
	case 1:
		return e.path, false, func(line int) bool { return line >= e.first && line <= e.last }
	}
	// A new entry beside it, perhaps with a mapping that is missing.
	path = append(append([]string{}, e.path[:len(e.path)-1]...), fmt.Sprintf("%c-new", 'a'+rune(r.IntN(26))))
	if r.IntN(3) == 0 {
		path = append(path, "deeper", "still")
	}
	return path, false, func(line int) bool {
		return line == e.header && e.header == e.first || e.flow && isNeighbour(g, e, line)
	}
}

// isNeighbour reports whether line is an entry of the same flow mapping, which
// may gain or lose a comma.
func isNeighbour(g *generator, e *genEntry, line int) bool {
	for _, other := range g.entries {
		if other.header == e.header && other.first == line {
			return true
		}
	}
	return false
}

// endsText reports whether rest begins with the header of a block scalar that
// ends the text without a newline: it gets a "-" when lines follow.
func endsText(text []byte, rest []string) bool {
	return !bytes.HasSuffix(text, []byte("\n")) && len(rest) < 12 && strings.ContainsAny(rest[0], "|>")
}

func TestRandomEditsChangeOnlyTheirLines(t *testing.T) {
	const cases = 4000
	r := rand.New(rand.NewPCG(20261123, 1))
	done := 0
	for n := range cases {
		g, text := newDocument(r)
		f, err := Parse("gen.yaml", text)
		if err != nil {
			t.Fatalf("case %d: %v\n%s", n, err, text)
		}
		if !bytes.Equal(f.Bytes(), text) {
			t.Fatalf("case %d: bytes differ without an edit", n)
		}
		path, del, allowed := randomEdit(g, r)
		val := randomJSON(r, 2)
		if editOnce(t, n, f, text, path, del, val, allowed) {
			done++
		}
		if t.Failed() {
			return
		}
	}
	if done < cases/2 {
		t.Errorf("only %d of %d edits were not refused", done, cases)
	}
}

// editOnce makes one edit and checks it; it reports false for a refusal.
func editOnce(t *testing.T, n int, f *File, text []byte, path []string, del bool, val any, allowed func(int) bool) bool {
	t.Helper()
	want := kubectlReads(t, text)
	newJSON, _ := json.Marshal(val)
	d := f.Docs()[0]
	var err error
	if del {
		err = d.Delete(path)
	} else {
		err = d.Set(path, newJSON)
	}
	fail := func(format string, args ...any) {
		t.Errorf("case %d, delete %v, path %q, value %s: %s\n--- before\n%s\n--- after\n%s",
			n, del, path, newJSON, fmt.Sprintf(format, args...), text, f.Bytes())
	}
	if err != nil {
		if !bytes.Equal(f.Bytes(), text) {
			fail("an error changed the document")
		}
		for _, expected := range []string{"anchor (&)", "alias (*)", "no mapping"} {
			if strings.Contains(err.Error(), expected) {
				return false
			}
		}
		fail("%v", err)
		return false
	}
	if del {
		deleteIn(want, path)
	} else {
		setIn(want, path, val)
	}
	after := f.Bytes()
	if got := kubectlReads(t, after); !reflect.DeepEqual(got, want) {
		fail("kubectl reads %v, want %v", got, want)
		return true
	}
	before := linesOf(text)
	for _, line := range touched(before, linesOf(after)) {
		// Blank lines may belong to a "|+" scalar before them.
		if before[line] != "" && !allowed(line) && !endsText(text, before[line:]) {
			fail("line %d was touched: %q", line+1, before[line])
			return true
		}
	}
	if nl := []byte("\n"); bytes.HasSuffix(text, nl) != bytes.HasSuffix(after, nl) && !(del && bytes.ContainsAny(text, "|>")) {
		fail("the final newline changed")
	}
	if crlf := bytes.Count(text, []byte("\r\n")); crlf > 0 && bytes.Count(after, []byte("\r\n")) != bytes.Count(after, []byte("\n")) {
		fail("line endings are mixed")
	}
	again, err := Parse("gen.yaml", after)
	if err != nil {
		fail("the result does not parse: %v", err)
		return true
	}
	if del {
		if err := again.Docs()[0].Delete(path); !errors.Is(err, ErrNotFound) {
			fail("deleted twice: %v", err)
		}
	}
	return true
}

// TestRandomEditsOfJSON does the same with JSON of several values and styles.
func TestRandomEditsOfJSON(t *testing.T) {
	const cases = 3000
	r := rand.New(rand.NewPCG(20261123, 2))
	for n := range cases {
		values := []any{randomObject(r), randomObject(r), randomObject(r)}
		indent := []string{"", "  ", "\t", "    "}[r.IntN(4)]
		var text []byte
		for _, v := range values {
			data, _ := json.Marshal(v)
			if indent != "" {
				data, _ = json.MarshalIndent(v, "", indent)
			}
			text = append(append(text, data...), []string{"\n", " ", "\n\n"}[r.IntN(3)]...)
		}
		f, err := Parse("gen.json", text)
		if err != nil || f.Syntax() != JSON || len(f.Docs()) != 3 {
			t.Fatalf("case %d: %v\n%s", n, err, text)
		}
		if !bytes.Equal(f.Bytes(), text) {
			t.Fatalf("case %d: bytes differ without an edit", n)
		}
		path := randomPath(r, values[1])
		val := randomJSON(r, 2)
		newJSON, _ := json.Marshal(val)
		d := f.Docs()[1]
		lines := bytes.Count(d.text, []byte("\n"))
		if r.IntN(2) == 0 {
			err = d.Set(path, newJSON)
			setIn(values[1], path, val)
		} else if err = d.Delete(path); errors.Is(err, ErrNotFound) {
			err = nil
		} else {
			deleteIn(values[1], path)
		}
		if err != nil {
			t.Fatalf("case %d, path %q: %v\n%s", n, path, err, text)
		}
		checkJSON(t, f.Bytes(), values)
		if indent == "" && bytes.Count(d.text, []byte("\n")) != lines {
			t.Errorf("a value on one line got more")
		}
		if t.Failed() {
			t.Fatalf("case %d, path %q, value %s\n--- before\n%s\n--- after\n%s", n, path, newJSON, text, f.Bytes())
		}
	}
}

func randomObject(r *rand.Rand) map[string]any {
	return map[string]any{"a": randomJSON(r, 2), "b": map[string]any{"c": randomJSON(r, 1), "e": 1.0}, "d": map[string]any{}}
}

// randomPath returns a path that exists or could.
func randomPath(r *rand.Rand, v any) []string {
	var path []string
	for {
		m, ok := v.(map[string]any)
		if !ok {
			return path
		}
		keys := []string{"new", "d"}
		for key := range m {
			keys = append(keys, key)
		}
		slices.Sort(keys[2:])
		key := keys[r.IntN(len(keys))]
		path = append(path, key)
		child, exists := m[key]
		if !exists || r.IntN(3) == 0 {
			return path
		}
		v = child
	}
}

func checkJSON(t *testing.T, text []byte, want []any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	for _, w := range want {
		var got any
		if err := dec.Decode(&got); err != nil {
			t.Error(err)
			return
		}
		if !reflect.DeepEqual(got, w) {
			t.Errorf("got %v, want %v", got, w)
		}
	}
}

// TestRandomReplacements replaces whole documents by random values.
func TestRandomReplacements(t *testing.T) {
	const cases = 3000
	r := rand.New(rand.NewPCG(20261123, 3))
	for n := range cases {
		_, text := newDocument(r)
		text = append([]byte("first: 1 # stays\n---\n"), bytes.ReplaceAll(text, []byte("---"), []byte("#--"))...)
		f, err := Parse("gen.yaml", text)
		if err != nil {
			t.Fatalf("case %d: %v\n%s", n, err, text)
		}
		val := randomJSON(r, 4)
		newJSON, _ := json.Marshal(val)
		if err := f.Docs()[1].Replace(newJSON); err != nil {
			t.Fatalf("case %d, value %s: %v\n%s", n, newJSON, err, text)
		}
		after, ok := bytes.CutPrefix(f.Bytes(), []byte("first: 1 # stays\n---\n"))
		if !ok {
			t.Fatalf("case %d: the other document changed\n%s", n, f.Bytes())
		}
		if got := kubectlReads(t, after); !reflect.DeepEqual(got, val) {
			t.Fatalf("case %d, value %s: kubectl reads %v\n%s", n, newJSON, got, after)
		}
	}
}
