package keyring_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/keyring"
)

func TestTheNextStepOfAMove(t *testing.T) {
	key := func(id string, state keyring.State) keyring.Key {
		return keyring.Key{ID: strings.Repeat(id, 32), State: state, Created: noon}
	}
	type side = keyring.Side
	keys := func(k ...keyring.Key) []keyring.Key { return k }
	full := side{Keys: keys(key("a", keyring.Active)), Statement: "Old s", Verifier: "v", Set: 1, Note: "one"}
	stated := side{Statement: "New s", Verifier: "v", Set: 1, Note: "one"}
	clear := key("a", keyring.Active)
	clear.WasClear = true
	marked := keys(clear)
	with := func(s side, f func(*side)) side { f(&s); return s }
	for name, c := range map[string]struct {
		from, to side
		want     keyring.Do
		key      string
		says     string
	}{
		"nothing anywhere":                              {side{}, side{}, keyring.DoNothing, "", ""},
		"nothing is left":                               {side{}, stated, keyring.DoNothing, "", ""},
		"the statement key comes first":                 {full, side{}, keyring.DoCopyStatement, "", ""},
		"then a key":                                    {full, stated, keyring.DoCopyKey, "a", ""},
		"keys without a statement key":                  {side{Keys: full.Keys}, side{}, keyring.DoMakeStatement, "", ""},
		"keys whose statement key is there already":     {side{Keys: full.Keys}, stated, keyring.DoCopyKey, "a", ""},
		"the copy is there":                             {full, with(stated, func(s *side) { s.Keys = full.Keys }), keyring.DoDropKey, "a", ""},
		"the copy has gone on":                          {full, with(stated, func(s *side) { s.Keys = keys(key("a", keyring.Deactivated)) }), keyring.DoDropKey, "a", ""},
		"the original has gone on":                      {full, with(stated, func(s *side) { s.Keys = keys(key("a", keyring.PreActive)) }), keyring.DoCopyState, "a", ""},
		"the original has gone on where none can go to": {with(full, func(s *side) { s.Keys = keys(key("a", keyring.Suspended)) }), with(stated, func(s *side) { s.Keys = keys(key("a", keyring.PreActive)) }), keyring.DoStop, "", "Suspended in moveFrom"},
		"the copy knows nothing of the clear":           {with(full, func(s *side) { s.Clear = true }), with(stated, func(s *side) { s.Keys = full.Keys }), keyring.DoMarkKey, "a", ""},
		"the copy is in the clear too":                  {with(full, func(s *side) { s.Keys = marked }), with(stated, func(s *side) { s.Keys, s.Clear = full.Keys, true }), keyring.DoDropKey, "a", ""},
		"the copy knows of the clear":                   {with(full, func(s *side) { s.Clear = true }), with(stated, func(s *side) { s.Keys = marked }), keyring.DoDropKey, "a", ""},
		"a destroyed key goes along":                    {with(full, func(s *side) { s.Keys = keys(key("a", keyring.Destroyed)) }), stated, keyring.DoCopyKey, "a", ""},
		"its record is there":                           {with(full, func(s *side) { s.Keys = keys(key("a", keyring.Destroyed)) }), with(stated, func(s *side) { s.Keys = keys(key("a", keyring.Destroyed)) }), keyring.DoDropKey, "a", ""},
		"destroyed after it was copied":                 {with(full, func(s *side) { s.Keys = keys(key("a", keyring.Destroyed)) }), with(stated, func(s *side) { s.Keys = keys(key("a", keyring.Deactivated)) }), keyring.DoCopyState, "a", ""},
		"destroyed in the new place alone":              {with(full, func(s *side) { s.Keys = keys(key("a", keyring.Deactivated)) }), with(stated, func(s *side) { s.Keys = keys(key("a", keyring.Destroyed)) }), keyring.DoStop, "", "destroyed in source, and Deactivated in moveFrom"},
		"oldest first": {with(full, func(s *side) {
			newer := key("a", keyring.Active)
			newer.Created = noon.Add(1)
			s.Keys = keys(newer, key("b", keyring.Deactivated))
		}), stated, keyring.DoCopyKey, "b", ""},
		"only the statement key is left":       {with(full, func(s *side) { s.Keys = nil }), stated, keyring.DoDropStatement, "", ""},
		"a key that cannot be read is left":    {with(full, func(s *side) { s.Keys, s.Faults = nil, []keyring.Problem{{Where: "Old x"}} }), stated, keyring.DoNothing, "", ""},
		"another keyring's statement key":      {full, with(stated, func(s *side) { s.Verifier = "other" }), keyring.DoStop, "", "another statement key"},
		"the set has gone on in the old place": {with(full, func(s *side) { s.Set, s.Note = 2, "two" }), stated, keyring.DoCopySet, "", ""},
		"the set has gone on in the new place": {full, with(stated, func(s *side) { s.Set, s.Note = 2, "two" }), keyring.DoCopyKey, "a", ""},
		"one number for two sets":              {full, with(stated, func(s *side) { s.Note = "another" }), keyring.DoStop, "", "different recipient sets of number 1"},
		"something is in the place of the copy": {full, with(stated, func(s *side) {
			s.Faults = []keyring.Problem{{Where: "New a", Msg: "is garbled", KeyID: strings.Repeat("a", 16)}}
		}), keyring.DoStop, "", "New a is garbled"},
		"the copy is there and will not stay": {full, with(stated, func(s *side) {
			s.Keys, s.Faults = full.Keys, []keyring.Problem{{Where: "New a", Msg: "will be deleted by Vault", KeyID: strings.Repeat("a", 32)}}
		}), keyring.DoStop, "", "New a will be deleted by Vault"},
	} {
		t.Run(name, func(t *testing.T) {
			next := keyring.DecideMove(c.from, c.to)
			if next.Do != c.want || next.Key != strings.Repeat(c.key, 32) || !strings.Contains(next.Message, c.says) || (next.Do == keyring.DoStop) != (next.Reason == keyring.ReasonMoveBlocked) {
				t.Errorf("%+v", next)
			}
		})
	}
}
