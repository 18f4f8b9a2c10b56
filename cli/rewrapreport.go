package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
)

// tell says on standard error what a run has done, and what it has left.
func (r *rewrapper) tell() {
	var warnings []string
	var unsigned []string
	dropped, changed, files, objects := map[string]int{}, 0, 0, 0
	holders := map[string]bool{}
	for _, res := range r.results {
		objects += res.objects
		unsigned = append(unsigned, res.unsigned...)
		for name, n := range res.dropped {
			dropped[name] += n
		}
		if res.changed > 0 {
			changed, files = changed+res.changed, files+1
			maps.Copy(holders, res.holders)
		}
	}
	for _, label := range unsigned[:min(len(unsigned), maxErrors)] {
		warnings = append(warnings, label+": the signature is dropped: the object has changed")
	}
	if more := len(unsigned) - maxErrors; more > 0 {
		warnings = append(warnings, fmt.Sprintf("and the signatures of %d more", more))
	}
	for _, name := range slices.Sorted(maps.Keys(dropped)) {
		warnings = append(warnings, fmt.Sprintf("%s is dropped from %s; it can still open what Git has kept of before", name, countOf(dropped[name], "GitSecret")))
	}
	if !r.o.fresh {
		warnings = append(warnings, r.leftHolders()...)
	}
	warn(r.env.Stderr, warnings...)
	names := strings.Join(slices.Sorted(maps.Keys(holders)), ", ")
	switch {
	case changed == 0 && r.o.fresh:
		message(r.env.Stderr, "seal: ", "nothing to seal anew in "+countOf(objects, "GitSecret"))
	case changed == 0:
		message(r.env.Stderr, "seal: ", "no wrap is stale in "+countOf(objects, "GitSecret"))
	case r.o.fresh:
		message(r.env.Stderr, "seal: ", fmt.Sprintf("sealed %s in %s anew for %s", countOf(changed, "GitSecret"), countOf(files, "file"), names))
	default:
		message(r.env.Stderr, "seal: ", fmt.Sprintf("rewrapped %s in %s for %s", countOf(changed, "wrap"), countOf(files, "file"), names))
	}
}

// leftHolders warns of holders that a rewrap neither adds nor drops, and of those whose keys are older ones: a note that somebody put back verifies, too.
func (r *rewrapper) leftHolders() []string {
	gone, absent, back := map[string]int{}, map[string]int{}, map[string]int{}
	for _, res := range r.results {
		for _, f := range res.findings {
			switch f.Problem {
			case problemGone:
				gone[f.Holder]++
			case problemAbsent:
				absent[f.Holder]++
			}
			if f.Back {
				back[f.Holder]++
			}
		}
	}
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		warnings = append(warnings, fmt.Sprintf("%s can open %s, and is no holder of theirs by the settings: --fresh drops it", name, countOf(gone[name], "GitSecret")))
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		warnings = append(warnings, fmt.Sprintf("%s cannot open %s, and is a holder of theirs by the settings: --fresh adds it", name, countOf(absent[name], "GitSecret")))
	}
	for _, name := range slices.Sorted(maps.Keys(back)) {
		warnings = append(warnings, fmt.Sprintf("the keys of %s are ones that %s had left behind: if that is not meant, look at git log of %s and of its note", name, countOf(back[name], "GitSecret"), repo.SettingsName))
	}
	return warnings
}

// report is what --check writes.
func (r *rewrapper) report() error {
	all, files, objects := []wrapFinding{}, 0, 0
	for _, res := range r.results {
		all = append(all, res.findings...)
		objects += res.objects
		if len(res.findings) > 0 {
			files++
		}
	}
	err := r.env.writeReport(r.o.output.name == "json", all, func(t *reportText) {
		for _, f := range all {
			message(t.out, "", f.text())
		}
	})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		message(r.env.Stderr, "seal: ", "no wrap is stale in "+countOf(objects, "GitSecret"))
		return nil
	}
	return &failure{code: exitFindings, msg: countOf(len(all), "finding") + " in " + countOf(files, "file"),
		hint: "seal rewrap -i IDENTITY replaces stale wraps; --fresh adds and drops holders"}
}

func (f wrapFinding) text() string {
	switch f.Problem {
	case problemGone:
		return fmt.Sprintf("%s: %s: is no holder by the settings, and can open it", f.label, f.Holder)
	case problemAbsent:
		return fmt.Sprintf("%s: %s: is a holder by the settings, and cannot open it", f.label, f.Holder)
	}
	text := fmt.Sprintf("%s: %s: stale: for %s, not %s", f.label, f.Holder, shownKeys(f.Keys), shownKeys(f.Now))
	if f.Back {
		text += ", which it was for before"
	}
	return text
}
