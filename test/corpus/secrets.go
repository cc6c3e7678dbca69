package corpus

import "strings"

// secret draws a token of one of the services that everybody knows. The public
// prefix is written in two parts, so that no scanner of this repository takes the
// source for a leak; what follows it is random.
func secret(g *gen) value {
	d := func(detector, s string) value { return value{groups: []string{s}, detector: detector} }
	switch g.IntN(8) {
	case 0:
		return d("secret-aws-access-key", "AK"+"IA"+g.random(uppers+"234567", 16))
	case 1:
		return d("secret-github-token", g.one("gh"+"p_", "gh"+"o_", "gh"+"s_")+g.random(alnums, 36))
	case 2:
		return d("secret-gitlab-token", "glp"+"at-"+g.random(alnums, 20))
	case 3:
		return d("secret-slack-token", "xox"+"b-"+g.number(12)+"-"+g.number(12)+"-"+g.random(alnums, 24))
	case 4:
		return d("secret-stripe-key", g.one("sk", "rk")+"_live_"+g.random(alnums, 24))
	case 5:
		return d("secret-google-api-key", "AI"+"zaSy"+g.random(alnums, 33))
	case 6:
		return d("secret-azure-storage-key", "Account"+"Key="+g.random(base64s, 86)+"==")
	}
	return d("secret-github-token", "github"+"_pat_11"+g.random(uppers+digits, 20)+"_"+g.random(alnums, 59))
}

// random draws n of alphabet with at least one digit and one letter among them,
// and nothing that reads like a placeholder.
func (g *gen) random(alphabet string, n int) string {
	for {
		s := g.from(alphabet, n)
		if l := strings.ToLower(s); strings.ContainsAny(s, digits) && strings.ContainsAny(l, lowers) &&
			!strings.Contains(l, "xxx") && !strings.Contains(l, "test") && !strings.Contains(l, "fake") && !strings.HasSuffix(s, "/") {
			return s
		}
	}
}
