package answer

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
	"teamsdlp/test/trial"
)

// What Retry-After can say, and what cannot be believed.
func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"1": time.Second, "2.128": 2128 * time.Millisecond, " 3 ": 3 * time.Second, "0.0005": 500 * time.Microsecond, "0": 0,
		"86400": 24 * time.Hour, "1e300": 24 * time.Hour, "Inf": 24 * time.Hour, "99999999999999999999": 24 * time.Hour,
		"Sun, 01 Nov 2026 08:00:10 GMT": 10 * time.Second, "Sun, 01 Nov 2026 07:00:00 GMT": 0, "Sun, 01 Nov 2099 07:00:00 GMT": 24 * time.Hour,
		"": -1, "-1": -1, "NaN": -1, "soon": -1, "1 second": -1, "1,5": -1, "Sun, 32 Nov 2026": -1,
	} {
		got, ok := retryAfter(header, now)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("Retry-After %q: %v, %v; want %v", header, got, ok, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "2.128", "1e300", "-0", "0x1p-2", "Sun, 01 Nov 2026 08:00:10 GMT", "Infinity"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	trial.Fuzz(f, 2000, func(t *testing.T, header string) {
		if d, ok := retryAfter(header, now); d < 0 || d > 24*time.Hour || !ok && d != 0 {
			t.Errorf("Retry-After %q: %v, %v", header, d, ok)
		}
	})
}

func TestSnapshot(t *testing.T) {
	const plain = `{"id":"1","etag":"5","body":{"content":"x"}`
	cases := []struct {
		name, json string
		want       actions.Snapshot
	}{
		{"never judged", plain + `,"policyViolation":null}`, actions.Snapshot{Version: "5"}},
		{"no etag", `{"id":"1","lastModifiedDateTime":"2026-11-01T08:02:03.456Z","body":{"content":"x"}}`, actions.Snapshot{Version: "1793520123456"}},
		{"blanked", `{"id":"1","etag":"5","body":{"content":""}}`, actions.Snapshot{Version: "5", EmptyBody: true}},
		{"no body", `{"id":"1","etag":"5","body":null}`, actions.Snapshot{Version: "5", EmptyBody: true}},
		{"deleted", plain + `,"deletedDateTime":"2026-11-01T08:02:03Z"}`, actions.Snapshot{Version: "5", Deleted: true}},
		{"not deleted", plain + `,"deletedDateTime":null}`, actions.Snapshot{Version: "5"}},
		{"blocked", plain + `,"policyViolation":{"dlpAction":"blockAccess","verdictDetails":"none","userAction":"none","policyTip":{"generalText":"t","complianceUrl":"u","matchedConditionDescriptions":["c"]}}}`,
			actions.Snapshot{Version: "5", Violation: &actions.Seen{DLPAction: "blockAccess", VerdictDetails: "none", UserAction: "none", TipText: "t", URL: "u", Matched: []string{"c"}}}},
		{"odd casing", `{"Id":"1","ETag":"5","Body":{"Content":"x"},"PolicyViolation":{"DlpAction":"BlockAccess","UserAction":"Override, ReportFalsePositive","JustificationText":"j","policyTip":null}}`,
			actions.Snapshot{Version: "5", Violation: &actions.Seen{DLPAction: "BlockAccess", UserAction: "Override, ReportFalsePositive", Justification: "j"}}},
	}
	for _, c := range cases {
		got, ok := Snapshot([]byte(c.json))
		if diff := cmp.Diff(c.want, got); !ok || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.name, ok, diff)
		}
	}
	for _, bad := range []string{``, `null`, `[]`, `{}`, `"x"`, `{"id":1}`, `{"id":"1","policyViolation":"blockAccess"}`, `<html>`, `{"id":"1"`} {
		if s, ok := Snapshot([]byte(bad)); ok {
			t.Errorf("%s was taken as %+v", bad, s)
		}
	}
	odd, _ := Snapshot([]byte(`{"id":"1","policyViolation":{"userAction":"Override, ReportFalsePositive"}}`))
	if !odd.Violation.Overridden() || !odd.Violation.Reported() {
		t.Error("the sender's override is lost in odd casing")
	}
}

func FuzzSnapshot(f *testing.F) {
	f.Add([]byte(`{"id":"1","etag":"5","policyViolation":{"dlpAction":"blockAccess","userAction":"Override, ReportFalsePositive"}}`))
	f.Add([]byte(`{"id":"1","body":null,"policyViolation":{}}`))
	trial.Fuzz(f, 2000, func(t *testing.T, data []byte) {
		if s, ok := Snapshot(data); ok && s.Violation != nil {
			s.Violation.Overridden()
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(403, []byte(`{}`), "")
	f.Add(429, []byte(`{"error":{"code":"TooManyRequests","message":"m","innerError":{"request-id":"1"}}}`), "2.128")
	f.Add(502, []byte(`<html>`), "Sun, 06 Nov 1994 08:49:37 GMT")
	trial.Fuzz(f, 2000, func(t *testing.T, status int, body []byte, after string) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader(body))}
		if e := Refusal(resp, time.Now()); e.Status != status || e.Code == "" || word(e.Code) != e.Code || e.RetryAfter < 0 {
			t.Errorf("%+v", e)
		}
	})
}
