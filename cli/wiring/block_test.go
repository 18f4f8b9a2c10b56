package wiring_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/cli/wiring"
)

// texts are files as people and programs leave them.
func texts() map[string][]byte {
	return map[string][]byte{
		"empty":                {},
		"a line":               []byte("*.png binary\n"),
		"no line end":          []byte("*.png binary"),
		"CRLF":                 []byte("* text=auto\r\n*.png binary\r\n"),
		"CRLF, no line end":    []byte("* text=auto\r\n*.png binary"),
		"blank lines":          []byte("\n\n# x\n\n"),
		"another block":        []byte("# BEGIN seal init\n*.note -text\n# END seal init\n"),
		"a longer name":        []byte("# BEGIN seal installer\n# END seal installer\n"),
		"control characters":   []byte("\x1b[31m\x00\xff\n"),
		"only a carriage":      []byte("\r"),
		"shell":                []byte("#!/bin/sh\nset -e\nexec true\n"),
		"shell, no line end":   []byte("#!/bin/sh"),
		"shell, two lines off": []byte("#!/bin/sh\ntrue"),
	}
}

func TestRemoveGivesBackWhatWasThere(t *testing.T) {
	puts := map[string]func(wiring.Block, []byte) ([]byte, error){"append": wiring.Block.Append, "after the first line": wiring.Block.AppendAfterFirstLine}
	for name, text := range texts() {
		for how, put := range puts {
			b := wiring.Attributes(text)
			once, err := put(b, text)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, how, err)
			}
			if !bytes.Contains(once, []byte("*.yaml diff=seal merge=seal")) {
				t.Errorf("%s, %s: the block is not there", name, how)
			}
			twice, err := put(b, once)
			if err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%s, %s: a second time gives %q (%v)", name, how, twice, err)
			}
			back, gone, err := b.Remove(once)
			if err != nil || gone || !bytes.Equal(back, text) {
				t.Errorf("%s, %s: removed, it is %q (gone: %v, %v)", name, how, back, gone, err)
			}
		}
	}
}

func TestAFileThatSealMadeGoesAgain(t *testing.T) {
	made, err := wiring.Attributes(nil).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		block wiring.Block
		text  []byte
		gone  bool
	}{
		"attributes":           {wiring.Attributes(nil), made, true},
		"a hook":               {wiring.Hook(), wiring.NewHook(), true},
		"with somebody's line": {wiring.Attributes(nil), append([]byte("*.x text\n"), made...), false},
		"a hook with more":     {wiring.Hook(), append(wiring.NewHook(), "true\n"...), false},
	} {
		if _, gone, err := tc.block.Remove(tc.text); err != nil || gone != tc.gone {
			t.Errorf("%s: gone is %v (%v)", name, gone, err)
		}
	}
}

func TestWhatFollowsTheBlockKeepsItsLine(t *testing.T) {
	b := wiring.NoteAttributes()
	text, err := b.Append([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := b.Remove(append(text, "b\n"...))
	if err != nil || string(back) != "a\nb\n" {
		t.Errorf("it is %q (%v)", back, err)
	}
}

func TestBlocksThatWereEditedByHandAreRefused(t *testing.T) {
	for _, text := range []string{
		"# BEGIN seal init\n", "# END seal init\n", "# BEGIN seal init\n# BEGIN seal init\n# END seal init\n",
		"# BEGIN seal init\n# END seal init\n# END seal init\n", "# END seal init\n# BEGIN seal init\n",
		strings.Repeat("# BEGIN seal init\n# END seal init\n", 2),
	} {
		if _, err := wiring.NoteAttributes().Append([]byte(text)); !errors.Is(err, wiring.ErrBroken) {
			t.Errorf("%q: appending says %v", text, err)
		}
		if out, _, err := wiring.NoteAttributes().Remove([]byte(text)); !errors.Is(err, wiring.ErrBroken) || string(out) != text {
			t.Errorf("%q: removing says %v", text, err)
		}
	}
}

func TestScriptsOfAShellAreKnownByTheirFirstLine(t *testing.T) {
	for text, want := range map[string]bool{
		"#!/bin/sh\n":                      true,
		"#!/bin/sh -e":                     true,
		"#! /usr/bin/env bash\ntrue\n":     true,
		"#!/usr/bin/env -S bash -eu\n":     true,
		"#!C:/Program/Git/bin/sh.exe\n":    true,
		"#!/bin/zsh\n":                     true,
		"#!/usr/bin/env python3\n":         false,
		"#!/usr/bin/perl\n# sh\n":          false,
		"#!/usr/bin/env\n":                 false,
		"#!\n":                             false,
		"true\n":                           false,
		"":                                 false,
		"#!/bin/sh\n\x00binary":            false,
		"\x7fELF\x00":                      false,
		"#!/usr/bin/fish\n":                false,
		"#!/opt/shells/not-sh-but-sh.py\n": false,
	} {
		if got := wiring.IsShell([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
