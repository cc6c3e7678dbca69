package detect

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"teamsdlp/policy/extract"
)

// talk is chat of about 2 KB with ids, links, hashes and dates but nothing
// sensitive; mixed adds three findings.
var (
	talk = strings.Repeat(`<p>Hi <at id="0">Li Wei</at>,&nbsp;the build 20261101.4 is red since 10:42, see <a href="https://dev.contoso.test/runs/48213?view=logs">the run</a>.</p>`+
		`<p>Commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 touched 14 files; trace 7c1a9e44-52a1-4b0f-9d5e-0c5f4b7f1a11.</p>`+
		`<p>I moved the review to 2026-11-03 14:00, room 4.117. Could you bring the numbers for Q3 (1,204 of 3,881)? Thanks &amp; see you &#128578;</p>`, 4)
	mixed = strings.Replace(talk, "room 4.117", "card 4539 5787 6362 1486, mail jane@contoso.com, IBAN DE75512108001245126199", 1)
)

const shortTalk = "<p>Hi, the build 20261101.4 is red since 10:42, can you look? It is the run of 2026-11-01, see https://dev.contoso.test/48213</p>"

// patterns are the built-in detectors as a program of regular expressions would
// have them, for comparison.
var patterns = func() (all []*regexp.Regexp) {
	for _, p := range []string{
		`\b(?:\d[ -]?){12,19}\b`, `\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b`, `\b\d{3}[- ]\d{2}[- ]\d{4}\b`, `\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b`, `\b\d{3}[ -]?\d{3}[ -]?\d{4}\b`,
		`\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b`, `\b[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}\b`, `\b[XYZ]-?\d{7}-?[A-Z]\b`, `\b\d{8}-?[A-Z]\b`, `\b\d{9}\b`, `\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b`,
		`[\w.%+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,24}`, `\+\d[\d .()-]{6,20}\d`, `\(?\b[2-9]\d{2}\)?[ .-][2-9]\d{2}[ .-]\d{4}\b`, `\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b`,
		`\b[A-Za-z0-9/+]{40}\b`, `\bgh[pousr]_[A-Za-z0-9]{36,255}\b`, `\bgithub_pat_\w{60,255}\b`, `\bglpat-[\w-]{20,}\b`, `(?i)AccountKey=[A-Za-z0-9/+]{86}==`, `\b[\w.~-]{3}\dQ~[\w.~-]{31,34}\b`,
		`\bxox[abeprs]-[A-Za-z0-9-]{24,}\b`, `hooks\.slack\.com/services/[\w/]{36,}`, `\b[sr]k_live_[A-Za-z0-9]{20,}\b`, `\bAIza[\w-]{35}\b`, `-----BEGIN [A-Z ]*PRIVATE KEY`,
		`\beyJ[\w-]+\.[\w-]+\.[\w-]+\b`, `\w+://[^\s:@/]+:[^\s@/]+@\S+`, `(?i)\b(?:api[_-]?key|secret|token)\b\W{0,3}[:=]\W{0,3}\S{16,}`, `(?i)\b(?:password|passwort|pwd|pw)\b\W{0,3}[:=]\W{0,3}\S{4,}`,
	} {
		all = append(all, regexp.MustCompile(p))
	}
	return all
}()

func BenchmarkScan(b *testing.B) {
	for _, tc := range []struct{ name, src string }{{"clean", talk}, {"mixed", mixed}, {"short", shortTalk}} {
		src := extract.Source{Body: tc.src, HTML: true}
		b.Run(tc.name, func(b *testing.B) {
			text := extract.Message(src)
			b.SetBytes(int64(len(tc.src)))
			b.ReportAllocs()
			for b.Loop() {
				builtinEngine.Scan(text, Options{})
			}
		})
		b.Run(tc.name+"+extract", func(b *testing.B) {
			var text extract.Text
			b.SetBytes(int64(len(tc.src)))
			b.ReportAllocs()
			for b.Loop() {
				text.Load(src)
				builtinEngine.Scan(&text, Options{})
			}
		})
		b.Run(tc.name+"+regexp", func(b *testing.B) {
			text := extract.Message(src)
			b.SetBytes(int64(len(tc.src)))
			b.ReportAllocs()
			for b.Loop() {
				for _, re := range patterns {
					re.FindAllIndex(text.Bytes(), -1)
				}
			}
		})
	}
}

// BenchmarkBeside measures what exact data and copies of forms cost beside the
// catalogue, in turns, so that the shares are of the same minute and machine: the time
// of a scan with them, as a multiple of one without.
func BenchmarkBeside(b *testing.B) {
	exact := func(spec string) Detector {
		return Detector{ID: "x", WithContext: High, Exact: &Exact{Table: tableOf(b, customers, spec)}}
	}
	form := Detector{ID: "form", Fingerprint: &Fingerprint{Text: claimForm, High: 80}}
	besides := []struct {
		name string
		also []Detector
	}{
		{"catalogue", nil}, {"numbers", []Detector{exact("customer_no=digits,last name=text")}}, {"names", []Detector{exact("last name=text,email=email")}},
		{"emails", []Detector{exact("email=email,phone=digits")}}, {"verbatim", []Detector{exact("contract=verbatim,email=email")}}, {"form", []Detector{form}},
		{"names-and-form", []Detector{exact("last name=text,email=email"), form}},
	}
	var engines []*Engine
	for _, x := range besides {
		engines = append(engines, exactEngine(b, x.also...))
	}
	for _, tc := range []struct{ name, body string }{{"chat", Chat}, {"dense", Talk}} {
		b.Run(tc.name, func(b *testing.B) {
			text := extract.HTML(tc.body)
			best := make([]time.Duration, len(engines)) // what else runs on the machine only adds
			for b.Loop() {
				for i, e := range engines {
					from := time.Now()
					for range 20 {
						e.Scan(text, Options{})
					}
					if d := time.Since(from); best[i] == 0 || d < best[i] {
						best[i] = d
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(best[0].Nanoseconds())/20e3, "us-"+besides[0].name)
			for i, x := range besides[1:] {
				b.ReportMetric(float64(best[i+1])/float64(best[0]), "x-with-"+x.name)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustNew()
	}
}

// A clean message costs no memory, once the engine is warm.
func TestCleanAllocatesNothing(t *testing.T) {
	var text extract.Text
	src := extract.Source{Body: talk, HTML: true}
	text.Load(src)
	if m := builtinEngine.Scan(&text, Options{}); m != nil {
		t.Fatalf("the talk is not clean: %+v", m)
	}
	if raceEnabled {
		return // the race detector drops pooled memory at random
	}
	if n := testing.AllocsPerRun(200, func() { text.Load(src); builtinEngine.Scan(&text, Options{}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if m := builtinEngine.Scan(extract.Message(extract.Source{Body: mixed, HTML: true}), Options{}); len(m) != 3 {
		t.Errorf("the mixed talk has %d findings, want 3: %+v", len(m), m)
	}
}
