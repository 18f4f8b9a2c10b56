package pack

import "io"

// fixed is a writer into a slice of just the right length.
type fixed struct{ left []byte }

func (f *fixed) Write(p []byte) (int, error) {
	if len(p) > len(f.left) {
		return 0, io.ErrShortBuffer
	}
	copy(f.left, p)
	f.left = f.left[len(p):]
	return len(p), nil
}
