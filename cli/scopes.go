package cli

import (
	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const scopeUsage = "the `SCOPE` in which it may be opened: strict (this namespace and name), namespace, cluster, or match:GLOB (this name in namespaces that match); strict if neither this nor .seal.yaml says"

// checkScope refuses a --scope that is none; empty is left to the place.
func checkScope(scope string) error {
	switch scope {
	case "", seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeCluster:
		return nil
	}
	if (seal.For{Scope: scope, Name: "name"}).Check() != nil {
		return usage("use strict, namespace, cluster or match:GLOB, where GLOB is of a-z, 0-9, - and *", "unknown scope %q", scope)
	}
	return nil
}

// checkNamespace refuses a namespace that cannot be one; empty is none.
func checkNamespace(namespace string) error {
	if namespace != "" && !secret.ValidNamespace(namespace) {
		return usage("", "%q cannot be the name of a namespace", namespace)
	}
	return nil
}

func completeScopes(cmd *cobra.Command) {
	completeValues(cmd, "scope", seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeCluster, seal.ScopeMatch)
}
