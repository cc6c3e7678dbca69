package detect

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// against are labels that say what a number is instead. Right before a number
// they lower it.
var against = []string{"order", "order no", "order id", "order number", "orders", "ticket", "ticket no", "ticket id", "case", "case no", "case id", "incident", "invoice", "invoice no",
	"invoice number", "tracking", "tracking no", "tracking number", "shipment", "parcel", "reference", "ref", "ref no", "meeting id", "conference id", "webinar id", "passcode",
	"request id", "trace id", "correlation id", "transaction id", "build", "commit", "revision", "version", "sku", "part no", "part number", "article", "serial", "serial no",
	"serial number", "imei", "isbn", "ean", "gtin", "upc", "barcode", "timestamp", "epoch", "bestellung", "bestellnummer", "bestell-nr", "auftrag", "auftragsnummer", "rechnung",
	"rechnungsnummer", "sendungsnummer", "vorgang", "commande", "facture", "pedido", "factura", "ordine", "fattura", "bestelling", "factuur", "zamowienie", "faktura",
	"po", "po number", "purchase order", "sr", "inc", "chg", "rma", "work order", "job", "job id", "batch", "lot", "lot no", "run", "run id", "asset", "asset tag", "asset no", "confirmation number",
	"booking", "booking number", "booking ref", "quantity", "quantities", "qty", "units", "amount", "total", "sum", "subtotal", "count", "population", "price", "revenue", "size", "offset", "line", "port",
	"pipeline", "pipeline id", "balance", "betrag", "gesamt", "gesamtbetrag", "summe", "montant", "importe", "importo", "bedrag", "totaal", "totale", "saldo", "solde", "vat due", "vat paid", "vat payable", "vat return", "ci/cd", "release", "task", "err", "errno", "error", "error code", "fehlercode", "sprint", "s/n", "sn", "p/n", "meter no", "meter number", "zahlernummer", "bordereau",
	"zoom", "zoom id", "zoom meeting", "zoom meeting id", "meeting number", "access code", "webex", "teamviewer", "teamviewer id", "anydesk", "anydesk id",
	"fingerprint", "thumbprint", "checksum", "digest", "hash", "fingerabdruck", "empreinte", "huella", "vingerafdruk",
	"pid", "conference", "webinar", "besprechungs-id", "sitzungs-id", "id der besprechung", "id riunione", "id della riunione", "id de la reunion", "id de reunion", "id da reuniao", "id reuniao", "vergader-id", "vergaderings-id", "mote-id", "motes-id", "mode-id",
	"id spotkania", "identyfikator spotkania", "toplanti kimligi", "kokouksen tunnus", "会議 id", "会议 id", "会議id", "会议id", "회의 id", "phone conference id", "telefonkonferenz-id", "pin code", "extension", "ext", "container", "container no", "awb", "waybill", "bestell nr", "auftrags nr", "rechnungs nr", "rechnungsnr", "vorgangsnummer",
	"numero de commande", "numero de facture", "numero de pedido", "numero de factura", "ordrenummer", "ordernummer", "fakturanummer", "kundenauftrag", "lieferschein", "artikelnummer", "seriennummer", "teilenummer",
	"protocolo", "nota fiscal", "rastreio", "codigo de rastreio", "rastreamento", "encomenda", "fatura", "referencia", "numero de serie", "serie", "envio", "seguimiento", "numero de seguimiento", "remesa", "recibo", "factura no", "albaran",
	"colis", "suivi", "numero de suivi", "envoi", "reference no", "recu", "bon de commande", "livraison", "spedizione", "tracciamento", "riferimento", "numero di serie", "ricevuta", "bolla", "codice articolo", "lotto",
	"sendung", "paket", "paketnummer", "lieferung", "quittung", "chargennummer", "aktenzeichen", "zending", "pakket", "pakketnummer", "referentie", "bestelnummer", "serienummer", "artikelcode",
	"bestallning", "arende", "arendenummer", "sparning", "sparningsnummer", "forsandelse", "kvitto", "artikelnr", "ordre", "ordrenr", "sporing", "sporingsnummer", "sak", "saksnummer", "saksnr", "forsendelse", "bestilling", "sagsnummer", "pakke", "kvittering",
	"tilaus", "tilausnumero", "lasku", "laskunumero", "lahetys", "seurantakoodi", "tuotenumero", "pontun", "reikningur",
	"numer zamowienia", "przesylka", "numer przesylki", "zgloszenie", "numer zgloszenia", "paragon", "numer seryjny", "objednavka", "cislo objednavky", "zasilka", "cislo zasilky", "zasielka", "rendeles", "szamla", "csomag", "comanda", "colet", "narudzba", "narocilo", "posiljka",
	"tellimus", "arve", "saadetis", "pasutijums", "rekins", "uzsakymas", "saskaita", "siuntinys", "siparis", "siparis no", "kargo", "kargo takip", "takip no", "fis no", "παραγγελια", "τιμολογιο", "αποστολη", "поръчка", "фактура", "пратка", "замовлення", "рахунок", "посылка", "накладная",
	"part", "model", "model no", "flight", "teil", "modell", "flug", "pieza", "modelo", "peca", "modele", "pezzo", "modello", "onderdeel", "czesc", "del nr", "sag", "osa",
	"receipt", "receipt no", "receipt number", "consignment", "docket", "voucher", "快递单号", "运单号", "订单编号", "伝票番号", "追跡番号", "問い合わせ番号", "송장번호", "운송장", "배송", "הזמנה", "חשבונית", "pesanan", "faktur", "resi",
	"номер заказа", "заказ", "счет-фактура", "订单", "订单号", "注文", "注文番号", "주문", "주문번호",
	"会议号", "会议号码", "会议代码", "会议编号", "會議號", "會議號碼", "会議番号", "ミーティングid", "회의번호", "회의 번호", "회의 코드", "идентификатор собрания", "идентификатор конференции", "номер конференции", "номер встречи",
	"ідентифікатор наради", "id schuzky", "id schuze", "ertekezlet azonositoja", "id intalnire", "αναγνωριστικο συσκεψης", "מזהה פגישה", "מזהה הפגישה", "معرف الاجتماع", "رقم الاجتماع",
	"id cuoc hop", "id rapat", "รหัสการประชุม", "मीटिंग आईडी", "заявка", "номер заявки", "обращение", "тикет", "серийный номер", "артикул", "партия", "номер накладной", "трек-номер",
	"номер отправления", "отправление", "серійний номер", "накладна", "посилка", "請求書", "請求書番号", "シリアル番号", "製造番号", "品番", "案件", "案件番号", "発注番号", "受付番号", "チケット番号",
	"荷物番号", "发票", "发票号", "发票号码", "工单", "工单号", "序列号", "料号", "物流单号", "采购单号", "批号", "訂單", "訂單編號", "發票", "發票號碼", "工單", "序號", "料號", "追蹤號碼", "티켓", "티켓번호", "일련번호", "품번", "접수번호", "운송장번호", "발주번호", "청구서",
	"fatura no", "seri no", "seri numarasi", "talep", "talep no", "parti no", "seriove cislo", "tiket", "cislo faktury", "dodaci list", "sarze", "seriove c", "vyrobni cislo", "poziadavka",
	"seriove cislo vyrobku", "sarjanumero", "tiketti", "tukipyynto", "tyomaarays", "lahetysnumero", "numer faktury", "partia", "oferta", "rendelesi szam", "csomagszam",
	"sorozatszam", "numar comanda", "numar factura", "numar de serie", "αριθμος παραγγελιας", "δεμα", "σειριακος αριθμος", "номер на поръчка", "товарителница", "сериен номер", "broj narudzbe",
	"broj racuna", "serijski broj", "stevilka narocila", "belegnummer", "angebot", "materialnummer", "inventarnummer", "serienummern", "devis", "dossier", "presupuesto", "expediente", "lote",
	"numero de lote", "preventivo", "pratica", "chamado", "orcamento", "pakbon", "offerte", "werkorder", "rechnung nr", "delivery note", "quote", "lieferscheinnummer", "don hang", "ma don hang",
	"hoa don", "van don", "ma van don", "nomor pesanan", "no pesanan", "no resi", "nomor resi", "คำสั่งซื้อ", "ใบแจ้งหนี้", "เลขพัสดุ", "รหัสพัสดุ", "طلب", "رقم الطلب", "فاتورة", "رقم الفاتورة",
	"شحنة", "رقم الشحنة", "رقم التتبع", "تذكرة", "رقم التذكرة", "משלוח", "מספר הזמנה", "מספר משלוח", "מספר חשבונית", "سفارش", "شماره سفارش", "فاکتور", "ऑर्डर", "ऑर्डर नंबर", "चालान",
	"nhs", "nhs no", "nhs number", "nino", "aadhaar", "pesel", "bsn", "cpf", "cnpj", "tfn", "abn", "npi", "mrn", "iccid", "imsi", "nif", "dni", "nie", "steuer-id", "steuernummer",
	"personnummer", "fodselsnummer", "henkilotunnus", "cnp", "oib", "egn", "hetu", "siret", "siren", "vin", "example id", "id", "uid", "user id", "thread id", "message id"}

