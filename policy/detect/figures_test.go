package detect_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// company is what a company of some size has: twenty detectors of its own and two
// hundred rules of the mix that people write. It returns what the rules look for
// besides as regular expressions.
func company(b testing.TB) (*policy.Set, []*regexp.Regexp) {
	b.Helper()
	var own []detect.Detector
	var also []*regexp.Regexp
	add := func(p string) { also = append(also, regexp.MustCompile(p)) }
	for i := range 20 {
		p := []string{`\bCE%d-\d{6}\b`, `\b%d\d{7}\b`, `(?i)\bcust[- ]?%d[a-z]\d{4}\b`, `\b[A-Z]{2}%d\d{5}[A-Z]\b`}[i%4]
		p = fmt.Sprintf(p, i)
		add(p)
		own = append(own, detect.Detector{ID: fmt.Sprint("own-", i), Patterns: []string{p}, Words: []string{"employee", "customer"}, Alone: detect.Internal, WithContext: detect.High})
	}
	engine, errs := detect.New(own)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	ids := engine.IDs()
	var rules []*policy.Rule
	for i := range 200 {
		var when policy.Condition = &policy.Detect{Detector: ids[i%len(ids)], Level: []detect.Level{65, 75, 85}[i%3], Count: policy.Range{Min: 1 + i%5}}
		scope := policy.Scope{}
		switch i % 10 {
		case 1, 2:
			when = policy.All{when, policy.External}
		case 3:
			when = policy.All{when, policy.Not{Condition: &policy.Keywords{Terms: []string{"test card", "sample"}}}}
			add(`(?i)\b(?:test card|sample)\b`)
		case 4:
			terms := []string{fmt.Sprint("bluebird ", i), fmt.Sprint("operation", i), "lotus"}
			when = &policy.Keywords{List: fmt.Sprint("list", i), Terms: terms}
			add(`(?i)\b(?:` + strings.Join(terms, "|") + `)\b`)
		case 5:
			p := fmt.Sprintf(`(?i)project-%d-[a-z]\d+`, i)
			add(p)
			when = &policy.Regex{Pattern: regexp.MustCompile(p)}
		case 6:
			scope.NotInGroups = []policy.Group{{Name: "pci", ObjectID: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"}}
		case 7:
			scope.Conversations = []string{"channel"}
		}
		rules = append(rules, policy.NewRule(policy.Rule{ID: fmt.Sprint("rule-", i), Severity: policy.High, Mode: policy.Enforce, Action: policy.Block}, scope, when, nil))
	}
	return policy.NewSet("gen", engine, rules, detect.Options{}), also
}

// way is the whole way of a message: extract, scan, judge.
type way struct {
	set  *policy.Set
	text extract.Text
	m    policy.Message
}

func newWay(set *policy.Set) *way {
	w := &way{set: set}
	w.m = policy.Message{TenantID: "home", Text: &w.text, Sender: policy.Sender{ID: "ana", Kind: "aadUser"}}
	return w
}

var final = &policy.Context{Final: true}

func (w *way) go1(src extract.Source) policy.Action {
	w.text.Load(src)
	j := w.set.Begin(&w.m)
	v := j.Judge(final, now)
	j.End()
	return v.Action
}

func tokenize(markup string) (n int) {
	z := html.NewTokenizer(strings.NewReader(markup))
	for z.Next() != html.ErrorToken {
		n += len(z.Token().Data)
	}
	return n
}

// BenchmarkFigures measures a message's way beside what it is compared with, in
// turns, so that the ratios are of the same minute and machine: Go's HTML tokenizer
// alone on the same markup, and the same patterns one by one through package regexp
// on the extracted text.
func BenchmarkFigures(b *testing.B) {
	b.Run("chat", func(b *testing.B) { figures(b, detect.Chat) })
	b.Run("dense", func(b *testing.B) { figures(b, detect.Talk) })
}

func figures(b *testing.B, body string) {
	set, also := company(b)
	regexps := append(detect.Regexps(), also...)
	talk, short := extract.Source{Body: body, HTML: true}, extract.Source{Body: detect.Short, HTML: true}
	w := newWay(set)
	// Each figure is the best of its turns: what else runs on the machine only adds.
	const never = time.Duration(1<<63 - 1)
	ours, small, tokens, raw, one := never, never, never, never, never
	timed := func(best *time.Duration, times int, f func()) {
		from := time.Now()
		for range times {
			f()
		}
		*best = min(*best, time.Since(from)/time.Duration(times))
	}
	for b.Loop() {
		w.text.Load(talk)
		timed(&one, 1, func() {
			for _, re := range regexps {
				re.FindAllIndex(w.text.Bytes(), -1)
			}
		})
		for range 10 {
			timed(&ours, 10, func() { w.go1(talk) })
			timed(&small, 50, func() { w.go1(short) })
			timed(&tokens, 10, func() { tokenize(talk.Body) })
			timed(&raw, 10, func() {
				z := html.NewTokenizer(strings.NewReader(talk.Body))
				for z.Next() != html.ErrorToken {
				}
			})
		}
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(us(ours), "us/2KB")
	b.ReportMetric(us(small), "us/120B")
	b.ReportMetric(us(tokens), "us-tokenizer")
	b.ReportMetric(us(raw), "us-tokenizer-next-only")
	b.ReportMetric(us(one)/1000, "ms-regexp")
	b.ReportMetric(float64(len(regexps)), "regexps")
	b.ReportMetric(float64(ours)/float64(tokens), "of-tokenizer")
	b.ReportMetric(float64(one)/float64(ours), "x-regexp")
	b.ReportMetric(float64(small)/float64(ours), "short-of-2KB")
}

// BenchmarkMessage is a message's way, by what is in it.
func BenchmarkMessage(b *testing.B) {
	set, _ := company(b)
	found := strings.Replace(detect.Talk, "room 4.117", "card 4539 5787 6362 1486, mail jane@contoso.com, IBAN DE75512108001245126199", 1)
	for _, tc := range []struct{ name, body string }{
		{"clean/120B", detect.Short}, {"clean/2KB", detect.Chat}, {"dense/2KB", detect.Talk}, {"found/2KB", found}, {"clean/256KB", strings.Repeat(detect.Talk, 128)},
		{"digits/256KB", strings.Repeat("4", 256<<10)}, {"at/256KB", strings.Repeat("@", 256<<10)}, {"nested/256KB", strings.Repeat("<div>", 256<<10/5)},
		{"entities/600KB", strings.Repeat("&#52; ", 100_000)}, {"word/256KB", strings.Repeat("a", 256<<10)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			w, src := newWay(set), extract.Source{Body: tc.body, HTML: true}
			b.SetBytes(int64(len(tc.body)))
			b.ReportAllocs()
			for b.Loop() {
				w.go1(src)
			}
		})
	}
}

// BenchmarkStart is the loading of the whole catalogue and two hundred rules.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	var set *policy.Set
	for b.Loop() {
		set = nil //nolint:ineffassign,wastedassign // or it would be kept until the next stands beside it
		runtime.GC()
		runtime.ReadMemStats(&before)
		set, _ = company(b)
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-kept")
	runtime.KeepAlive(set)
}

// A clean message costs no memory the whole way, once everything is warm.
func TestCleanWayAllocatesNothing(t *testing.T) {
	set, _ := company(t)
	for _, body := range []string{detect.Chat, detect.Talk, detect.Short} {
		w, src := newWay(set), extract.Source{Body: body, HTML: true}
		for range 3 {
			if got := w.go1(src); got != policy.NoAction {
				t.Fatalf("the talk is not clean: %s", got)
			}
		}
		if detect.RaceEnabled {
			continue // the race detector drops pooled memory at random
		}
		if n := testing.AllocsPerRun(200, func() { w.go1(src) }); n > 0 {
			t.Errorf("%v allocations for %d bytes", n, len(body))
		}
	}
}
