package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// listPage is how many objects are asked for at a time: ten thousand are 50 requests.
	listPage = 200
	// maxPage bounds one page. It is read as a stream, an object at a time, so that this bounds time and not memory.
	maxPage = 1 << 30
)

// Decode reads an object of a list into a value, as json.Unmarshal does, once: that costs half of what it costs to read its bytes first.
type Decode func(into any) error

// raw gives each the bytes of the objects.
func raw(each func(item []byte) error) func(Decode) error {
	var item json.RawMessage
	return func(decode Decode) error {
		item = item[:0]
		if err := decode(&item); err != nil {
			return err
		}
		return each(item)
	}
}

// list calls each for every object below from, page by page, in the server's order. Where a list takes longer than the server keeps its version, it goes on
// with what there is by then. An error of each ends it.
func (c *Client) list(ctx context.Context, from *url.URL, query url.Values, accept string, each func(item Decode) error) error {
	query.Set("limit", strconv.Itoa(listPage))
	for {
		page := *from
		page.RawQuery = query.Encode()
		token, err := c.listPage(ctx, &page, accept, each)
		var refusal *StatusError
		if errors.As(err, &refusal) && refusal.Code == http.StatusGone && refusal.Continue != "" && query.Get("continue") != refusal.Continue {
			query.Set("continue", refusal.Continue)
			continue
		}
		if err != nil || token == "" {
			return err
		}
		query.Set("continue", token)
	}
}

func (c *Client) listPage(ctx context.Context, from *url.URL, accept string, each func(item Decode) error) (token string, err error) {
	resp, err := c.send(ctx, http.MethodGet, from, accept, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxPage)
	if resp.StatusCode != http.StatusOK {
		return "", refusalOf(resp.StatusCode, body)
	}
	token, err = readList(body, each)
	var own *ownError
	switch {
	case errors.As(err, &own):
		return "", own.error
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("asking the API server %s: the list is not the JSON expected", c.base.Host)
	}
	return token, nil
}

// ReadList calls each for every object of a list as the API server or kubectl writes it, one after the other.
func ReadList(r io.Reader, each func(item Decode) error) error {
	limited := &io.LimitedReader{R: r, N: maxPage}
	_, err := readList(limited, each)
	var own *ownError
	switch {
	case errors.As(err, &own):
		return own.error
	case limited.N == 0:
		return fmt.Errorf("is longer than %d MiB", maxPage>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errNoList
	}
	return err
}

// readList reads a list without holding more than one of its items, and gives the token of the next page.
func readList(r io.Reader, each func(item Decode) error) (token string, err error) {
	d := json.NewDecoder(r)
	if err := delimiter(d, '{'); err != nil {
		return "", err
	}
	found := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", err
		}
		switch name {
		case "metadata":
			var meta metav1.ListMeta
			if err := d.Decode(&meta); err != nil {
				return "", err
			}
			token = meta.Continue
		case "items":
			found = true
			if err := readItems(d, each); err != nil {
				return "", err
			}
		default:
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return "", err
			}
		}
	}
	if !found {
		return "", errNoList
	}
	return token, delimiter(d, '}')
}

func readItems(d *json.Decoder, each func(item Decode) error) error {
	first, err := d.Token()
	if err != nil || first == nil { // null for none
		return err
	}
	if first != json.Delim('[') {
		return errNoList
	}
	for d.More() {
		var broken error
		err := each(func(into any) error {
			err := d.Decode(into)
			if unfit := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &unfit) {
				broken = err // and there is no going on from here, whatever each makes of it
			}
			return err
		})
		switch {
		case broken != nil:
			return broken
		case err != nil:
			return &ownError{err}
		}
	}
	return delimiter(d, ']')
}

// ownError is what each says, and not what is wrong with the list.
type ownError struct{ error }

var errNoList = errors.New("is not a list of objects as JSON")

func delimiter(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == nil && got != want {
		return errNoList
	}
	return err
}
