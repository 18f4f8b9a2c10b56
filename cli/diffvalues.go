package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/change"
)

// valueDiff is an item's value on both sides, which the user has asked to see.
type valueDiff struct {
	Item string       `json:"item"`
	Same bool         `json:"same"` // a new ciphertext of the same value
	Old  *openedValue `json:"old,omitempty"`
	New  *openedValue `json:"new,omitempty"`
}

// openedValue is a value, or the reason why there is none.
type openedValue struct {
	value  seal.Value
	closed string
}

// MarshalJSON gives the value as text where it is that, and in base64 elsewhere.
func (v *openedValue) MarshalJSON() ([]byte, error) {
	switch b := v.value.Bytes(); {
	case v.closed != "":
		return secret.Marshal(map[string]string{"closed": v.closed})
	case secret.IsText(b):
		return secret.Marshal(map[string]string{"text": string(b)})
	default:
		return secret.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(b)})
	}
}

// valueOpener opens the two sides of differences.
type valueOpener struct {
	ids       []seal.Identity
	namespace string
	opened    int
	closed    []error // sides that no identity fits
	errs      []error
}

// open adds the values to a report. Sides that no identity fits are told as such, unless they are all; anything else that does not open is an error.
func (r diffReport) open(env *Env, ids []seal.Identity, namespace string) error {
	o := &valueOpener{ids: ids, namespace: namespace}
	for i := range r.Files {
		f := &r.Files[i]
		for j := range f.Objects {
			o.object(f.Path, &f.Objects[j])
		}
	}
	if o.opened == 0 {
		o.errs = append(o.errs, o.closed...)
	}
	if len(o.errs) > 0 {
		return errors.Join(o.errs...)
	}
	for _, err := range o.closed {
		warn(env.Stderr, err.Error())
	}
	return nil
}

func (o *valueOpener) object(path string, d *objectDiff) {
	if len(d.Items) == 0 {
		return
	}
	before, whyOld := o.side(path, "old", d.Before)
	after, whyNew := o.side(path, "new", d.After)
	for _, item := range d.Items {
		v := valueDiff{Item: item.Name}
		if item.Old != nil {
			v.Old = &openedValue{value: before[item.Name], closed: whyOld}
		}
		if item.New != nil {
			v.New = &openedValue{value: after[item.Name], closed: whyNew}
		}
		v.Same = v.Old != nil && v.New != nil && whyOld+whyNew == "" && bytes.Equal(v.Old.value.Bytes(), v.New.value.Bytes())
		d.Values = append(d.Values, v)
	}
}

// side opens one version of an object; closed is why it is not open.
func (o *valueOpener) side(path, which string, obj *change.Object) (values seal.Values, closed string) {
	if obj == nil || len(obj.Spec.Items) == 0 {
		return nil, ""
	}
	opened, err := secret.Open(obj.Doc, o.namespace, seal.NewIdentities(o.ids...))
	if err == nil {
		o.opened++
		return opened.Values, ""
	}
	err = fmt.Errorf("%s: the %s version of %s: %w", shown(path), which, placeText(obj.Namespace, obj.Name), withIdentities(err, o.ids))
	if errors.Is(err, seal.ErrNoKey) {
		o.closed = append(o.closed, err)
		return nil, "no identity fits"
	}
	o.errs = append(o.errs, err)
	return nil, "does not open"
}

// value writes the values of one item.
func (t *reportText) value(level int, v valueDiff) {
	switch {
	case v.Same:
		t.note(level, "the value is the same")
	case v.Old != nil && v.New != nil && v.Old.lines() && v.New.lines():
		t.lineDiff(level, v.Old.value.Bytes(), v.New.value.Bytes())
	default:
		if v.Old != nil {
			t.valueLine(level, "- "+v.Old.text())
		}
		if v.New != nil {
			t.valueLine(level, "+ "+v.New.text())
		}
	}
}

// lines says whether the value is text of several lines, to be compared by line.
func (v *openedValue) lines() bool {
	b := v.value.Bytes()
	return v.closed == "" && secret.IsText(b) && bytes.IndexByte(b, '\n') >= 0
}

func (v *openedValue) text() string {
	b := v.value.Bytes()
	switch {
	case v.closed != "":
		return "(not opened: " + v.closed + ")"
	case len(b) == 0:
		return "(empty)"
	case !secret.IsText(b):
		return "(binary, " + count(len(b), "byte") + ")"
	}
	return string(b)
}

func (t *reportText) lineDiff(level int, before, after []byte) {
	text := string(diff.Diff("old", before, "new", after))
	// Three lines name the files.
	for range 3 {
		_, text, _ = strings.Cut(text, "\n")
	}
	for line := range strings.Lines(text) {
		t.valueLine(level, strings.TrimSuffix(line, "\n"))
	}
}

// valueLine writes text of a value with its mark; it is text by secret.IsText. All of its lines are indented, so that none passes for a line of the report.
func (t *reportText) valueLine(level int, text string) {
	code := map[byte]string{'+': green, '-': red}[text[0]]
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\r", "␍")
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			line = "  " + line
		}
		if t.colour && code != "" {
			line = code + line + plain
		}
		t.line(level, styled(line))
	}
}
