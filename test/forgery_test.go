package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"teamsdlp/test/graphtwin"
)

// TestForgeries: what is not proved to be Graph's, or cannot be opened, is
// answered 202 like everything else, counted by reason, and leads to nothing.
func TestForgeries(t *testing.T) {
	t.Parallel()
	const refused, quarantined = "teamsdlp_webhook_items_refused_total", "teamsdlp_items_quarantined_total"
	cases := []struct {
		kind   string
		figure string // that counts it
		reason string // label; empty: any
	}{
		{graphtwin.FaultWrongClientState, refused, "client_state"},
		{graphtwin.FaultUnknownSubscription, refused, "unknown_subscription"},
		{graphtwin.FaultWrongTenant, refused, "tenant"},
		{graphtwin.FaultTokensNull, refused, "tokens_missing"},
		{graphtwin.FaultTokensEmpty, refused, "tokens_missing"},
		{graphtwin.FaultTokensMissing, refused, "tokens_missing"},
		{graphtwin.FaultTokenAudience, refused, "token_audience"},
		{graphtwin.FaultTokenIssuer, refused, "token_issuer"},
		{graphtwin.FaultTokenTenant, refused, "token_tenant"},
		{graphtwin.FaultTokenPublisher, refused, "token_publisher"},
		{graphtwin.FaultTokenExpired, refused, "token_expired"},
		{graphtwin.FaultTokenAlgNone, refused, "token_algorithm"},
		{graphtwin.FaultTokenHS256, refused, "token_algorithm"},
		{graphtwin.FaultTokenUnpublishedKey, refused, "token_key"},
		{graphtwin.FaultFlipData, quarantined, ""},
		{graphtwin.FaultFlipSignature, quarantined, ""},
		{graphtwin.FaultFlipKey, quarantined, ""},
		{graphtwin.FaultOAEP256, quarantined, ""},
		{graphtwin.FaultWrongCertificate, quarantined, ""},
		{graphtwin.FaultWrongThumbprint, quarantined, ""},
	}
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	set := func(f graphtwin.Faults) {
		t.Helper()
		if err := twin.SetFaults(f); err != nil {
			t.Fatal(err)
		}
	}
	var forged []graphtwin.Message
	aside := 0.0
	for _, c := range cases {
		series := c.figure
		if c.reason != "" {
			series = fmt.Sprintf("%s{reason=%q}", c.figure, c.reason)
		}
		before := s.metric(series)
		set(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: c.kind, Count: 1}}})
		m := say(t, twin, "ana", "ana-li", "card "+card)
		forged = append(forged, m)
		s.settle(twin)
		if got := s.metric(series) - before; got != 1 {
			t.Errorf("%s: %s grew by %v; want 1", c.kind, series, got)
		}
		for _, a := range twin.Deliveries() {
			if a.MessageID == m.ID && (a.Status != http.StatusAccepted || a.Fault != c.kind) {
				t.Errorf("%s: delivered as %q, answered %d; want 202", c.kind, a.Fault, a.Status)
			}
		}
		if c.figure == quarantined {
			aside++
		}
	}
	if got := s.metric("teamsdlp_quarantine_items"); got != aside {
		t.Errorf("teamsdlp_quarantine_items is %v; want %v", got, aside)
	}
	set(graphtwin.Faults{})
	genuine := say(t, twin, "ana", "ana-li", "card "+card)
	await(t, twin, genuine, "blocked", blocked)
	s.settle(twin)

	if n := len(twin.Patches()); n != 1 {
		t.Errorf("%d PATCHes; want only that of the genuine message", n)
	}
	for i, m := range forged {
		for _, e := range s.entries() {
			if e.Target != nil && e.Target.MessageID == m.GraphID {
				t.Errorf("%s: entry %d is about it", cases[i].kind, e.Seq)
			}
		}
	}
	// A restart takes nothing out of quarantine and tries none of it again.
	s.stop(t)
	s.up()
	s.settle(twin)
	if got := s.metric("teamsdlp_quarantine_items"); got != aside {
		t.Errorf("after a restart teamsdlp_quarantine_items is %v; want %v", got, aside)
	}
	if n := len(twin.Patches()); n != 1 {
		t.Errorf("after a restart %d PATCHes; want 1", n)
	}
}

// TestHandshake: the public listener answers Graph's handshake verbatim, and
// what is none is refused without an echo.
func TestHandshake(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	for _, tc := range []struct {
		query  string
		status int
		body   string
	}{
		{"?validationToken=Validation%3A+Testing+client+application+reachability", http.StatusOK, "Validation: Testing client application reachability"},
		{"?validationToken=%3Cscript%3Ealert(1)%3C%2Fscript%3E", http.StatusBadRequest, ""},
		{"?validationToken=", http.StatusBadRequest, ""},
		{"?validationToken=a&validationToken=b", http.StatusBadRequest, ""},
		{"?validationToken=" + strings.Repeat("x", 4096), http.StatusBadRequest, ""},
	} {
		for _, route := range []string{"/graph/notifications", "/graph/lifecycle"} {
			status, body, err := do(plain, http.MethodPost, "http://"+s.public+route+tc.query, "", nil)
			if err != nil || status != tc.status || body != tc.body {
				t.Errorf("%s%.60s: %d %q %v; want %d %q", route, tc.query, status, body, err, tc.status, tc.body)
			}
		}
	}
}
