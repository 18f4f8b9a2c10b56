package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/keyuse"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// keyObjects are the GitSecrets of a cluster, as far as keys are concerned.
type keyObjects struct {
	objects []keyuse.Live
	// unseen says what could not be looked at, for people.
	unseen []string
}

// askKeyObjects asks for the GitSecrets of all namespaces, or where that is not allowed, for those of some, and of the kubeconfig's own. A refusal is no error.
func askKeyObjects(ctx context.Context, client *cluster.Client, namespaces []string) (*keyObjects, error) {
	all, err := listKeyObjects(ctx, client, "")
	if err == nil {
		return &keyObjects{objects: all}, nil
	}
	if !isForbidden(err) {
		return nil, objectsRefusal(err)
	}
	names := append(slices.Clone(namespaces), client.Namespace())
	slices.Sort(names)
	names = slices.Compact(names)
	found := &keyObjects{unseen: []string{"you may not list the GitSecrets of all namespaces: only " + some(names) + " were asked for"}}
	if len(names) > maxLists {
		names = names[:maxLists]
		found.unseen[0] = fmt.Sprintf("you may not list the GitSecrets of all namespaces: only the first %d of those that files name were asked for", maxLists)
	}
	lists := make([][]keyuse.Live, len(names))
	closed, err := eachNamespace(ctx, names, func(i int) (err error) {
		lists[i], err = listKeyObjects(ctx, client, names[i])
		return err
	})
	if err != nil {
		return nil, objectsRefusal(err)
	}
	for _, c := range closed {
		found.unseen = append(found.unseen, "namespace "+c.name+": "+c.err.Error())
	}
	found.objects = slices.Concat(lists...)
	return found, nil
}

// closedNamespace is one whose GitSecrets the user may not list.
type closedNamespace struct {
	name string
	err  error
}

// eachNamespace calls list for each namespace, several at a time, and gives those that are closed; another refusal is an error.
func eachNamespace(ctx context.Context, names []string, list func(i int) error) (closed []closedNamespace, err error) {
	errs := make([]error, len(names))
	if err := scan.Parallel(ctx, len(names), func(i int) { errs[i] = list(i) }); err != nil {
		return nil, err
	}
	for i, err := range errs {
		switch {
		case isForbidden(err):
			closed = append(closed, closedNamespace{names[i], err})
		case err != nil:
			return nil, err
		}
	}
	return closed, nil
}

func objectsRefusal(err error) error {
	if errors.Is(err, cluster.ErrNotInstalled) {
		return failed("is Waxwing installed there? kubectl get crd gitsecrets.waxwing.io", "the cluster does not know GitSecrets")
	}
	return withClusterHint(err)
}

func listKeyObjects(ctx context.Context, client *cluster.Client, namespace string) ([]keyuse.Live, error) {
	return unlessDone(ctx, func() (all []keyuse.Live, err error) {
		err = client.GitSecrets(ctx, namespace, func(doc []byte) error {
			o, err := keyuse.ReadLive(doc)
			if err != nil {
				return fmt.Errorf("the API server sends a GitSecret that cannot be read: %w", err)
			}
			all = append(all, o)
			return nil
		})
		return all, err
	})
}
