package toolcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// recipe is a tool with everything that its build depends on resolved.
type recipe struct {
	Tool
	dir     string // absolute folder of the module
	version string
	args    []string // of go build, without -o and the package
	key     string
}

// environment is what `go env` says that matters to the output of a build.
type environment struct{ GOVERSION, GOOS, GOARCH, CGO_ENABLED, GOEXPERIMENT, GOAMD64, GOARM64 string }

func (b *Builder) recipe(ctx context.Context, t Tool) (recipe, error) {
	r := recipe{Tool: t, dir: filepath.Join(b.Root, filepath.FromSlash(t.Dir))}
	var err error
	if r.version, err = t.version(b.Root); err != nil {
		return r, err
	}
	// Paths are not trimmed and DWARF is left out, as `make` does: another setting compiles all of the standard library
	// and of Kubernetes again. DWARF is a fifth of the compiler's time.
	r.args = []string{"-buildvcs=false", "-mod=readonly", "-trimpath=false", "-gcflags=all=-dwarf=false"}
	if len(t.Tags) > 0 {
		r.args = append(r.args, "-tags="+strings.Join(t.Tags, ","))
	}
	if t.LDFlags != nil {
		r.args = append(r.args, "-ldflags="+t.LDFlags(r.version))
	}
	env, err := b.environment(ctx, r)
	if err != nil {
		return r, err
	}
	files := []string{"go.mod", "go.sum"}
	if strings.HasPrefix(t.Package, ".") {
		own, err := sources(r.dir)
		if err != nil {
			return r, fmt.Errorf("listing the sources of %s: %w", t.Name, err)
		}
		files = append(files, own...)
	}
	h := sha256.New()
	field(h, []byte(fmt.Sprintf("%s\n%q\n%+v", t.Package, r.args, env)))
	for _, name := range files {
		raw, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			return r, fmt.Errorf("hashing the sources of %s: %w", t.Name, err)
		}
		field(h, []byte(filepath.ToSlash(name)))
		field(h, raw)
	}
	r.key = hex.EncodeToString(h.Sum(nil))[:16]
	return r, nil
}

// field adds bytes with their length, so that no two lists of fields hash alike.
func field(h hash.Hash, b []byte) { fmt.Fprintf(h, "%d:%s\n", len(b), b) }

func (b *Builder) environment(ctx context.Context, r recipe) (environment, error) {
	cmd := exec.CommandContext(ctx, b.goCommand(), "env", "-json")
	cmd.Dir, cmd.Env = r.dir, buildEnv(os.Environ(), r.Cgo)
	var env environment
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &env)
	}
	if err != nil {
		return env, fmt.Errorf("asking go for its environment: %w", err)
	}
	return env, nil
}

// compiler is nil if there is the C compiler that the go command would run. Otherwise a build fails late, and among many lines of what it has to do with.
func (b *Builder) compiler(ctx context.Context, r recipe) error {
	cmd := exec.CommandContext(ctx, b.goCommand(), "env", "CC")
	cmd.Dir, cmd.Env = r.dir, buildEnv(os.Environ(), r.Cgo)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("asking go for the C compiler: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) == 0 {
		return errors.New("it takes a C compiler, and CC names none")
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return fmt.Errorf("it takes a C compiler: install one (apt-get install gcc libc6-dev), or name one in CC: %w", err)
	}
	return nil
}

// buildEnv keeps a developer's workspace and flags from changing what is built. Without cgo, unless the tool needs it, so that the tools share compiled packages with `make`.
func buildEnv(environ []string, cgo bool) []string {
	own := slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		return strings.HasPrefix(kv, "GOFLAGS=") || strings.HasPrefix(kv, "GOWORK=") || strings.HasPrefix(kv, "CGO_ENABLED=")
	})
	// Not empty: an empty GOFLAGS would let the one of `go env -w` through.
	own = append(own, "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if cgo {
		return append(own, "CGO_ENABLED=1")
	}
	return append(own, "CGO_ENABLED=0")
}

// sources lists the Go files of the module in dir that are compiled, in lexical order.
func sources(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return fs.SkipDir // another module
			}
		}
		if d.Type().IsRegular() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files = append(files, rel)
		}
		return nil
	})
	return files, err
}
