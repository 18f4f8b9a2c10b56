package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

const (
	// markPrefix begins the lines above the text that are ours.
	markPrefix = "# seal: "
	// markLines is their number. It does not depend on what they say, so that line numbers in messages are those of the text as it lies before the person.
	markLines = 4
	// unattended is how often an editor is opened where nobody sits at a terminal.
	unattended = 3
)

// dialogue goes back and forth between the person's editor and sealing.
type dialogue struct {
	*editing
	editor *editorCommand
	folder *scratch
}

func (d *dialogue) run(ctx context.Context) error {
	text, err := renderYAML(d.opened.JSON)
	if err != nil {
		return err
	}
	was, said := text, error(nil)
	for round := 1; ; round++ {
		now, err := d.show(ctx, text, said)
		if err != nil {
			return err
		}
		switch {
		case blank(now), said != nil && bytes.Equal(now, text):
			return d.cancelled(said)
		case bytes.Equal(now, was):
			message(d.env.Stderr, "seal: ", d.name+": unchanged")
			return nil
		}
		text = now
		out, err := d.apply(append(marks(d.label, nil), now...))
		switch {
		case err != nil && !d.env.stdinIsTerminal() && round == unattended:
			return d.cancelled(err)
		case err != nil:
			said = err
			continue
		case out.file == nil:
			message(d.env.Stderr, "seal: ", d.name+": unchanged")
			return nil
		}
		if err = d.write(ctx, out); err != nil && ctx.Err() == nil {
			return d.offer(ctx, text, err)
		}
		return err
	}
}

// cancelled is the end of an edit that the person gave up, with what was wrong with it.
func (d *dialogue) cancelled(said error) error {
	if said == nil {
		return failed(d.name+" is as it was", "edit cancelled: the text is empty")
	}
	return errors.Join(said, failed(d.name+" is as it was", "edit cancelled"))
}

// show lets the person edit text under what there is to say, and gives the text back.
func (d *dialogue) show(ctx context.Context, text []byte, said error) ([]byte, error) {
	if err := d.folder.write(append(marks(d.label, said), text...)); err != nil {
		return nil, fmt.Errorf("writing for the editor: %w", pathCause(err))
	}
	if err := d.env.edit(ctx, d.editor, d.folder.path()); err != nil {
		return nil, err
	}
	now, err := d.folder.read()
	if err != nil {
		return nil, fmt.Errorf("reading what the editor has left: %w", pathCause(err))
	}
	return withoutMarks(now), nil
}

// offer is made where the file cannot be written: the person's text would be gone. Often it has been changed meanwhile, and writing would undo what somebody else did.
func (d *dialogue) offer(ctx context.Context, text []byte, said error) error {
	why, wayOut := "cannot be written", "run seal edit again when a file can be written beside it and take its place"
	if lost(said) {
		why, wayOut = "was changed by somebody else meanwhile", "run seal edit again: it starts from the file as it is now"
	}
	err := errors.Join(said, failed(wayOut, "your edit is not written"))
	if !d.env.stdinIsTerminal() {
		return err
	}
	answer, askErr := d.env.ask(ctx, d.name+" "+why+". Look at your edit once more, to copy from it? [Y/n] ", true)
	if askErr != nil || strings.HasPrefix(strings.ToLower(strings.TrimSpace(string(answer))), "n") {
		return err
	}
	if _, showErr := d.show(ctx, text, failed("copy what you need: nothing that you save here is written", "%v", said)); showErr != nil {
		return showErr
	}
	return err
}

// marks are the lines above the text: what this is, and what is wrong with it.
func marks(label string, said error) []byte {
	lines := [markLines]string{
		"the Secret of " + label + ". Save and quit to seal what you change; comments are not kept.",
		"Quit without a change, or empty the text, to leave the file as it is.",
		"", "",
	}
	if said != nil {
		lines[2] = "ERROR: " + strings.ReplaceAll(said.Error(), "\n", "; ")
		if h := hint(firstOf(said)); h != "" {
			lines[3] = "hint: " + h
		}
	}
	var b bytes.Buffer
	for _, line := range lines {
		message(&b, strings.TrimSpace(markPrefix)+" ", line)
	}
	return b.Bytes()
}

func firstOf(err error) error { return split(err)[0] }

// withoutMarks drops our lines from the top of the text.
func withoutMarks(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if !bytes.HasPrefix(line, []byte(strings.TrimSpace(markPrefix))) {
			return text
		}
		text = rest
	}
}
