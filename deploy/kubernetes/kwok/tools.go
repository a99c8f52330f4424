//go:build tools

// Package tools pins KWOK, which plays the nodes of a simulated cluster.
package tools

import (
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