// owners are labels of against that say whose a number is, which may be that of a person:
// where a value's form says so by itself, they say nothing else.
var owners = []string{"id", "kundennummer", "kundennr", "kunden-nr", "kd-nr", "customer no", "customer number", "customer id", "client no", "client number", "client id", "numero client", "numero de cliente", "numero cliente", "codice cliente",
	"klantnummer", "kundnummer", "kundenummer", "personalnummer", "personalnr", "mitarbeiternummer", "employee no", "employee number", "employee id", "staff id", "matricule", "numero de empleado", "matricola", "personeelsnummer",
	"member no", "member number", "member id", "membership no", "membership number", "mitgliedsnummer", "vendor no", "vendor number", "supplier no", "supplier number", "lieferantennummer", "debitor", "kreditor"}

// amounts are labels of against that no word before or behind them turns into the label of
// an id: "VAT total", "total VAT". Behind the word those of work and of orders are none
// either: "CI run", "VAT invoice".
var (
	amounts = set("total", "subtotal", "sum", "amount", "count", "quantity", "quantities", "qty", "price", "revenue", "balance", "betrag", "gesamt", "gesamtbetrag", "summe", "montant", "importe", "importo",
		"bedrag", "totaal", "totale", "saldo", "solde")
	orders = set("build", "run", "run id", "job", "job id", "pipeline", "pipeline id", "commit", "revision", "version", "release", "order", "order no", "order id", "order number", "orders", "ticket", "ticket no", "ticket id",
		"invoice", "invoice no", "invoice number", "tracking", "tracking no", "tracking number", "shipment", "parcel", "bestellung", "bestellnummer", "auftrag", "auftragsnummer", "rechnung", "rechnungsnummer",
		"sendung", "paket", "bestelling", "bestelnummer", "factuur")
)

