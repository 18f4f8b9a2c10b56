package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
)

// rewrapReport is what a run has done, or would do, as JSON.
type rewrapReport struct {
	DryRun  bool           `json:"dryRun"`
	Files   []rewrapFile   `json:"files"`
	Notes   []rewrapNote   `json:"notes"`
	Left    []wrapFinding  `json:"left"`    // what stays stale, and why
	Refused []refusedOffer `json:"refused"` // offers
}

// rewrapFile is a file that was changed.
type rewrapFile struct {
	File     string   `json:"file"`
	Wraps    int      `json:"wraps,omitempty"`    // replaced
	Resealed int      `json:"resealed,omitempty"` // GitSecrets
	Holders  []string `json:"holders"`
}

// rewrapNote is a note that was renewed.
type rewrapNote struct {
	File   string `json:"file"`
	Holder string `json:"holder"`
	Set    uint64 `json:"set"`
	Was    uint64 `json:"was,omitempty"` // 0 where there was none
}

func (n rewrapNote) text() string {
	if n.Was == 0 {
		return fmt.Sprintf("set %d of holder %s", n.Set, n.Holder)
	}
	return fmt.Sprintf("set %d of holder %s in place of set %d", n.Set, n.Holder, n.Was)
}

// done is what the run has come to.
func (r *rewrapper) done() *rewrapReport {
	report := &rewrapReport{DryRun: r.o.dryRun, Files: []rewrapFile{}, Notes: []rewrapNote{}, Left: []wrapFinding{}, Refused: []refusedOffer{}}
	for i, res := range r.results {
		report.Left = append(report.Left, res.left...)
		if res.changed == 0 {
			continue
		}
		file := rewrapFile{File: shownName(r.inputs[i].name), Wraps: res.changed, Holders: slices.Sorted(maps.Keys(res.holders))}
		if r.o.fresh {
			file.Wraps, file.Resealed = 0, res.changed
		}
		report.Files = append(report.Files, file)
	}
	for _, n := range r.notes() {
		report.Notes = append(report.Notes, rewrapNote{r.cluster.shown(n.holder.Note), n.holder.Name, n.Set.Set, n.Was})
	}
	if r.cluster != nil {
		report.Refused = append(report.Refused, r.cluster.refused...)
	}
	return report
}

// tell says on standard error what a run has done, and what it has left. The report goes to standard output: JSON, or for --dry-run what would change.
func (r *rewrapper) tell() error {
	done := r.done()
	warn(r.env.Stderr, r.clusterWarnings()...)
	warn(r.env.Stderr, r.freshWarnings()...)
	if !r.o.fresh {
		warn(r.env.Stderr, r.leftHolders()...)
	}
	if r.o.output.name == "json" || r.o.dryRun {
		if err := r.env.writeReport(r.o.output.name == "json", done, done.list); err != nil {
			return err
		}
	}
	for _, n := range done.Notes {
		verb := "renewed"
		if r.o.dryRun {
			verb = "would renew"
		}
		message(r.env.Stderr, "seal: ", verb+" "+n.File+": "+n.text())
	}
	r.tellLeft(done.Left)
	message(r.env.Stderr, "seal: ", r.sum(done))
	return nil
}

// list is what --dry-run shows.
func (d *rewrapReport) list(t *reportText) {
	for _, f := range d.Files {
		what := countOf(f.Wraps, "wrap")
		if f.Resealed > 0 {
			what = countOf(f.Resealed, "GitSecret") + " anew"
		}
		message(t.out, "", fmt.Sprintf("%s: %s for %s", f.File, what, strings.Join(f.Holders, ", ")))
	}
	for _, n := range d.Notes {
		message(t.out, "", n.File+": "+n.text())
	}
}

// sum is the last line.
func (r *rewrapper) sum(done *rewrapReport) string {
	changed, objects, holders := 0, 0, map[string]bool{}
	for _, res := range r.results {
		objects += res.objects
		if res.changed > 0 {
			changed += res.changed
			maps.Copy(holders, res.holders)
		}
	}
	names, files := strings.Join(slices.Sorted(maps.Keys(holders)), ", "), countOf(len(done.Files), "file")
	verb := map[bool]string{false: "rewrapped", true: "would rewrap"}[r.o.dryRun]
	if r.o.fresh {
		verb = map[bool]string{false: "sealed", true: "would seal"}[r.o.dryRun]
	}
	switch {
	case changed == 0 && r.o.fresh:
		return "nothing to seal anew in " + countOf(objects, "GitSecret")
	case changed == 0 && len(done.Left) > 0:
		return "no wrap was replaced in " + countOf(objects, "GitSecret")
	case changed == 0:
		return "no wrap is stale in " + countOf(objects, "GitSecret")
	case r.o.fresh:
		return fmt.Sprintf("%s %s in %s anew for %s", verb, countOf(changed, "GitSecret"), files, names)
	}
	return fmt.Sprintf("%s %s in %s for %s", verb, countOf(changed, "wrap"), files, names)
}

// tellLeft says what stays stale: by holder and reason, because there can be thousands.
func (r *rewrapper) tellLeft(left []wrapFinding) {
	type group struct{ holder, why, hint string }
	labels, wraps := map[group][]string{}, map[group]int{}
	var order []group
	for _, f := range left {
		g := group{f.Holder, f.Why, f.hint}
		if labels[g] == nil {
			order = append(order, g)
		}
		labels[g] = append(labels[g], f.label)
		wraps[g] += len(f.Envelopes)
	}
	for _, g := range order {
		message(r.env.Stderr, "seal: ", fmt.Sprintf("%s of %s in %s left stale: %s: %s", countOf(wraps[g], "wrap"), g.holder, countOf(len(labels[g]), "GitSecret"), g.why, some(labels[g])))
		message(r.env.Stderr, "hint: ", g.hint)
	}
}

// clusterWarnings are what was odd about the cluster's answers.
func (r *rewrapper) clusterWarnings() []string {
	if r.cluster == nil {
		return nil
	}
	warnings := slices.Clone(r.cluster.warnings)
	for _, o := range r.cluster.refused[:min(len(r.cluster.refused), maxErrors)] {
		warnings = append(warnings, fmt.Sprintf("the offer of %s with GitSecret %s is refused: %s", shown(o.Holder), placeText(o.Namespace, o.Name), o.Reason))
	}
	if more := len(r.cluster.refused) - maxErrors; more > 0 {
		warnings = append(warnings, fmt.Sprintf("and %s more", countOf(more, "offer")))
	}
	return warnings
}

// freshWarnings say what --fresh has taken away.
func (r *rewrapper) freshWarnings() []string {
	var warnings, unsigned []string
	dropped := map[string]int{}
	for _, res := range r.results {
		unsigned = append(unsigned, res.unsigned...)
		for name, n := range res.dropped {
			dropped[name] += n
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
	return warnings
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
