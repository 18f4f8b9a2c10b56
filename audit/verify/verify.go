package verify

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/audit"
)

// ErrNoLog says that there is nothing to verify.
var ErrNoLog = errors.New("no audit log: want a folder with the parts 0001, 0002, … or one part, with the files checkpoint and tile/")

// Verify verifies logs, and each against what the others say of it. It reads everything once, in one goroutine, and needs some 100 MiB at most whatever the logs hold or claim.
// An error says that it could not be done: what is wrong with the logs is in the report.
func Verify(ctx context.Context, logs []Log, opts Options) (*Report, error) {
	if opts.MaxFindings <= 0 {
		opts.MaxFindings = DefaultMaxFindings
	}
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	v := &verifier{opts: opts, found: findings{max: opts.MaxFindings}}
	for _, l := range logs {
		if err := v.log(ctx, l); err != nil {
			return nil, fmt.Errorf("verifying %s: %w", l.Name, err)
		}
	}
	for _, l := range v.logs {
		l.ends()
		if err := v.citations(l); err != nil {
			return nil, fmt.Errorf("verifying %s: %w", l.Name, err)
		}
	}
	v.terms()
	return v.sum(), nil
}

type verifier struct {
	opts  Options
	found findings
	logs  []*logCheck
}

// logCheck is one log while it is verified.
type logCheck struct {
	Log
	out    LogReport
	found  *findings
	judge  *judge
	single bool
	parts  map[int]*partCheck
	known  []anchored
}

// anchored is a checkpoint that is known from outside the log.
type anchored struct {
	part int
	c    Checkpoint
}

func (l *logCheck) report(f Finding) {
	f.Log = l.Name
	l.found.add(f)
}