// near is the distance in characters up to which evidence counts in full.
const near = 100

// An evidence is the best word for or against a candidate.
type evidence struct {
	term    int  // of the nearest word for it; -1 for none
	at      Hit  // where that is
	dist    int  // in bytes
	before  bool // it stands before the value
	full    bool // near, on the same line or the column's heading
	general bool // a noun that is of many countries' values, and never counts in full
	header  bool
	named   bool // as label, whatever words there are for it
	label   bool // a word against stands right before the value, and nothing between
	says    int  // the term of that word, or of the one that names another kind
	in      *scanner
	other   bool // a word right before the value names another kind
	phrase  bool // and the phrase that it holds is evidence as well
}

// fewSets is how many kinds a word may be evidence for and still name one.
const fewSets = 3

func (ev evidence) found() bool { return ev.term >= 0 }

// touches reports whether the word is so near that it names the value.
func (ev evidence) touches() bool { return ev.term >= 0 && (ev.header || ev.dist <= 20) }

// look finds all evidence words of the text, once.
func (s *scanner) look() {
	if !s.looked {
		s.looked = true
		s.terms = s.e.words.find(s.buf, s.terms[:0])
		s.hits = s.e.compose(s.buf, s.terms, s.hits[:0])
		s.work += len(s.buf)
		if n := len(s.e.kinds)/64 + 1; len(s.present) != n {
			s.present = make([]uint64, n)
		}
		clear(s.present)
		for _, h := range s.hits {
			for _, set := range s.e.setsOf(h.Term) {
				if int(set) <= len(s.e.kinds) {
					s.present[set/64] |= 1 << (set % 64)
				}
			}
			if p := s.e.partOf(h.Term); p.noun > 0 {
				for _, set := range phrases.general[p.noun-1] {
					s.present[set/64] |= 1 << (set % 64)
				}
			}
		}
	}
}

