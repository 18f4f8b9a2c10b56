package controller

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scriptedVersions stands for an API server whose lists have these versions in turn; an empty one is an error.
type scriptedVersions []string

func (s *scriptedVersions) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("nothing is read by name")
}

func (s *scriptedVersions) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	next := (*s)[0]
	*s = (*s)[1:]
	if next == "" {
		return errors.New("no answer")
	}
	list.(*metav1.PartialObjectMetadataList).ResourceVersion = next
	return nil
}

func TestAStateThatGoesBackEndsTheProcess(t *testing.T) {
	for name, c := range map[string]struct {
		versions scriptedVersions
		ends     bool
	}{
		"it goes on":                          {scriptedVersions{"9", "10", "11"}, false},
		"nothing happens":                     {scriptedVersions{"9", "9"}, false},
		"it is away and has gone on":          {scriptedVersions{"9", "", "", "10"}, false},
		"it has gone back":                    {scriptedVersions{"10", "9"}, true},
		"it was away and has gone back":       {scriptedVersions{"9", "10", "", "9"}, true},
		"its versions cannot be put in order": {scriptedVersions{"10", "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			r, looks := &rewind{live: &c.versions, log: slog.New(slog.NewTextHandler(&said, nil))}, len(c.versions)
			var err error
			for range looks {
				if err != nil {
					t.Fatal("it ended before the last look")
				}
				err = r.look(t.Context())
			}
			if (err != nil) != c.ends || (c.ends && !strings.Contains(err.Error(), "from resource version 10 to 9")) {
				t.Errorf("it said %v", err)
			}
			if strings.Contains(said.String(), "hint=") != c.ends {
				t.Errorf("it logged %q", said.String())
			}
		})
	}
}
