package detect

import (
	"testing"

	"teamsdlp/policy/extract"
)

// A date that is written out is one of birth where a word says so.
func TestBirths(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"born March 5th, 1985", "date-of-birth 75"},
		{"DOB 05-Mar-1985", "date-of-birth 75"},
		{"geboren am 17. März 1969", "date-of-birth 75"},
		{"né le 14 août 1985 à Lyon", "date-of-birth 75"},
		{"nacido el 23 de noviembre de 1990", "date-of-birth 75"},
		{"urodzony 11 września 1981", "date-of-birth 75"},
		{"syntynyt 3. kesäkuuta 1990", "date-of-birth 75"},
		{"born 31 April 1985", ""},
		{"born 5 March 1885", ""},
		{"born in March 1985", ""},
		{"released March 5, 2019", ""},
		{"may I ask when you were born, 1985?", ""},
		{"born 5 Marching 1985", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}