// lacking reports whether a detector could only report something beside one of its
// words, and the text has none of them.
func (s *scanner) lacking(k *kind) bool {
	if max(k.Alone, k.Printed) >= s.floor || s.explain || s.outer != nil {
		return false
	}
	s.look()
	return !s.holds(k.set)
}

// holds reports whether the text has a word of the set, which is a built-in one.
func (s *scanner) holds(set int) bool { return s.present[set/64]>>(set%64)&1 == 1 }

// evidence weighs the words of a set around buf[start:end].
func (s *scanner) evidence(set, within, start, end int) evidence {
	s.look()
	ev := evidence{term: -1, dist: 1 << 30, in: s}
	if set <= len(s.e.kinds) && !s.holds(set) {
		if s.outer == nil && len(s.hits) == 0 {
			return ev
		}
		within = min(within, labelGap+longestLabel)
	}
	lo, hi := s.window(start, end, within)
	i := sort.Search(len(s.hits), func(i int) bool { return s.hits[i].End > lo })
	labelStart, labelEnd, labelled, labelTerm := 0, -1, false, 0
	otherStart, otherEnd, otherTerm := 0, -1, 0 // of a word that names another kind of value
	var k *kind                                 // if it is built in
	if set <= len(s.e.kinds) {
		k = s.e.kinds[set-1]
	}
	strong := k != nil && k.namesPerson()
	for ; i < len(s.hits) && s.hits[i].End <= hi+s.e.words.auto.longest*4; i++ {
		h := s.hits[i]
		s.work++
		if h.Start < lo || h.End > hi || h.Start < end && h.End > start {
			continue
		}
		sets := s.e.setsOf(h.Term)
		against := len(sets) > 0 && sets[0] == 0
		if against && !(strong && s.e.owners[h.Term]) && h.End <= start && !has(sets, set) && s.right(h.End, start) && h.End >= labelEnd {
			labelStart, labelEnd, labelled, labelTerm = h.Start, h.End, true, h.Term
		}
		general := k != nil && s.e.partOf(h.Term).in(k.general)
		if !general && !has(sets, set) {
			if !against && len(sets) > 0 && len(sets) <= fewSets && h.End <= start && (h.End > otherEnd || h.End == otherEnd && h.Start < otherStart) && s.right(h.End, start) &&
				!(k != nil && k.called(s.e.partOf(h.Term))) {
				otherStart, otherEnd, otherTerm = h.Start, h.End, h.Term
			}
			continue
		}
		d, before := h.Start-end, false
		if h.End <= start {
			d, before = start-h.End, true
		}
		if (d < ev.dist || d == ev.dist && h.End-h.Start > ev.at.End-ev.at.Start) && (!general || ev.general || !ev.found()) || ev.general && !general {
			ev.term, ev.at, ev.dist, ev.before, ev.general = h.Term, h, d, before, general
		}
	}
	// "NHS number" names no phone, though "number" alone would.
	if otherEnd >= 0 && (!ev.found() || ev.before && ev.at.Start >= otherStart && ev.at.End <= otherEnd) {
		ev.other, ev.says, ev.phrase = true, otherTerm, ev.found() && otherTerm < len(s.e.sets) && strings.IndexByte(s.e.label(ev.term), ' ') >= 0
	}
	if from, to, ok := s.t.Header(start); ok && !ev.touches() {
		j := sort.Search(len(s.hits), func(j int) bool { return s.hits[j].End > from })
		for ; j < len(s.hits) && s.hits[j].End <= to; j++ {
			h := s.hits[j]
			sets := s.e.setsOf(h.Term)
			if general := k != nil && s.e.partOf(h.Term).in(k.general); h.Start >= from && (general || has(sets, set)) {
				ev.term, ev.at, ev.dist, ev.before, ev.header, ev.general = h.Term, h, start-h.End, true, true, general
			} else if h.Start >= from && len(sets) > 0 && sets[0] == 0 && !s.e.owners[h.Term] && !labelled {
				labelStart, labelled, labelTerm = start, true, h.Term // a column of orders
			}
		}
	}
	if ev.found() {
		ev.full = !ev.general && (ev.header || ev.dist <= near || s.sameLine(ev.at, start, end))
		// "order 4539…, card to follow": the number is labelled by what stands
		// right before it, unless its own word is as near.
		ev.named = labelled
		// "card id: 4539…": its own word is part of the label.
		own := ev.before && ev.at.End+2 >= labelStart
		if own && labelled {
			own = !s.outright(k, ev.at, Hit{labelTerm, labelStart, labelEnd}) && !s.stops(ev.at.End, labelStart)
		}
		if ev.label = labelled && !own && !ev.header; ev.label {
			ev.says = labelTerm
		}
		return ev
	}
	if ev.label, ev.named = labelled, labelled; labelled {
		ev.says = labelTerm
	}
	if s.outer != nil {
		return s.outer.evidence(set, within, s.inFrom, s.inTo)
	}
	return ev
}

