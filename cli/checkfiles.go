package cli

import (
	"bytes"
	"context"
	"os"
	"strings"

	"github.com/waxwing-io/waxwing/repo/scan"
)

// mayNeedCheck says whether a file is worth reading: most files of a repository have nothing to do with Secrets.
func mayNeedCheck(f scan.Finding) bool { return f.MayHoldPlaintext() || f.MayBeSealed() || f.Data }

// needsCheck says whether it is worth parsing. What has data and no kind is taken for a Secret only where it speaks of one.
func needsCheck(data []byte) bool {
	f := scan.Bytes(data)
	return f.MayHoldPlaintext() || f.MayBeSealed() || f.Data && bytes.Contains(bytes.ToLower(data), []byte("secret"))
}

// files checks the files that are named, and those below the folders that are: several at a time, and reported in their order.
func (c *checker) files(ctx context.Context, env *Env, args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		if arg == stdinArg {
			continue
		}
		if _, err := os.Lstat(env.path(arg)); err != nil {
			return failed("", "%s: %v", arg, pathCause(err))
		}
	}
	inputs, err := env.inputs(args, env.listed(ctx, scan.Options{Settings: c.book.tree}))
	if err != nil {
		return err
	}
	j := job{env: env, inputs: inputs}
	checked := make([]checkedFile, len(inputs))
	err = j.run(ctx, "checking", func(ctx context.Context, i int, in input) error {
		file, err := c.read(ctx, &j, in)
		if err != nil || file == nil {
			return err
		}
		checked[i].is = true
		checked[i].findings, err = c.check(*file)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range checked {
		if f.is {
			c.report.file(f.findings)
		}
	}
	return nil
}

// checkedFile is what a worker has found in a file.
type checkedFile struct {
	is       bool // false for a file that the settings ignore
	findings []finding
}

// read gives the file to check, without content where that need not be looked at; nil where the settings ignore it.
func (c *checker) read(ctx context.Context, j *job, in input) (*checkInput, error) {
	path, err := settingsPath(j.env, in.name)
	if err != nil {
		return nil, err
	}
	f := &checkInput{name: shownName(in.name), path: path}
	if in.name == stdinArg {
		f.data, err = j.read(ctx, in, mayNeedCheck)
		return f, err
	}
	// A hook names files, and those that are ignored stay so. What was found in a folder is not.
	if !in.found {
		if ignored, err := c.book.tree.Ignored(path); ignored || err != nil {
			return nil, err
		}
	}
	f.data, f.err = j.read(ctx, in, mayNeedCheck)
	f.err = pathCauseOf(in.name, f.err)
	return f, ctx.Err()
}

// pathCauseOf is err without the file's name before it.
func pathCauseOf(name string, err error) error {
	if err == nil {
		return nil
	}
	if text, ok := strings.CutPrefix(err.Error(), name+": "); ok {
		return failed(hint(err), "%s", text)
	}
	return err
}
