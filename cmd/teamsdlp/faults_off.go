//go:build !faults

package main

import (
	"go.uber.org/zap"

	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/webhook"
)

// The three joints at which a build with the tag faults spoils a promise, so
// that the end-to-end tests can be seen to fail. In every other build they
// return what they were given.

func spoilInbox(inbox webhook.Inbox) webhook.Inbox { return inbox }

func spoilOpener(opener pipeline.Opener, _ *zap.Logger) pipeline.Opener { return opener }

func spoilGraph(graph func(tenant string) pipeline.Graph) func(tenant string) pipeline.Graph {
	return graph
}