// shouted are words for an id that are everyday words in small letters, which name no
// number that is not printed like one of theirs: "the run 12345678 failed".
var shouted = set("run", "ci")

// nextTo are words for an id that are words of other things as well, or of another
// language, and name only the bare digits that follow them: "sin factura 668307788",
// "VAT 20 % of 980780684".
var nextTo = set("sin", "inn", "vat")

// everyday reports whether the word of ev says nothing of x, being used as everybody does.
func (s *scanner) everyday(x *stretch, ev evidence) bool {
	if !ev.found() || ev.header || ev.in != s || x.layout == printed {
		return false
	}
	word, small := s.e.label(ev.term), isLower(s.buf[ev.at.End-1])
	switch {
	case shouted[word]:
		return small
	case x.layout != bare || !nextTo[word] || !small && word != "vat":
		return false
	case !ev.before:
		return true
	}
	letters := 0
	for _, c := range s.buf[ev.at.End:x.start] {
		if letters += truth(isLetter(c)); letters > 2 || isDigit(c) || c == '%' || c == '\n' {
			return true
		}
	}
	return false
}

// stops reports whether a sentence or half of one ends between a word that ends at from
// and a label: "of the passport. Order 123456789". The point of "D.N.I. ref" ends none, nor
// does a comma, as in "credit card, id 4539…".
func (s *scanner) stops(from, label int) bool {
	if from >= label || from > 1 && s.buf[from-2] == '.' {
		return false
	}
	return bytes.ContainsAny(s.buf[from:label], ".;!?")
}

