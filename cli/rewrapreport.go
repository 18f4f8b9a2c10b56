package cli

import "fmt"

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
	for _, n := range r.notes() {
		now := setKeyIDs(*n.Set)
		all = append(all, wrapFinding{File: r.cluster.shown(n.holder.Note), Holder: n.holder.Name, Problem: problemNote, Now: now, label: rewrapNote{r.cluster.shown(n.holder.Note), n.holder.Name, n.Set.Set, n.Was}.stale()})
		files++
	}
	warn(r.env.Stderr, r.clusterWarnings()...)
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
	hint := "seal rewrap replaces stale wraps by those that the cluster offers, seal rewrap -i IDENTITY without it; --fresh adds and drops holders"
	return &failure{code: exitFindings, msg: countOf(len(all), "finding") + " in " + countOf(files, "file"), hint: hint}
}

// stale says of a note that the cluster has a newer one.
func (n rewrapNote) stale() string {
	if n.Was == 0 {
		return fmt.Sprintf("%s: %s: there is no note, and the cluster gives set %d", n.File, n.Holder, n.Set)
	}
	return fmt.Sprintf("%s: %s: the note has set %d, and the cluster gives set %d", n.File, n.Holder, n.Was, n.Set)
}

func (f wrapFinding) text() string {
	switch f.Problem {
	case problemNote:
		return f.label
	case problemGone:
		return fmt.Sprintf("%s: %s: is no holder by the settings, and can open it", f.label, f.Holder)
	case problemAbsent:
		return fmt.Sprintf("%s: %s: is a holder by the settings, and cannot open it", f.label, f.Holder)
	}
	text := fmt.Sprintf("%s: %s: stale: for %s, not %s", f.label, f.Holder, shownKeys(f.Keys), shownKeys(f.Now))
	if f.Back {
		text += ", which it was for before"
	}
	switch {
	case f.Why != "":
		text += "; " + f.Why
	case len(f.Offered) > 0:
		text += "; offered"
	}
	return text
}
