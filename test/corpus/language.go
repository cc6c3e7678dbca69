package corpus

import "strings"

// A language holds what a chat message is made of. %K is the word for the value,
// %V the value.
type language struct {
	code    string
	named   []string // sentences with the word
	bare    []string // without
	fillers []string // what else people say
	words   map[string][]string
}

// word returns a word for a type that is known in every country.
func (g *gen) word(t *baseType) string {
	if w := g.lang.words[t.id]; len(w) > 0 {
		return w[g.IntN(len(w))]
	}
	if len(t.native) > 0 && (t.lang == g.lang.code || len(t.english) == 0 || g.IntN(3) > 0) {
		return t.native[g.IntN(len(t.native))]
	}
	return t.english[g.IntN(len(t.english))]
}

var languages = []*language{
	{"en",
		[]string{"my %K is %V, thanks", "Hi, please use %K %V for the booking", "%K: %V", "could you check %K %V before noon?", "he sent me the %K (%V) yesterday", "I have it here. %K %V"},
		[]string{"here you are: %V", "can you take %V please", "%V", "it was %V, I think"},
		[]string{"Good morning everyone!", "Did you see the mail from the client?", "I am in a meeting until lunch.", "Sounds good, let us talk later.", "The deck is on SharePoint.", "sorry, wrong chat :)"},
		map[string][]string{"credit-card": {"card number", "credit card", "card"}, "iban": {"IBAN", "account"}, "email": {"e-mail", "email"}, "phone-e164": {"phone", "mobile", "call me:"}, "secret": {"token", "key"}}},
	{"de",
		[]string{"meine %K ist %V, danke", "Hallo, bitte nimm %K %V für die Buchung", "%K: %V", "kannst du %K %V noch vor Mittag prüfen?", "er hat mir gestern die %K (%V) geschickt"},
		[]string{"hier bitte: %V", "nimm bitte %V", "%V", "ich glaube, es war %V"},
		[]string{"Guten Morgen zusammen!", "Hast du die Nachricht vom Kunden gesehen?", "Ich bin bis mittags im Termin.", "Klingt gut, lass uns später reden.", "Die Folien liegen im Team.", "Schönes Wochenende euch allen"},
		map[string][]string{"credit-card": {"Kreditkarte", "Kreditkartennummer", "Kartennummer"}, "iban": {"IBAN", "Kontonummer"}, "email": {"E-Mail", "Mailadresse"}, "phone-e164": {"Telefon", "Handynummer"}, "secret": {"Schlüssel", "Token"}}},
	{"fr",
		[]string{"voici le numéro, %K : %V, merci", "Bonjour, utilisez %K %V pour la réservation", "%K : %V", "peux-tu vérifier %K %V avant midi ?", "il m'a envoyé hier %K (%V)"},
		[]string{"le voici : %V", "prenez %V s'il vous plaît", "%V", "c'était %V, je crois"},
		[]string{"Bonjour à tous !", "As-tu vu le message du client ?", "Je suis en réunion jusqu'à midi.", "Ça marche, on en parle plus tard.", "La présentation est sur SharePoint.", "à bientôt"},
		map[string][]string{"credit-card": {"carte bancaire", "carte de crédit", "carte"}, "iban": {"IBAN", "compte"}, "email": {"courriel", "e-mail"}, "phone-e164": {"téléphone", "portable"}, "secret": {"clé", "jeton"}}},
	{"es",
		[]string{"mi %K es %V, gracias", "Hola, usa %K %V para la reserva", "%K: %V", "¿puedes revisar %K %V antes de comer?", "ayer me mandó %K (%V)"},
		[]string{"aquí está: %V", "toma %V, gracias", "%V", "creo que era %V"},
		[]string{"¡Buenos días a todos!", "¿Has visto el mensaje del cliente?", "Estoy reunida hasta la comida.", "Me parece bien, hablamos luego.", "La presentación está en el equipo.", "perdón, chat equivocado"},
		map[string][]string{"credit-card": {"tarjeta", "tarjeta de crédito"}, "iban": {"IBAN", "cuenta"}, "email": {"correo", "correo electrónico"}, "phone-e164": {"teléfono", "móvil"}, "secret": {"clave", "token"}}},
	{"it",
		[]string{"il mio %K è %V, grazie", "Ciao, usa %K %V per la prenotazione", "%K: %V", "puoi controllare %K %V prima di pranzo?", "ieri mi ha mandato %K (%V)"},
		[]string{"eccolo: %V", "prendi %V per favore", "%V", "mi pare fosse %V"},
		[]string{"Buongiorno a tutti!", "Hai visto il messaggio del cliente?", "Sono in riunione fino a pranzo.", "Va bene, ne parliamo dopo.", "Le slide sono sul team.", "scusate, chat sbagliata"},
		map[string][]string{"credit-card": {"carta di credito", "carta"}, "iban": {"IBAN", "conto"}, "email": {"e-mail", "email"}, "phone-e164": {"telefono", "cellulare"}, "secret": {"chiave", "token"}}},
	{"pt",
		[]string{"o meu %K é %V, obrigado", "Olá, usa %K %V para a reserva", "%K: %V", "podes ver %K %V antes do almoço?", "ontem mandou-me %K (%V)"},
		[]string{"aqui está: %V", "usa %V, obrigado", "%V", "acho que era %V"},
		[]string{"Bom dia a todos!", "Viste a mensagem do cliente?", "Estou em reunião até ao almoço.", "Está bem, falamos depois.", "Os slides estão na equipa.", "desculpem, chat errado"},
		map[string][]string{"credit-card": {"cartão de crédito", "cartão"}, "iban": {"IBAN", "conta"}, "email": {"e-mail", "email"}, "phone-e164": {"telefone", "celular"}, "secret": {"chave", "token"}}},
	{"nl",
		[]string{"mijn %K is %V, bedankt", "Hoi, gebruik %K %V voor de boeking", "%K: %V", "kun je %K %V voor de lunch nakijken?", "hij stuurde me gisteren %K (%V)"},
		[]string{"hier is het: %V", "neem %V alsjeblieft", "%V", "volgens mij was het %V"},
		[]string{"Goedemorgen allemaal!", "Heb je het bericht van de klant gezien?", "Ik zit tot de lunch in een overleg.", "Prima, we praten later.", "De slides staan in het team.", "sorry, verkeerde chat"},
		map[string][]string{"credit-card": {"creditcard", "kaartnummer"}, "iban": {"IBAN", "rekeningnummer"}, "email": {"e-mail", "mail"}, "phone-e164": {"telefoon", "mobiel"}, "secret": {"sleutel", "token"}}},
	{"pl",
		[]string{"mój %K to %V, dzięki", "Cześć, użyj %K %V do rezerwacji", "%K: %V", "sprawdzisz %K %V przed południem?", "wczoraj przysłał mi %K (%V)"},
		[]string{"proszę: %V", "weź %V", "%V", "chyba było %V"},
		[]string{"Dzień dobry wszystkim!", "Widziałaś wiadomość od klienta?", "Jestem na spotkaniu do obiadu.", "Brzmi dobrze, pogadamy później.", "Slajdy są w zespole.", "przepraszam, zły czat"},
		map[string][]string{"credit-card": {"karta kredytowa", "numer karty"}, "iban": {"IBAN", "numer konta"}, "email": {"e-mail", "mail"}, "phone-e164": {"telefon", "komórka"}, "secret": {"klucz", "token"}}},
	{"sv",
		[]string{"mitt %K är %V, tack", "Hej, använd %K %V för bokningen", "%K: %V", "kan du kolla %K %V före lunch?", "han skickade %K (%V) igår"},
		[]string{"här är det: %V", "ta %V tack", "%V", "jag tror det var %V"},
		[]string{"God morgon allihop!", "Såg du meddelandet från kunden?", "Jag sitter i möte till lunch.", "Låter bra, vi hörs senare.", "Bilderna ligger i teamet.", "förlåt, fel chatt"},
		map[string][]string{"credit-card": {"kortnummer", "kreditkort"}, "iban": {"IBAN", "kontonummer"}, "email": {"e-post", "mejl"}, "phone-e164": {"telefon", "mobil"}, "secret": {"nyckel", "token"}}},
	{"tr",
		[]string{"benim %K %V, teşekkürler", "Merhaba, rezervasyon için %K %V kullan", "%K: %V", "öğleden önce %K %V kontrol eder misin?", "dün bana %K (%V) gönderdi"},
		[]string{"buyurun: %V", "lütfen %V alın", "%V", "sanırım %V idi"},
		[]string{"Herkese günaydın!", "Müşterinin mesajını gördün mü?", "Öğlene kadar toplantıdayım.", "Olur, sonra konuşuruz.", "Sunum ekipte duruyor.", "pardon, yanlış sohbet"},
		map[string][]string{"credit-card": {"kredi kartı", "kart numarası"}, "iban": {"IBAN", "hesap"}, "email": {"e-posta", "mail"}, "phone-e164": {"telefon", "cep telefonu"}, "secret": {"anahtar", "token"}}},
	{"ja",
		[]string{"%Kは%Vです。よろしくお願いします", "予約には%K %Vを使ってください", "%K: %V", "午前中に%K %Vを確認してもらえますか", "昨日%K(%V)を受け取りました"},
		[]string{"こちらです: %V", "%Vを使ってください", "%V", "たしか %V でした"},
		[]string{"皆さん、おはようございます。", "お客様からの連絡を見ましたか", "昼まで会議です。", "了解です。また後で話しましょう。", "資料はチームにあります。", "すみません、間違えました"},
		map[string][]string{"credit-card": {"カード番号", "クレジットカード"}, "iban": {"IBAN", "口座番号"}, "email": {"メール", "メールアドレス"}, "phone-e164": {"電話", "携帯"}, "secret": {"トークン", "キー"}}},
	{"zh",
		[]string{"我的%K是 %V，谢谢", "你好，预订请用%K %V", "%K：%V", "中午前能核对一下%K %V 吗？", "他昨天把%K（%V）发给我了"},
		[]string{"在这里：%V", "请用 %V", "%V", "我想是 %V"},
		[]string{"大家早上好！", "你看到客户的消息了吗？", "我开会到中午。", "好的，晚点再聊。", "材料在团队里。", "抱歉，发错了"},
		map[string][]string{"credit-card": {"信用卡", "卡号"}, "iban": {"IBAN", "账号"}, "email": {"邮箱", "电子邮件"}, "phone-e164": {"电话", "手机"}, "secret": {"令牌", "密钥"}}},
}

