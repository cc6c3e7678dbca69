package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// chatter is talk without anything in it, of about n bytes.
func chatter(n int) string {
	const line = "Morning all, the build from Tuesday is green again, see ticket 48213 and the notes in the wiki; lunch at 12:30? "
	return strings.Repeat(line, n/len(line)+1)[:n]
}

// manyRules is a set of 200 rules of the mix that people write.
func manyRules(b *testing.B) *Set {
	b.Helper()
	engine, errs := detect.New(nil)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	ids := engine.IDs()
	var rules []*Rule
	for i := range 200 {
		var when Condition = &Detect{Detector: ids[i%len(ids)], Level: []detect.Level{65, 75, 85}[i%3], Count: Range{Min: 1 + i%5}}
		switch i % 10 {
		case 1, 2:
			when = All{when, External}
		case 3:
			when = All{when, Not{&Keywords{Terms: []string{"test card", "sample"}}}}
		case 4:
			when = &Keywords{List: fmt.Sprint("list", i), Terms: []string{fmt.Sprint("bluebird ", i), fmt.Sprint("operation", i), "lotus"}}
		case 5:
			when = matches(fmt.Sprintf(`(?i)project-%d-[a-z]\d+`, i))
		}
		change := []func(*ruleParts){severity([]Severity{Low, Medium, High, Critical}[i%4])}
		if i%7 == 0 {
			change = append(change, scope(Scope{NotInGroups: []Group{pci}}))
		}
		if i%11 == 0 {
			change = append(change, except("e", time.Time{}, SentBy{Domains: []string{"qa.contoso.com"}}))
		}
		rules = append(rules, at(fmt.Sprint("rule-", i), when, change...))
	}
	return NewSet("gen", engine, rules, detect.Options{})
}

// BenchmarkJudge judges one message by 200 rules and the whole catalogue. The text
// is extracted beforehand.
func BenchmarkJudge(b *testing.B) {
	set := manyRules(b)
	for _, bb := range []struct {
		name string
		text string
	}{
		{"clean/120B", chatter(120)},
		{"clean/4KB", chatter(4 << 10)},
		{"card/4KB", chatter(2<<10) + " my card is 4111 1111 1111 1111, and again 4111111111111111 " + chatter(2<<10)},
		{"clean/256KB", chatter(256 << 10)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := &Message{TenantID: "home", Text: extract.Plain(bb.text), Sender: Sender{ID: ana, Kind: "aadUser"}}
			b.SetBytes(int64(len(bb.text)))
			b.ReportAllocs()
			for b.Loop() {
				set.Judge(m, &Context{Final: true}, now)
			}
		})
	}
}

// silent finds nothing.
type silent struct{}

func (silent) ScanIn(*detect.Haystack, *extract.Text, detect.Options) []detect.Match { return nil }

// BenchmarkJudgeRulesOnly is the cost of the rules beside the detectors.
func BenchmarkJudgeRulesOnly(b *testing.B) {
	set := manyRules(b)
	set.scanner = silent{}
	m := &Message{TenantID: "home", Text: extract.Plain(chatter(4 << 10)), Sender: Sender{ID: ana, Kind: "aadUser"}}
	b.ReportAllocs()
	for b.Loop() {
		set.Judge(m, &Context{Final: true}, now)
	}
}
