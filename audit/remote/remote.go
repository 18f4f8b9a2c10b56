// Package remote reads the audit log of a running process from its endpoint, /v1/audit/, as if it were a folder. It verifies nothing: audit/verify does that with what it gives.
//
// Everything that is read is bounded: whoever serves the log may be hostile.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

const (
	// MaxList and MaxSmall bound the list of parts, and a checkpoint, the key and the anchor, in bytes.
	MaxList  = 1 << 20
	MaxSmall = 64 << 10
	// maxParts is how many parts a log can have: their folders have four digits.
	maxParts = 9999
	// MaxMessage is how much of what an endpoint says is repeated, in bytes.
	MaxMessage = 300
	// answerTimeout bounds one request.
	answerTimeout = 60 * time.Second
	// defaultTries is Endpoint.Tries where it says nothing.
	defaultTries = 4
)

// Endpoint is where a controller serves its log, as the folder of a log: an fs.FS whose files are asked for with GET. It is safe for concurrent use.
type Endpoint struct {
	// Base is the URL of the endpoint, with /v1/audit/ at its end.
	Base *url.URL
	// Client makes the requests; its own time limit is not needed.
	Client *http.Client
	// Token is the bearer token; empty for none.
	Token string
	// Tries is how often a request is made that fails on the way or at a server that is too busy; 0: 4 times.
	Tries int
	// Pause waits between tries, and returns early when ctx ends; nil: by the clock.
	Pause func(ctx context.Context, d time.Duration)
}

// Names of files beside the parts.
const (
	KeyAt        = "log.vkey"
	AnchorAt     = "anchor"
	CheckpointAt = "checkpoint" // of a part
)

// EndpointPath is where a controller serves its log.
const EndpointPath = "/v1/audit/"

// ParseURL reads the URL of a controller, or of its endpoint itself. Only HTTPS is spoken: a token goes with each request.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https":
		return nil, errors.New("not an https URL")
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("a URL of a host and a path is wanted, without a user, a query or a fragment")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.Path = strings.TrimSuffix(u.Path, strings.TrimSuffix(EndpointPath, "/")) + EndpointPath
	u.RawPath = ""
	return u, nil
}

// RefusedError is the endpoint's refusal.
type RefusedError struct {
	Code    int
	Message string
}

// Error has what the server said, if it said something.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("the endpoint answers %d %s", e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Is makes an answer 404 what a file is that does not exist.
func (e *RefusedError) Is(target error) bool {
	return target == fs.ErrNotExist && e.Code == http.StatusNotFound
}

