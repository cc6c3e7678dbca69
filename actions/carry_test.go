package actions

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func nothing(time.Duration) time.Duration { return 0 }

// script is a Graph that gives its answers in turn and keeps when it was called.
type script struct {
	start   time.Time
	answers []answer
	calls   []string // "patch 0s", "read 1s"
}

type answer struct {
	call Call
	snap Snapshot
	err  error
	took time.Duration
}

func (s *script) next(ctx context.Context, what string) answer {
	s.calls = append(s.calls, what+" "+time.Since(s.start).String())
	if len(s.answers) == 0 {
		return answer{err: &CallError{Status: 418, Code: "script_ended"}}
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	select {
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	case <-time.After(a.took):
		return a
	}
}

func (s *script) Patch(ctx context.Context, _ Order) (Call, error) {
	a := s.next(ctx, "patch")
	return a.call, a.err
}

func (s *script) Read(ctx context.Context, _ Target) (Snapshot, error) {
	a := s.next(ctx, "read")
	return a.snap, a.err
}

func status(n int) answer { return answer{err: &CallError{Status: n, Code: "code", RequestID: "id"}} }
func after(n int, wait time.Duration) answer {
	return answer{err: &CallError{Status: n, Code: "code", RetryAfter: wait, HasRetryAfter: true}}
}
func shows(s Snapshot) answer { return answer{snap: s} }
func refuses(code, message string) answer {
	return answer{err: &CallError{Status: 403, Code: code, Message: message}}
}

func TestCarry(t *testing.T) {
	var (
		ok       = answer{call: Call{Status: 200, RequestID: "ok"}}
		reset    = answer{err: io.ErrUnexpectedEOF}
		unsent   = answer{err: &CallError{Code: "no_token", NotSent: true}}
		expired  = answer{err: &CallError{Code: "AADSTS7000222", NotSent: true, NoToken: true}}
		empty    = shows(Snapshot{Version: "100", Fingerprint: "A"})
		ours     = shows(Snapshot{Version: "200", EmptyBody: true, Fingerprint: "empty", Violation: echoA})
		over     = shows(Snapshot{Version: "200", Fingerprint: "A", Violation: overrode})
		edited   = shows(Snapshot{Version: "200", Fingerprint: "B"})
		editOurs = shows(Snapshot{Version: "200", Fingerprint: "B", Violation: echoA})
		blank    = shows(Snapshot{Version: "200", EmptyBody: true, Fingerprint: "empty"})
		gone     = shows(Snapshot{Deleted: true})
		alien    = shows(Snapshot{Version: "200", Fingerprint: "A", Violation: foreign})
		block    = OrderRecord{Action: ActionBlock, Tip: "card", Matched: []string{"Card"}, Override: "with-justification", ReportFP: "review", Version: "100", Fingerprint: "A"}
		stale    = block
		lift     = OrderRecord{Action: ActionNone, Version: "100", Fingerprint: "A"}
	)
	stale.StaleOverride = true
	list := func(a ...answer) []answer { return a }
	for _, tt := range []struct {
		name    string
		order   OrderRecord
		read    bool
		answers []answer
		want    ResultKind
		calls   []string
	}{
		{"taken", block, false, list(ok), Applied, []string{"patch 0s"}},

		// Throttled: exactly as long as asked, fractions kept, without end.
		{"429", block, false, list(after(429, 2128*time.Millisecond), ok), Applied, []string{"patch 0s", "patch 2.128s"}},
		{"429 for an hour", block, false, list(after(429, time.Hour), ok), Applied, []string{"patch 0s", "patch 1h0m0s"}},
		{"429 without Retry-After", block, false, list(status(429), status(429), status(429), ok), Applied, []string{"patch 0s", "patch 1s", "patch 3s", "patch 7s"}},
		{"429 with Retry-After 0", block, false, list(after(429, 0), ok), Applied, []string{"patch 0s", "patch 1s"}},
		{"429 with Retry-After in the past", block, false, list(after(429, -time.Second), ok), Applied, []string{"patch 0s", "patch 1s"}},
		{"429 on the read", block, true, list(after(429, 3*time.Second), empty, ok), Applied, []string{"read 0s", "read 3s", "patch 3s"}},

		// Ambiguous: wait, read, and only then send again.
		{"503, had worked", block, false, list(status(503), ours), Applied, []string{"patch 0s", "read 1s"}},
		{"503, had not", block, false, list(status(503), empty, ok), Applied, []string{"patch 0s", "read 1s", "patch 1s"}},
		{"503 with Retry-After", block, false, list(after(503, 5*time.Second), empty, ok), Applied, []string{"patch 0s", "read 5s", "patch 5s"}},
		{"504", block, false, list(status(504), ours), Applied, []string{"patch 0s", "read 1s"}},
		{"500", block, false, list(status(500), empty, ok), Applied, []string{"patch 0s", "read 1s", "patch 1s"}},
		{"502", block, false, list(status(502), ours), Applied, []string{"patch 0s", "read 1s"}},
		{"408", block, false, list(status(408), ours), Applied, []string{"patch 0s", "read 1s"}},
		{"connection reset", block, false, list(reset, ours), Applied, []string{"patch 0s", "read 1s"}},
		{"429 after a reset still reads first", block, false, list(reset, after(429, 9*time.Second), ours), Applied, []string{"patch 0s", "read 1s", "read 10s"}},
		{"back-off grows over both calls", block, false, list(reset, empty, reset, empty, ok), Applied, []string{"patch 0s", "read 1s", "patch 1s", "read 3s", "patch 3s"}},
		{"the read fails too", block, false, list(reset, reset, ours), Applied, []string{"patch 0s", "read 1s", "read 3s"}},
		{"500 without end", block, false, list(status(500), empty, status(500), empty, status(500), empty, status(500), empty, status(500), empty, status(500)), Parked,
			[]string{"patch 0s", "read 1s", "patch 1s", "read 3s", "patch 3s", "read 7s", "patch 7s", "read 15s", "patch 15s", "read 31s", "patch 31s"}},
		{"never sent", block, false, list(unsent, ok), Applied, []string{"patch 0s", "patch 1s"}},

		// What a read finds.
		{"resumed, had worked", block, true, list(ours), Applied, []string{"read 0s"}},
		{"resumed, had not", block, true, list(empty, ok), Applied, []string{"read 0s", "patch 0s"}},
		{"resumed, blanked by somebody", block, true, list(blank, ok), Applied, []string{"read 0s", "patch 0s"}},
		{"resumed, somebody else's violation", block, true, list(alien, ok), Applied, []string{"read 0s", "patch 0s"}},
		{"resumed, overridden", block, true, list(over), Overridden, []string{"read 0s"}},
		{"ambiguous, then overridden", block, false, list(reset, over), Overridden, []string{"patch 0s", "read 1s"}},
		{"resumed, edited", block, true, list(edited), Superseded, []string{"read 0s"}},
		{"resumed, edited under our block", block, true, list(editOurs), Superseded, []string{"read 0s"}},
		{"resumed, deleted", block, true, list(gone), Gone, []string{"read 0s"}},
		{"resumed, 404", block, true, list(status(404)), Gone, []string{"read 0s"}},
		{"resumed, unreadable", block, true, list(status(403)), Parked, []string{"read 0s"}},
		{"override of an earlier text, unchanged", stale, true, list(shows(Snapshot{Version: "100", Fingerprint: "A", Violation: overrode}), ok), Applied, []string{"read 0s", "patch 0s"}},
		{"override of an earlier text, another action", stale, true, list(shows(Snapshot{Version: "200", Fingerprint: "A", Violation: &Seen{DLPAction: "notifySender", UserAction: "override"}}), ok), Applied, []string{"read 0s", "patch 0s"}},
		{"override of this text after all", stale, true, list(over), Overridden, []string{"read 0s"}},

		// Lifting.
		{"lift, nothing stands", lift, true, list(empty), Applied, []string{"read 0s"}},
		{"lift, cleared", lift, true, list(shows(Snapshot{Version: "200", Fingerprint: "A", Violation: none})), Applied, []string{"read 0s"}},
		{"lift, still blocked", lift, true, list(ours, ok), Applied, []string{"read 0s", "patch 0s"}},
		{"lift, overridden", lift, true, list(over, ok), Applied, []string{"read 0s", "patch 0s"}},
		{"lift, edited", lift, true, list(editOurs), Superseded, []string{"read 0s"}},

		// Refused.
		{"401 once", block, false, list(status(401), ok), Applied, []string{"patch 0s", "patch 0s"}},
		{"401 twice", block, false, list(status(401), status(401)), Parked, []string{"patch 0s", "patch 0s"}},
		{"401, 429, 401", block, false, list(status(401), after(429, time.Second), status(401), ok), Applied, []string{"patch 0s", "patch 0s", "patch 1s", "patch 1s"}},
		{"no token", block, false, list(expired, expired), Parked, []string{"patch 0s", "patch 1s"}},
		{"no token for the read", block, true, list(expired, expired), Parked, []string{"read 0s", "read 1s"}},
		{"no token once", block, false, list(expired, ok), Applied, []string{"patch 0s", "patch 1s"}},
		{"404", block, false, list(status(404)), Gone, []string{"patch 0s"}},
		{"404 of a page between", block, false, list(answer{err: &CallError{Status: 404, Code: NotJSON}}, ok), Applied, []string{"patch 0s", "patch 1s"}},
		{"400", block, false, list(status(400)), Failed, []string{"patch 0s"}},
		{"402", block, false, list(status(402)), Parked, []string{"patch 0s"}},
		{"409", block, false, list(status(409)), Failed, []string{"patch 0s"}},
		{"412", block, false, list(status(412)), Failed, []string{"patch 0s"}},
		{"501", block, false, list(status(501)), Failed, []string{"patch 0s"}},
		{"403 of which nothing is known", block, false, list(refuses("Forbidden", "")), NotEnforceable, []string{"patch 0s"}},
		{"403 licence", block, false, list(refuses("Forbidden", "The sender is not licensed for this API")), NotEnforceable, []string{"patch 0s"}},
		{"403 federation", block, false, list(refuses("Forbidden", "The call does not support federation")), NotEnforceable, []string{"patch 0s"}},
		{"403 role", block, false, list(refuses("Authorization_RequestDenied", "Insufficient privileges")), Parked, []string{"patch 0s"}},
		{"403 scope", block, false, list(refuses("Forbidden", "Missing scope permissions on the request")), Parked, []string{"patch 0s"}},
		{"403 protected API", block, false, list(refuses("Forbidden", "Invoked API requires Protected API access")), Parked, []string{"patch 0s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &script{start: time.Now(), answers: tt.answers}
				c := &Carrier{Graph: g, Jitter: nothing}
				got := c.Carry(t.Context(), Order{r: tt.order, committed: true}, tt.read)
				if got.Kind != tt.want || got.Reason == "" {
					t.Errorf("Carry = %v (%s), want %v", got.Kind, got.Reason, tt.want)
				}
				if d := cmp.Diff(tt.calls, g.calls); d != "" {
					t.Errorf("calls (-want +got):\n%s", d)
				}
				if len(g.answers) > 0 {
					t.Errorf("%d answers were not asked for", len(g.answers))
				}
			})
		})
	}
}

func TestCarryTellsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := Order{r: blockA, committed: true}
		g := &script{start: time.Now(), answers: []answer{status(503), shows(Snapshot{Violation: echoA})}}
		got := (&Carrier{Graph: g, Jitter: nothing}).Carry(t.Context(), order, false)
		want := Result{Kind: Applied, Reason: "a read found that Graph had taken it", At: time.Now(),
			Call: GraphCall{Status: 503, RequestID: "id", Attempts: 1, Code: "code", Reconciled: true}}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Result{})); d != "" {
			t.Error(d)
		}
		g = &script{start: time.Now(), answers: []answer{status(429), {call: Call{Status: 200, RequestID: "last"}}}}
		got = (&Carrier{Graph: g, Jitter: nothing}).Carry(t.Context(), order, false)
		want = Result{Kind: Applied, Reason: "Graph took it", At: time.Now(), Call: GraphCall{Status: 200, RequestID: "last", Attempts: 2}}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Result{})); d != "" {
			t.Error(d)
		}
	})
}

func TestCarryEndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer answer
		cancel time.Duration
		calls  int
	}{
		{"while it waits as asked", after(429, time.Hour), time.Minute, 1},
		{"while it backs off", answer{err: io.EOF}, time.Second / 2, 1},
		{"while Graph is silent", answer{took: time.Hour}, time.Minute, 1},
		{"before it starts", answer{}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), tt.cancel)
				defer cancel()
				g := &script{start: start, answers: []answer{tt.answer}}
				got := (&Carrier{Graph: g, Jitter: nothing}).Carry(ctx, Order{r: blockA, committed: true}, false)
				if got.Kind != Interrupted || len(g.calls) != tt.calls || time.Since(start) != tt.cancel {
					t.Errorf("Carry = %v after %v and %d calls, want %v after %v and %d", got.Kind, time.Since(start), len(g.calls), Interrupted, tt.cancel, tt.calls)
				}
			})
		})
	}
}

