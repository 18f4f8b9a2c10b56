package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

var (
	// ErrTooLarge says that a blob is larger than the caller reads.
	ErrTooLarge = errors.New("is too large to be read")
	// ErrNoBlob says that the repository has no such blob, as in a clone that is not complete.
	ErrNoBlob = errors.New("its content is not in this clone")
)

// Blobs reads blobs by id, all of them through one git process. It is not safe for concurrent use.
type Blobs struct {
	ctx  context.Context
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said bytes.Buffer
}

// Blobs starts the process. Close ends it, and has to be called.
func (r *Repo) Blobs(ctx context.Context) (*Blobs, error) {
	b := &Blobs{ctx: ctx, cmd: r.command(ctx, "cat-file", "--batch")}
	b.cmd.Stderr = &limited{to: &b.said, left: maxSaid}
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.in, b.out = in, bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("running git cat-file: %w", err)
	}
	return b, nil
}

// Read gives the content of the blob id, a full one. More than limit bytes are ErrTooLarge and are not kept; after ErrNoBlob and ErrTooLarge others can
// still be read.
func (b *Blobs) Read(id string, limit int64) ([]byte, error) {
	if _, err := fmt.Fprintln(b.in, id); err != nil {
		return nil, b.broken(err)
	}
	head, err := b.out.ReadString('\n')
	if err != nil {
		return nil, b.broken(err)
	}
	fields := strings.Fields(head)
	if len(fields) == 2 && fields[1] == "missing" {
		return nil, ErrNoBlob
	}
	if len(fields) != 3 {
		return nil, errForm
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return nil, errForm
	}
	if size > limit || fields[1] != "blob" {
		if _, err := io.CopyN(io.Discard, b.out, size+1); err != nil {
			return nil, b.broken(err)
		}
		return nil, ErrTooLarge
	}
	content := make([]byte, size+1) // a newline follows
	if _, err := io.ReadFull(b.out, content); err != nil {
		return nil, b.broken(err)
	}
	return content[:size:size], nil
}

// broken is the error for a process that ended before it answered.
func (b *Blobs) broken(err error) error {
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return fmt.Errorf("git cat-file ended: %w", err)
}

// Close ends the process.
func (b *Blobs) Close() error {
	_ = b.in.Close()
	return ended(b.ctx, "cat-file", b.cmd.Wait(), b.said.String())
}
