package toolcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// unfinished begins the names of folders that a build is still writing.
	unfinished = ".unfinished-"
	// tailLines of the go command's messages are shown when a build fails.
	tailLines = 40
)

// build compiles the tool and puts it in place.
func (b *Builder) build(ctx context.Context, r recipe, binary string) error {
	if r.Cgo {
		if err := b.compiler(ctx, r); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(b.toolsDir(), unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	what := strings.TrimSpace(r.About + " " + r.version)
	began := b.now()

	m := newMeter(b.progress(), b.Terminal, b.now, "looking for what to compile for "+what)
	// Naming the stale packages also downloads the modules that are missing.
	todo, all := 0, 0
	count := func(line string) {
		all++
		if line == "true" {
			todo++
		}
	}
	list := append([]string{"list", "-deps", "-f", "{{.Stale}}"}, r.args...)
	err = b.goRun(ctx, r, m.downloading, count, append(list, r.Package)...)
	m.stop()
	if err != nil {
		return err
	}
	headline := fmt.Sprintf("building %s from source", what)
	if todo > all/2 {
		headline += ": " + r.Cost + ", once"
	}
	m = newMeter(b.progress(), b.Terminal, b.now, headline)
	m.expect(todo)
	args := append([]string{"build", "-v", "-o", filepath.Join(tmp, filepath.Base(binary))}, r.args...)
	err = b.goRun(ctx, r, m.compiling, nil, append(args, r.Package)...)
	m.stop()
	if err != nil {
		return err
	}
	// A folder that is there lacks its binary, or it would not be built again.
	if err := os.RemoveAll(filepath.Dir(binary)); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Dir(binary)); err != nil {
		return err
	}
	fmt.Fprintf(b.progress(), "built %s after %s: %s\n", r.Name, b.now().Sub(began).Round(time.Second), binary)
	return nil
}

// goRun runs the go command. Each line of its messages goes to note, which says whether it is mere progress, and
// each line of its output to out. The error ends with the last messages that were no progress.
func (b *Builder) goRun(ctx context.Context, r recipe, note func(line string) bool, out func(line string), args ...string) error {
	cmd := exec.CommandContext(ctx, b.goCommand(), args...)
	cmd.Dir, cmd.Env = r.dir, buildEnv(os.Environ(), r.Cgo)
	// Interrupted, the go command finishes the packages at hand and removes its work folder; killed, it would not.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines(stdout, func(line string) {
			if out != nil {
				out(line)
			}
		})
	}()
	var tail []string
	lines(stderr, func(line string) {
		if !note(line) {
			tail = append(tail, line)
			tail = tail[max(0, len(tail)-tailLines):]
		}
	})
	<-read
	err = cmd.Wait()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(fmt.Errorf("go %s in %s: %w", args[0], r.dir, err), errors.New(strings.Join(tail, "\n")))
}

// lines calls f with each line of r until it ends.
func lines(r io.Reader, f func(string)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		f(s.Text())
	}
	// A line too long for the scanner must not block the process that prints it.
	_, _ = io.Copy(io.Discard, r)
}
