package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
)

const (
	stdinArg  = "-"
	stdinName = "stdin"

	// maxManifest is above what manifest takes, so that the limit is manifest's to explain.
	maxManifest = 17 << 20
	// maxKeyFile bounds files of recipients and identities.
	maxKeyFile = 1 << 20
)

// once refuses a command line that names standard input twice.
func once(names ...string) error {
	n := 0
	for _, name := range names {
		if name == stdinArg {
			n++
		}
	}
	if n > 1 {
		return usage("put one of them into a file", "standard input can be read once only")
	}
	return nil
}

// read gives the content of the file name, or of standard input for "-". what names its purpose in messages.
func (e *Env) read(ctx context.Context, name, what string, limit int64) ([]byte, error) {
	if name != stdinArg {
		return readFile(ctx, e.path(name), name, limit)
	}
	if e.stdinIsTerminal() {
		message(e.Stderr, "seal: ", "reading "+what+" from the terminal; end with Ctrl-D")
	}
	b, err := readAll(ctx, e.Stdin, limit)
	if err != nil {
		return nil, fmt.Errorf("reading %s from standard input: %w", what, err)
	}
	return b, nil
}

// readFile reads a file; it may be a pipe, which blocks already when it is opened.
func readFile(ctx context.Context, path, name string, limit int64) ([]byte, error) {
	b, err := unlessDone(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			return nil, errFolder
		}
		size := int64(0)
		if err == nil {
			size = info.Size()
		}
		return sized(f, limit, size)
	})
	switch {
	case errors.Is(err, errFolder):
		return nil, failed("name the files in it", "%s: %v", name, errFolder)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, pathCause(err))
	}
	return b, nil
}

var errFolder = errors.New("is a folder")

func bounded(r io.Reader, limit int64) ([]byte, error) { return sized(r, limit, 0) }

// sized is bounded for what has probably that size.
func sized(r io.Reader, limit, size int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(size, limit)) + bytes.MinRead)
	_, err := b.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && int64(b.Len()) > limit {
		err = fmt.Errorf("is longer than %d bytes", limit)
	}
	return b.Bytes(), err
}

// readAll is bounded for a reader that may block for ever, such as a terminal.
func readAll(ctx context.Context, r io.Reader, limit int64) ([]byte, error) {
	return unlessDone(ctx, func() ([]byte, error) { return bounded(r, limit) })
}

// unlessDone gives what read gives, or returns when ctx ends and leaves the read to the end of the process.
func unlessDone[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case got := <-done:
		return got.value, got.err
	}
}

// pathCause strips operation and path, which the message has already.
func pathCause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// keyText is the text of a file of keys, without the mark that editors of Windows put first. UTF-16, which PowerShell writes, is refused by name.
func keyText(name string, b []byte) ([]byte, error) {
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) || bytes.IndexByte(b, 0) >= 0 {
		return nil, failed("write it again as UTF-8, in PowerShell with | Out-File -Encoding utf8", "%s: is in UTF-16, or no text", name)
	}
	return bytes.TrimPrefix(b, []byte("\ufeff")), nil
}

// keyLines are the lines of a file of keys, with their numbers from 1: without space around them, empty ones and comments.
func keyLines(text []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !yield(n, line) {
				return
			}
		}
	}
}
