//go:build tools

// Package helm3 pins the older helm that the chart must work with too.
package helm3

import _ "helm.sh/helm/v3/cmd/helm"
