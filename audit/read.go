package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Records reads a log line by line. A line that is not a record gives an error with its number, and reading goes on behind it; a line longer than
// MaxRecord or an error of r ends it.
func Records(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewReaderSize(r, MaxRecord)
		for n := 1; ; n++ {
			line, err := lines.ReadSlice('\n')
			switch {
			case errors.Is(err, io.EOF) && len(line) == 0:
				return
			case errors.Is(err, io.EOF):
				yield(Record{}, fmt.Errorf("line %d of the audit log is not finished", n))
				return
			case err != nil:
				yield(Record{}, fmt.Errorf("reading line %d of the audit log: %w", n, err))
				return
			}
			if !yield(decode(line, n)) {
				return
			}
		}
	}
}

func decode(line []byte, n int) (Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return Record{}, fmt.Errorf("line %d of the audit log is not a record: %w", n, err)
	}
	if r.Version != Version {
		return Record{}, fmt.Errorf("line %d of the audit log has version %d; this program reads %d", n, r.Version, Version)
	}
	return r, nil
}
