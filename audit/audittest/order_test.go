package audittest

import (
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// TestRecordsThatHaveChangedPlaces holds that those of a batch are put back, and that what a log says of itself before it goes on stays where it is, older or not.
func TestRecordsThatHaveChangedPlaces(t *testing.T) {
	record := func(second int, id string, action audit.Action) audit.Record {
		r := audit.Record{ID: id, Time: time.Unix(int64(second), 0), Phase: audit.PhaseOutcome}
		if action != "" {
			r.Phase, r.Operation = audit.PhaseNote, &audit.Operation{Action: action}
		}
		return r
	}
	records := []audit.Record{
		record(9, "restarted", audit.ActionLogRestarted), record(8, "started", audit.ActionLogStarted),
		record(5, "b", ""), record(4, "a", ""), record(7, "d", ""), record(6, "c", ""),
		record(3, "anchored", audit.ActionLogAnchored),
		record(12, "f", ""), record(11, "e", audit.ActionKeyringDeleted), record(12, "g", ""), record(20, "stopped", audit.ActionLogStopped), record(13, "h", ""),
	}
	inOrder(records)
	var got []string
	for _, r := range records {
		got = append(got, r.ID)
	}
	if want := []string{"restarted", "started", "a", "b", "c", "d", "anchored", "e", "f", "g", "h", "stopped"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIntentsWithoutAnOutcome(t *testing.T) {
	record := func(phase audit.Phase, id string) audit.Record { return audit.Record{ID: id, Phase: phase} }
	var got []string
	for _, r := range Unfinished([]audit.Record{
		record(audit.PhaseIntent, "done"), record(audit.PhaseOutcome, "never begun"), record(audit.PhaseIntent, "cut"), record(audit.PhaseNote, "note"),
		record(audit.PhaseOutcome, "done"), record(audit.PhaseOutcome, "later"), record(audit.PhaseIntent, "later"),
	}) {
		got = append(got, r.ID)
	}
	if want := []string{"cut", "later"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
