package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/policy/extract"
	"teamsdlp/webhook"
)

// openDesk makes the review desk.
func (s *service) openDesk(graphs *graphs) (err error) {
	var users []review.User
	for _, u := range s.cfg.Desk.Users {
		users = append(users, review.User{Name: u.Name, Token: u.Token.Reveal()})
	}
	hosts := s.cfg.Private.Hosts
	if host, _, err := net.SplitHostPort(s.cfg.Private.Listen); err == nil && host != "" && net.ParseIP(host) == nil {
		hosts = append([]string{host}, hosts...) // a listen address that is a number is known by each request
	}
	s.desk, err = review.New(review.Config{
		Reader: s.store, Desk: decisions{s, graphs}, Users: users, Hosts: hosts,
		Coverage:   s.coverage,
		Generation: func() string { return s.rules.Current().Generation },
		Log:        s.log.Named("desk"),
	})
	return err
}

// coverage is every target, for the page.
func (s *service) coverage() []review.Coverage {
	var list []review.Coverage
	for _, v := range s.manager.Snapshot() {
		c := review.Coverage{Tenant: v.TenantID, Resource: v.Resource, Status: string(v.Status), Expires: v.Expires, LastNotified: v.LastNotified, Trouble: v.Trouble, Retry: v.Retry}
		if c.Status == "" {
			c.Status = "missing"
		}
		if v.Gap != nil {
			c.OpenGap = v.Gap.Cause
		}
		list = append(list, c)
	}
	return list
}

// decisions carries out what analysts decide: review.Desk.
type decisions struct {
	s      *service
	graphs *graphs
}

func (d decisions) find(ctx context.Context, id string) (actions.Case, error) {
	c, _, err := d.s.store.Case(ctx, id)
	return c, err
}

// Release implements review.Desk.
func (d decisions) Release(ctx context.Context, id, actor, reason string) error {
	c, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	// Long enough for Graph to throttle once; the decision is on record either way.
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	if d.s.shared != nil {
		return d.s.releaseShared(ctx, c, actor, reason)
	}
	return refusal(d.s.pipeline.Release(ctx, c, actor, reason))
}

// refusal marks those errors of a release whose texts are for the analyst.
func refusal(err error) error {
	if errors.Is(err, actions.ErrNothingStands) {
		return fmt.Errorf("nothing of ours stands on this message any more: %w", review.ErrRefused)
	}
	for _, known := range []error{pipeline.ErrUnknownCase, pipeline.ErrNotReleased, pipeline.ErrBusy, pipeline.ErrStopping} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", err, review.ErrRefused)
		}
	}
	return err
}

// Label implements review.Desk.
func (d decisions) Label(ctx context.Context, id, actor, label, reason string) error {
	c, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	return d.s.pipeline.Recorder().Label(ctx, c, actor, label, reason)
}

// Text implements review.Desk: no record, no view.
func (d decisions) Text(ctx context.Context, id, actor, reason string) (review.Text, error) {
	c, err := d.find(ctx, id)
	if err != nil {
		return review.Text{}, err
	}
	if c.Target == nil {
		return review.Text{}, fmt.Errorf("the case does not say where the message is: %w", review.ErrRefused)
	}
	graph := d.graphs.forPipeline(c.Target.Tenant)
	if graph == nil {
		return review.Text{}, fmt.Errorf("the case's tenant is not configured: %w", review.ErrRefused)
	}
	if err := d.s.pipeline.Recorder().View(ctx, c, actor, reason); err != nil {
		return review.Text{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // the server cuts the answer off at 60
	defer cancel()
	data, err := graph.Message(ctx, *c.Target)
	var call *actions.CallError
	switch {
	case errors.As(err, &call) && call.Status == http.StatusNotFound:
		return review.Text{Missing: "Graph does not have this message any more."}, nil
	case err != nil:
		d.s.log.Warn("reading a message for the desk", zap.String("case", id), zap.Error(err))
		return review.Text{Missing: "Graph did not give the message now. Try again in a moment; the service's log has the reason."}, nil
	}
	m, err := webhook.DecodeMessage(data)
	if err != nil { //nolint:nilerr // it says nothing beyond that, and the page says that
		return review.Text{Missing: "What Graph gave is not a message."}, nil
	}
	return shown(m), nil
}

// shown is the message as a person would read it.
func shown(m *webhook.Message) review.Text {
	if !m.Deleted.IsZero() {
		return review.Text{Missing: "The message was deleted."}
	}
	source := extract.Source{Body: m.Body.Content.Reveal(), HTML: m.Body.HTML()}
	for _, a := range m.Attachments {
		source.Attachments = append(source.Attachments, extract.Attachment{
			ContentType: a.ContentType, Name: a.Name.Reveal(), ContentURL: a.ContentURL.Reveal(), Content: a.Content.Reveal(),
		})
	}
	text := string(extract.Message(source).Bytes())
	if strings.TrimSpace(text) == "" && source.Body == "" {
		return review.Text{Missing: "Graph returned an empty body: Teams may blank a message while it is blocked. Nothing of the text is stored here."}
	}
	return review.Text{Subject: m.Subject.Reveal(), Body: text}
}
