package test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"teamsdlp/test/graphtwin"
)

// What people say in the planted test. Each stands nowhere else, so that finding
// it anywhere is a leak; none is whole in its own mask. In pieces, so that no
// scanner takes this file for a leak.
const (
	plantedCard     = "4929 5168 " + "3177 2400"
	plantedOther    = "5553-4124-" + "9244-1115" // in a justification, a reason and Graph's answers
	plantedKey      = "AKIA" + "Z7QX3MVBN5KJTRWD"
	plantedMail     = "quill.feather+x9@planted" + ".example"
	plantedSentence = `the heron said "hé, over <the> violet/bridge"` + " at dawn & left"
	plantedName     = "heron migration plan.xlsx"
	plantedEdit     = "a second heron came by the same road"
	plantedClean    = "nobody minds what the third heron sang"
)

var planted = []string{plantedCard, plantedOther, plantedKey, plantedMail, plantedSentence, plantedName, plantedEdit, plantedClean}

// forms returns every way in which a value might be written down.
func forms(value string) map[string][]byte {
	wide := func(order binaryOrder) []byte {
		var b []byte
		for _, u := range utf16.Encode([]rune(value)) {
			b = order(b, u)
		}
		return b
	}
	f := map[string][]byte{
		"as typed":                    []byte(value),
		"JSON":                        []byte(inJSON(value, false)),
		"JSON for HTML":               []byte(inJSON(value, true)),
		"JSON in JSON":                []byte(inJSON(inJSON(value, false), false)),
		"JSON in JSON, both for HTML": []byte(inJSON(inJSON(value, true), true)),
		"JSON for HTML in JSON":       []byte(inJSON(inJSON(value, true), false)),
		"JSON in ASCII":               asciiJSON(value),
		"HTML":                        []byte(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(value)),
		"HTML, named quote":           []byte(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(value)),
		"UTF-16LE":                    wide(func(b []byte, u uint16) []byte { return append(b, byte(u), byte(u>>8)) }),
		"UTF-16BE":                    wide(func(b []byte, u uint16) []byte { return append(b, byte(u>>8), byte(u)) }),
		"URL query":                   []byte(url.QueryEscape(value)),
		"URL path":                    []byte(url.PathEscape(value)),
		"hex":                         []byte(hex.EncodeToString([]byte(value))),
		"HEX":                         []byte(strings.ToUpper(hex.EncodeToString([]byte(value)))),
		"Go's %v of bytes":            []byte(strings.Trim(fmt.Sprint([]byte(value)), "[]")),
		"Go's %q":                     []byte(strings.Trim(fmt.Sprintf("%q", value), `"`)),
	}
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for offset := range 3 {
			f[fmt.Sprintf("%s at %d", name, offset)] = aligned(enc, value, offset)
		}
	}
	if d := digits(value); len(d) >= 12 {
		f["digits only"] = []byte(d)
	}
	return f
}

// inJSON is s as it stands within the quotes of a JSON string.
func inJSON(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(s) // a string
	quoted := strings.TrimSuffix(b.String(), "\n")
	return quoted[1 : len(quoted)-1]
}

type binaryOrder = func([]byte, uint16) []byte

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func asciiJSON(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		switch {
		case u == '"' || u == '\\':
			b = append(b, '\\', byte(u))
		case u < 0x80:
			b = append(b, byte(u))
		default:
			b = fmt.Appendf(b, `\u%04x`, u)
		}
	}
	return b
}

// aligned is the part of value's base64 that does not depend on its neighbours,
// when offset bytes (modulo 3) stand before it.
func aligned(enc *base64.Encoding, value string, offset int) []byte {
	padded := append(make([]byte, offset), value...)
	padded = padded[:len(padded)/3*3]
	out := enc.EncodeToString(padded)
	if offset > 0 {
		out = out[4:]
	}
	return []byte(out)
}

// needle is one form of one value.
type needle struct {
	value, form string
	bytes       []byte
}

func needles(values ...string) []needle {
	var list []needle
	for _, v := range values {
		all := []string{v}
		if d := digits(v); len(d) >= 12 {
			all = append(all, d) // as typed, and as it may be normalised
		}
		for _, x := range all {
			for form, b := range forms(x) {
				list = append(list, needle{v, form, b})
			}
		}
	}
	return list
}

// leaks returns where in a haystack a needle is.
func leaks(where string, haystack []byte, list []needle) []string {
	var found []string
	for _, n := range list {
		if bytes.Contains(haystack, n.bytes) {
			found = append(found, fmt.Sprintf("%s holds %q (%s)", where, n.value, n.form))
		}
	}
	slices.Sort(found)
	return found
}

