package waxwing_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestEveryTouchOfAKeyOrAValueIsAudited finds, in the source of the programs that run in the cluster, every call that touches a key or a value, and holds that each lies
// behind an intent in the audit log, and in a function that audited lists with the actions that cover it.
func TestEveryTouchOfAKeyOrAValueIsAudited(t *testing.T) {
	for _, problem := range unaudited(t, load(t, clusterPackages(t), nil)) {
		t.Error(problem)
	}
}

// unaudited compares what the source does with what is listed.
func unaudited(t *testing.T, p *program) []string {
	t.Helper()
	p.find(t)
	var problems []string
	excused := map[string]bool{}
	found := map[string]string{}
	for name, f := range p.funcs {
		actions := map[string]bool{}
		for _, it := range f.items {
			pair := name + " -> " + it.what
			if _, ok := excuses()[pair]; ok && it.callee == "" {
				excused[pair] = true
				continue
			}
			switch {
			case it.callee != "" && !p.needy[it.callee]:
			case len(it.actions) > 0:
				maps.Copy(actions, it.actions)
			default:
				for action := range p.coverage(name) {
					actions[action] = true
				}
			}
		}
		if len(actions) > 0 {
			found[name] = strings.Join(slices.Sorted(maps.Keys(actions)), " ")
		}
	}
	expected := audited()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		switch got := found[name]; {
		case strings.Contains(got, none):
			problems = append(problems, fmt.Sprintf("%s touches a key or a value, and can be reached without an intent: %s", name, p.story(name)))
		case expected[name] == "":
			problems = append(problems, fmt.Sprintf("%s touches a key or a value and is not listed in audited_list_test.go: %q: %q, // %s", name, name, got, p.story(name)))
		case expected[name] != got:
			problems = append(problems, fmt.Sprintf("%s is covered by %q, and listed with %q: %s", name, got, expected[name], p.story(name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		if found[name] == "" {
			problems = append(problems, name+" is listed in audited_list_test.go and touches nothing")
		}
	}
	for _, pair := range slices.Sorted(maps.Keys(excuses())) {
		if !excused[pair] {
			problems = append(problems, pair+" is excused in audited_list_test.go and not there")
		}
	}
	return problems
}

// none stands for no action.
const none = "NONE"

// function is one that is declared, with all that is written inside of it.
type function struct {
	items []item
	refs  []ref // where it is used
}

// item is something in a function that touches, or may: a call out of what is looked at, or a use of another function.
type item struct {
	what    string
	callee  string          // a function that is looked at; empty: a touch
	actions map[string]bool // those of the intent that comes before it in the same function; empty: none does
}

type ref struct {
	from    string
	actions map[string]bool
}

// spread notes which functions touch something without an intent of their own, so that their callers have to have one.
func (p *program) spread() {
	var todo []string
	note := func(name string) {
		if !p.needy[name] {
			p.needy[name] = true
			todo = append(todo, name)
		}
	}
	for name, f := range p.funcs {
		for _, it := range f.items {
			if _, excused := excuses()[name+" -> "+it.what]; it.callee == "" && !excused && len(it.actions) == 0 {
				note(name)
			}
		}
	}
	for len(todo) > 0 {
		refs := p.funcs[todo[0]].refs
		todo = todo[1:]
		for _, r := range refs {
			if len(r.actions) == 0 {
				note(r.from)
			}
		}
	}
}

// coverage are the actions under which a function is reached; none where there is a way without.
func (p *program) coverage(name string) map[string]bool {
	all, seen := map[string]bool{}, map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; {
		refs := p.funcs[todo[0]].refs
		todo = todo[1:]
		if len(refs) == 0 {
			all[none] = true
		}
		for _, r := range refs {
			switch {
			case len(r.actions) > 0:
				maps.Copy(all, r.actions)
			case !seen[r.from]:
				seen[r.from] = true
				todo = append(todo, r.from)
			}
		}
	}
	return all
}

// story says what a function touches and who uses it.
func (p *program) story(name string) string {
	var touches, users []string
	for _, it := range p.funcs[name].items {
		if it.callee == "" || p.needy[it.callee] {
			touches = append(touches, it.what)
		}
	}
	for _, r := range p.funcs[name].refs {
		users = append(users, r.from)
	}
	slices.Sort(touches)
	slices.Sort(users)
	return fmt.Sprintf("it calls %s; it is used by %s", strings.Join(slices.Compact(touches), ", "), strings.Join(slices.Compact(users), ", "))
}

// find fills in what each function of p touches and uses.
func (p *program) find(t *testing.T) {
	t.Helper()
	p.funcs, p.needy = map[string]*function{}, map[string]bool{}
	for _, pkg := range p.pkgs {
		for _, file := range pkg.files {
			for _, d := range file.Decls {
				name := short(pkg.types.Path()) + ".(variables)"
				if fd, ok := d.(*ast.FuncDecl); ok {
					name = nameOf(pkg.info.Defs[fd.Name].(*types.Func))
				}
				if p.funcs[name] == nil {
					p.funcs[name] = &function{}
				}
				p.look(pkg, name, d)
			}
		}
	}
	for name, f := range p.funcs {
		for _, it := range f.items {
			if callee := p.funcs[it.callee]; callee != nil {
				callee.refs = append(callee.refs, ref{name, it.actions})
			}
		}
	}
	p.spread()
}

// look collects the items of one declaration.
func (p *program) look(pkg *source, name string, d ast.Decl) {
	var stack []ast.Node
	intents := p.intents(pkg, d)
	ast.Inspect(d, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		f := p.funcs[name]
		add := func(what, callee string) {
			f.items = append(f.items, item{what, callee, p.covers(pkg, intents, stack)})
		}
		switch o := pkg.info.Uses[id].(type) {
		case *types.Func:
			o = o.Origin()
			for _, callee := range p.mayBe(o) {
				add(callee, callee)
			}
			if p.pkgOf(o) == nil || isInterfaceMethod(o) {
				if what := touches(o, callOf(stack), pkg.info); what != "" {
					add(what, "")
				}
			}
		case *types.Var:
			// A function that was handed in does what only its maker knows: recorded calls one.
			if _, isFunc := o.Type().Underlying().(*types.Signature); isFunc && name == "keyring.run.recorded" && callOf(stack) != nil {
				add("the operation", "")
			}
		}
		return true
	})
}

// callOf is the call whose function the innermost node names; nil where it is not called but handed on.
func callOf(stack []ast.Node) *ast.CallExpr {
	at := len(stack) - 1
	fun, _ := stack[at].(ast.Expr)
	if at > 0 {
		if sel, ok := stack[at-1].(*ast.SelectorExpr); ok && sel.Sel == fun {
			at, fun = at-1, sel
		}
	}
	if at > 0 {
		if call, ok := stack[at-1].(*ast.CallExpr); ok && call.Fun == fun {
			return call
		}
	}
	return nil
}

// intent is a call of Log.Intent whose error ends the function.
type intent struct {
	end     token.Pos // of the check of its error
	last    token.Pos // the last call of Log.Outcome, or of what calls it
	actions map[string]bool
}

// intents finds the intents that stand in a function's own block.
func (p *program) intents(pkg *source, d ast.Decl) (all []intent) {
	fd, ok := d.(*ast.FuncDecl)
	if !ok || fd.Body == nil {
		return nil
	}
	for i, stmt := range fd.Body.List {
		call := find(stmt, func(c *ast.CallExpr) bool { return isAudit(pkg, c, "Intent") })
		if call == nil || i+1 == len(fd.Body.List) {
			continue
		}
		check, ok := fd.Body.List[i+1].(*ast.IfStmt)
		if !ok || types.ExprString(check.Cond) != "err != nil" || len(check.Body.List) == 0 {
			continue
		}
		if _, returns := check.Body.List[len(check.Body.List)-1].(*ast.ReturnStmt); !returns {
			continue
		}
		in := intent{end: check.End(), actions: map[string]bool{}}
		p.constants(pkg, call, in.actions, 2)
		for _, later := range fd.Body.List[i+1:] {
			if out := find(later, func(c *ast.CallExpr) bool { return p.ends(pkg, c) }); out != nil {
				in.last = out.Pos()
			}
		}
		all = append(all, in)
	}
	return all
}

// ends says whether a call is one of Log.Outcome, or of a function of the same package that makes it.
func (p *program) ends(pkg *source, c *ast.CallExpr) bool {
	if isAudit(pkg, c, "Outcome") {
		return true
	}
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := pkg.info.Uses[sel.Sel].(*types.Func)
	if !ok || p.bodies[f.Origin()] == nil || p.pkgOf(f) != pkg {
		return false
	}
	return find(p.bodies[f.Origin()], func(c *ast.CallExpr) bool { return isAudit(pkg, c, "Outcome") }) != nil
}

// covers gives the actions of the intent before the innermost node: one of the function itself, or that of keyring's recorded, to which the node's closure is handed.
func (p *program) covers(pkg *source, intents []intent, stack []ast.Node) map[string]bool {
	at := stack[len(stack)-1].Pos()
	for i := len(stack) - 1; i > 0; i-- {
		call, ok := stack[i-1].(*ast.CallExpr)
		if _, closure := stack[i].(*ast.FuncLit); !ok || !closure {
			continue
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && nameOf(pkg.info.Uses[sel.Sel]) == "keyring.run.recorded" {
			actions := map[string]bool{}
			p.constants(pkg, call.Args[1], actions, 0)
			return actions
		}
	}
	for _, in := range intents {
		if in.end < at && at < in.last {
			return in.actions
		}
	}
	return nil
}

// constants collects the actions that are named in a node, and in the functions that it calls.
func (p *program) constants(pkg *source, n ast.Node, into map[string]bool, depth int) {
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		switch o := pkg.info.Uses[id].(type) {
		case *types.Const:
			if o.Type().String() == module+"audit.Action" {
				into[strings.Trim(o.Val().ExactString(), `"`)] = true
			}
		case *types.Var:
			// What is handed in is named where recorded is called.
			if o.Type().String() == module+"audit.Action" && !o.IsField() {
				into["(as handed in)"] = true
			}
		case *types.Func:
			if body := p.bodies[o.Origin()]; body != nil && depth > 0 && returnsAction(o) {
				p.constants(p.pkgOf(o), body, into, depth-1)
			}
		}
		return true
	})
}