// An answer that arrives as the context ends is an answer.
func TestCarryKeepsALateAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := graphFunc(func() (Call, error) { cancel(); return Call{Status: 200}, nil })
	if got := (&Carrier{Graph: g}).Carry(ctx, Order{r: blockA, committed: true}, false); got.Kind != Applied {
		t.Errorf("Carry = %v, want %v", got.Kind, Applied)
	}
}

type graphFunc func() (Call, error)

func (f graphFunc) Patch(context.Context, Order) (Call, error) { return f() }
func (f graphFunc) Read(context.Context, Target) (Snapshot, error) {
	return Snapshot{}, errors.New("not expected")
}

func TestCarryRefusesAnOrderNobodyMade(t *testing.T) {
	g := graphFunc(func() (Call, error) { t.Error("it was sent"); return Call{}, nil })
	for _, o := range []Order{{}, {r: blockA}} {
		if got := (&Carrier{Graph: g}).Carry(t.Context(), o, false); got.Kind != Failed || got.Call.Code != "invalid_order" {
			t.Errorf("Carry = %+v", got)
		}
	}
}

func TestJitterNeverShortensAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			g := &script{start: time.Now(), answers: []answer{after(429, 10*time.Second), {call: Call{Status: 200}}}}
			start := time.Now()
			(&Carrier{Graph: g}).Carry(t.Context(), Order{r: blockA, committed: true}, false)
			if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
				t.Fatalf("waited %v, want 10 s to 11 s", d)
			}
		}
		minus := func(time.Duration) time.Duration { return -time.Hour }
		g := &script{start: time.Now(), answers: []answer{after(429, time.Second), {call: Call{Status: 200}}}}
		(&Carrier{Graph: g, Jitter: minus}).Carry(t.Context(), Order{r: blockA, committed: true}, false)
		if g.calls[1] != "patch 1s" {
			t.Errorf("calls %v", g.calls)
		}
	})
}

func TestBackoffIsBounded(t *testing.T) {
	c := &Carrier{}
	for _, tt := range []struct {
		n    int
		want time.Duration
	}{{0, time.Second}, {1, 2 * time.Second}, {5, 32 * time.Second}, {6, time.Minute}, {1 << 30, time.Minute}} {
		if got := c.backoff(tt.n); got != tt.want {
			t.Errorf("backoff(%d) = %v, want %v", tt.n, got, tt.want)
		}
	}
}
