package graphtwin

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Request is one line of the journal: a request to Graph or to the token
// service, as it came and as it was answered.
type Request struct {
	At              time.Time `json:"at"`
	RequestID       string    `json:"request_id"`
	ClientRequestID string    `json:"client_request_id,omitempty"`
	TenantID        string    `json:"tenant_id,omitempty"` // of the token it carried
	AppID           string    `json:"app_id,omitempty"`
	Method          string    `json:"method"`
	Path            string    `json:"path"` // decoded
	Query           string    `json:"query,omitempty"`
	// Body is what was sent to Graph, decoded; nothing for the token service.
	Body       string `json:"body,omitempty"`
	Status     int    `json:"status"` // as answered; 0 if the connection was reset
	RetryAfter string `json:"retry_after,omitempty"`
	// MessageID is the message (Message.ID) that the request was about.
	MessageID string `json:"message_id,omitempty"`
	// Applied says that it changed something, whatever was answered.
	Applied         bool   `json:"applied,omitempty"`
	Fault           string `json:"fault,omitempty"` // what the fault desk did
	Throttled       bool   `json:"throttled,omitempty"`
	Authorized      bool   `json:"authorized"` // an Authorization header was sent
	UserAgent       string `json:"user_agent,omitempty"`
	ContentEncoding string `json:"content_encoding,omitempty"`
	Done            bool   `json:"done"` // false while it is being served
}

// maxJournal is how many requests and how many deliveries are remembered; then the
// oldest quarter is forgotten.
const maxJournal = 200_000

// remember appends to a journal within its bound.
func remember[T any](journal []T, entry T) []T {
	if len(journal) >= maxJournal {
		journal = slices.Delete(journal, 0, maxJournal/4)
	}
	return append(journal, entry)
}

// Filter chooses requests. The zero value takes all.
type Filter struct {
	Method string // empty: any
	Path   string // regular expression over the decoded path; empty: any
	Status int    // 0: any
	// MessageID is a Message.ID.
	MessageID string
	// Applied takes only those that changed something.
	Applied bool
}

// Requests returns the journal's lines that the filter takes, oldest first; of
// very many, the last 150,000 at least. It panics if Filter.Path is not a regular expression.
func (t *Twin) Requests(f Filter) []Request {
	re := regexp.MustCompile(f.Path)
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Request{}
	for _, r := range t.journal {
		switch {
		case f.Method != "" && !strings.EqualFold(f.Method, r.Method):
		case !re.MatchString(r.Path):
		case f.Status != 0 && f.Status != r.Status:
		case f.MessageID != "" && f.MessageID != r.MessageID:
		case f.Applied && !r.Applied:
		default:
			list = append(list, *r)
		}
	}
	return list
}

// Patches returns the requests that tried to PATCH a chatMessage, oldest first.
func (t *Twin) Patches() []Request {
	return t.Requests(Filter{Method: "PATCH", Path: `/messages/`})
}

// ForgetRequests empties the journal.
func (t *Twin) ForgetRequests() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.journal = nil
}
