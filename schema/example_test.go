package schema_test

import (
	"fmt"
	"reflect"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

func Example() {
	type Message struct {
		Text string `hhs:"max=10"`
	}
	s, err := schema.FromGo(reflect.TypeFor[Message](), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := object.ToJSON(s.Value())
	fmt.Printf("%s\n", text)

	v, _ := schema.FromGoValue(reflect.ValueOf(Message{"hello"}))
	fmt.Println(s.Check(v))
	v, _ = schema.FromGoValue(reflect.ValueOf(Message{"hello, everybody"}))
	fmt.Println(s.Check(v))
	// Output:
	// {"props":{"text":{"max":10,"type":"string"}},"required":["text"],"type":"object"}
	// <nil>
	// value at text: 16 characters, and at most 10 are allowed
}

func ExampleParse_unknownKeyword() {
	_, err := schema.Parse(map[string]any{"type": "string", "pattern": "a+"})
	fmt.Println(err)
	// Output: schema at pattern: not a keyword here, where there are type, min, max, maxBytes
}
