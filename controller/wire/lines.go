package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"k8s.io/apimachinery/pkg/runtime"
)

// maxLine is how many bytes an event may have; client-go gives up at as many. An object has 1.5 MiB at the most where it is stored.
const maxLine = 16 << 20

// lines frames a watch by its lines.
type lines struct{ runtime.Framer }

// NewFrameReader implements runtime.Framer. From a line on that is not one JSON value, the reader is the ordinary one.
func (l lines) NewFrameReader(r io.ReadCloser) io.ReadCloser {
	return &lineReader{Closer: r, in: bufio.NewReaderSize(r, 32<<10), ordinary: l.Framer}
}

type lineReader struct {
	io.Closer
	in       *bufio.Reader
	ordinary runtime.Framer
	rest     []byte        // of the present line
	instead  io.ReadCloser // of all this
}

// Read gives the next line, or with io.ErrShortBuffer a part of it.
func (r *lineReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.instead == nil {
		line, err := r.line()
		text := bytes.TrimSpace(line)
		switch {
		case errors.Is(err, bufio.ErrTooLong) || (err != nil && len(text) == 0):
			return 0, err
		case len(text) > 0 && endOfValue(text, 0) == len(text):
			r.rest = text
		case len(text) > 0:
			all := io.MultiReader(bytes.NewReader(bytes.Clone(line)), r.in)
			r.instead = r.ordinary.NewFrameReader(struct {
				io.Reader
				io.Closer
			}{all, r.Closer})
		}
	}
	if r.instead != nil {
		return r.instead.Read(p)
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) > 0 {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// line is the next line, or what there is of it before an error. It is good until the next call.
func (r *lineReader) line() ([]byte, error) {
	part, err := r.in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	var long []byte
	for errors.Is(err, bufio.ErrBufferFull) {
		if long = append(long, part...); len(long) > maxLine {
			return nil, bufio.ErrTooLong
		}
		part, err = r.in.ReadSlice('\n')
	}
	return append(long, part...), err
}
