package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/subscriptions"
)

// shownMetrics is what /metrics answers.
func shownMetrics(m *metrics) string {
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// What alarms are set on is there before anything happened: a rate does not see a
// counter that appears with its first event.
func TestMetricsBeginAtZero(t *testing.T) {
	page := shownMetrics(newMetrics())
	for _, want := range []string{
		`teamsdlp_webhook_requests_total{code="202"} 0`,
		`teamsdlp_webhook_requests_total{code="503"} 0`,
		`teamsdlp_outcomes_total{outcome="failed"} 0`,
		`teamsdlp_outcomes_total{outcome="not_enforceable"} 0`,
		`teamsdlp_rule_generations_total{result="refused"} 0`,
		`teamsdlp_gaps_total 0`,
		`teamsdlp_checkpoint_failures_total 0`,
		`teamsdlp_context_missing_total{cause="refused",context="conversation"} 0`,
		`teamsdlp_context_missing_total{cause="refused",context="person"} 0`,
		`teamsdlp_context_missing_total{cause="refused",context="groups"} 0`,
		`teamsdlp_gap_seconds_total 0`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}

func TestGapMetrics(t *testing.T) {
	m := newMetrics()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m.gap(subscriptions.Gap{From: at})                                // it opens
	m.gap(subscriptions.Gap{From: at, To: at.Add(90 * time.Second)})  // and ends
	m.gap(subscriptions.Gap{From: at, To: at.Add(30 * time.Second)})  // one that was closed at once
	m.gap(subscriptions.Gap{From: at, To: at.Add(-30 * time.Second)}) // the clock was set back
	page := shownMetrics(m)
	for _, want := range []string{"teamsdlp_gaps_total 3\n", "teamsdlp_gap_seconds_total 120\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no line %s", want)
		}
	}
}

func TestCovered(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		at   review.Coverage
		want bool
	}{
		{"active", review.Coverage{Status: "active", Expires: now.Add(time.Second)}, true},
		{"in trouble, but in force", review.Coverage{Status: "active", Expires: now.Add(time.Second), Trouble: "status 503"}, true},
		{"expired, and nobody noticed yet", review.Coverage{Status: "active", Expires: now}, false},
		{"open gap", review.Coverage{Status: "active", Expires: now.Add(time.Hour), OpenGap: "withheld"}, false},
		{"pending", review.Coverage{Status: "pending", Expires: now.Add(time.Hour)}, false},
		{"missing", review.Coverage{Status: "missing"}, false},
	} {
		if got := covered(c.at, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestCheckpointFailures: a checkpoint that does not reach its file is counted.
func TestCheckpointFailures(t *testing.T) {
	dir := t.TempDir()
	cfg, err := demoConfig(dir, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	cfg.ActionLog.CheckpointFile = filepath.Join(dir, "nowhere", "checkpoints")
	s, err := openService(t.Context(), cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.store.Append(t.Context(), actions.Entry{Kind: actions.KindRules, Actor: actions.ActorSelf}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s.sealer.Run(ctx) // it seals once more as it ends
	if page := shownMetrics(s.metrics); !regexp.MustCompile(`(?m)^teamsdlp_checkpoint_failures_total [1-9]`).MatchString(page) {
		t.Errorf("no failure is counted in\n%s", page)
	}
}

// TestStoppingIsNoTrouble: what a stop interrupts is no warning.
func TestStoppingIsNoTrouble(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	l := subscriptionLog{zap.New(core)}
	l.Trouble("", "store", fmt.Errorf("recording process as alive: %w", context.Canceled))
	if n := logged.Len(); n != 0 {
		t.Errorf("%d lines are logged", n)
	}
	l.Trouble("", "store", errors.New("disk full"))
	if n := logged.Len(); n != 1 {
		t.Errorf("%d lines are logged of a trouble", n)
	}
}
