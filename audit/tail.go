package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// recordStart is how every line of a log begins: the version is the first member.
var recordStart = fmt.Sprintf(`{"v":%d,"id":"`, Version)

// tail finds how much of f is whole lines, and how many bytes of an unfinished one follow. A file that is not a log is an error, so that nothing of it is cut.
func tail(f *os.File) (good, unfinished int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, 0, fmt.Errorf("%s is not a regular file", f.Name())
	}
	size := info.Size()
	if err := checkHead(f, size); err != nil {
		return 0, 0, err
	}
	chunk := make([]byte, MaxRecord)
	for end := size; end > 0; {
		start := max(0, end-int64(len(chunk)))
		if size-start > maxBatch+2*MaxRecord {
			return 0, 0, fmt.Errorf("%s is not an audit log: it has no line end near its end", f.Name())
		}
		part := chunk[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, 0, fmt.Errorf("reading the end of %s: %w", f.Name(), err)
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			good = start + int64(i) + 1
			break
		}
		end = start
	}
	return good, size - good, nil
}

func checkHead(f *os.File, size int64) error {
	head := make([]byte, min(size, int64(len(recordStart))))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the beginning of %s: %w", f.Name(), err)
	}
	if !strings.HasPrefix(recordStart, string(head)) {
		return fmt.Errorf("%s is not an audit log of version %d: move it away or give another path", f.Name(), Version)
	}
	return nil
}
