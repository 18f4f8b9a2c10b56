package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// maxToken bounds one piece of what git log says, such as a path, in bytes.
	maxToken = 1 << 20
	// logFormat gives git's pieces of a commit, which NULs separate. Author and subject are cut to columns, since anybody can write any length.
	logFormat  = "--format=tformat:%H%x00%P%x00%aI%x00%<(120,trunc)%an%x00%<(200,trunc)%s"
	logColumns = 5
)

// Commit is a commit in the history of a file. Author and subject are as written, for the caller to make safe, but cut to a bounded length.
type Commit struct {
	ID              string
	Parents         []string
	Date            time.Time // the author's
	Author, Subject string
	Entry           Entry
}

// Log calls each for every commit in the history of HEAD that has changed the file path (as Rel gives it), newest first, until each returns false. It
// follows renames as git log --follow does. A merge is listed where its file differs from those of all parents; with firstParent only the first parents
// of merges are followed, and a merge is listed with all that it brought. A failure of git is an *Error, after the commits before it.
func (r *Repo) Log(ctx context.Context, path string, firstParent bool, each func(Commit) (bool, error)) error {
	merges := []string{"-c", "--combined-all-paths"}
	if firstParent {
		merges = []string{"--first-parent", "--diff-merges=separate"}
	}
	args := append([]string{"-c", "i18n.logOutputEncoding=UTF-8", "-c", "log.showSignature=false", "-c", "log.showRoot=true", "log", "--follow", "--raw", "-z", "--no-abbrev",
		"--find-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-notes", "--ignore-submodules=all", logFormat}, merges...)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := r.command(ctx, append(args, "--", path)...)
	var said bytes.Buffer
	cmd.Stderr = &limited{to: &said, left: maxSaid}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running git log: %w", err)
	}
	stopped, err := readLog(out, each)
	if err != nil || stopped {
		cancel()
		_ = cmd.Wait()
		return err
	}
	return ended(ctx, "log", cmd.Wait(), said.String())
}

// readLog reads what git log says; stopped tells that each wanted no more.
func readLog(out io.Reader, each func(Commit) (bool, error)) (stopped bool, err error) {
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, maxToken)
	scan.Split(untilNUL)
	next := func() (string, error) {
		if !scan.Scan() {
			if err := scan.Err(); err != nil {
				return "", fmt.Errorf("reading git log: %w", err)
			}
			return "", io.EOF
		}
		return scan.Text(), nil
	}
	var c *Commit
	for {
		token, err := next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// A line feed, or an empty piece, parts a commit from its files.
		token = strings.TrimPrefix(token, "\n")
		switch {
		case token == "":
		case token[0] != ':':
			if c, err = readCommit(token, next); err != nil {
				return false, err
			}
		case c == nil:
			return false, errForm
		default:
			if c.Entry, err = rawEntry(token, next); err != nil {
				return false, err
			}
			if more, err := each(*c); err != nil || !more {
				return true, err
			}
		}
	}
}

func readCommit(id string, next func() (string, error)) (*Commit, error) {
	fields := [logColumns]string{id}
	for i := 1; i < logColumns; i++ {
		var err error
		if fields[i], err = next(); err != nil {
			return nil, err
		}
	}
	c := &Commit{ID: id, Parents: strings.Fields(fields[1]), Author: strings.TrimSpace(fields[3]), Subject: strings.TrimSpace(fields[4])}
	// A date that cannot be read is left zero: git lets anybody write anything there.
	c.Date, _ = time.Parse(time.RFC3339, fields[2])
	return c, nil
}

// untilNUL splits at NULs, for a bufio.Scanner.
func untilNUL(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// Shallow lists the commits at which this clone ends although history goes on; none in a whole clone.
func (r *Repo) Shallow(ctx context.Context) ([]string, error) {
	out, err := r.Output(ctx, "rev-parse", "--git-path", "shallow")
	if err != nil {
		return nil, err
	}
	name := filepath.FromSlash(strings.TrimSuffix(string(out), "\n"))
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.Root, name)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(b)), err
}
