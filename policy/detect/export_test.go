package detect

import (
	"fmt"
	"regexp"
	"strings"
)

// Regexps returns the built-in detectors as a program of regular expressions would
// have them, one or more for each: the baseline that the engine is compared with.
func Regexps() []*regexp.Regexp {
	all := append([]*regexp.Regexp{}, patterns...)
	const sep = `[ ./_-]?`
	for _, k := range builtin {
		for _, form := range k.Tokens {
			all = append(all, tokenRegexp(k, form))
		}
		switch {
		case k.number != nil:
			f := k.number
			alternatives := []string{fmt.Sprintf(`\d{%d,%d}`, f.min, f.max)}
			for _, l := range f.layouts {
				groups := make([]string, len(l))
				for i := range len(l) {
					groups[i] = fmt.Sprintf(`\d{%d}`, l[i])
				}
				alternatives = append(alternatives, strings.Join(groups, sep))
			}
			p := `(?:` + strings.Join(alternatives, "|") + `)`
			if f.before > 0 {
				p = fmt.Sprintf(`[A-Za-z]{%d}%s`, f.before, sep) + p
			}
			if f.after > 0 {
				p += fmt.Sprintf(`%s[A-Za-z]{%d}`, sep, f.after)
			}
			all = append(all, regexp.MustCompile(`\b`+p+`\b`))
		case k.code != nil:
			var alternatives []string
			for _, p := range k.code.patterns {
				var b strings.Builder
				for i := range len(p) {
					switch c := p[i]; {
					case c == 'A':
						b.WriteString(`[A-Za-z]`)
					case c == '9':
						b.WriteString(`\d`)
					case c == 'X':
						b.WriteString(`[A-Za-z0-9]`)
					case c == '_':
						b.WriteString(sep)
					case c == '<':
						b.WriteString(`\(?`)
					case c == '>':
						b.WriteString(`\)?`)
					case isLower(c):
						fmt.Fprintf(&b, "[%c%c]", c, c&^0x20)
					default:
						b.WriteString(regexp.QuoteMeta(string(c)))
					}
				}
				alternatives = append(alternatives, b.String())
			}
			all = append(all, regexp.MustCompile(`\b(?:`+strings.Join(alternatives, "|")+`)`))
		}
	}
	return all
}

// tokenRegexp writes the form of a secret as an expression: after its prefix, or given
// to the name of its service.
func tokenRegexp(k *kind, form string) *regexp.Regexp {
	var b strings.Builder
	if form, anyCase := strings.CutPrefix(form, "(?i)"); anyCase {
		b.WriteString("(?i)" + regexp.QuoteMeta(form[:strings.IndexByte(form, '{')]))
	} else if !k.byName {
		b.WriteString(regexp.QuoteMeta(form[:strings.IndexByte(form, '{')]))
	} else {
		b.WriteString(`(?i)\b(?:` + strings.Join(k.Words, "|") + `)[\w .-]{0,20}["']?\s{0,3}(?:=|:|=>|:=)\s{0,3}["']?`)
	}
	parts, err := parseParts(form[strings.IndexByte(form, '{'):])
	if err != nil {
		panic(err)
	}
	for _, p := range parts {
		if p.text != "" {
			b.WriteString(regexp.QuoteMeta(p.text))
			continue
		}
		fmt.Fprintf(&b, "[A-Za-z0-9+/_=.-]{%d,%d}", min(p.min, 300), min(p.max, 300))
	}
	return regexp.MustCompile(b.String())
}

// Chat is a clean message of 2 KB as Teams writes them. Talk is one too, of hardly
// anything but ids, dates, hashes and links. Short has 120 bytes.
var (
	Chat = strings.Repeat(`<div><p>Morning <at id="0">Li Wei</at>,</p><p>&nbsp;</p><p>could you look at <a href="https://contoso.sharepoint.test/sites/eng/plan.docx?web=1" rel="noreferrer noopener" title="plan.docx">the plan</a>? `+
		`It&#39;s <strong>due on Friday</strong>, and the numbers on <em>page&nbsp;12</em> do not add up with what Ana said on 3 November.</p>`+
		`<ul><li>scope: fine, <span style="font-size:inherit">minor edits</span></li><li>budget: see <code>sheet 2</code></li></ul>`+
		`<blockquote itemtype="http://schema.skype.com/Reply"><p>We moved the review to 14:00, room 4.</p></blockquote><p>Thanks &amp; see you <emoji id="smile" alt="🙂" title="Smile"></emoji></p></div>`, 4)[:2048]
	Talk  = (talk + talk)[:2048]
	Short = (`<p>Morning Ana, could you have a look at <b>the plan</b> until Friday? I have added what Li said on page&nbsp;12. Thanks!</p>` + "<p></p>")[:120]
)

// RaceEnabled says that the race detector runs.
const RaceEnabled = raceEnabled
