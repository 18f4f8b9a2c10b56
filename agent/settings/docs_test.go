package settings_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/agent/settings"
)

// TestTheConfigurationOfThePageIsOne holds that the file which docs/agent.md shows is taken, and shows every field.
func TestTheConfigurationOfThePageIsOne(t *testing.T) {
	b, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	_, file, found := strings.Cut(string(b), "```yaml\n# config.yaml\n")
	file, _, closed := strings.Cut(file, "```")
	if !found || !closed {
		t.Fatal("docs/agent.md shows no configuration file")
	}
	if _, err := settings.Parse([]byte(file)); err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{}
	if err := yaml.Unmarshal([]byte(file), &shown); err != nil {
		t.Fatal(err)
	}
	hasAll(t, "", reflect.TypeFor[settings.Settings](), shown)
}

// hasAll fails for each field of a type that a value, as YAML has it, lacks.
func hasAll(t *testing.T, at string, kind reflect.Type, value any) {
	t.Helper()
	if kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct {
		list, ok := value.([]any)
		if !ok || len(list) == 0 {
			t.Errorf("%s is not shown", at)
			return
		}
		hasAll(t, at+"[]", kind.Elem(), list[0])
		return
	}
	if kind.Kind() != reflect.Struct {
		return
	}
	fields, _ := value.(map[string]any)
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		if _, ok := fields[name]; !ok {
			t.Errorf("%s.%s is not shown", at, name)
			continue
		}
		hasAll(t, at+"."+name, kind.Field(i).Type, fields[name])
	}
}
