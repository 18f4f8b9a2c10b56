package manifest

import (
	"strings"
	"unicode"
)

// scalarText renders a scalar on one line of YAML. Strings are plain only when
// no reader, of YAML 1.1 or 1.2, can take them for anything else.
func scalarText(v *value, inFlow bool) string {
	switch v.kind {
	case kindNull:
		return "null"
	case kindString:
		return stringText(v.text, inFlow)
	}
	return v.text
}

func stringText(s string, inFlow bool) string {
	if plainSafe(s, inFlow) {
		return s
	}
	return quoteJSON(s) // which is a YAML double-quoted scalar, too
}

const (
	plainFirst = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-$(^<"
	plainMore  = plainFirst + "=@:~%;>)"
)

// plainSafe reports whether s can be written without quotes. It errs on the
// side of quotes.
func plainSafe(s string, inFlow bool) bool {
	if s == "" || strings.IndexByte(plainFirst, s[0]) < 0 || isWord(s) || looksNumeric(s) {
		return false
	}
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") || s[0] == '-' && len(s) == 1 {
		return false
	}
	more := plainMore
	if inFlow {
		more = strings.Replace(more, ":", "", 1)
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' && !inFlow:
			if i == len(s)-1 || s[i-1] == ' ' || s[i-1] == '-' {
				return false
			}
		case c == ':' && !inFlow:
			if i == len(s)-1 || s[i+1] == ' ' {
				return false
			}
		case strings.IndexByte(more, c) < 0:
			return false
		}
	}
	return true
}

// isWord reports whether some YAML schema reads s as a boolean, a null, a
// special float, a merge or a default key.
func isWord(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~",
		"<<", "=", ".nan", ".inf", "+.inf", "-.inf":
		return true
	}
	return false
}

// looksNumeric reports whether s could be a number (decimal, hexadecimal, octal,
// binary, sexagesimal, with underscores) or a date in some YAML schema.
func looksNumeric(s string) bool {
	t := strings.TrimLeft(s, "+-")
	if t == "" || strings.Trim(t[:1], "0123456789.") != "" {
		return false
	}
	if len(t) > 1 && t[0] == '0' && strings.ContainsRune("xXoObB", rune(t[1])) {
		return strings.Trim(t[2:], "0123456789abcdefABCDEF_") == ""
	}
	return strings.Trim(t, "0123456789_.:,eE+-TtZz ") == ""
}

// literalHeader returns the header of a literal block scalar for s ("|", "|-",
// "|2+" ...), or "" when s cannot be written as one. step is the indentation of
// the block's lines below the indentation of what holds it.
func literalHeader(s string, step int) string {
	body := strings.TrimRight(s, "\n")
	if body == "" || !strings.Contains(s, "\n") {
		return ""
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return ""
		}
	}
	header := "|"
	if strings.ContainsRune("\n\t ", rune(body[0])) {
		// The first line cannot show the indentation: say it.
		if step > 9 {
			return ""
		}
		header += string(rune('0' + step))
	}
	switch len(s) - len(body) {
	case 0:
		header += "-"
	case 1:
	default:
		header += "+"
	}
	return header
}
