package detect

import "unicode/utf8"

// months are the names of months, folded, as dates of birth are written out with
// them: 5 mars 1985, March 5, 1985, 5. März 1985.
var months = func() map[string]int {
	m := map[string]int{}
	for i, names := range [12][]string{
		{"january", "jan", "januar", "janner", "janvier", "enero", "janeiro", "gennaio", "januari", "tammikuuta", "stycznia", "ledna"},
		{"february", "feb", "februar", "feber", "fevrier", "fevr", "febrero", "fevereiro", "febbraio", "februari", "helmikuuta", "lutego", "unora"},
		{"march", "mar", "marz", "mrz", "mars", "marzo", "marco", "maart", "maaliskuuta", "marca", "brezna"},
		{"april", "apr", "avril", "abril", "aprile", "huhtikuuta", "kwietnia", "dubna"},
		{"may", "mai", "mayo", "maio", "maggio", "mei", "maj", "toukokuuta", "maja", "kvetna"},
		{"june", "jun", "juni", "juin", "junio", "junho", "giugno", "kesakuuta", "czerwca", "cervna"},
		{"july", "jul", "juli", "juillet", "julio", "julho", "luglio", "heinakuuta", "lipca", "cervence"},
		{"august", "aug", "aout", "agosto", "augustus", "augusti", "elokuuta", "sierpnia", "srpna"},
		{"september", "sep", "sept", "septembre", "septiembre", "setembro", "settembre", "syyskuuta", "wrzesnia", "zari"},
		{"october", "oct", "okt", "oktober", "octobre", "octubre", "outubro", "ottobre", "lokakuuta", "pazdziernika", "rijna"},
		{"november", "nov", "novembre", "noviembre", "novembro", "marraskuuta", "listopada", "listopadu"},
		{"december", "dec", "dez", "dezember", "decembre", "diciembre", "dezembro", "dicembre", "desember", "joulukuuta", "grudnia", "prosince"},
	} {
		for _, n := range names {
			m[n] = i + 1
		}
	}
	return m
}()

func init() {
	fourth := map[string]uint32{} // letters of names, by head
	for name := range months {
		bit := uint32(0)
		if len(name) > 3 {
			bit = 1 << (name[3] & 31)
		}
		fourth[name[:3]] |= bit
	}
	for head, letters := range fourth {
		on(head, true, func(s *scanner, start, i int) {
			if i < len(s.buf) && isLetter(s.buf[i]) && letters>>(s.buf[i]&31)&1 == 0 {
				return // a word that starts like a month
			}
			s.monthNamed(start, i)
		})
	}
	// The heads of names that do not fold to themselves.
	for _, head := range []string{"jän", "fév", "mär", "aoû", "kes", "hei", "paź", "úno", "bře", "kvě", "čer", "září", "říj"} {
		on(head, true, (*scanner).monthNamed)
	}
}

