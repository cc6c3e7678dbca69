package rulefile

import (
	"encoding/json"
	"maps"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a rule file, for editors. It
// is made from the tables that the decoder itself reads by.
func Schema() []byte {
	defs := schema{
		"condition": conditionSchema(),
		"sender":    objectSchema(senderFields()),
		"count":     countSchema(),
		"strings": schema{"oneOf": []any{
			schema{"type": "string", "minLength": 1},
			schema{"type": "array", "minItems": 1, "items": schema{"type": "string", "minLength": 1}},
		}},
	}
	root := objectSchema(fileFields())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "teamsdlp rule file"
	root["$defs"] = defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return append(out, '\n')
}

// objectSchema describes a mapping by its fields.
func objectSchema[T any](fields []field[T]) schema {
	properties := schema{}
	var required []string
	for _, f := range fields {
		p := maps.Clone(f.schema)
		if p == nil {
			p = schema{}
		}
		p["description"] = f.doc
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

// conditionSchema is one form for each condition: the key that names it and the
// keys that go with it.
func conditionSchema() schema {
	var forms []any
	for _, k := range conditionKinds() {
		properties := schema{}
		head := maps.Clone(k.schema)
		head["description"] = k.doc
		properties[k.name] = head
		for _, f := range k.options {
			p := maps.Clone(f.schema)
			p["description"] = f.doc
			properties[f.name] = p
		}
		forms = append(forms, schema{"type": "object", "additionalProperties": false, "properties": properties, "required": []string{k.name}})
	}
	return schema{"oneOf": forms}
}

func countSchema() schema {
	n := schema{"type": "integer", "minimum": 1, "maximum": maxCount}
	return schema{"oneOf": []any{n, objectSchema(countFields())}}
}

// The parts that several tables share.
var (
	anyText  = schema{"type": "string", "minLength": 1}
	idText   = schema{"type": "string", "pattern": goodID.String(), "maxLength": maxID}
	guidText = schema{"type": "string", "pattern": guid.String()}
	boolean  = schema{"type": "boolean"}
	strs     = schema{"$ref": "#/$defs/strings"}
)

func words(list []string) schema { return schema{"type": "string", "enum": list} }

func listOf(items any) schema { return schema{"type": "array", "items": items} }

func oneOrMore(item schema) schema {
	return schema{"oneOf": []any{item, schema{"type": "array", "minItems": 1, "items": item}}}
}
