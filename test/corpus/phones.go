package corpus

import "strings"

// A country's numbers as people there write them: # is a digit, N one of 2 to 9.
type dialling struct {
	region   string
	national []string
	foreign  []string // to be dialled from anywhere
}

var diallings = []dialling{
	{"US", []string{"(415) N7#-####", "415-N7#-####", "646.N7#.####", "1-312-N7#-####", "206 N7# ####"}, []string{"+1 415 N7# ####", "+1 (646) N7#-####", "+1312N7#####", "+1-206-N7#-####"}},
	{"GB", []string{"0771# ######", "020 7N## ####", "0161 N## ####", "(0121) N## ####"}, []string{"+44 771# ######", "+44 (0)20 7N## ####", "+44161N######", "0044 20 7N## ####"}},
	{"DE", []string{"030 N######", "0151 N#######", "089/N######", "(0221) N##### ##"}, []string{"+49 30 N######", "+49 (0) 151 N#######", "+49151N#######", "0049 89 N######"}},
	{"FR", []string{"01 42 N# ## ##", "06.N#.##.##.##", "04-N#-##-##-##"}, []string{"+33 1 42 N# ## ##", "+33 (0)6 N# ## ## ##", "+336N#######"}},
	{"IT", []string{"06 69N# ####", "333 N######", "02 N#######"}, []string{"+39 06 69N# ####", "+39 333 N######", "+39333N######"}},
	{"ES", []string{"91N ### ###", "6N# ### ###", "93 N## ## ##"}, []string{"+34 91N ### ###", "+346N#######"}},
	{"NL", []string{"020 N## ####", "06 N#######", "06-N#######"}, []string{"+31 20 N## ####", "+31 (0)6 N#######", "+316N#######"}},
	{"PL", []string{"22 N## ## ##", "60# N## ###", "60#-N##-###"}, []string{"+48 22 N## ## ##", "+4860#N#####"}},
	{"SE", []string{"08-N## ### ##", "070-N## ## ##", "070N######"}, []string{"+46 8 N## ### ##", "+46 70 N## ## ##"}},
	{"CH", []string{"044 N## ## ##", "079 N## ## ##"}, []string{"+41 44 N## ## ##", "+41 79 N## ## ##"}},
	{"BR", []string{"(11) 9N###-####", "11 9N###-####", "(21) 3N##-####"}, []string{"+55 11 9N###-####", "+55 (21) 3N##-####"}},
	{"IN", []string{"098N## #####", "98N## #####", "022 2N## ####"}, []string{"+91 98N## #####", "+91-98N#######"}},
	{"AU", []string{"0412 N## ###", "(02) 93N# ####"}, []string{"+61 412 N## ###", "+61 2 93N# ####"}},
	{"JP", []string{"03-3N##-####", "090-N###-####"}, []string{"+81 3 3N## ####", "+81-90-N###-####"}},
}

// dial fills a pattern.
func (g *gen) dial(pattern string) string {
	var b strings.Builder
	for _, c := range []byte(pattern) {
		switch c {
		case '#':
			c = digits[g.IntN(10)]
		case 'N':
			c = "23456789"[g.IntN(8)]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// phoneRows are telephone numbers as countries write them: those that can be
// dialled from anywhere, and national ones where the home country is known.
func phoneRows() []Row {
	build := func(national bool) func(*gen, *baseType, int) Case {
		return func(g *gen, t *baseType, i int) Case {
			d := diallings[g.IntN(len(diallings))]
			html, named := g.coin(), i%2 == 0
			s := g.one(d.foreign...)
			if national {
				s = g.one(d.national...)
			}
			if strings.HasPrefix(s, "00") {
				named = true // without a word it may be any number
			}
			phone := typeOf("phone-e164") // whose words the languages have
			c := Case{HTML: html, Body: g.chat(g.say(phone, mark(g.dial(s)), named, html), html), Reason: "a number of " + d.region}
			w := Span{Detector: t.id, Also: []string{"phone-e164"}, Least: 65, Most: 75}
			if national {
				c.Hint = d.region
			} else {
				w = Span{Detector: t.id, Also: []string{"phone-national"}, Least: 75, Most: 85}
				if named {
					w.Least = 85
				}
				if strings.HasPrefix(s, "00") {
					w.Least = 65
				}
			}
			c.Want = []Span{w}
			return c
		}
	}
	return []Row{
		{Name: "phone-international", Kind: Plain, About: "+49 30 1234567, 0044 20 …, +44 (0)20 …, of 14 countries", types: []string{"phone-e164"}, times: 5, build: build(false)},
		{Name: "phone-national", Kind: Plain, About: "030 1234567 where the home country is known, of 14 countries", types: []string{"phone-national"}, times: 5, build: build(true)},
	}
}