// say fills a sentence of the language: with the word if named, else without. v is
// as it stands in the body.
func (g *gen) say(t *baseType, v string, named, html bool) string {
	var s string
	if named {
		s = strings.Replace(g.one(g.lang.named...), "%K", g.word(t), 1)
	} else {
		s = g.one(g.lang.bare...)
	}
	return strings.Replace(escape(s, html), "%V", v, 1)
}

func (g *gen) filler(html bool) string { return escape(g.one(g.lang.fillers...), html) }

// chat puts a sentence into a message of plain text or markup, in one of the
// shapes that chat has.
func (g *gen) chat(s string, html bool) string {
	if !html {
		switch g.IntN(4) {
		case 0:
			return s
		case 1:
			return g.filler(false) + " " + s
		case 2:
			return g.filler(false) + "\n" + s + "\n" + g.filler(false)
		}
		return s + "\n\n" + g.filler(false)
	}
	switch g.IntN(7) {
	case 0:
		return "<p>" + s + "</p>"
	case 1:
		return `<div><div><div itemprop="copy-paste-block">` + s + "</div>\n</div></div>"
	case 2:
		return `<p><at id="0">Anna Berg</at>&nbsp;` + s + `&nbsp;<emoji id="smile" alt="🙂" title="Smile"></emoji></p>`
	case 3:
		return "<ul>\n<li>" + g.filler(true) + "</li>\n<li>" + s + "</li>\n<li>" + g.filler(true) + "</li>\n</ul>"
	case 4: // a thread: what was said before, and the answer
		return `<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="1764100000000"><strong itemprop="mri">Jo Lind</strong><span itemprop="time"></span><p itemprop="preview">` +
			g.filler(true) + "</p></blockquote><p>" + s + "</p>"
	case 5:
		return "<p>" + g.filler(true) + "</p><p>" + s + "</p><p>" + g.filler(true) + "</p>"
	}
	return `<p style="margin-left:0px"><span style="font-size:inherit">` + g.filler(true) + " " + s + "</span></p>"
}
