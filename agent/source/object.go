package source

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// field is a line of a commit's or tag's head, with those that continue it.
type field struct {
	key, value string
	raw        []byte // all of its lines
}

// fields takes a commit or tag apart: its head, and the text behind.
func fields(text []byte) (head []field, body []byte, err error) {
	for rest := text; ; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		switch {
		case !whole:
			return nil, nil, badObject("its head has no end")
		case len(line) == 0:
			for i := range head {
				head[i].split()
			}
			return head, after, nil
		case line[0] == ' ':
			if len(head) == 0 {
				return nil, nil, badObject("its head begins with a space")
			}
			last := &head[len(head)-1]
			last.raw = text[len(text)-len(rest)-len(last.raw) : len(text)-len(after)]
		default:
			head = append(head, field{raw: rest[:len(line)+1]})
		}
		rest = after
	}
}

// split reads key and value out of a field's lines. It is done once all of them are known: half a million may continue one, and a value that grew by each would be copied as often.
func (f *field) split() {
	lines := strings.ReplaceAll(string(f.raw[:len(f.raw)-1]), "\n ", "\n")
	first, _, _ := strings.Cut(lines, "\n")
	key, _, has := strings.Cut(first, " ")
	at := len(key)
	if has {
		at++
	}
	f.key, f.value = key, lines[at:]
}

func badObject(format string, args ...any) error {
	return fmt.Errorf("%w: %s", pack.ErrMalformed, fmt.Sprintf(format, args...))
}

// parseCommit reads a commit. Its head has to begin as Git's do: a tree, its parents, an author, a committer.
func parseCommit(id pack.ID, text []byte) (Commit, error) {
	head, body, err := fields(text)
	if err != nil {
		return Commit{}, err
	}
	c := Commit{ID: id.String(), Message: string(body)}
	next := func(key string) (string, bool) {
		if len(head) == 0 || head[0].key != key {
			return "", false
		}
		value := head[0].value
		head = head[1:]
		return value, true
	}
	var has bool
	if c.Tree, has = next("tree"); !has {
		return Commit{}, badObject("commit %s has no tree", id)
	}
	for {
		parent, has := next("parent")
		if !has {
			break
		}
		c.Parent = append(c.Parent, parent)
	}
	for _, of := range append([]string{c.Tree}, c.Parent...) {
		if _, err := pack.ParseID(of); err != nil {
			return Commit{}, badObject("commit %s names what is no id", id)
		}
	}
	author, has := next("author")
	committer, hasToo := next("committer")
	if !has || !hasToo {
		return Commit{}, badObject("commit %s has no author or no committer", id)
	}
	c.Author, _ = signed(author)
	_, c.When = signed(committer)
	return c, nil
}

// signed takes who and when apart.
func signed(line string) (who string, when time.Time) {
	who, rest, _ := strings.Cut(line, "> ")
	seconds, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		when = time.Unix(n, 0).UTC()
	}
	if !strings.HasSuffix(who, ">") {
		who += ">"
	}
	return who, when
}

// tagged reads what a tag object is for, and its name.
func tagged(text []byte) (object pack.ID, name string, err error) {
	head, _, err := fields(text)
	if err != nil {
		return object, "", err
	}
	if len(head) < 3 || head[0].key != "object" || head[1].key != "type" || head[2].key != "tag" {
		return object, "", badObject("a tag object does not say what it is for")
	}
	object, err = pack.ParseID(head[0].value)
	if err != nil {
		return object, "", badObject("a tag object names what is no id")
	}
	return object, head[2].value, nil
}

// commit reads a commit.
func (c content) commit(id pack.ID) (Commit, error) {
	text, err := c.object(id, pack.Commit, maxCommit)
	if err != nil {
		return Commit{}, err
	}
	return parseCommit(id, text)
}

// describe reads the commit that a tip is, or is for.
func (c content) describe(t tip) (Commit, error) {
	const tagsOfTags = 4
	id, tag := pack.ID(t.id), ""
	for range tagsOfTags {
		_, e, err := c.entry(id)
		if err != nil {
			return Commit{}, err
		}
		switch e.Type {
		case pack.Commit:
			commit, err := c.commit(id)
			commit.Tag = tag
			return commit, err
		case pack.Tag:
			text, err := c.object(id, pack.Tag, maxCommit)
			if err != nil {
				return Commit{}, err
			}
			if tag == "" {
				tag = id.String()
			}
			if id, _, err = tagged(text); err != nil {
				return Commit{}, err
			}
		default:
			return Commit{}, fail(RefNotFound, "%s is no commit, but a %s", clean(t.ref), e.Type)
		}
	}
	return Commit{}, fail(RepositoryUnsafe, "%s is a tag of a tag of a tag", clean(t.ref))
}
