package waxwing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program is the source of all that runs in the cluster, with types.
type program struct {
	pkgs   []*source
	byPath map[string]*source
	bodies map[*types.Func]*ast.BlockStmt
	named  map[string][]*types.Func // the methods of bodies, by name
	funcs  map[string]*function
	needy  map[string]bool
}

// source is one package.
type source struct {
	types *types.Package
	info  *types.Info
	files []*ast.File
}

// listed is a package as go list has it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// packages is a list in which a package comes after those that it imports, with the reader of what the compiler has left of them.
type packages struct {
	all  []listed
	fset *token.FileSet
	gc   types.Importer
}

// clusterPackages lists what the programs in cmd/ link, but for seal, which runs on people's machines.
func clusterPackages(t *testing.T) *packages {
	t.Helper()
	exports := map[string]string{}
	ps := &packages{fset: token.NewFileSet()}
	ps.gc = importer.ForCompiler(ps.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	cmds, err := filepath.Glob("cmd/*")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export"}
	for _, cmd := range cmds {
		if cmd != "cmd/seal" {
			args = append(args, "./"+cmd)
		}
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps.all, exports[l.ImportPath] = append(ps.all, l), l.Export
	}
}

// load reads the module's own packages of the list, but for those whose calls are what is looked for (crypto/), and for the log itself (audit/): its own key signs
// nothing but the log. change may give other text for a file, by its path in the module.
func load(t *testing.T, ps *packages, change func(path, text string) string) *program {
	t.Helper()
	p := &program{byPath: map[string]*source{}, bodies: map[*types.Func]*ast.BlockStmt{}, named: map[string][]*types.Func{}}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ps.all {
		if r := room(l.ImportPath); strings.HasPrefix(l.ImportPath, module) && r != "crypto" && r != "audit" {
			p.check(t, ps, root, l, change)
		}
	}
	if len(p.pkgs) < 5 {
		t.Fatalf("only %d packages were found", len(p.pkgs))
	}
	return p
}

func (p *program) check(t *testing.T, ps *packages, root string, l listed, change func(path, text string) string) {
	t.Helper()
	s := &source{info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}}
	for _, name := range l.GoFiles {
		file := filepath.Join(l.Dir, name)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if rel, err := filepath.Rel(root, file); err == nil && change != nil {
			text = change(filepath.ToSlash(rel), text)
		}
		f, err := parser.ParseFile(ps.fset, file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
	}
	var err error
	conf := types.Config{Importer: imports{p, ps.gc}, FakeImportC: true}
	if s.types, err = conf.Check(l.ImportPath, ps.fset, s.files, s.info); err != nil {
		t.Fatalf("%s: %v", l.ImportPath, err)
	}
	p.pkgs, p.byPath[l.ImportPath] = append(p.pkgs, s), s
	for _, f := range s.files {
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok {
				m := s.info.Defs[fd.Name].(*types.Func)
				p.bodies[m] = fd.Body
				if fd.Recv != nil && fd.Body != nil {
					p.named[m.Name()] = append(p.named[m.Name()], m)
				}
			}
		}
	}
}

// imports gives the packages that were checked, and others as the compiler has left them.
type imports struct {
	p  *program
	gc types.Importer
}

func (i imports) Import(path string) (*types.Package, error) {
	if s := i.p.byPath[path]; s != nil {
		return s.types, nil
	}
	return i.gc.Import(path)
}

// pkgOf is the package of a function; nil for one that is not looked at.
func (p *program) pkgOf(f *types.Func) *source {
	if f.Pkg() == nil {
		return nil
	}
	return p.byPath[f.Pkg().Path()]
}

// mayBe lists the functions that are looked at of which f may be the name: itself, or, of an interface, those that implement it.
func (p *program) mayBe(f *types.Func) []string {
	if !isInterfaceMethod(f) {
		if p.bodies[f] == nil {
			return nil
		}
		return []string{nameOf(f)}
	}
	iface, ok := f.Signature().Recv().Type().Underlying().(*types.Interface)
	if !ok {
		return nil
	}
	var all []string
	for _, m := range p.named[f.Name()] {
		if types.Implements(m.Signature().Recv().Type(), iface) {
			all = append(all, nameOf(m))
		}
	}
	return all
}

func isInterfaceMethod(f *types.Func) bool {
	recv := f.Signature().Recv()
	return recv != nil && types.IsInterface(recv.Type())
}

// nameOf is ROOM/PACKAGE.TYPE.NAME.
func nameOf(o types.Object) string {
	f, ok := o.(*types.Func)
	if !ok || f.Pkg() == nil {
		return ""
	}
	name := short(f.Pkg().Path()) + "."
	if recv := f.Signature().Recv(); recv != nil {
		name += typeName(recv.Type()) + "."
	}
	return name + f.Name()
}

func short(path string) string { return strings.TrimPrefix(path, module) }

func typeName(t types.Type) string {
	if ptr, ok := t.(*types.Pointer); ok {
		t = ptr.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Obj().Name()
	}
	return t.String()
}

// full is the name of a type with its package.
func full(t types.Type) string {
	if ptr, ok := t.(*types.Pointer); ok {
		t = ptr.Elem()
	}
	return types.Unalias(t).String()
}

// find is the first call below n that is one of those.
func find(n ast.Node, is func(*ast.CallExpr) bool) (found *ast.CallExpr) {
	ast.Inspect(n, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && found == nil && is(c) {
			found = c
		}
		return found == nil
	})
	return found
}

// isAudit says whether c calls this method of audit.Log or of what implements it.
func isAudit(pkg *source, c *ast.CallExpr, method string) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != method {
		return false
	}
	f, ok := pkg.info.Uses[sel.Sel].(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == module+"audit"
}

func returnsAction(f *types.Func) bool {
	r := f.Signature().Results()
	return r.Len() == 1 && r.At(0).Type().String() == module+"audit.Action"
}
