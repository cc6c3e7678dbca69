//go:build !faults

package main

import (
	"net/http"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/webhook"
)

// The joints at which a build with the tag faults can be told to die or to break
// a promise, so that the end-to-end tests reach each point and can be seen to
// fail. In every other build they return what they were given.

func spoilInbox(inbox webhook.Inbox) webhook.Inbox { return inbox }

func spoilOpener(opener pipeline.Opener, _ string, _ *zap.Logger) pipeline.Opener { return opener }

func spoilVerifier(v pipeline.Verifier) pipeline.Verifier { return v }

func spoilLedger(l actions.Ledger, _ pipeline.Inbox) actions.Ledger { return l }

func spoilGraph(graph func(tenant string) pipeline.Graph) func(tenant string) pipeline.Graph {
	return graph
}

func spoilUnfinished(unfinished unfinishedFunc) unfinishedFunc { return unfinished }

func spoilPage(*actions.Filter) {}

// spoilTransport is what carries the calls to Graph; nil: what the client uses.
func spoilTransport() http.RoundTripper { return nil }

// spoilMark is the mark of free space below which nothing is taken; 0: as usual.
func spoilMark() int64 { return 0 }
