package detect

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// claimForm is an empty form, as plain text.
const claimForm = `ACCIDENT CLAIM FORM
Please complete every section in block capitals and return the form to your claims handler within fourteen days.

1. Insured person
Full name: ______________  Date of birth: ____/____/______
Policy number: ____________  Home telephone number: ..............
Occupation at the time of the accident: ______________________

2. The accident
Date and time of the accident: ____________________
Describe in your own words how the accident happened: ______________________________
______________________________________________________________________________
Were the police informed of the accident?  [ ] yes  [ ] no
Names and addresses of any witnesses: {{witnesses}}

3. Declaration
I declare that the statements made on this form are true and complete to the best of my knowledge and belief,
and I authorise any doctor who has treated me to give information about my state of health to the insurer.
Signature: ____________________  Date: ____________
`

// filledIn is a copy of it as people paste one.
const filledIn = `hi, here is the form from this morning, can you check?

ACCIDENT CLAIM FORM
Please complete every section in block capitals and return the form to your claims handler within fourteen days.
1. Insured person
Full name: ANNA MUSTER Date of birth: 12/03/1990
Policy number: 44-1029-X Home telephone number: 030 5550123
Occupation at the time of the accident: CHEMIST
2. The accident
Date and time of the accident: 3 NOVEMBER, ABOUT TEN PAST SEVEN IN THE MORNING
Describe in your own words how the accident happened: I WAS ON MY BICYCLE ON THE CYCLE LANE OF THE HIGH STREET WHEN THE DOOR OF A PARKED CAR
OPENED IN FRONT OF ME. I COULD NOT STOP AND FELL ONTO THE ROAD, WHERE A PASSER-BY HELPED ME.
Were the police informed of the accident? [x] yes [ ] no
Names and addresses of any witnesses: LI WEI, 4 MARKET ROW
3. Declaration
I declare that the statements made on this form are true and complete to the best of my knowledge and belief, and I authorise
any doctor who has treated me to give information about my state of health to the insurer.
Signature: A. Muster Date: 4 November

thanks!`

func TestFingerprint(t *testing.T) {
	e := exactEngine(t, Detector{ID: "claim-form", Family: "content", Fingerprint: &Fingerprint{Text: claimForm, Low: 40, Medium: 60, High: 80}})
	lines := strings.Split(filledIn, "\n")
	table := "<table>"
	for _, l := range strings.Split(strings.TrimSpace(filledIn), "\n") {
		table += "<tr><td>" + strings.Replace(l, ": ", "</td><td>", 1) + "</td></tr>"
	}
	table += "</table>"
	declaration := "I declare that the statements made on this form are true and complete to the best of my knowledge and belief"
	prose := strings.Repeat("Full name and date of birth are on page two; how the accident happened is for the police to say, and the policy number is in the wiki. ", 40)
	for name, tc := range map[string]struct {
		in   string
		html bool
		want Level
	}{
		"the empty form":             {claimForm, false, High},
		"filled in":                  {filledIn, false, High},
		"other case and blanks":      {strings.ToLower(strings.ReplaceAll(filledIn, " ", "  ")), false, High},
		"as a table":                 {table, true, High},
		"on one line":                {strings.ReplaceAll(filledIn, "\n", " "), false, High},
		"wrapped anew":               {strings.Join(strings.Fields(filledIn), "\n"), false, High},
		"hidden characters":          {strings.ReplaceAll(filledIn, "e", "e\u200b"), false, High},
		"inside much else":           {strings.Repeat("lorem ipsum dolor sit amet. ", 500) + filledIn + strings.Repeat(" sed do eiusmod", 500), false, High},
		"two thirds of it":           {strings.Join(lines[:16], "\n"), false, Medium},
		"the second half":            {strings.Join(lines[len(lines)*6/10:], "\n"), false, Low},
		"the declaration":            {declaration, false, 0},
		"prose about it":             {prose, false, 0},
		"its lines far apart":        {strings.Join(lines, strings.Repeat(" lorem ipsum dolor sit", 400)+"\n"), false, 0},
		"other prose":                {talk, true, 0},
		"its words in another order": {strings.Join(wordsReversed(strings.Fields(filledIn)), " "), false, 0},
		"nothing":                    {"", false, 0},
	} {
		text := extract.Message(extract.Source{Body: tc.in, HTML: tc.html})
		m := e.Scan(text, Options{Only: map[string]bool{"claim-form": true}})
		var got Level
		for _, m := range m {
			got = m.Level
			if m.Masked != "claim-form" || m.Value.Reveal() != "claim-form" {
				t.Errorf("%s: masked as %q", name, m.Masked)
			}
			if text := string(text.Bytes()[m.Start:m.End]); strings.Contains(text, "lorem") || strings.HasPrefix(text, "hi, here") {
				t.Errorf("%s: the match is wider than the form", name)
			}
		}
		if got != tc.want || len(m) > 1 {
			t.Errorf("%s: level %d, want %d; %d matches: %+v", name, got, tc.want, len(m), m)
		}
	}
}

