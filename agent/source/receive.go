package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// receive writes a pack to the disk, as far as it may be large, looks through all of it, and has it ready to be read. It is nil where nothing is in it.
func (f *folder) receive(ctx context.Context, in io.Reader, auth Auth) (*held, error) {
	name := temporary + "receive"
	defer func() { _ = f.root.Remove(name + packEnd); _ = f.root.Remove(name + indexEnd) }()
	if err := f.write(name+packEnd, func(w io.Writer) error { return f.copy(ctx, w, in, auth) }); err != nil {
		return nil, err
	}
	file, err := f.root.Open(name + packEnd)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return f.index(ctx, file, name)
}

// copy takes a pack from the network.
func (f *folder) copy(ctx context.Context, w io.Writer, in io.Reader, auth Auth) error {
	n, err := io.Copy(w, io.LimitReader(&contextReader{ctx, in}, f.limits.PackBytes+1))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return said(err, auth)
	case n > f.limits.PackBytes:
		return fail(RepositoryTooLarge, "what it sends is larger than %d MiB", f.limits.PackBytes/mib)
	default:
		return nil
	}
}

// index looks through a pack that has come.
func (f *folder) index(ctx context.Context, file *os.File, name string) (*held, error) {
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	count := 0
	err = f.write(name+indexEnd, func(w io.Writer) error {
		count, err = pack.Index(ctx, file, about.Size(), f.limits.pack(), w)
		return err
	})
	switch {
	case errors.Is(err, pack.ErrTorn):
		return nil, fail(FetchFailed, "what it sends is not whole: %v", err)
	case err != nil || count == 0:
		return nil, err
	}
	return f.named(file, name)
}

// named gives the files of a pack the name of its checksum, and opens it.
func (f *folder) named(file *os.File, name string) (*held, error) {
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var sum [20]byte
	if _, err := file.ReadAt(sum[:], about.Size()-int64(len(sum))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	final := fmt.Sprintf("%x", sum)
	if err := errors.Join(f.root.Rename(name+packEnd, final+packEnd), f.root.Rename(name+indexEnd, final+indexEnd)); err != nil {
		return nil, err
	}
	return f.open(final)
}

// merge makes one of the small packs, where there are many. If that fails there are many, until the cache is made anew for it.
func (r *Repository) merge(ctx context.Context, next *content) {
	if len(next.packs) < manyPacks {
		return
	}
	small, large := next.small()
	if len(small) < manyPacks/2 {
		return
	}
	p, err := r.folder.mergeOf(ctx, small)
	if err != nil {
		return
	}
	// Those that are in use stay open until next is.
	for _, old := range small {
		if !slices.Contains(r.content.packs, old) {
			_ = old.Close()
		}
	}
	next.packs = append([]*held{p}, large...)
}

// small are the packs that together are not small beside the next larger one, so that nothing is copied often.
func (c content) small() (small, large []*held) {
	all := slices.SortedStableFunc(slices.Values(c.packs), func(a, b *held) int { return cmp.Compare(a.Size(), b.Size()) })
	total := int64(mib)
	for i, p := range all {
		if p.Size() > total {
			return all[:i], all[i:]
		}
		total += p.Size()
	}
	return all, nil
}

func (f *folder) mergeOf(ctx context.Context, some []*held) (*held, error) {
	name := temporary + "merge"
	defer func() { _ = f.root.Remove(name + packEnd); _ = f.root.Remove(name + indexEnd) }()
	packs := make([]*pack.Pack, len(some))
	for i, p := range some {
		packs[i] = p.Pack
	}
	err := f.write(name+packEnd, func(w io.Writer) error {
		return f.write(name+indexEnd, func(x io.Writer) error { return pack.Merge(ctx, packs, w, x) })
	})
	if err != nil {
		return nil, err
	}
	file, err := f.root.Open(name + packEnd)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return f.named(file, name)
}

// contextReader ends with a context, between two reads.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
