package detect

import (
	"testing"

	"teamsdlp/policy/extract"
)

// A category of ICD-10 has three characters, as much else has: a word must name it, or
// the list that it is in.
func TestCategoriesOfICD10(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"diagnosis: I10", "icd10-cm 75"},
		{"ICD-10: E11, I10 and J45", "icd10-cm 75, icd10-cm 75, icd10-cm 75"},
		{"Hauptdiagnose I25", "icd10-cm 75"},
		{"diagnostic : F32", "icd10-cm 75"},
		{"the ICD code is G35", "icd10-cm 75"},
		{"I10", ""},
		{"room I10, diagnosis follows", ""},
		{"diagnostic run on M16", ""},
		{"we diagnosed A38 congestion", ""},
		{"diagnosis. M16 is free again", ""},
		{"diagnosis: i10", ""},
		{"diagnosis: B12", ""}, // a vitamin, and no category
		{"diagnosis: X18", ""},
		{"VPSLLVD (DX), J7, J18", ""}, // registers
		{"diagnosis (main) I10", "icd10-cm 75"},
		{"diagnosis: E11x", ""},
		{"diagnosis from the laptop in meeting room E11", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
	}
}

// What a function of a program is called with is not what its name is short for.
func TestCalled(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"y := sin(668307788)", ""},
		{"return Math.sin(668307788) + 1", ""},
		{"SIN (668307788)", "ca-sin 85"},
		{"SIN(668307788)", "ca-sin 85"},
		{"sin 668307788", "ca-sin 85"},
		{"my sin (668307788)", "ca-sin 85"},
		{"sin(668-307-788)", "ca-sin 85"},
		{"他昨天把sin（668307788）发给我了", "ca-sin 85"},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
	}
}