// monthNamed looks for a date of birth around the name of a month, of which
// buf[start:end] is the head: a word for birth is near, a day stands before or
// after it, and then a year.
func (s *scanner) monthNamed(start, i int) {
	buf := s.buf
	for i < len(buf) && isLetter(buf[i]) {
		i++
	}
	if i == len(buf) || buf[i] < utf8.RuneSelf && !s.numbered(i) {
		return // most words that start like a month
	}
	var word [16]byte
	n := 0
	i = start
	for i < len(buf) && n+utf8.UTFMax < len(word) && wordAt(buf, i) && !isDigit(buf[i]) {
		if buf[i] < utf8.RuneSelf {
			word[n] = lowered[buf[i]]
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRune(buf[i:])
		n += copy(word[n:], foldRune(r))
		i += size
	}
	month := months[string(word[:n])]
	if month == 0 || i < len(buf) && isLetter(buf[i]) {
		return
	}
	s.work += i - start
	from, d := start, 0
	if j := s.backOver(start, "de"); j > 0 && isDigit(buf[j-1]) {
		d, from = s.numberBefore(j)
	}
	after, next := s.numberAfter(s.over(i, "de"))
	if d == 0 {
		d = after
		after, next = s.numberAfter(s.over(next, "st", "nd", "rd", "th"))
	}
	y, to := after, next
	if !s.born(y, month, d) {
		return
	}
	k := kinds["date-of-birth"]
	if !s.bornNear(k, from, to) {
		return
	}
	ev := s.evidence(k.set, k.Within, from, to)
	if !ev.found() || !ev.full || ev.label {
		return
	}
	s.add(candidate{kind: k, start: from, end: to, level: k.WithContext, value: string(buf[from:to]), why: "a date; " + s.tell(ev), evidence: true, dist: ev.rank()})
}

// born reports whether somebody who lives could have been born on a day: the last is
// that of the clock, and one more where it is tomorrow already.
func (s *scanner) born(y, m, d int) bool {
	if y < 1900 || y > 2099 || !day(y, m, d) {
		return false
	}
	if s.o.Now.IsZero() {
		return true
	}
	year, month, today := s.o.Now.UTC().AddDate(0, 0, 1).Date()
	return y < year || y == year && (m < int(month) || m == int(month) && d <= today)
}

// birthWords are the words for birth by themselves: most texts are full of dates, and
// few of them are of a birth, so the words of all detectors are not looked for only to
// see that.
var birthWords *Keywords

// birthHeads are the first two letters of words for birth.
var birthHeads [1 << 10]bool

func listBirthWords(words []string) {
	birthWords = newKeywords(words, true)
	for _, w := range words {
		if f := birthWords.fold(w); f[0] < utf8.RuneSelf {
			birthHeads[int(f[0]&31)<<5|int(f[1]&31)] = true
		}
	}
}

// bornNear reports whether a word for birth may be evidence for buf[start:end].
func (s *scanner) bornNear(k *kind, start, end int) bool {
	if s.looked || s.explain || s.outer != nil {
		return true
	}
	if _, _, ok := s.t.Header(start); ok {
		return true
	}
	buf := s.buf
	lo, hi := max(0, start-k.Within), min(len(buf), end+k.Within)
	from := lo
	if lo >= s.unborn.from && lo < s.unborn.to {
		from = max(lo, s.unborn.to-1) // what is before has been looked at
	}
	s.work += max(hi-from, 0)
	for i := from; i+1 < hi; i++ {
		// A letter beyond ASCII may be of a word, and takes more room than one.
		c, d := buf[i], buf[i+1]
		if c < utf8.RuneSelf && d < utf8.RuneSelf && (!birthHeads[int(c&31)<<5|int(d&31)] || !isLetter(c) || i > lo && isLower(c) && isLetter(buf[i-1])) {
			continue
		}
		lo, hi = s.window(start, end, k.Within)
		s.words = birthWords.find(buf[lo:hi], s.words[:0])
		return len(s.words) > 0
	}
	if from == lo {
		s.unborn = stretchOf{lo, hi}
	}
	s.unborn.to = max(s.unborn.to, hi)
	return false
}

// numbered reports whether a number follows i as it does the name of a month.
func (s *scanner) numbered(i int) bool {
	i = s.over(i, "de")
	return i < len(s.buf) && isDigit(s.buf[i])
}

// backOver returns where what stands before i ends, blanks, points and one of the
// words left out.
func (s *scanner) backOver(i int, words ...string) int {
	for n := 0; i > 0 && n < 6; n++ {
		switch s.buf[i-1] {
		case ' ', '.', '-':
			i--
			continue
		}
		done := true
		for _, w := range words {
			if i > len(w) && matches(s.buf[i-len(w):i], w, true) && s.buf[i-len(w)-1] == ' ' {
				i, done = i-len(w), false
			}
		}
		if done {
			return i
		}
	}
	return i
}

// over returns where what stands behind i starts, blanks, points and one of the
// words left out.
func (s *scanner) over(i int, words ...string) int {
	for n := 0; i < len(s.buf) && n < 6; n++ {
		switch s.buf[i] {
		case ' ', '.', ',', '-':
			i++
			continue
		}
		done := true
		for _, w := range words {
			if i+len(w) < len(s.buf) && matches(s.buf[i:i+len(w)], w, true) && !isAlnum(s.buf[i+len(w)]) {
				i, done = i+len(w), false
			}
		}
		if done {
			return i
		}
	}
	return i
}

// numberBefore reads the number of at most two digits that ends at i, and where it
// starts; 0 if there is none.
func (s *scanner) numberBefore(i int) (n, from int) {
	from = i
	for from > 0 && i-from < 3 && isDigit(s.buf[from-1]) {
		from--
	}
	if i-from > 2 || from > 0 && (wordBefore(s.buf, from) || s.buf[from-1] == '.' || s.buf[from-1] == '-') {
		return 0, i
	}
	return number(s.buf[from:i]), from
}

// numberAfter reads the number of at most four digits at i, and where it ends; 0 if
// there is none.
func (s *scanner) numberAfter(i int) (n, to int) {
	to = i
	for to < len(s.buf) && to-i < 5 && isDigit(s.buf[to]) {
		to++
	}
	if to == i || to-i > 4 {
		return 0, i
	}
	return number(s.buf[i:to]), to
}
