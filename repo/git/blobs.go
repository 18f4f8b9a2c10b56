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
func (b *Blobs) Read(id string, limit int64) (content []byte, err error) {
	err = b.Stream(id, func(r *io.LimitedReader) error {
		if r.N > limit {
			return ErrTooLarge
		}
		content = make([]byte, r.N)
		_, err := io.ReadFull(r, content)
		return err
	})
	if err != nil {
		return nil, err
	}
	return content, nil
}

// Stream has the content of the blob id, a full one, read by read; N is its size. What read leaves is dropped. After ErrNoBlob and errors of read's own, others can
// still be read.
func (b *Blobs) Stream(id string, read func(r *io.LimitedReader) error) error {
	if _, err := fmt.Fprintln(b.in, id); err != nil {
		return b.broken(err)
	}
	head, err := b.out.ReadString('\n')
	if err != nil {
		return b.broken(err)
	}
	fields := strings.Fields(head)
	if len(fields) == 2 && fields[1] == "missing" {
		return ErrNoBlob
	}
	if len(fields) != 3 {
		return errForm
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return errForm
	}
	content := &io.LimitedReader{R: b.out, N: size}
	if fields[1] != "blob" {
		err = ErrTooLarge
	} else {
		err = read(content)
	}
	// A newline follows.
	if _, dropped := io.CopyN(io.Discard, b.out, content.N+1); dropped != nil {
		return b.broken(dropped)
	}
	return err
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