func wordsReversed(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[len(words)-1-i] = w
	}
	return out
}

// Several forms that share their declaration are told apart, and a level that is
// not asked for is not given.
// A form is known by what base64, hexadecimal digits and escapes say as well, as far
// as they are decoded.
func TestFingerprintDecoded(t *testing.T) {
	e := exactEngine(t, Detector{ID: "claim-form", Family: "content", Fingerprint: &Fingerprint{Text: claimForm, Low: 40, High: 80}})
	percent := strings.ReplaceAll(url.QueryEscape(filledIn), "+", "%20")
	for name, blob := range map[string]string{
		"base64":       base64.StdEncoding.EncodeToString([]byte(filledIn)),
		"hexadecimal":  hex.EncodeToString([]byte(filledIn)),
		"base64 twice": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(filledIn)))),
		"percent":      percent,
	} {
		text := "look: " + blob + " thanks"
		m := e.Scan(extract.Plain(text), Options{Only: map[string]bool{"claim-form": true}})
		if len(m) != 1 || m[0].Detector != "claim-form" || m[0].Level != High || text[m[0].Start:m[0].End] != blob || !strings.Contains(m[0].Why, "decoded from") || !m[0].Obfuscated {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m := e.Scan(extract.Plain("look: "+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("the policy number is in the wiki. ", 20)))), Options{}); len(m) > 0 {
		t.Errorf("%+v", m)
	}
}

func TestFingerprintsOfManyForms(t *testing.T) {
	var list []Detector
	var forms []string
	for i := range 20 {
		form := fmt.Sprintf("Form %d for department number %d of the company\nThe matter of part %d is: ____\n", i, i, i)
		for k := range 10 {
			form += fmt.Sprintf("Please state item%d%d in words of your own: ____\n", i, k)
		}
		forms = append(forms, form+"I declare that the statements made on this form are true and complete\n")
		list = append(list, Detector{ID: fmt.Sprint("form", i), Family: "content", Fingerprint: &Fingerprint{Text: forms[i], High: 70}})
	}
	e := exactEngine(t, list...)
	for i, form := range forms {
		m := e.Scan(extract.Plain(form), Options{})
		if len(m) != 1 || m[0].Detector != fmt.Sprint("form", i) {
			t.Errorf("form %d: %+v", i, m)
		}
	}
	for _, d := range e.Detectors() {
		if d.Fingerprint != nil && (d.Alone != High || d.WithContext != High) {
			t.Errorf("%s says %d and %d", d.ID, d.Alone, d.WithContext)
		}
	}
}

// Of a long form a sample is kept, and a copy is still known.
func TestFingerprintOfALongForm(t *testing.T) {
	long := strings.Join(longListTerms(20_000), " ")
	e := exactEngine(t, Detector{ID: "form", Family: "content", Fingerprint: &Fingerprint{Text: long, Low: 30, Medium: 60, High: 90}})
	if n := e.own[0].form.total; n != maxSketch {
		t.Errorf("%d groups are kept", n)
	}
	for part, want := range map[int]Level{len(long): High, len(long) * 3 / 4: Medium, len(long) * 2 / 5: Low, len(long) / 5: 0} {
		m := e.Scan(extract.Plain(long[:part]), Options{Only: map[string]bool{"form": true}})
		if want == 0 && m != nil || want > 0 && (len(m) != 1 || m[0].Level != want) {
			t.Errorf("%d of %d bytes: %+v, want %d", part, len(long), m, want)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	var list []Detector
	for i := range 50 {
		list = append(list, Detector{ID: fmt.Sprint("form", i), Fingerprint: &Fingerprint{Text: fmt.Sprintf("%s\nform number %d of all the forms", claimForm, i), High: 80}})
	}
	e := exactEngine(b, list...)
	s := new(scanner)
	for name, src := range map[string]string{"talk": talk + talk, "copy": filledIn} {
		text := extract.Message(extract.Source{Body: src, HTML: name == "talk"})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				s.start(e, text, Options{}, false)
				s.copies()
				s.end()
			}
		})
	}
}