// filesUnder is the content of every file of a directory.
func filesUnder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// plant has people say, edit, override and report the planted values in every
// place that a message has, has Graph answer with them, and has analysts write
// them into reasons. Everything has settled when it returns; the service is up.
func plant(t *testing.T, s *site, twin *graphtwin.Twin) {
	t.Helper()
	post := func(p graphtwin.Post) graphtwin.Message {
		t.Helper()
		m, err := twin.Say(p)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(plantedSentence)
	adaptive, err := json.Marshal(map[string]any{"type": "AdaptiveCard", "version": "1.4", "body": []any{map[string]any{"type": "TextBlock", "text": plantedCard + " " + plantedSentence}}})
	if err != nil {
		t.Fatal(err)
	}
	inCard := post(graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>see <attachment id=\"a1\"></attachment></p>", Attachments: []graphtwin.Attachment{
		{ID: "a1", ContentType: "application/vnd.microsoft.card.adaptive", Content: string(adaptive)},
		{ID: "a2", ContentType: "reference", ContentURL: "https://contoso.example/" + url.PathEscape(plantedName) + "?card=" + digits(plantedCard), Name: plantedName},
	}})
	inSubject := post(graphtwin.Post{As: "ana", In: "sales/general", Subject: plantedSentence + " " + plantedCard, HTML: "<p>" + escaped + " " + plantedKey + " " + plantedMail + "</p>"})
	edited := post(graphtwin.Post{As: "li", In: "deal", HTML: "<p>card " + plantedCard + " " + plantedMail + "</p>"})
	overridden := post(graphtwin.Post{As: "li", In: "standup", HTML: "<p>card " + plantedCard + "</p>"})
	shadow := post(graphtwin.Post{As: "li", In: "deal", Text: "glasshouse: " + plantedSentence + " " + plantedKey})
	post(graphtwin.Post{As: "li", In: "li-jo", Text: plantedClean})
	post(graphtwin.Post{As: "kim", In: "ext-deal", Text: plantedCard + " " + plantedSentence})
	post(graphtwin.Post{As: "max", In: "max-ana", Text: plantedCard + " " + plantedSentence})
	for _, m := range []graphtwin.Message{inCard, inSubject, edited, overridden} {
		await(t, twin, m, "blocked", blocked)
	}
	must := func(_ graphtwin.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(twin.Edit(edited.ID, "<p>"+plantedEdit+"</p>"))
	must(twin.Override(overridden.ID, "their card "+plantedOther+" and "+digits(plantedOther)+" is in the contract"))
	must(twin.Report(inSubject.ID))
	must(twin.Delete(shadow.ID))
	s.settle(twin)

	// A Graph that repeats what it was asked about, and content that is not whole.
	faults := graphtwin.Faults{
		Rules: []graphtwin.Rule{{Method: http.MethodPatch, Count: 1, Status: 400, Code: "BadRequest", Message: "cannot act on: " + plantedOther + " " + plantedSentence}},
	}
	if err := twin.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
	post(graphtwin.Post{As: "ana", In: "ana-li", Text: "card " + plantedCard})
	s.settle(twin)
	for _, kind := range []string{graphtwin.FaultFlipSignature, graphtwin.FaultFlipData, graphtwin.FaultFlipKey, graphtwin.FaultWrongCertificate, graphtwin.FaultTokenAudience, graphtwin.FaultNoContent} {
		if err := twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: kind, Count: 1}}}); err != nil {
			t.Fatal(err)
		}
		post(graphtwin.Post{As: "ana", In: "ana-li", Text: "card " + plantedCard + " " + plantedSentence})
		s.settle(twin)
	}
	if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}

	// Analysts write what they should not.
	desk := signIn(t, s)
	id := s.caseOf(inCard)
	desk.post("/cases/"+id+"/label", url.Values{"label": {"false-positive"}, "reason": {"it is " + plantedOther}}, http.StatusSeeOther)
	desk.post("/cases/"+id+"/text", url.Values{"reason": {"to see whether " + plantedOther + " is there"}}, http.StatusOK)
	desk.post("/cases/"+id+"/release", url.Values{"reason": {"only " + plantedOther}}, http.StatusSeeOther)
	await(t, twin, inCard, "released", released)
	s.settle(twin)
}

