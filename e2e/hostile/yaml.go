package hostile

import (
	"fmt"
	"strings"
)

// yamlCases are texts that readers of YAML and JSON fall for, or disagree about.
func yamlCases() []Case {
	replaced := func(old, with string) func(b *Builder) string {
		return as(func(s string) string {
			if !strings.Contains(s, old) {
				panic("the text has no " + old)
			}
			return strings.Replace(s, old, with, 1)
		})
	}
	behind := func(text string) func(b *Builder) string { return as(func(s string) string { return s + text }) }
	return []Case{
		content("yaml: a kind twice", "0 InvalidYAML?", as(func(s string) string { return "kind: ConfigMap\n" + s })),
		content("yaml: a name twice", "0 InvalidYAML?", replaced("name: victim", "name: victim\n  name: good")),
		content("yaml: an item twice", "0 InvalidYAML?", replaced("    password:", "    password: {envelope: x, value: y}\n    password:")),
		content("yaml: a key in quotes, and without", "0 InvalidYAML?", replaced("name: victim", "name: victim\n  \"name\": good")),
		content("json: a member twice", "0 InvalidYAML?", func(b *Builder) string {
			return strings.Replace(b.JSON(b.Object("prod", "victim")), `"name":"victim"`, `"name":"victim","name":"good"`, 1)
		}),
		content("json: a member twice, written in two ways", "0 InvalidYAML?", func(b *Builder) string {
			return strings.Replace(b.JSON(b.Object("prod", "victim")), `"name":"victim"`, `"name":"victim","n\u0061me":"good"`, 1)
		}),
		content("json: it ends in the middle", "0 InvalidYAML?", func(b *Builder) string { s := b.JSON(b.Object("prod", "victim")); return s[:len(s)/2] }),
		content("yaml: it ends in the middle", "1 InvalidFormat?", as(func(s string) string { return s[:strings.Index(s, "sealedAt")] })),
		content("yaml: aliases that laugh a billion times", "0 InvalidYAML?", behind(laughs())),
		content("yaml: an alias of itself", "0 InvalidYAML?", behind("x: &x [*x]\n")),
		content("yaml: a merge of itself", "0 InvalidYAML?", behind("x: &x\n  <<: *x\n")),
		content("yaml: aliases that make much of little", "1 TooLarge?", behind("x: &x "+strings.Repeat("y", 100_000)+"\nz: ["+strings.TrimSuffix(strings.Repeat("*x, ", 100), ", ")+"]\n")),
		content("yaml: aliases of what is written longer", "1 TooLarge?", behind("x: &x \""+strings.Repeat("\u00ad", 100_000)+"\"\nz: ["+strings.TrimSuffix(strings.Repeat("*x, ", 70), ", ")+"]\n")),
		content("yaml: a merge over what is there", "0 InvalidYAML?", as(func(s string) string { return "x: &x {kind: Secret}\n" + s + "<<: *x\n" })),
		content("yaml: 300 levels", "0 InvalidYAML?", behind("x: "+strings.Repeat("[", 300)+strings.Repeat("]", 300)+"\n")),
		content("yaml: 500,000 levels", "0 TooMany?", behind("x: "+strings.Repeat("[", 500_000))),
		content("json: 500,000 levels", "0 TooMany?", func(*Builder) string { return `{"kind":"GitSecret","x":` + strings.Repeat("[", 500_000) }),
		content("yaml: 50,000 levels of -", "0 InvalidYAML?", behind(strings.Repeat("- ", 50_000)+"x\n")),
		content("yaml: 300,000 values", "0 TooMany?", behind("x: ["+strings.Repeat("1,", 300_000)+"]\n")),
		content("yaml: 60,000 values", "", behind("status: ["+strings.TrimSuffix(strings.Repeat("1,", 60_000), ",")+"]\n")),
		valuesInManyFiles(),
		content("yaml: 10,001 documents", "0 InvalidYAML?", as(func(s string) string { return strings.Repeat("---\nx\n", 10_001) + "---\n" + s })),
		content("yaml: a key of 900,000 characters", "0 InvalidYAML?", behind(strings.Repeat("k", 900_000)+": x\n")),
		content("yaml: a line of 900,000 quotes", "0 InvalidYAML?", behind("x: "+strings.Repeat(`"`, 900_001)+"\n")),
		content("yaml: 80,000 anchors", "0 TooMany?", behind("x:\n"+numbered("- &a%d x\n", 80_000))),
		content("yaml: 60,000 comments", "", behind(numbered("# %d\n", 60_000))),
		content("yaml: a tag that runs a program", "1 InvalidFormat?", replaced("kind: GitSecret", "kind: !!python/object/apply:os.system [GitSecret]")),
		content("yaml: a tag of somebody's own", "1 InvalidYAML?", replaced("kind: GitSecret", "kind: !mine GitSecret")),
		content("yaml: a template", "0 InvalidYAML?", replaced("name: victim", "name: {{ .Values.name }}")),
		content("yaml: a conflict", "0 InvalidYAML?", as(func(s string) string { return "<<<<<<< HEAD\n" + s + "=======\n" + s + ">>>>>>> branch\n" })),
		content("yaml: tabs", "0 InvalidYAML?", replaced("  name: victim", "\tname: victim")),
		content("yaml: a kind in escapes", "", replaced("kind: GitSecret", `kind: "\x47it\u0053ecret"`)),
		content("yaml: a kind in base64", "", replaced("kind: GitSecret", "kind: !!binary R2l0U2VjcmV0")),
		content("yaml: a kind by an alias", "", as(func(s string) string {
			return "x: &x GitSecret\n" + strings.Replace(s, "kind: GitSecret", "kind: *x", 1)
		})),
	}
}

// valuesInManyFiles are as many files as are written at a time, each of which takes much memory to be parsed.
func valuesInManyFiles() Case {
	c := Case{Name: "yaml: 16 files of 60,000 values, which are applied", Applied: []string{"victim"}}
	for i := range 16 {
		c.Applied = append(c.Applied, fmt.Sprintf("x%02d", i))
	}
	c.Lines = func(b *Builder) []Line {
		var lines []Line
		for _, name := range c.Applied {
			lines = append(lines, b.File(name+".yaml", b.Sealed(name)+"status: ["+strings.TrimSuffix(strings.Repeat("1,", 60_000), ",")+"]\n"))
		}
		return lines
	}
	return c
}

func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return b.String()
}

// numbered are n lines with numbers.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
