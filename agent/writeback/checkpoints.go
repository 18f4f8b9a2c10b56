package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/audit"
)

// anchor puts the checkpoints that are due into a commit of their own. at is the commit whose files are looked at. Where the commit is made upon another one, and takes the place of at,
// what only at has goes with it: it would be due anew otherwise, and then what is left out for it, without an end.
func (w *Writer) anchor(ctx context.Context, in Cluster, at source.Commit, p Push, r *Report) error {
	if w.Spec.Checkpoints == "" || len(in.Logs) == 0 {
		return nil
	}
	files, err := w.anchored(ctx, p.Base)
	if err != nil {
		return err
	}
	kept := make(map[string]source.File, len(files))
	for _, f := range files {
		kept[f.Path] = f
	}
	changes, due := map[string][]byte{}, false
	if at.ID != p.Base.ID {
		if changes, err = w.unmerged(ctx, at, kept); err != nil {
			return err
		}
	}
	r.Anchored = true
	for _, log := range in.Logs {
		if log.Anchor.Checkpoint == "" {
			continue // it has just begun
		}
		name, next, err := w.keep(ctx, kept, log)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			message := fmt.Sprintf("the checkpoint of audit log %s is not put into Git: %s: %v", clean(log.Anchor.Origin), shown(name), err)
			r.Messages = append(r.Messages, message)
			if !unread(err) && !errors.Is(err, errNoFile) {
				r.NotGrown = append(r.NotGrown, message)
			}
		case next != nil:
			changes[name], due = next, true
		}
	}
	if !due {
		return nil
	}
	return w.pushAnchors(ctx, changes, p, r)
}

// anchored are the files of a commit that may hold checkpoints.
func (w *Writer) anchored(ctx context.Context, c source.Commit) ([]source.File, error) {
	files, err := w.Git.Files(ctx, c)
	if err != nil {
		return nil, err
	}
	var all []source.File
	for _, f := range files {
		if below(w.Spec.Checkpoints, f.Path) {
			all = append(all, f)
		}
	}
	return all, nil
}

// unmerged gives the anchors that the own branch has at a commit, and kept has not, or has older ones of. They are in kept then.
func (w *Writer) unmerged(ctx context.Context, at source.Commit, kept map[string]source.File) (map[string][]byte, error) {
	files, err := w.anchored(ctx, at)
	if err != nil {
		return nil, err
	}
	all, size := map[string][]byte{}, int64(0)
	for _, f := range files {
		has, there := kept[f.Path]
		if there && has.Blob == f.Blob {
			continue
		}
		data, mine, err := w.anchorIn(ctx, f)
		if err != nil {
			return nil, err
		}
		if there && mine != nil {
			_, merged, err := w.anchorIn(ctx, has)
			if err != nil {
				return nil, err
			}
			// What is wrong with a file of the followed branch is told, and not covered.
			if merged == nil || !mine.At.After(merged.At) {
				continue
			}
		}
		if size += f.Size; mine == nil || size > maxChanged {
			continue
		}
		kept[f.Path], all[f.Path] = f, data
	}
	return all, nil
}

// anchorIn reads a file with the anchor of a log whose file it is; nil where it holds none.
func (w *Writer) anchorIn(ctx context.Context, f source.File) ([]byte, *Kept, error) {
	if !mayHold(f) {
		return nil, nil, nil
	}
	data, err := w.Git.Read(ctx, f.Blob)
	if err != nil {
		return nil, nil, err
	}
	var k Kept
	if json.Unmarshal(data, &k) != nil || !fileable(k.Origin) || w.fileOf(k.Origin) != f.Path {
		return nil, nil, nil
	}
	return data, &k, nil
}

// mayHold says whether a file may hold an anchor.
func mayHold(f source.File) bool { return f.Kind == source.Regular && f.Size <= maxKept }

// fileable says whether the name of a log can be that of a file.
func fileable(origin string) bool {
	return originRE.MatchString(origin) && !strings.Contains(origin, "..")
}

// originOf is the log whose checkpoints are kept in a file.
func (w *Writer) originOf(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, path.Clean(w.Spec.Checkpoints)+"/"), ".json")
}

// fileOf is the file that the checkpoints of a log are kept in.
func (w *Writer) fileOf(origin string) string { return path.Join(w.Spec.Checkpoints, origin+".json") }

// keep says what is due for one log.
func (w *Writer) keep(ctx context.Context, kept map[string]source.File, log AuditLog) (name string, next []byte, err error) {
	if !fileable(log.Anchor.Origin) {
		return w.Spec.Checkpoints, nil, errNoFile
	}
	name = w.fileOf(log.Anchor.Origin)
	var old []byte
	if f, ok := kept[name]; ok {
		if !mayHold(f) {
			return name, nil, errNoAnchor
		}
		if old, err = w.Git.Read(ctx, f.Blob); err != nil {
			return name, nil, err
		}
		if old == nil {
			old = []byte{}
		}
	}
	if old != nil && log.Dir == nil && log.Open != nil {
		if _, due, err := dueFor(old, log.Anchor, w.Now()); err != nil || !due {
			return name, nil, err
		}
		if last := w.unread[name]; last.err != nil && w.Now().Sub(last.at).Abs() < UnreadRest {
			return name, nil, last.err
		}
		dir, release, err := log.Open(ctx)
		if err != nil {
			return name, nil, w.rest(name, fmt.Errorf("%w: %w", ErrUnread, err))
		}
		defer release()
		log.Dir = dir
	}
	next, err = Keep(old, log, w.Now())
	return name, next, w.rest(name, err)
}

// unreadable is a log that could not be read.
type unreadable struct {
	err error
	at  time.Time
}

// rest remembers that a log could not be read, so that not every look waits for an endpoint that has gone.
func (w *Writer) rest(name string, err error) error {
	if err == nil || !unread(err) {
		delete(w.unread, name)
		return err
	}
	if w.unread == nil {
		w.unread = map[string]unreadable{}
	}
	w.unread[name] = unreadable{err, w.Now()}
	return err
}

func (w *Writer) pushAnchors(ctx context.Context, changes map[string][]byte, p Push, r *Report) error {
	var names []string
	for name := range changes {
		names = append(names, w.originOf(name))
	}
	slices.Sort(names)
	what := fmt.Sprintf("%d audit logs", len(names))
	if len(names) == 1 {
		what = "an audit log"
	}
	p.Changes, p.When = changes, w.Now()
	p.Message = fmt.Sprintf("chore(seal): keep the checkpoints of %s\n\nEach log contains what was kept of it before. seal audit verify --anchor reads the files.\n\n%s: %s\n", what, trailerSync, w.sync())
	op := audit.Operation{Action: audit.ActionSyncAnchored, Object: w.object(), Items: names}
	c, err := w.record(ctx, op, p)
	if err != nil {
		return err
	}
	r.Pushed = append(r.Pushed, c)
	return nil
}
