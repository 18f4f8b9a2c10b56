package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// content is a case of one file in the place of victim.yaml. refused is "DOCUMENT REASON", with a ? as in Case; empty: it is applied.
func content(name, refused string, text func(b *Builder) string) Case {
	c := Case{Name: name, Lines: func(b *Builder) []Line { return []Line{b.File(Victim, text(b))} }}
	if refused == "" {
		c.Applied = []string{"victim"}
	} else {
		c.Refused = []string{Victim + " " + refused}
	}
	return c
}

// as changes the text of the GitSecret that stands in the place of victim.yaml.
func as(change func(good string) string) func(b *Builder) string {
	return func(b *Builder) string { return change(b.Sealed("victim")) }
}

func utf16Of(order binary.AppendByteOrder) func(string) string {
	return func(s string) string {
		var out []byte
		for _, u := range utf16.Encode([]rune(s)) {
			out = order.AppendUint16(out, u)
		}
		return string(out)
	}
}

func gzipped(s string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return out.String()
}

// encodingCases are files that are no text in UTF-8.
func encodingCases() []Case {
	little, big := utf16Of(binary.LittleEndian), utf16Of(binary.BigEndian)
	return []Case{
		content("encoding: UTF-16 with a mark", "0 WrongEncoding?", as(func(s string) string { return little("\ufeff" + s) })),
		content("encoding: UTF-16, the other way around", "0 WrongEncoding?", as(func(s string) string { return big("\ufeff" + s) })),
		content("encoding: UTF-16 without a mark", "0 WrongEncoding?", as(big)),
		content("encoding: UTF-32", "0 WrongEncoding?", as(func(s string) string { return strings.Join(strings.Split("\x00\x00\xfe\xff"+s, ""), "\x00\x00\x00") })),
		content("encoding: Latin-1", "0 WrongEncoding?", as(func(s string) string { return "# \xfcber\n" + s })),
		content("encoding: a slash in two bytes", "0 WrongEncoding?", as(func(s string) string { return strings.Replace(s, "waxwing.io/", "waxwing.io\xc0\xaf", 1) })),
		content("encoding: a NUL byte", "0 WrongEncoding?", as(func(s string) string { return s + "\x00" })),
		content("encoding: gzip", "0 WrongEncoding?", as(gzipped)),
		content("encoding: git-crypt", "0 WrongEncoding?", func(*Builder) string { return "\x00GITCRYPT\x00\x01\x02\x03" }),
		content("encoding: a mark at the beginning", "", as(func(s string) string { return "\ufeff" + s })),
		content("encoding: a mark in the middle", "0 InvalidYAML?", as(func(s string) string { return "# joined\n\ufeff" + s })),
		content("encoding: control characters", "0 InvalidYAML?", as(func(s string) string { return s + "x: \x07\n" })),
		content("encoding: CR LF", "", as(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") })),
		content("LFS: a pointer", "0 LFSPointer?", func(*Builder) string {
			return "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("4d", 32) + "\nsize 12345\n"
		}),
	}
}
