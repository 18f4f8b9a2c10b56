package cli

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// pairs reads flags of the form KEY=VALUE. Errors name the key once it is known to be one, and never the value.
func pairs(flag string, list []string, check func(flag, key, value string) error) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(list))
	for _, text := range list {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usage("write "+flag+" KEY=VALUE", "%s without =", flag)
		}
		if err := check(flag, key, value); err != nil {
			return nil, err
		}
		if _, there := out[key]; there {
			return nil, usage("", "%s %s is given twice", flag, key)
		}
		out[key] = value
	}
	return out, nil
}

func checkAnnotation(flag, key, _ string) error {
	// Kubernetes compares the names of annotations without regard to case in the prefix.
	if len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
		return usage("use letters, digits, -, _ and ., at most 63, after an optional prefix such as example.com/", "%s: the KEY cannot be one", flag)
	}
	return nil
}

func checkLabel(flag, key, value string) error {
	if len(validation.IsQualifiedName(key)) > 0 {
		return usage("use letters, digits, -, _ and ., at most 63, after an optional prefix such as example.com/", "%s: the KEY cannot be one", flag)
	}
	if len(validation.IsValidLabelValue(value)) > 0 {
		return usage("use letters, digits, -, _ and ., at most 63", "%s %s: the VALUE cannot be one", flag, key)
	}
	return nil
}
