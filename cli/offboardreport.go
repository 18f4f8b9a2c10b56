package cli

import (
	"fmt"
	"strings"
)

// offboardReport is what `seal offboard -o json` prints.
type offboardReport struct {
	KeyID    string         `json:"keyId"`
	DryRun   bool           `json:"dryRun"`
	Settings []leftSettings `json:"settings"`
	// SealedAnew are the objects that were sealed anew, or would be; Left those that the recipient can still open, outside of the paths that were given.
	SealedAnew []fileKey `json:"sealedAnew"`
	Left       []fileKey `json:"left"`
	// Values are the items that the recipient could ever open: they have to be renewed at their sources.
	Values []fileKey `json:"values"`
	Unseen []string  `json:"unseen"` // what was not looked at
}

func (b *offboarding) report() error {
	r := &offboardReport{KeyID: b.keyID, DryRun: b.o.dryRun, Settings: append([]leftSettings{}, b.settings...), SealedAnew: b.anew, Left: b.left, Values: b.values,
		Unseen: append([]string{}, b.files.warnings...)}
	if err := b.o.output.write(b.env, r, r.text); err != nil {
		return err
	}
	b.tell()
	switch {
	case b.o.dryRun:
	case len(b.left) > 0:
		return &failure{code: exitFindings, msg: displayID(b.keyID) + " can still open " + countOf(len(b.left), "GitSecret") + " outside of what was named",
			hint: "seal offboard without a PATH seals all of the repository anew"}
	case len(r.Unseen) > 0:
		return &failure{code: exitFindings, msg: displayID(b.keyID) + " may still open what was not looked at: " + countOf(len(r.Unseen), "file"),
			hint: "mend it, and then do the same again"}
	}
	return nil
}

// tell says on standard error what was done with the settings, and what is for the person to do.
func (b *offboarding) tell() {
	done := "took"
	if b.o.dryRun {
		done = "would take"
		if n := len(b.anew); n > 0 {
			message(b.env.Stderr, "seal: ", fmt.Sprintf("would seal %s in %s anew", countOf(n, "GitSecret"), countOf(len(b.chosen), "file")))
		}
	}
	glass := false
	for _, s := range b.settings {
		if len(s.Holders) > 0 {
			message(b.env.Stderr, "seal: ", fmt.Sprintf("%s %s out of %s in %s", done, displayID(b.keyID), shownNames(s.Holders), s.File))
		}
		if len(s.Dropped) > 0 {
			warn(b.env.Stderr, shownNames(s.Dropped)+" had no other recipient, and is no holder any more")
		}
		glass = glass || s.parsed.BreakGlass != nil
	}
	if len(b.settings) == 0 {
		message(b.env.Stderr, "seal: ", "no holder of the settings has "+displayID(b.keyID))
	}
	var also []string
	if b.signers {
		also = append(also, "signers of .seal.yaml and of Keyrings")
	}
	if glass {
		also = append(also, "spec.breakGlass of Keyrings")
	}
	if len(also) > 0 {
		message(b.env.Stderr, "hint: ", "take the person out of "+strings.Join(also, ", and out of ")+" too, where they are there")
	}
}

// text is the list of values to renew, for people.
func (r *offboardReport) text(t *reportText) {
	if len(r.Values) > 0 {
		table := [][]cell{{{text: "OBJECT"}, {text: "VALUES TO RENEW"}, {text: "FILE"}}}
		values := 0
		for i := range r.Values {
			v := &r.Values[i]
			values += len(v.Items)
			file := v.File
			if v.Document > 1 {
				file += fmt.Sprintf(" (%d)", v.Document)
			}
			table = append(table, []cell{{text: placeText(v.Namespace, v.Name)}, {strings.Join(shownAll(v.Items), ", "), red}, {text: file}})
		}
		t.table(table)
		t.line(0, "")
		t.note(0, fmt.Sprintf("%s of %s to renew at their sources, then: seal set FILE ITEM", countOf(values, "value"), countOf(len(r.Values), "GitSecret")))
	} else {
		t.note(0, "no value to renew: nothing here is sealed for it, or was before a rewrap")
	}
	for _, text := range r.Unseen {
		t.note(0, "not looked at: "+text)
	}
	t.note(0, "not looked at: other branches and the history of Git, which keep what the key could open, and other repositories")
}
