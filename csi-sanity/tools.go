//go:build tools

// Package tools pins the programs that run.ts builds, so that go.sum vouches for them.
package tools

import _ "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