// about reports something about a part, or with part 0 about the log.
func (l *logCheck) about(part int, kind Kind, format string, args ...any) {
	l.report(Finding{Part: part, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

func (v *verifier) log(ctx context.Context, in Log) error {
	l := &logCheck{Log: in, found: &v.found, parts: map[int]*partCheck{}, out: LogReport{Name: in.Name, KeyFrom: KeyNone, Parts: []PartReport{}}}
	v.logs = append(v.logs, l)
	numbers, single, err := parts(in.Dir)
	if err != nil {
		return err
	}
	l.single = single
	if err := l.identify(numbers); err != nil {
		return err
	}
	if single {
		_, n, ok := splitOrigin(l.claimed(in.Dir))
		if !ok {
			n = 1
		}
		numbers = []int{n}
	}
	l.anchors(numbers)
	l.judge = newJudge(l.out.Origin, l.report)
	if len(numbers) == 0 {
		if len(l.known) == 0 {
			return ErrNoLog
		}
		l.about(0, KindAnchor, "there are no records at all, though %d checkpoints of the log are anchored", len(l.known))
		return nil
	}
	l.gaps(numbers)
	for _, n := range numbers {
		dir := in.Dir
		if !single {
			dir = folder{in.Dir, audit.PartDir(n)}
		}
		p := &partCheck{log: l, dir: dir, progress: v.opts.Progress, out: PartReport{Part: n}}
		l.parts[n] = p
		if err := p.verify(ctx); err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		if err := p.anchors(); err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		l.out.Parts = append(l.out.Parts, p.out)
	}
	l.judge.end()
	return nil
}

// identify finds the log's name and key.
func (l *logCheck) identify(numbers []int) error {
	if l.Key != "" {
		name, _, err := parseKey(l.Key)
		if err != nil {
			return err
		}
		l.out.Origin, l.out.Key, l.out.KeyFrom = name, l.Key, KeyGiven
		return nil
	}
	claimed := ""
	for i := 0; i < len(numbers) && claimed == ""; i++ {
		claimed = l.claimed(folder{l.Dir, audit.PartDir(numbers[i])})
	}
	if l.single {
		claimed = l.claimed(l.Dir)
	}
	l.out.Origin, _, _ = splitOrigin(claimed)
	for _, a := range l.Anchors {
		if name, _, err := parseKey(a.Key); err == nil && a.Origin == name && (name == l.out.Origin || l.out.Origin == "" && len(l.Anchors) == 1) {
			l.out.Origin, l.out.Key, l.out.KeyFrom = name, a.Key, KeyFromAnchor
			return nil
		}
	}
	l.about(0, KindNoKey, "no key was given: whoever can write this folder may have made all of it anew, with a key of their own")
	raw, err := readFile(l.Dir, "log.vkey", maxCheckpoint, nil)
	if missing(err) || errors.Is(err, errFormat) {
		return nil
	} else if err != nil {
		return err
	}
	key := strings.TrimSpace(string(raw))
	if name, _, err := parseKey(key); err == nil && (name == l.out.Origin || l.out.Origin == "") {
		l.out.Origin, l.out.Key, l.out.KeyFrom = name, key, KeyFromLog
	}
	return nil
}

// claimed is the origin in the checkpoint of a part, which nothing has checked; empty if there is none.
func (l *logCheck) claimed(dir fs.FS) string {
	raw, err := readFile(dir, "checkpoint", maxCheckpoint, nil)
	if err != nil {
		return ""
	}
	c, err := ParseCheckpoint(raw)
	if err != nil {
		return ""
	}
	return c.Origin
}

// open reads a signed checkpoint, with the signature checked if there is a key.
func (l *logCheck) open(signed []byte) (Checkpoint, error) {
	if l.out.Key == "" {
		return ParseCheckpoint(signed)
	}
	return OpenCheckpoint(signed, l.out.Key)
}

// anchors reads the checkpoints of the anchors that are about this log, of which the parts with these numbers are here.
func (l *logCheck) anchors(numbers []int) {
	seen := map[string]bool{}
	for _, a := range l.Anchors {
		if a.Origin != l.out.Origin {
			continue
		}
		if a.Key != "" && l.out.Key != "" && !sameKey(a.Key, l.out.Key) {
			l.about(0, KindAnchor, "an anchor names another key than the log's: %q", cut(a.Key, 300))
		}
		for _, signed := range append(slices.Clone(a.Closed), a.Checkpoint) {
			if signed == "" || seen[signed] {
				continue
			}
			seen[signed] = true
			c, err := l.open([]byte(signed))
			if err != nil && l.elsewhere(signed, a, numbers) {
				l.about(0, KindAbsent, "a part that is not here was anchored under another key than the log's: verify it by itself, with its own key")
				continue
			}
			if err != nil {
				l.about(0, KindAnchor, "an anchored checkpoint: %v", err)
				continue
			}
			_, part, _ := splitOrigin(c.Origin)
			l.known = append(l.known, anchored{part, c})
		}
	}
	// The log is compared with the small ones first, so that the first bad record is known as well as it can be.
	slices.SortStableFunc(l.known, func(a, b anchored) int { return int(int64(a.c.Size) - int64(b.c.Size)) })
	if len(l.known) == 0 {
		l.about(0, KindNoAnchor, "no anchor was given: records may have been cut off at the end, and an older copy of the log looks as good as this one")
	}
}

// elsewhere says whether an anchored checkpoint is of a part that was closed and is not here. It may have had another key, which was lost.
func (l *logCheck) elsewhere(signed string, a audit.Anchor, numbers []int) bool {
	c, err := ParseCheckpoint([]byte(signed))
	if err != nil {
		return false
	}
	log, part, _ := splitOrigin(c.Origin)
	return log == l.out.Origin && part < a.Part && signed != a.Checkpoint && !slices.Contains(numbers, part)
}

func sameKey(a, b string) bool {
	nameA, pubA, errA := parseKey(a)
	nameB, pubB, errB := parseKey(b)
	return errA == nil && errB == nil && nameA == nameB && ed25519.PublicKey.Equal(pubA, pubB)
}

// gaps reports parts that are not here. Those before the first one may have been put away; none between or behind may be missing.
func (l *logCheck) gaps(numbers []int) {
	if l.single {
		others := map[int]bool{}
		for _, a := range l.known {
			if a.part != numbers[0] && a.c.Size > 0 {
				others[a.part] = true
			}
		}
		if len(others) > 0 {
			l.about(0, KindAbsent, "this is part %d alone, and %d other parts are anchored: nothing is known of their records", numbers[0], len(others))
		}
		return
	}
	first, last := numbers[0], numbers[len(numbers)-1]
	if first > 1 {
		l.about(0, KindAbsent, "the parts before %d are not here: nothing is known of their records", first)
	}
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			l.about(numbers[i-1]+1, KindChain, "the parts from %d to %d are missing", numbers[i-1]+1, numbers[i]-1)
		}
	}
	told := last
	for _, a := range l.known {
		if a.part > told && a.c.Size > 0 {
			told = a.part
			zero := uint64(0)
			l.report(Finding{Part: a.part, Index: &zero, Kind: KindAnchor, Text: fmt.Sprintf("the part is missing: it has %d records by its anchor", a.c.Size)})
		}
	}
}