// outright reports whether a label says what it does with the word of k beside it as well:
// the word is a part of it, or the two are an amount or an order.
func (s *scanner) outright(k *kind, word, label Hit) bool {
	switch {
	case k == nil || k.number != nil && k.number.paren:
		return false // "phone line 020 7946 0018"
	case label.Start <= word.Start && word.End <= label.End:
		return true
	case label.Start >= word.End && label.Start-word.End <= 1:
		l := s.e.label(label.Term)
		return amounts[l] || orders[l]
	}
	return word.Start >= label.End && word.Start-label.End <= 1 && amounts[s.e.label(label.Term)]
}

func has(sets []uint16, set int) bool {
	for _, x := range sets {
		if int(x) == set {
			return true
		}
	}
	return false
}

// covered reports whether the word of ev is a part of a longer one, of other kinds
// only.
func (s *scanner) covered(ev evidence, set int) bool {
	s = ev.in
	i := sort.Search(len(s.hits), func(i int) bool { return s.hits[i].End >= ev.at.End })
	for ; i < len(s.hits) && s.hits[i].End == ev.at.End; i++ {
		s.work++
		if s.hits[i].Start < ev.at.Start && !has(s.e.setsOf(s.hits[i].Term), set) {
			return true
		}
	}
	return false
}

// window returns the stretch of within characters on both sides of
// buf[start:end].
func (s *scanner) window(start, end, within int) (lo, hi int) {
	lo, hi = start, end
	for n := 0; n < within && lo > 0; n++ {
		lo--
		for lo > 0 && !utf8.RuneStart(s.buf[lo]) {
			lo--
		}
	}
	for n := 0; n < within && hi < len(s.buf); n++ {
		hi++
		for hi < len(s.buf) && !utf8.RuneStart(s.buf[hi]) {
			hi++
		}
	}
	s.work += hi - lo
	return lo, hi
}

// labelGap is the most that stands between a label and its value, longestLabel what
// a label of against is not longer than.
const labelGap, longestLabel = 12, 30

// right reports whether a word that ends at from stands right before start: at
// most "no. #" or the like between.
func (s *scanner) right(from, start int) bool {
	if start-from > labelGap {
		return false
	}
	letters, opened, closed := 0, false, false
	for _, c := range s.buf[from:start] {
		switch {
		case c == '\n' || c == '\f' || c == '\t' || isDigit(c) || c == ';':
			return false
		case c == '(':
			opened = true
		case c == ')' && !opened:
			closed = true
		case c == ':':
			closed = false
		case isLetter(c):
			if letters++; closed || letters > 6 {
				return false // "Acme (Books Inc) gave us 4539…"
			}
		}
	}
	return true
}

func (s *scanner) sameLine(h Hit, start, end int) bool {
	from, to := h.End, start
	if h.Start >= end {
		from, to = end, h.Start
	}
	for _, c := range s.buf[from:to] {
		if c == '\n' {
			return false
		}
	}
	return true
}

// tell says what the evidence is.
func (s *scanner) tell(ev evidence) string {
	s = ev.in
	w := `keyword "` + s.e.label(ev.term) + `" `
	if ev.header && ev.general {
		return w + "heads the column, of many countries' numbers"
	}
	if ev.header {
		return w + "heads the column"
	}
	from, to, where := ev.at.End, ev.at.End+ev.dist, "before"
	if !ev.before {
		from, to, where = ev.at.Start-ev.dist, ev.at.Start, "after"
	}
	far := ""
	switch {
	case ev.general:
		far = ", of many countries' numbers"
	case !ev.full:
		far = ", too far away to count in full"
	}
	switch n := utf8.RuneCount(s.buf[from:to]); n {
	case 0, 1:
		return w + "right " + where + far
	default:
		return w + strconv.Itoa(n) + " characters " + where + far
	}
}

// otherwise says which word right before a value says that it is something else.
func (s *scanner) otherwise(ev evidence) string {
	return `the word "` + ev.in.e.label(ev.says) + `" right before it says that it is something else`
}

// lower is the level one step down.
func (l Level) lower() Level {
	switch {
	case l > Medium:
		return Medium
	case l > Low:
		return Low
	case l > Internal:
		return Internal
	}
	return 0
}
