package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"

	// maxBoundary bounds what a server says about where the history that it sends ends, maxBefore all that it says before it sends anything: acknowledgements, too.
	maxBoundary = mib
	maxBefore   = 2 * mib
)

// service is one run of a Git service on a server: it says which branches and tags there are, and answers one request.
type service interface {
	advertised(ctx context.Context) (io.Reader, error)
	ask(ctx context.Context, request []byte) (io.ReadCloser, error)
	Close() error
}

// session is a service whose branches and tags are known. Messages are go-git's matter.
type session struct {
	service
	auth Auth
	refs *packp.AdvRefs
}

// dial starts a service and asks for branches and tags. A repository without any has empty refs.
func (r *Repository) dial(ctx context.Context, place Place, auth Auth, name string) (*session, error) {
	at, err := parseAddress(place.URL, auth)
	if err != nil {
		return nil, err
	}
	var s service
	if at.scheme == "ssh" {
		s, err = dialSSH(ctx, at, auth, name, r.dir)
	} else {
		s, err = dialHTTP(at, auth, name)
	}
	if err != nil {
		return nil, err
	}
	in, err := s.advertised(ctx)
	refs := packp.NewAdvRefs()
	if err == nil {
		err = refs.Decode(in)
	}
	if err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		_ = s.Close()
		return nil, said(err, auth)
	}
	return &session{service: s, auth: auth, refs: refs}, nil
}

// said is the Error for what a server answers instead of what it was asked for.
func said(err error, auth Auth) error {
	var line *pktline.ErrorLine
	if errors.As(err, &line) {
		return fail(FetchFailed, "it says: %s", auth.show(line.Text))
	}
	// What stands behind 40 digits is no space then.
	if strings.Contains(err.Error(), "no space after hash") {
		return fail(FetchFailed, "it names its objects by SHA-256, which the agent does not know")
	}
	return err
}

// answer is what a server sends of a repository.
type answer struct {
	io.Reader // the pack
	closer    io.Closer
	boundary  packp.ShallowUpdate
}

func (a *answer) Close() error { return a.closer.Close() }

// wanted is what is asked for.
type wanted struct {
	id       plumbing.Hash
	haves    []plumbing.Hash
	boundary []plumbing.Hash // commits whose parents are not there
	depth    int
}

// fetch asks for an object and all that it needs, but for what is there. Packs are asked for that are whole by themselves.
func (s *session) fetch(ctx context.Context, want wanted) (*answer, error) {
	req := packp.NewUploadPackRequest()
	req.Wants, req.Haves = []plumbing.Hash{want.id}, want.haves
	// Some servers send nothing without multi_ack_detailed. As all is asked for at once, it only makes their answer longer.
	band, err := s.capabilities(req.Capabilities, capability.OFSDelta, capability.NoProgress, capability.MultiACKDetailed)
	if err != nil {
		return nil, err
	}
	if s.refs.Capabilities.Supports(capability.Shallow) {
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return nil, err
		}
		req.Depth, req.Shallows = packp.DepthCommits(want.depth), want.boundary
	}
	var request bytes.Buffer
	if err := errors.Join(req.UploadRequest.Encode(&request), req.UploadHaves.Encode(&request, false), pktline.NewEncoder(&request).EncodeString("done\n")); err != nil {
		return nil, err
	}
	body, err := s.ask(ctx, request.Bytes())
	if err != nil {
		return nil, err
	}
	before := &bounded{body, maxBefore}
	a, in := &answer{closer: body}, bufio.NewReaderSize(before, 64<<10)
	if !req.Depth.IsZero() {
		err = a.boundary.Decode(io.LimitReader(in, maxBoundary))
	}
	if err == nil {
		err = (&packp.ServerResponse{}).Decode(in, false)
	}
	if err != nil {
		_ = body.Close()
		return nil, said(err, s.auth)
	}
	before.left = math.MaxInt64 // the pack has a limit of its own
	a.Reader = sideband.NewDemuxer(band, in)
	return a, nil
}

// bounded reads so many bytes, and fails then.
type bounded struct {
	in   io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fail(RepositoryTooLarge, "what it says before it sends anything is larger than %d MiB", maxBefore/mib)
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// capabilities sets those of some that the server has, and says how it sends several things at once, which every Git since 2006 can.
func (s *session) capabilities(to *capability.List, some ...capability.Capability) (sideband.Type, error) {
	has := s.refs.Capabilities
	var err error
	for _, c := range some {
		if has.Supports(c) {
			err = errors.Join(err, to.Set(c))
		}
	}
	if has.Supports(capability.Agent) {
		err = errors.Join(err, to.Set(capability.Agent, userAgent))
	}
	switch {
	case has.Supports(capability.Sideband64k):
		return sideband.Sideband64k, errors.Join(err, to.Set(capability.Sideband64k))
	case has.Supports(capability.Sideband):
		return sideband.Sideband, errors.Join(err, to.Set(capability.Sideband))
	default:
		return 0, errors.Join(err, fail(FetchFailed, "it is too old: it has no side-band"))
	}
}