func (e *Endpoint) pause(ctx context.Context, d time.Duration) {
	if e.Pause != nil {
		e.Pause(ctx, d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Get reads a file below the endpoint, of at most limit bytes. It tries again what may only have failed for the moment.
func (e *Endpoint) Get(ctx context.Context, name string, limit int64) (b []byte, err error) {
	for try := range cmp.Or(e.Tries, defaultTries) {
		if try > 0 {
			e.pause(ctx, time.Second<<(try-1))
		}
		if b, err = e.getOnce(ctx, name, limit); err == nil || !Passing(err) || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return b, err
}

func (e *Endpoint) getOnce(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	at := e.Base
	if name != "" { // JoinPath takes the slash off otherwise
		at = at.JoinPath(name)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	if e.Token != "" {
		req.Header.Set("Authorization", "Bearer "+e.Token)
	}
	resp, err := e.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", e.Base.Host, cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, MaxMessage))
		return nil, &RefusedError{Code: resp.StatusCode, Message: strings.TrimSpace(strings.ToValidUTF8(string(text), ""))}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", e.Base.Host, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("asking %s: %s is longer than %d bytes", e.Base.Host, name, limit)
	}
	return b, nil
}

// Passing says whether what has failed may go better the next time: a network does, a certificate or a right does not.
func Passing(err error) bool {
	var refusal *RefusedError
	if errors.As(err, &refusal) {
		return refusal.Code == http.StatusTooManyRequests || refusal.Code >= http.StatusInternalServerError
	}
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	return errors.As(err, &op) && op.Op != "remote error" || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// cause strips method and URL, which the message has already.
func cause(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// List asks for the numbers of the parts.
func (e *Endpoint) List(ctx context.Context) ([]string, error) {
	b, err := e.Get(ctx, "", MaxList)
	if err != nil {
		return nil, err
	}
	return parseList(b)
}

// FS is the endpoint as a file system whose requests end with ctx.
func (e *Endpoint) FS(ctx context.Context) fs.FS { return &remoteFS{ctx: ctx, endpoint: e} }

// remoteFS has a context, because fs.FS knows none.
type remoteFS struct {
	ctx      context.Context
	endpoint *Endpoint
}

// Open implements fs.FS. The file is read as a whole.
func (r *remoteFS) Open(name string) (fs.File, error) {
	if name == "." {
		entries, err := r.ReadDir(name)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &remoteRoot{entries}, nil
	}
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	b, err := r.endpoint.Get(r.ctx, name, limitOf(name))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &remoteFile{Reader: bytes.NewReader(b), name: path.Base(name), size: int64(len(b))}, nil
}

// Stat implements fs.StatFS without a request: what the endpoint could have is said to be a file, and whether it is there shows when it is opened.
func (r *remoteFS) Stat(name string) (fs.FileInfo, error) {
	if !strings.Contains(name, "/") && name != KeyAt && name != AnchorAt || strings.HasSuffix(name, ".p") {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return remoteInfo{name: path.Base(name)}, nil
}

// ReadDir implements fs.ReadDirFS for the folder of parts.
func (r *remoteFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	names, err := r.endpoint.List(r.ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(names))
	for i, n := range names {
		entries[i] = remoteFolder(n)
	}
	return entries, nil
}

func limitOf(name string) int64 {
	switch {
	case path.Base(name) == CheckpointAt, !strings.Contains(name, "/"):
		return MaxSmall
	default:
		return audit.MaxBundle
	}
}

// remoteFile is a file that was read; it is its own fs.FileInfo.
type remoteFile struct {
	*bytes.Reader
	name string
	size int64
}

func (f *remoteFile) Stat() (fs.FileInfo, error) { return remoteInfo{f.name, f.size}, nil }
func (f *remoteFile) Close() error               { return nil }

type remoteInfo struct {
	name string
	size int64
}

func (i remoteInfo) Name() string       { return i.name }
func (i remoteInfo) Size() int64        { return i.size }
func (i remoteInfo) Mode() fs.FileMode  { return 0o444 }
func (i remoteInfo) ModTime() time.Time { return time.Time{} }
func (i remoteInfo) IsDir() bool        { return false }
func (i remoteInfo) Sys() any           { return nil }

// remoteRoot is the folder of the log, opened; it is read as a whole.
type remoteRoot struct{ left []fs.DirEntry }

var _ fs.ReadDirFile = (*remoteRoot)(nil)

func (r *remoteRoot) Stat() (fs.FileInfo, error) { return remoteInfo{name: "."}, nil }
func (r *remoteRoot) Close() error               { return nil }

func (r *remoteRoot) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (r *remoteRoot) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(r.left) {
		if n > 0 && len(r.left) == 0 {
			return nil, io.EOF
		}
		n = len(r.left)
	}
	some := r.left[:n]
	r.left = r.left[n:]
	return some, nil
}

// remoteFolder is the folder of a part.
type remoteFolder string

func (f remoteFolder) Name() string               { return string(f) }
func (f remoteFolder) IsDir() bool                { return true }
func (f remoteFolder) Type() fs.FileMode          { return fs.ModeDir }
func (f remoteFolder) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// parseList reads the list of parts.
func parseList(b []byte) ([]string, error) {
	var list struct {
		Parts []string `json:"parts"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, errors.New("the endpoint's list of parts is not the JSON expected")
	}
	if len(list.Parts) > maxParts {
		return nil, fmt.Errorf("the endpoint lists %d parts: a log has at most %d", len(list.Parts), maxParts)
	}
	for _, name := range list.Parts {
		if !audit.IsPartDir(name) || name == "0000" {
			return nil, fmt.Errorf("the endpoint lists a part %q: parts are 0001 to %d", name[:min(len(name), 20)], maxParts)
		}
	}
	slices.Sort(list.Parts)
	return slices.Compact(list.Parts), nil
}
