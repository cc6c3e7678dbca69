package pipeline

import (
	"context"

	"teamsdlp/actions"
	"teamsdlp/policy"
)

// waiting is a Graph for which who waits for an answer does not count as working:
// it can be minutes until its turn has come.
type waiting struct {
	Graph
	working func(delta int)
}

// graph returns the client of a tenant, nil if there is none.
func (p *Pipeline) graph(tenant string) Graph {
	g := p.Config.Graph(tenant)
	if g == nil || p.Working == nil {
		return g
	}
	return waiting{g, p.Working}
}

// begin returns what ends the wait.
func (w waiting) begin() (end func()) {
	w.working(-1)
	return func() { w.working(1) }
}

func (w waiting) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	defer w.begin()()
	return w.Graph.Patch(ctx, o)
}

func (w waiting) Read(ctx context.Context, t actions.Target) (actions.Snapshot, error) {
	defer w.begin()()
	return w.Graph.Read(ctx, t)
}

func (w waiting) Message(ctx context.Context, t actions.Target) ([]byte, error) {
	defer w.begin()()
	return w.Graph.Message(ctx, t)
}

func (w waiting) Conversation(ctx context.Context, t actions.Target) (*policy.Conversation, error) {
	defer w.begin()()
	return w.Graph.Conversation(ctx, t)
}

func (w waiting) Person(ctx context.Context, userID string) (*policy.Person, error) {
	defer w.begin()()
	return w.Graph.Person(ctx, userID)
}

func (w waiting) Groups(ctx context.Context, userID string, groups []string) ([]string, error) {
	defer w.begin()()
	return w.Graph.Groups(ctx, userID, groups)
}
