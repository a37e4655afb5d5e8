//go:build tools

// Package tools pins the programs that deploy/tools.ts builds, so that go.sum vouches for them.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
