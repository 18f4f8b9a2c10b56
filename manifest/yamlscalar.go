package manifest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Tags of YAML 1.1 that resolve to JSON types.
const (
	tagStr       = "!!str"
	tagNull      = "!!null"
	tagBool      = "!!bool"
	tagInt       = "!!int"
	tagFloat     = "!!float"
	tagTimestamp = "!!timestamp"
	tagBinary    = "!!binary"
	tagMerge     = "!!merge"
)

var (
	errNotFinite = errors.New("NaN and infinity have no JSON form")
	errTag       = errors.New("a scalar that does not fit its tag")
	errBinary    = errors.New("a !!binary scalar that is no base64 of text")
	errKey       = errors.New("a key that JSON cannot hold (null, a list or a mapping)")
	errOwnTag    = errors.New("a tag that is not one of YAML's own; quote the value if it begins with an exclamation mark")
	// errMergeOverrides is about readers that disagree, not about YAML.
	errMergeOverrides = errors.New("a merge (<<) after an entry that it would replace; put the merge first")
	errMerge          = errors.New("a merge (<<) of something that is no mapping")
)

// scalarValue resolves a scalar the way kubectl does.
func scalarValue(n *yaml.Node) (*value, error) {
	tag := ""
	if n.Style&yaml.TaggedStyle != 0 {
		tag = n.Tag
	} else if !isPlain(n) {
		tag = tagStr
	}
	switch tag {
	case "":
		return plainValue(n.Value)
	case tagNull, tagBool, tagInt, tagFloat:
		return taggedValue(n.Value, tag)
	case tagTimestamp:
		if !isTimestamp(n.Value) {
			return nil, errTag
		}
	case tagBinary:
		data, err := base64.StdEncoding.DecodeString(n.Value)
		if err != nil || !utf8.Valid(data) {
			return nil, errBinary
		}
		return &value{kind: kindString, text: string(data)}, nil
	case tagStr:
	default:
		return nil, errOwnTag
	}
	return &value{kind: kindString, text: n.Value}, nil
}

// taggedValue resolves a scalar whose tag asks for a type.
func taggedValue(s, tag string) (*value, error) {
	v, err := plainValue(s)
	if err != nil {
		if tag == tagFloat {
			return nil, err
		}
		return nil, errTag
	}
	switch {
	case tag == tagNull && v.kind == kindNull,
		tag == tagBool && v.kind == kindBool,
		tag == tagInt && v.kind == kindNumber && !v.float,
		tag == tagFloat && v.kind == kindNumber:
		return v, nil
	}
	return nil, errTag
}

// plainValue resolves a plain scalar without a tag.
func plainValue(s string) (*value, error) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return &value{kind: kindNull}, nil
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return &value{kind: kindBool, text: "true"}, nil
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return &value{kind: kindBool, text: "false"}, nil
	case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF",
		"+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return nil, errNotFinite
	}
	if c := s[0]; c == '+' || c == '-' || c >= '0' && c <= '9' { // a date is no number
		if v := plainNumber(strings.ReplaceAll(s, "_", "")); v != nil {
			return v, nil
		}
	} else if c == '.' {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatValue(f), nil
		}
	}
	return &value{kind: kindString, text: s}, nil
}

// plainNumber reads a number of YAML 1.1 (without sexagesimals), or returns nil.
func plainNumber(s string) *value {
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return &value{kind: kindNumber, text: strconv.FormatInt(i, 10)}
	}
	if u, err := strconv.ParseUint(s, 0, 64); err == nil {
		return &value{kind: kindNumber, text: strconv.FormatUint(u, 10)}
	}
	if decimal(s) {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatValue(f)
		}
	}
	return nil
}

// decimal reports whether s is a decimal number: no hex, no "inf".
func decimal(s string) bool {
	s = strings.TrimLeft(s[:1], "+-") + s[1:]
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	if hasExponent {
		if exponent == "" {
			return false
		}
		exponent = strings.TrimLeft(exponent[:1], "+-") + exponent[1:]
		if !allDigits(exponent) {
			return false
		}
	}
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if whole == "" {
		return hasPoint && allDigits(fraction)
	}
	return allDigits(whole) && (fraction == "" || allDigits(fraction))
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func floatValue(f float64) *value {
	text, err := json.Marshal(f)
	if err != nil || math.IsInf(f, 0) {
		return nil
	}
	return &value{kind: kindNumber, text: string(text), float: true}
}

// isTimestamp reports whether kubectl would take s for a timestamp, which it
// then keeps as the string it is.
func isTimestamp(s string) bool {
	if len(s) < 6 || !allDigits(s[:4]) || s[4] != '-' {
		return false
	}
	for _, layout := range [...]string{
		"2006-1-2T15:4:5.999999999Z07:00",
		"2006-1-2t15:4:5.999999999Z07:00",
		"2006-1-2 15:4:5.999999999",
		"2006-1-2",
	} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
