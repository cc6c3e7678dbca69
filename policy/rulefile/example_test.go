package rulefile_test

import (
	"fmt"
	"time"

	"teamsdlp/policy"
	"teamsdlp/policy/extract"
	"teamsdlp/policy/rulefile"
)

const projects = `lists:
  - {id: project-names, words: [bluebird, operation lotus]}
rules:
  - id: project-outside
    title: Name of a confidential project
    mode: enforce
    when:
      all:
        - {list: project-names}
        - {audience: external}
    action: block-external
    tip: {text: The name of a confidential project is not for people outside.}
    tests:
      match: [{text: Operation Lotus starts, audience: external}]
      no_match: [{text: Operation Lotus starts, audience: internal}]
`

// A message is judged first by what it says itself. Only if a rule's result hangs on
// more is that fetched.
func Example() {
	g, err := rulefile.Compile("rules", []rulefile.Source{{Name: "projects.yaml", Data: []byte(projects)}}, rulefile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"lunch?", "Operation Lotus starts"} {
		j := g.Set.Begin(&policy.Message{Text: extract.Plain(text), Sender: policy.Sender{ID: "ana", Kind: "aadUser"}})
		v := j.Judge(nil, time.Now())
		if v.Need.Conversation {
			guest := policy.Member{Guest: true, External: true}
			v = j.Judge(&policy.Context{Conversation: &policy.Conversation{Kind: "group", Members: []policy.Member{guest}}}, time.Now())
		}
		fmt.Printf("%s: %s\n", v.Action, v.Rules[0].Reason)
	}
	// Output:
	// none: keyword list project-names did not occur
	// block-external: keyword list project-names occurred once; people outside the organisation can read the conversation
}
