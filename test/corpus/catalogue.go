package corpus

// moreTypes are the types beyond the base types: they are written plainly.
var moreTypes = []*baseType{
	{id: "uk-nino", lang: "en", english: []string{"NI number", "National Insurance number", "NINO"}, make: nino, bare: 75, printed: 75, bareNamed: 85, named: 85},
}

func nino(g *gen) value {
	// None of these letters is refused alone; of the refused pairs, none is of them.
	return grouped(g.from("ACEHJLMPRSWXY", 1)+g.from("ACEHJLMPRSWXY", 1)+g.from(digits, 6)+g.from("ABCD", 1), " ", 2, 2, 2, 2, 1)
}

// catalogueRows is one row: every further type, with a word for it and without.
func catalogueRows() []Row {
	var ids []string
	for _, t := range moreTypes {
		ids = append(ids, t.id)
	}
	return []Row{{Name: "catalogue", Kind: Plain, About: "every further type as it is printed, with a word for it and alone", types: ids, build: func(g *gen, t *baseType, i int) Case {
		v, html := t.make(g), g.coin()
		switch {
		case i%4 == 3 && t.printed >= 65:
			return g.holds(t, v, v.printed(), false, html, t.printed, 85, "printed as usual, nothing said about it")
		case i%4 == 3:
			return Case{HTML: html, Body: g.chat(g.say(t, v.printed(), false, html), html), Reason: "too weak to stand alone"}
		case i%4 == 2:
			return g.holds(t, v, v.compact(), true, html, t.level(v, true), 85, "written without a break, with a word for it")
		}
		return g.holds(t, v, v.printed(), true, html, t.level(v, false), 85, "printed as usual, with a word for it")
	}}}
}
