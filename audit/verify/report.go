package verify

import (
	"cmp"
	"fmt"
	"io/fs"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// Log is one log to verify, with what is known about it from elsewhere.
type Log struct {
	// Name is how findings call it, such as a path.
	Name string
	// Dir is the log's folder (0001/, 0002/, …), a copy of it, or one part alone (checkpoint, tile/). Nothing in it is believed. The FS of an
	// os.Root keeps links in it from leading outside. It should be an fs.StatFS, as that one is, because files that may be pipes are looked at before they are opened.
	Dir fs.FS
	// Key is the trusted verifier key (golang.org/x/mod/sumdb/note) with the name CLUSTER/REPLICA. Empty: that of Anchors, or else what the log says itself in log.vkey,
	// which proves little and is a finding.
	Key string
	// Anchors are what was once known about the log, in any order: from the cluster, a file, Git. Those of other origins are left out, so that one list serves several logs.
	Anchors []audit.Anchor
}

// Options of Verify. The zero value is fit for use.
type Options struct {
	// Progress is called now and then, from the goroutine of Verify; it may be nil.
	Progress func(Progress)
	// MaxFindings is how many findings are kept, 0 for DefaultMaxFindings; Report.More counts the others. Those that say "altered" are kept first.
	MaxFindings int
}

// DefaultMaxFindings is enough for people to read.
const DefaultMaxFindings = 1000

// Progress says how far Verify is. Size is what the checkpoint claims, which need not be so.
type Progress struct {
	Log        string
	Part       int
	Done, Size uint64
}

// Verdict is what a report comes to.
type Verdict string

// The verdicts, from good to bad.
const (
	OK       Verdict = "ok"
	Findings Verdict = "findings" // somebody should look at it; what was checked is as it was signed
	Altered  Verdict = "altered"  // this is not what was recorded, or not all of it
)

// Kind classes a finding.
type Kind string

// Kinds that say that the log is not what was recorded.
const (
	KindCheckpoint Kind = "checkpoint" // missing, not one, or of another log
	KindSignature  Kind = "signature"  // the checkpoint is not signed by the log's key
	KindEntries    Kind = "entries"    // an entry bundle is missing, cut, or not of the format
	KindTile       Kind = "tile"       // a tile is missing or does not fit to the records
	KindRoot       Kind = "root"       // the records do not have the root that was signed
	KindRecord     Kind = "record"     // an entry that Waxwing does not write
	KindAnchor     Kind = "anchor"     // the log does not contain what was anchored: cut, rolled back or forked
	KindChain      Kind = "chain"      // a part does not go on where the one before ended
	KindCitation   Kind = "citation"   // a log does not contain a checkpoint that it, or another log, cites
)

// Kinds that somebody should look at.
const (
	KindNoKey       Kind = "no-key"       // the key came from the log itself, or there was none
	KindNoAnchor    Kind = "no-anchor"    // nothing says how long the log has to be
	KindAbsent      Kind = "absent"       // parts before the first one here
	KindEmpty       Kind = "empty"        // a part without checkpoint and without records
	KindUnmatched   Kind = "unmatched"    // an intent without outcome, of a process that has ended
	KindOpen        Kind = "open"         // an intent without outcome at the end of what is here: under way, or the process died
	KindOutcome     Kind = "outcome"      // an outcome that has no intent in its run, or not its first
	KindID          Kind = "id"           // an id for the second time
	KindTerm        Kind = "term"         // terms out of order, or one number for two
	KindVersion     Kind = "version"      // a record of another version: its content was not checked
	KindCosignature Kind = "cosignature"  // a signature of somebody else, which was not checked
	KindLimit       Kind = "limit"        // more than this program keeps in mind: some checks are not complete
	KindStart       Kind = "first-record" // the log's first record does not say that it was started
	KindJournal     Kind = "journal"      // the journal of what is not in the tree yet cannot be read
)

// Altered says whether a finding of this kind means that the log is not what was recorded.
func (k Kind) Altered() bool {
	switch k {
	case KindCheckpoint, KindSignature, KindEntries, KindTile, KindRoot, KindRecord, KindAnchor, KindChain, KindCitation:
		return true
	}
	return false
}

// Finding is something that is not as it should be.
type Finding struct {
	Log string `json:"log"`
	// Part is 0 where the finding is about the log as a whole.
	Part int `json:"part,omitempty"`
	// Index is that of the first record concerned. Where From is set, the record is not known exactly: it is the first one that nothing proves to be good.
	Index *uint64 `json:"index,omitempty"`
	From  bool    `json:"from,omitempty"`
	Kind  Kind    `json:"kind"`
	Text  string  `json:"text"`
}

// String gives the finding on a line.
func (f Finding) String() string {
	at := f.Log
	if f.Part > 0 {
		at += fmt.Sprintf(" part %d", f.Part)
	}
	switch {
	case f.Index != nil && f.From:
		at += fmt.Sprintf(" from record %d on", *f.Index)
	case f.Index != nil:
		at += fmt.Sprintf(" record %d", *f.Index)
	}
	return at + ": " + f.Text
}

// Report is what Verify has found out.
type Report struct {
	Verdict Verdict     `json:"verdict"`
	Logs    []LogReport `json:"logs"`
	// Findings are in the order of log, part and index. More counts those that were not kept.
	Findings []Finding `json:"findings"`
	More     int       `json:"more,omitempty"`
	// FirstBad is the first finding that says "altered": nil when there is none.
	FirstBad *Finding `json:"firstBad,omitempty"`
}

// LogReport says of one log what there is and what was checked.
type LogReport struct {
	Name   string `json:"name"`
	Origin string `json:"origin,omitempty"`
	// Key is the verifier key that was used, KeyFrom where it came from.
	Key     string       `json:"key,omitempty"`
	KeyFrom KeySource    `json:"keyFrom"`
	Parts   []PartReport `json:"parts"`
	// Anchors is how many anchored checkpoints were compared, Citations how many that were cited in records of this log or of the other ones.
	Anchors   int `json:"anchors"`
	Citations int `json:"citations"`
	// Unmatched counts intents without outcome, Open those among them at the end of the log.
	Unmatched int `json:"unmatched"`
	Open      int `json:"open"`
	// Checked and NotChecked tell people what the verdict rests on.
	Checked    []string `json:"checked"`
	NotChecked []string `json:"notChecked,omitempty"`
}

// KeySource says who vouches for a key.
type KeySource string

// Where a key comes from.
const (
	KeyGiven      KeySource = "given"
	KeyFromAnchor KeySource = "anchor"
	KeyFromLog    KeySource = "log" // whoever has changed the log may have changed it, too
	KeyNone       KeySource = "none"
)

// PartReport is about one part.
type PartReport struct {
	Part   int    `json:"part"`
	Origin string `json:"origin,omitempty"`
	// Size is how many records the checkpoint covers, Root its root hash in base64.
	Size uint64 `json:"size"`
	Root string `json:"root,omitempty"`
	// Read is how many records were read: less than Size only where something is missing.
	Read uint64 `json:"read"`
	// Anchored is the size of the greatest anchored checkpoint that the part contains.
	Anchored uint64 `json:"anchored"`
	// Waiting is how many records the part's journal has that the checkpoint does not cover yet: they are durable, and nothing is proved of them but that the key has signed them.
	Waiting uint64 `json:"waiting,omitempty"`
	// First and Last are the times of the first and of the last record, as the log's clock had it.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// findings gathers findings within bounds.
type findings struct {
	max           int
	altered, rest []Finding
	more          int
}

func (f *findings) add(x Finding) {
	x.Text = cut(x.Text, maxText)
	list := &f.rest
	if x.Kind.Altered() {
		list = &f.altered
	}
	if len(*list) >= f.max {
		f.more++
		return
	}
	*list = append(*list, x)
}

// byPlace orders findings as people read a log; what is about a whole comes before its pieces.
func byPlace(names map[string]int) func(a, b Finding) int {
	return func(a, b Finding) int {
		return cmp.Or(cmp.Compare(names[a.Log], names[b.Log]), cmp.Compare(a.Part, b.Part), cmp.Compare(place(a), place(b)))
	}
}

func place(f Finding) int64 {
	if f.Index == nil {
		return -1
	}
	return int64(min(*f.Index, 1<<62))
}

// maxText is the greatest length of a finding's text in bytes: much of it may come from a hostile log.
const maxText = 2 << 10

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
