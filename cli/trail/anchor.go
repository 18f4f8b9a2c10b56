package trail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/manifest"
)

// MaxAnchorFile bounds a file with anchors, in bytes.
const MaxAnchorFile = 16 << 20

// maxAnchors is how many anchors a file has at most.
const maxAnchors = 10_000

var errNoAnchor = errors.New("there is no anchor in it: want what seal audit anchor -o json prints, the ConfigMap as kubectl prints it, or a checkpoint")

// ReadAnchors reads the anchors in a file: the JSON of one or of several, ConfigMaps with anchors in YAML or JSON (a list of them, or several documents), or the signed checkpoint
// of a part. name is the file's, for messages. Nothing about them is believed; whoever uses them checks signatures.
func ReadAnchors(name string, b []byte) ([]audit.Anchor, error) {
	if c, err := verify.ParseCheckpoint(b); err == nil {
		i := strings.LastIndexByte(c.Origin, '/')
		part, _ := strconv.Atoi(c.Origin[i+1:])
		return []audit.Anchor{{Origin: c.Origin[:i], Part: part, Checkpoint: string(b)}}, nil
	}
	docs, err := documents(name, b)
	if err != nil {
		return nil, err
	}
	var all []audit.Anchor
	for _, doc := range docs {
		some, err := anchorsOf(doc, true)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if all = append(all, some...); len(all) > maxAnchors {
			return nil, fmt.Errorf("%s: more than %d anchors", name, maxAnchors)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", name, errNoAnchor)
	}
	return all, nil
}

// documents are the documents of a file, each as JSON.
func documents(name string, b []byte) ([][]byte, error) {
	if json.Valid(b) {
		return [][]byte{b}, nil
	}
	file, err := manifest.Parse(name, b)
	if err != nil {
		return nil, err
	}
	var docs [][]byte
	for _, d := range file.Docs() {
		if d.Empty() {
			continue
		}
		doc, err := d.JSON()
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// anchorsOf reads one document. lists says that it may be a list.
func anchorsOf(doc []byte, lists bool) ([]audit.Anchor, error) {
	if lists && bytes.HasPrefix(bytes.TrimSpace(doc), []byte("[")) {
		var items []json.RawMessage
		if err := json.Unmarshal(doc, &items); err != nil {
			return nil, errNoAnchor
		}
		return anchorsOfAll(items)
	}
	var o struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
		Data  map[string]string `json:"data"`
	}
	if err := json.Unmarshal(doc, &o); err != nil {
		return nil, errNoAnchor
	}
	if lists && strings.HasSuffix(o.Kind, "List") {
		return anchorsOfAll(o.Items)
	}
	var a audit.Anchor
	var err error
	if o.Kind == "ConfigMap" {
		a, err = AnchorOfData(o.Data)
	} else {
		err = json.Unmarshal(doc, &a)
	}
	if err != nil || a.Origin == "" || a.Key == "" && a.Checkpoint == "" {
		return nil, errors.Join(err, errNoAnchor)
	}
	return []audit.Anchor{a}, nil
}

func anchorsOfAll(items []json.RawMessage) (all []audit.Anchor, err error) {
	for _, item := range items[:min(len(items), maxAnchors+1)] {
		some, err := anchorsOf(item, false)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Keys of the data of a ConfigMap with an anchor. The controller writes it; audit/cluster has the same.
const (
	// RestartKey holds the JSON of an audit.Restart.
	RestartKey = "restart"

	originKey, verifierKey, partKey, checkpointKey, closedKey = "origin", "key", "part", "checkpoint", "closed"
)

// AnchorOfData reads the data of a ConfigMap with an anchor.
func AnchorOfData(data map[string]string) (audit.Anchor, error) {
	a := audit.Anchor{Origin: data[originKey], Key: data[verifierKey], Checkpoint: data[checkpointKey]}
	var err error
	if a.Part, err = strconv.Atoi(data[partKey]); err != nil || a.Part < 1 {
		return audit.Anchor{}, fmt.Errorf("the ConfigMap is no anchor: its %s cannot be read", partKey)
	}
	if text, ok := data[closedKey]; ok && json.Unmarshal([]byte(text), &a.Closed) != nil {
		return audit.Anchor{}, fmt.Errorf("the ConfigMap is no anchor: its %s cannot be read", closedKey)
	}
	if text, ok := data[RestartKey]; ok && json.Unmarshal([]byte(text), &a.Restart) != nil {
		return audit.Anchor{}, fmt.Errorf("the ConfigMap is no anchor: its %s cannot be read", RestartKey)
	}
	return a, nil
}
