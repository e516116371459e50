package object_test

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

func Example() {
	block, err := object.Encode(map[string]any{"$type": "note", "text": "hello"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n%s\n", block, object.Sum(object.DagCBOR, block))

	v, err := object.Decode(block)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := object.ToJSON(v)
	fmt.Printf("%s\n", text)
	// Output:
	// a264746578746568656c6c6f652474797065646e6f7465
	// bafyreigbrynrlkjt3eljfuzdgd6otbsx5lso2npiiuzabirzb7npxv4ihm
	// {"$type":"note","text":"hello"}
}

func ExampleEncode_refused() {
	_, err := object.Encode(map[string]any{"points": []any{map[string]any{"x": func() {}}}})
	fmt.Println(err)
	// Output: encode object: at points[0].x: a Go func() is not a value
}

func ExampleDecode_notCanonical() {
	_, err := object.Decode([]byte{0xa2, 0x61, 'b', 0x01, 0x61, 'a', 0x02}) // b before a
	fmt.Println(err)
	// Output: decode object: at byte 4: map keys are not sorted and unique
}

func ExampleReader() {
	block, _ := object.Encode(map[string]any{"name": "Ada", "age": 36})
	r := object.NewReader(block)
	n, _ := r.Map()
	for range n {
		key, _ := r.NextKey()
		switch string(key) {
		case "age":
			age, _ := r.Int()
			fmt.Println("age", age)
		case "name":
			name, _ := r.String()
			fmt.Println("name", name)
		default:
			r.Skip()
		}
	}
	fmt.Println(r.End())
	// Output:
	// age 36
	// name Ada
	// <nil>
}
