package scan

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// File is a file with what its bytes tell.
type File struct {
	Path string
	// TooLarge says that it is longer than MaxFile. The flags of its Finding hold nevertheless, and no ids are listed.
	TooLarge bool
	Finding
}

// Files scans files, one for each CPU at a time, and gives the findings in the order of paths. The first error in that order ends it.
func Files(ctx context.Context, paths []string) ([]File, error) {
	files, errs := make([]File, len(paths)), make([]error, len(paths))
	if err := Parallel(ctx, len(paths), func(i int) { files[i], errs[i] = scanFile(paths[i]) }); err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Parallel calls do with 0 to n-1, in that order, from one goroutine for each CPU. It returns when all calls have; after the end of ctx it starts no more of them, and
// gives the context's error.
func Parallel(ctx context.Context, n int, do func(i int)) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

const (
	// chunk is how much of a file that is too large is looked at in one piece, overlap how much of it twice, so that no word is cut in two.
	chunk   = 4 << 20
	overlap = 64 << 10
)

// scanFile reads one file.
func scanFile(path string) (File, error) {
	file := File{Path: path}
	f, err := os.Open(path)
	if err != nil {
		return file, err
	}
	defer f.Close()
	data, found, err := Content(f)
	file.TooLarge, file.Finding = data == nil && err == nil, found
	return file, err
}

// Content reads and scans the content of one file. Of one that is longer than MaxFile, which is looked at in pieces, data is nil, and no ids are listed.
func Content(r io.Reader) (data []byte, found Finding, err error) {
	if data, err = io.ReadAll(io.LimitReader(r, MaxFile+1)); err != nil {
		return nil, found, err
	}
	s := read(data)
	if len(data) > MaxFile {
		err = s.rest(r, data[len(data)-overlap:])
		s.envelopes, s.keys, s.holders = nil, nil, nil
		data = nil
	}
	return data, s.finding(), err
}

// rest goes on after what has been looked at, whose end is before.
func (s *scanner) rest(r io.Reader, before []byte) error {
	buf := make([]byte, overlap+chunk)
	for {
		copy(buf, before)
		n, err := io.ReadFull(r, buf[overlap:])
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		s.join(read(buf[:overlap+n]))
		before = buf[n : overlap+n]
	}
}
