package unseal

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	templateForm = `use {{ .name }} or {{ index . "na.me" }}, and after | base64, quote, urlquery, trim, upper or lower`
	// maxPipeline bounds the functions after one value: quote and urlquery lengthen what they are given, and each multiplies what the one before it gave.
	maxPipeline = 8
	// maxTemplates bounds the text of all templates in bytes, and with it what the parser needs.
	maxTemplates = 64 << 10
)

// program is a template as the parts that it puts together; its parts are text, or an item with the functions that it passes through.
type program []part

type part struct {
	text  string
	item  string
	funcs []function
}

// compileAll compiles template.data against the items that are there. Nothing is rendered, so nothing needs to be opened.
func compileAll(spec *seal.Spec) (map[string]program, *Refusal) {
	if spec.Template == nil {
		return nil, nil
	}
	size := 0
	for _, text := range spec.Template.Data {
		size += len(text)
	}
	if size > maxTemplates {
		return nil, refuse(TemplateError, "template.data", "is longer than %d KiB in sum", maxTemplates>>10)
	}
	programs := make(map[string]program, len(spec.Template.Data))
	for _, key := range slices.Sorted(maps.Keys(spec.Template.Data)) {
		field := "template.data." + clip(key)
		if seal.CheckItemName(key) != nil {
			return nil, refuse(TemplateError, field, "cannot be a key of a Secret")
		}
		if _, taken := spec.Items[key]; taken {
			return nil, refuse(TemplateError, field, "is the name of a sealed item too").hint("rename one of them")
		}
		p, r := compile(field, spec.Template.Data[key])
		if r != nil {
			return nil, r
		}
		for _, part := range p {
			if _, there := spec.Items[part.item]; part.item != "" && !there {
				return nil, refuse(TemplateError, field, "refers to %q, which is not a sealed item", clip(part.item))
			}
		}
		programs[key] = p
	}
	return programs, nil
}

// control finds what nests: the parser takes much memory for it, and none of it is supported.
var control = regexp.MustCompile(`\{\{-?\s*(if|with|range|define|block|template)\b`)

var errorLine = regexp.MustCompile(`^template: [^:]*:(\d+):`)

// compile accepts text and the few actions of templateForm, from the syntax tree of text/template; none of its code ever runs. Errors never quote the
// template, in which somebody may have left a value.
func compile(field, text string) (program, *Refusal) {
	if at := control.FindStringIndex(text); at != nil {
		return nil, unsupported(field, text, at[0])
	}
	set := map[string]*parse.Tree{}
	tree := parse.New("data")
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "", "", set); err != nil {
		where := ""
		if m := errorLine.FindStringSubmatch(err.Error()); m != nil {
			where = " (line " + m[1] + ")"
		}
		return nil, refuse(TemplateError, field, "is not a template%s", where).hint(templateForm)
	}
	delete(set, "data")
	if len(set) > 0 {
		return nil, refuse(TemplateError, field, "defines further templates").hint(templateForm)
	}
	var p program
	for _, node := range tree.Root.Nodes {
		next, ok := compileNode(node)
		if !ok {
			return nil, unsupported(field, text, int(node.Position()))
		}
		p = append(p, next)
	}
	return p, nil
}

func unsupported(field, text string, at int) *Refusal {
	return refuse(TemplateError, field, "has an action that is not supported (line %d)", 1+strings.Count(text[:at], "\n")).hint(templateForm)
}

func compileNode(node parse.Node) (part, bool) {
	switch n := node.(type) {
	case *parse.TextNode:
		return part{text: string(n.Text)}, true
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) > 1+maxPipeline {
			return part{}, false
		}
		item, ok := itemOf(n.Pipe.Cmds[0].Args)
		if !ok {
			return part{}, false
		}
		p := part{item: item}
		for _, cmd := range n.Pipe.Cmds[1:] {
			f, ok := functionOf(cmd.Args)
			if !ok {
				return part{}, false
			}
			p.funcs = append(p.funcs, f)
		}
		return p, true
	}
	return part{}, false
}

// itemOf reads .name and index . "name".
func itemOf(args []parse.Node) (string, bool) {
	if len(args) == 1 {
		f, ok := args[0].(*parse.FieldNode)
		return firstOf(f, ok), ok && len(f.Ident) == 1
	}
	if len(args) != 3 {
		return "", false
	}
	index, isName := args[0].(*parse.IdentifierNode)
	_, isDot := args[1].(*parse.DotNode)
	name, isText := args[2].(*parse.StringNode)
	if !isName || index.Ident != "index" || !isDot || !isText {
		return "", false
	}
	return name.Text, name.Text != ""
}

func firstOf(f *parse.FieldNode, ok bool) string {
	if !ok {
		return ""
	}
	return f.Ident[0]
}

func functionOf(args []parse.Node) (function, bool) {
	if len(args) != 1 {
		return function{}, false
	}
	name, ok := args[0].(*parse.IdentifierNode)
	if !ok {
		return function{}, false
	}
	f, ok := functions()[name.Ident]
	return f, ok
}

// clip keeps a name of any length from flooding a message.
func clip(name string) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%s…", name[:most])
	}
	return name
}
