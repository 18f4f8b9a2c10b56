package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// pageSize is how many Secrets are listed at a time. Metadata alone can be half a megabyte for each, and an answer has to fit into maxAnswer.
	pageSize = 5
)

// Secret reads one Secret, with its data, as the API server has it. Both names must be ones that Kubernetes allows.
func (c *Client) Secret(ctx context.Context, namespace, name string) ([]byte, error) {
	var doc json.RawMessage
	err := c.get(ctx, &doc, "api", "v1", "namespaces", namespace, "secrets", name)
	return doc, err
}

// SecretNames lists the Secrets of a namespace that a label selector picks (all of them for an empty one), without reading their data. Those of the
// types in without are left out. More than most of them is an error.
func (c *Client) SecretNames(ctx context.Context, namespace, selector string, without []string, most int) ([]string, error) {
	var names []string
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if selector != "" {
		query.Set("labelSelector", selector)
	}
	fields := make([]string, len(without))
	for i, t := range without {
		fields[i] = "type!=" + t
	}
	if len(fields) > 0 {
		query.Set("fieldSelector", strings.Join(fields, ","))
	}
	for {
		from := c.base.JoinPath("api", "v1", "namespaces", namespace, "secrets")
		from.RawQuery = query.Encode()
		var page metav1.PartialObjectMetadataList
		if err := c.ask(ctx, &page, from, metadataList); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			names = append(names, item.Name)
		}
		switch {
		case len(names) > most:
			return nil, fmt.Errorf("there are more than %d Secrets", most)
		case page.Continue == "" || len(page.Items) == 0:
			return names, nil
		}
		query.Set("continue", page.Continue)
	}
}
