//go:build faults

package main

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/webhook"
)

// The promises that this build can break, one at a time, as the environment
// variable TEAMSDLP_FAULT says. A test that does not notice proves nothing.
const (
	faultVariable = "TEAMSDLP_FAULT"

	faultAckBeforeCommit = "ack-before-commit" // 202 first, stored 200 ms later
	faultLogText         = "log-text"          // decrypted messages in the program log
	faultNoPatch         = "no-patch"          // the first order is said to be carried out, and is not
	faultPatchTwice      = "patch-twice"       // every order is sent twice
)

func spoilInbox(inbox webhook.Inbox) webhook.Inbox {
	if os.Getenv(faultVariable) != faultAckBeforeCommit {
		return inbox
	}
	return hastyInbox{inbox}
}

type hastyInbox struct{ webhook.Inbox }

func (i hastyInbox) Put(ctx context.Context, items []webhook.Item) error {
	later := context.WithoutCancel(ctx)
	time.AfterFunc(200*time.Millisecond, func() { _ = i.Inbox.Put(later, items) })
	return nil
}

func spoilOpener(opener pipeline.Opener, log *zap.Logger) pipeline.Opener {
	if os.Getenv(faultVariable) != faultLogText {
		return opener
	}
	return talkativeOpener{opener, log}
}

type talkativeOpener struct {
	pipeline.Opener
	log *zap.Logger
}

func (o talkativeOpener) Open(e *webhook.EncryptedContent) ([]byte, error) {
	data, err := o.Opener.Open(e)
	o.log.Debug("opened", zap.ByteString("content", data))
	return data, err
}

func spoilGraph(graph func(tenant string) pipeline.Graph) func(tenant string) pipeline.Graph {
	switch fault := os.Getenv(faultVariable); fault {
	case faultNoPatch, faultPatchTwice:
		var lied atomic.Bool
		return func(tenant string) pipeline.Graph {
			g := graph(tenant)
			if g == nil {
				return nil
			}
			return dishonestGraph{g, fault, &lied}
		}
	}
	return graph
}

type dishonestGraph struct {
	pipeline.Graph
	fault string
	lied  *atomic.Bool
}

func (g dishonestGraph) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	if g.fault == faultNoPatch && g.lied.CompareAndSwap(false, true) {
		return actions.Call{Status: 204}, nil
	}
	call, err := g.Graph.Patch(ctx, o)
	if g.fault == faultPatchTwice && err == nil {
		return g.Graph.Patch(ctx, o)
	}
	return call, err
}