// TestPlantedValues: nothing that people said is in a program log at debug
// level, in a metric, on a page of the desk (but where the text is asked for),
// in what commands print, or in any file of the data directory.
func TestPlantedValues(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL(), oftenSealed(filepath.Join(t.TempDir(), "checkpoints")))
	s.level = "debug"
	s.up()
	plant(t, s, twin)
	list := needles(planted...)
	found := searched(s, list)

	secrets := needles(graphtwin.ContosoSecret)
	for _, sub := range twin.Subscriptions() {
		secrets = append(secrets, needles(sub.ClientState)...)
	}
	out := map[string][]byte{"standard output": []byte(s.stdout.String()), "standard error": []byte(s.stderr.String())}
	for where, data := range out {
		found = append(found, leaks(where, data, secrets)...)
		if i := bytes.Index(data, []byte("eyJ0eXAi")); i >= 0 {
			found = append(found, where+" holds a token")
		}
	}
	if len(found) > 0 {
		t.Errorf("%d leaks:\n%s", len(found), strings.Join(found, "\n"))
	}
	// That it says nothing at all would pass, too.
	if log := s.stderr.String(); !strings.Contains(log, `"msg":"action"`) || !strings.Contains(log, `"level":"debug"`) {
		t.Error("the log lacks what a debug log holds")
	}
	if n := len(s.entries("kind=view")); n != 1 {
		t.Errorf("%d entries say that the text was looked at; want 1", n)
	}
	kept := s.entries("kind=override")
	if len(kept) != 1 || !strings.Contains(kept[0].Reason, "555341••••••1115") || !strings.Contains(kept[0].Reason, "in the contract") {
		t.Errorf("override entries %+v; want one whose justification is there, with the card masked", kept)
	}
}

// searched looks everywhere: while the service runs, and after it ended.
func searched(s *site, list []needle) (found []string) {
	t := s.t
	t.Helper()
	look := func(where, data string) { found = append(found, leaks(where, []byte(data), list)...) }
	_, metrics, err := get("http://" + s.private + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	look("/metrics", metrics)
	desk := signIn(t, s)
	paths := []string{"/cases", "/coverage", "/api/cases", "/api/entries"}
	cases := map[string]bool{}
	for _, e := range s.entries() {
		if e.Case != "" && !cases[e.Case] {
			cases[e.Case] = true
			paths = append(paths, "/cases/"+e.Case, "/api/cases/"+e.Case)
			_, out, _ := run(t, "actions", "show", "--data", s.data(), e.Case)
			look("actions show", out)
		}
	}
	if len(cases) < 6 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, path := range paths {
		look(path, desk.get(path, http.StatusOK))
	}
	_, out, _ := run(t, "actions", "list", "--data", s.data(), "--entries", "--json", "--all", "after=-1")
	look("actions list", out)
	scan := func(when string) {
		files := filesUnder(t, s.data())
		size := 0
		for path, data := range files {
			look(path+when, string(data))
			size += len(data)
		}
		if size < 50_000 {
			t.Errorf("only %d bytes in %d files of the data directory", size, len(files))
		}
	}
	scan(", while it runs,")
	s.stop(t)
	scan(", after it ended,")
	look("standard output", s.stdout.String())
	look("standard error", s.stderr.String())
	return found
}

// TestPlantedValuesAreFound: the same search on a build that writes messages
// into its debug log.
func TestPlantedValuesAreFound(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.exe, s.env, s.level = faulty(t), []string{"TEAMSDLP_FAULT=log-text"}, "debug"
	s.up()
	for _, v := range planted {
		post := graphtwin.Post{As: "ana", In: "ana-li", Text: v}
		if _, err := twin.Say(post); err != nil {
			t.Fatal(err)
		}
	}
	s.settle(twin)
	s.stop(t)
	found := leaks("standard error", []byte(s.stderr.String()), needles(planted...))
	for _, v := range planted {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, fmt.Sprintf("%q", v)) }) {
			t.Errorf("a build that logs messages was not noticed by %q", v)
		}
	}
}

// TestFormsAreFound: every form is found in the midst of other bytes, at every
// alignment.
func TestFormsAreFound(t *testing.T) {
	t.Parallel()
	for _, v := range planted {
		list := needles(v)
		for before := range 3 {
			text := "abc"[:before] + v + "tail"
			for name, hay := range map[string][]byte{
				"plain":     []byte(text),
				"base64":    []byte(base64.StdEncoding.EncodeToString([]byte(text))),
				"base64url": []byte(base64.URLEncoding.EncodeToString([]byte(text))),
				"hex":       []byte(hex.EncodeToString([]byte(text))),
				"query":     []byte(url.QueryEscape(text)),
				"bytes":     fmt.Append(nil, []byte(text)),
				"quoted":    []byte(fmt.Sprintf("%q", v)),
			} {
				if len(leaks("", hay, list)) == 0 {
					t.Errorf("%q in %s after %d bytes was not found", v, name, before)
				}
			}
		}
		if found := leaks("", []byte("411111••••••1111 AKIA•••• q•••@planted.example a heron over a bridge"), list); len(found) > 0 {
			t.Errorf("a mask counts as a leak: %v", found)
		}
	}
}
