// Package answer reads what Microsoft Graph answers: a refusal, how long it asks to
// wait, and what stands on a message. It is apart from package graph, and without
// the SDK, so that it can be fuzzed and run under the race detector.
package answer

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"teamsdlp/actions"
)

// maxRefusal is the most that is read of an answer that is not a success.
const maxRefusal = 64 << 10

// Refusal reads an answer that is not a success. Whatever its body is, the
// status is kept.
func Refusal(resp *http.Response, now time.Time) *actions.CallError {
	e := &actions.CallError{
		Status:    resp.StatusCode,
		Code:      "no_code",
		RequestID: RequestID(resp.Header),
		Ambiguous: resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout,
	}
	e.RetryAfter, e.HasRetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return e
	}
	var body struct {
		Error struct {
			Code       string `json:"code"`
			Message    string `json:"message"`
			InnerError struct {
				RequestID string `json:"request-id"`
			} `json:"innerError"`
		} `json:"error"`
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case json.Unmarshal(data, &body) == nil:
		if code := word(body.Error.Code); code != "" {
			e.Code = code
		}
		e.Message = body.Error.Message
		if e.RequestID == "" {
			e.RequestID = word(body.Error.InnerError.RequestID)
		}
	case len(data) > 0 || (kind != "" && kind != "application/json"):
		e.Code = actions.NotJSON
	}
	return e
}

// retryAfter reads a Retry-After header: seconds, which Graph also sends with a
// fraction, or an HTTP date.
func retryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if math.IsNaN(seconds) || seconds < 0 {
			return 0, false
		}
		return time.Duration(min(seconds, (24*time.Hour).Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), 24*time.Hour), true
}

// RequestID is what Graph calls the request, "" if that cannot be printed.
func RequestID(h http.Header) string { return word(h.Get("request-id")) }

// word returns s if it is a code or an id, which may be printed, and else "".
func word(s string) string {
	if len(s) > 100 {
		return ""
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_' && r != '.' {
			return ""
		}
	}
	return s
}

// Snapshot decodes a message, as far as an action's outcome hangs on it.
func Snapshot(data []byte) (actions.Snapshot, bool) {
	var m struct {
		ID           string  `json:"id"`
		ETag         string  `json:"etag"`
		LastModified string  `json:"lastModifiedDateTime"`
		Deleted      *string `json:"deletedDateTime"`
		Body         *struct {
			Content string `json:"content"`
		} `json:"body"`
		PolicyViolation *struct {
			DLPAction         string `json:"dlpAction"`
			VerdictDetails    string `json:"verdictDetails"`
			UserAction        string `json:"userAction"`
			JustificationText string `json:"justificationText"`
			PolicyTip         *struct {
				GeneralText   string   `json:"generalText"`
				ComplianceURL string   `json:"complianceUrl"`
				Matched       []string `json:"matchedConditionDescriptions"`
			} `json:"policyTip"`
		} `json:"policyViolation"`
	}
	if json.Unmarshal(data, &m) != nil || m.ID == "" {
		return actions.Snapshot{}, false
	}
	s := actions.Snapshot{Version: m.ETag, Deleted: m.Deleted != nil && *m.Deleted != "", EmptyBody: m.Body == nil || m.Body.Content == ""}
	if at, err := time.Parse(time.RFC3339, m.LastModified); s.Version == "" && err == nil {
		s.Version = fmt.Sprint(at.UnixMilli())
	}
	if v := m.PolicyViolation; v != nil {
		s.Violation = &actions.Seen{DLPAction: v.DLPAction, VerdictDetails: v.VerdictDetails, UserAction: v.UserAction, Justification: v.JustificationText}
		if tip := v.PolicyTip; tip != nil {
			s.Violation.TipText, s.Violation.URL, s.Violation.Matched = tip.GeneralText, tip.ComplianceURL, tip.Matched
		}
	}
	return s, true
}
