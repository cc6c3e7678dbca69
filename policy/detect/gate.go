package detect

import "strings"

// A candidate that comes to nothing is told of in a sentence for whoever writes rules:
// what it lacked, or what it is instead. The code names a gate in short, as "brand and
// Luhn", which is also what a match says that it has passed.

// lacked says in a sentence why a gate stopped a candidate.
func lacked(gate string) string {
	if s := gates[gate]; s != "" {
		return s
	}
	for _, w := range []string{"a ", "an ", "another ", "one ", "part of ", "words of "} {
		if strings.HasPrefix(gate, w) {
			return "it is " + gate
		}
	}
	for _, w := range []string{"three", "four", "six", "eight", "nine", "ten", "6", "8"} { // a form: "ten digits"
		if strings.HasPrefix(gate, w+" ") {
			return "it is not made of " + gate
		}
	}
	if s := sums[gate]; s {
		return failsSum(gate)
	}
	// "date and modulo 11": any of them was missing.
	var all []string
	for part := range strings.SplitSeq(strings.ReplaceAll(gate, " and ", ", "), ", ") {
		switch {
		case parts[part] != "":
			all = append(all, parts[part])
		case sums[part]:
			all = append(all, failsSum(part))
		default:
			return gate // a sentence already
		}
	}
	return strings.Join(all, ", or ")
}

// failsSum says that a value did not pass the arithmetic of its kind.
func failsSum(name string) string {
	return "its digits or letters fail the check that all values of its kind pass (" + name + ")"
}

// sums are the names of arithmetic.
var sums = set("3-7-1", "GS1 check digit", "Luhn", "Luhn over letters", "Luhn with the issuer prefix", "Verhoeff", "check character", "check digit", "check digit of the country",
	"check digit of the province", "check letter", "check digit or letter", "eleven test", "key", "modulo 9", "modulo 10", "modulo 11", "modulo 26", "modulo 31", "modulo 36", "modulo 89", "modulo 97", "modulo 101",
	"modulo 511", "modulus 11", "prime weights", "primes modulo 11", "two check digits", "two digits modulo 11", "weights 1-3-7-9", "weights 3 and 7", "weights 3-7-1", "weights 4 and 9", "weights 8 to 1",
	"check bytes")

// parts say what is missing where a gate has several.
var parts = map[string]string{
	"89":          "it does not start with 89, as the numbers of SIM cards do",
	"784":         "it does not start with 784",
	"brand":       "it does not start as the cards of a known brand do, or is too long or too short for one",
	"century":     "it names no possible century",
	"country":     "it starts with no country's code",
	"county":      "it names no county that there is",
	"date":        "it holds no possible date",
	"department":  "it names no department that there is",
	"first digit": "its first digit is one that is never given out",
	"governorate": "it names no governorate that there is",
	"kind":        "it names no kind of company that there is",
	"month":       "it holds no possible month",
	"nationality": "it names no nationality that there is",
	"partition":   "its last digits but one are none that are given out",
	"place":       "it names no place that there is",
	"prefecture":  "it names no prefecture that there is",
	"prefix":      "it starts with digits that are never given out",
	"province":    "it names no province that there is",
	"region":      "it names no region that there is",
	"state":       "it names no state that there is",
	"year":        "it holds no possible year",
}

// gates are sentences of their own.
var gates = map[string]string{
	"branch and check digit of the bank":        "its bank has no such branch, or its digits fail the check of that bank",
	"chapter of ICD-10":                         "it is in none of the chapters of ICD-10",
	"area, group and serial that are given out": "its area, group or serial number is one that is never given out",
	"group that is given out":                   "its middle group is one that is never given out",
	"prefix that is given out":                  "it starts with digits that are never given out",
	"prefix and suffix that are given out":      "its first two letters or its last one are never given out",
	"prefix 80":                                 "it does not start with 80, as the numbers of European health cards do",
	"code of a country":                         "its fifth and sixth letters are no country's code",
	"date and place of birth":                   "it holds no possible date of birth, or no place that there is",
	"date of birth":                             "it holds no possible date of birth",
	"date of issue":                             "it holds no possible date of issue",
	"day of the year":                           "it holds no possible day of a year",
	"year and day of the year":                  "it holds no possible year and day of that year",
	"digits of a tax office":                    "it starts with the digits of no tax office",
	"number of a bank":                          "it starts with the number of no bank",
	"numbering plan":                            "its length or its first digits are those of no phone number",
	"country code":                              "it starts with no country's code",
	"length for the country":                    "it does not have the length of that country's phone numbers",
	"check digits or form of the country":       "its check digits do not fit the rest, or it has not the form that its country's account numbers have",
	"form of a state":                           "it has the form of no state's licences",
	"form of a province":                        "it has the form of no province's licences",
	"form of a country":                         "it has the form of no country's plates",
	"form that DVLA gives out":                  "it has not the form that DVLA gives out",
	"letter for a kind of holder":               "its fourth letter stands for no kind of holder",
	"letter":                                    "its letter is none that is given out",
	"a letter, seven digits":                    "it is not a letter and seven digits",
	"letter, digits, point":                     "it is not a letter and digits with a point",
	"digits, point":                             "it is not digits with a point",
	"letters and digits":                        "its letters and digits do not stand as they do in such a value",
	"letters and digits in their places":        "its letters and digits do not stand as they do in such a value",
	"six digits, or with an account":            "it is not six digits, alone or with the number of an account",
	"length":                                    "it does not have the length of such a value",
	"placeholder":                               "it is a placeholder, not a real value",
	"a name of its own":                         "it is what the name before it says, not a key",
	"part of the name of a file":                "it is part of the name of a file",
	"randomness":                                "it is not as random as a key is",
	"words":                                     "it is made of words, not of random characters",
	"no evidence nearby":                        "no word nearby says what it is, and without one it is not reported",
	"no keyword names it":                       "no word right before it, or before the list that it is in, says that it is a diagnosis",
	"what a function is called with":            "it is what a function of a program is called with",
	"no keyword nearby":                         "no word nearby says what it is, and without one it is not reported",
	"no context word nearby":                    "none of the detector's context words is nearby, and without one it is not reported",
	"no top-level domain":                       "its last part is no top-level domain",
	"no public address":                         "it is no public address",
	"no device's address":                       "it is the address of no single device",
	"not three parts":                           "it does not have the three parts of a token",
	"no header that names an algorithm":         "its first part is no header that names an algorithm",
	"no claims":                                 "its second part holds no claims",
	"no key between the lines":                  "no key stands between its first and its last line",
	"no private key":                            "it holds no private key",
	"no signature":                              "it holds no signature",
	"no user and password":                      "it does not decode to a user and a password",
	"said elsewhere in the message":             "it is said elsewhere in the message, where it is reported",
	"too few of the other columns nearby":       "too few of the other columns of its row are nearby",
	"reaches over two parts of the message":     "it reaches over two parts of the message",
}
