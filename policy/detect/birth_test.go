package detect

import (
	"testing"
	"time"

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
		{"date of birth: 14/08/2031", "date-of-birth 75"},
		{"date of birth: 14/08/2131", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// Nobody is born after the message is said, whenever that is; where it is said it may
// be tomorrow already.
func TestBornByThen(t *testing.T) {
	for _, tc := range []struct {
		now, in string
		want    want
	}{
		{"2026-11-26T10:00:00Z", "born 5 March 2026", "date-of-birth 75"},
		{"2026-11-26T10:00:00Z", "DOB: 26.11.2026", "date-of-birth 75"},
		{"2026-11-26T23:00:00Z", "DOB: 27.11.2026", "date-of-birth 75"},
		{"2026-11-26T10:00:00Z", "DOB: 28.11.2026", ""},
		{"2026-11-26T10:00:00Z", "born 5 March 2027", ""},
		{"2041-01-01T10:00:00Z", "born 5 March 2040", "date-of-birth 75"},
		{"2024-01-01T10:00:00Z", "date of birth: 2024-06-30", ""},
	} {
		now, err := time.Parse(time.RFC3339, tc.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := found(extract.Plain(tc.in), Options{Now: now}); got != tc.want {
			t.Errorf("%q, said at %s: %q, want %q", tc.in, tc.now, got, tc.want)
		}
	}
}
