package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// request is a pull request as a server has it.
type request struct {
	number      int64
	open        bool
	commit      string // that Head stands at, or stood at when it was closed
	title, body string
	url         string
}

// server is what the kinds of servers differ in.
type server interface {
	// open gives the open pull requests from Head to Base, closed those that were closed or merged and may be about Head, the newest first; not all of these.
	open(ctx context.Context, pr PullRequest) ([]request, error)
	closed(ctx context.Context, pr PullRequest) ([]request, error)
	create(ctx context.Context, pr PullRequest) (request, error)
	update(ctx context.Context, number int64, pr PullRequest) error
	protected(ctx context.Context, branch string) (bool, error)
}

// forge is a Forge.
type forge struct {
	server server
	pause  func(ctx context.Context, d time.Duration) error
}

// Servers know of a branch some moments after it was pushed.
const (
	tries = 5
	delay = 500 * time.Millisecond
)

// Ensure implements Forge.
func (f *forge) Ensure(ctx context.Context, pr PullRequest, commit string) (string, error) {
	for try := 1; ; try++ {
		at, err := f.ensure(ctx, pr, commit)
		// Unprocessable is what GitHub says of a branch that it does not know yet, and Conflict of one for which somebody else has just made the request.
		if err == nil || try == tries || !statusIs(err, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusConflict) {
			return at, err
		}
		if err := f.pause(ctx, delay<<(try-1)); err != nil {
			return "", err
		}
	}
}

func (f *forge) ensure(ctx context.Context, pr PullRequest, commit string) (at string, err error) {
	defer refuse(&err)
	open, err := f.server.open(ctx, pr)
	if err != nil {
		return "", err
	}
	if len(open) > 0 {
		r := open[0]
		if same(r.title, pr.Title) && same(r.body, pr.Body) {
			return address(r), nil
		}
		return address(r), f.server.update(ctx, r.number, pr)
	}
	closed, err := f.server.closed(ctx, pr)
	if err != nil {
		return "", err
	}
	for _, r := range closed {
		if strings.EqualFold(r.commit, commit) {
			return "", nil
		}
	}
	r, err := f.server.create(ctx, pr)
	return address(r), err
}

// Protected implements Forge.
func (f *forge) Protected(ctx context.Context, branch string) (is bool, err error) {
	defer refuse(&err)
	is, err = f.server.protected(ctx, branch)
	if statusIs(err, http.StatusNotFound) {
		return false, nil
	}
	return is, err
}

// refuse makes an error of a library's panic: they take for granted what a server may leave out.
func refuse(err *error) {
	if recover() != nil {
		*err = errors.New("the answer is none of such a forge: look at spec.writeBack.forge")
	}
}

// same compares texts as servers keep them: with other line ends, and without blanks at the end.
func same(a, b string) bool {
	trim := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return trim(a) == trim(b)
}

// address is where people see a pull request, if what the server says of it is an address.
func address(r request) string {
	const most = 2048
	u, err := url.Parse(r.url)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || len(r.url) > most {
		return fmt.Sprintf("number %d", r.number)
	}
	return u.String()
}

func statusIs(err error, codes ...int) bool {
	var answer *answerError
	return errors.As(err, &answer) && slices.Contains(codes, answer.status)
}
