package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/gowebpki/jcs"
)

// MaxRecord is the greatest length of a record in bytes: what a C2SP tlog-tiles entry bundle can hold as one entry.
const MaxRecord = 1<<16 - 1

// MaxBundle is the greatest length of an entry bundle (C2SP tlog-tiles) in bytes: 256 times a length of two bytes and as much as that can say.
const MaxBundle = 256 * (2 + MaxRecord)

// encode gives the record in the form of RFC 8785, which has one form of each record and no line ends. Lists that are too long lose their tails, which the record counts.
func encode(r Record) ([]byte, error) {
	r = clip(r)
	for {
		line, err := marshal(r)
		if err != nil || len(line) <= MaxRecord {
			return line, err
		}
		if !halve(&r) {
			return nil, fmt.Errorf("a record of %d bytes is longer than %d", len(line), MaxRecord)
		}
	}
}

// Decode reads a record. What it gives is all that b says: an error is a field that this version of the schema does not have, or that is there twice, anything before
// or behind the record, a value of another type, a version other than Version, a phase that is none, and a part that the phase must have or must not. It takes b in
// any form of JSON, not only in the one that records are written in; DecodeExact does not.
func Decode(b []byte) (Record, error) {
	var r Record
	// What this program has written is recognized by its form alone.
	if json.Unmarshal(b, &r) == nil && r.Version == Version && r.whole() == nil {
		if again, err := marshal(r); err == nil && bytes.Equal(again, b) {
			return r, nil
		}
	}
	return decodeOther(b)
}

// DecodeExact reads a record like Decode, and fails where b is not exactly what this program writes for it, byte for byte, or is longer than MaxRecord.
func DecodeExact(b []byte) (Record, error) {
	r, err := Decode(b)
	if err != nil {
		return Record{}, err
	}
	if again, err := marshal(r); err != nil || !bytes.Equal(again, b) {
		return Record{}, errors.New("a record that is not in the form of RFC 8785")
	}
	if len(b) > MaxRecord {
		return Record{}, fmt.Errorf("a record of %d bytes is longer than %d", len(b), MaxRecord)
	}
	return r, nil
}

// decodeOther reads a record in any form.
func decodeOther(b []byte) (Record, error) {
	// First the version, because what else is in a record depends on it. The transformation fails where a name is there twice.
	var of struct {
		Version *int `json:"v"`
	}
	canonical, err := jcs.Transform(b)
	if err == nil {
		err = json.Unmarshal(canonical, &of)
	}
	if err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	if of.Version == nil {
		return Record{}, errors.New("not a record: it has no version")
	}
	if *of.Version != Version {
		return Record{}, fmt.Errorf("a record of version %d; this program reads %d", *of.Version, Version)
	}
	var r Record
	dec := json.NewDecoder(bytes.NewReader(canonical))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	if err := r.whole(); err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	// encoding/json takes a name in any case, null for nothing, and a time in any zone.
	if again, err := marshal(r); err != nil || !bytes.Equal(again, canonical) {
		return Record{}, errors.New("not a record: a field is not written as it should be")
	}
	return r, nil
}

// whole says whether r has the parts that its phase has, and numbers that others read as they are.
func (r *Record) whole() error {
	if slices.ContainsFunc(r.numbers(), func(n int64) bool { return n > maxInteger || n < -maxInteger }) {
		return errors.New("it has a number that RFC 8785 cannot write")
	}
	operation, outcome := r.Operation != nil, r.Outcome != nil
	switch r.Phase {
	case PhaseIntent:
		if operation && !outcome {
			return nil
		}
	case PhaseOutcome:
		if !operation && outcome {
			return nil
		}
	case PhaseNote:
		if operation && outcome {
			return nil
		}
	default:
		return fmt.Errorf("there is no phase %q", r.Phase)
	}
	return fmt.Errorf("of phase %s with operation: %t, outcome: %t", r.Phase, operation, outcome)
}

func (r *Record) numbers() []int64 {
	all := make([]int64, 0, 8)
	for _, n := range []*int64{r.ClockOffset, r.Term} {
		if n != nil {
			all = append(all, *n)
		}
	}
	if o := r.Omitted; o != nil {
		all = append(all, int64(o.Items), int64(o.Keys), int64(o.Others))
	}
	if op := r.Operation; op != nil {
		all = append(all, op.Object.Generation)
		if op.Term != nil {
			all = append(all, op.Term.Number)
		}
		if op.Log != nil {
			all = append(all, int64(op.Log.Part), int64(op.Log.More))
		}
	}
	if r.Outcome != nil && r.Outcome.Secret != nil {
		all = append(all, r.Outcome.Secret.Generation)
	}
	return all
}
