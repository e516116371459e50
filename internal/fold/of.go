package fold

import (
	"reflect"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Of is a fold whose states are Go values of type S, beginning with the zero one.
func Of[S any](name string, version int64, step func(s S, op any) (S, error)) *Def {
	return &Def{Name: name, Version: version,
		Initial: func() any { return *new(S) },
		Step:    func(state, op any) (any, error) { return step(state.(S), op) },
		Encode: func(state any) ([]byte, error) {
			v, err := schema.FromGoValue(reflect.ValueOf(state))
			if err != nil {
				return nil, err
			}
			return object.Encode(v)
		},
		Decode: func(block []byte) (any, error) {
			v, err := object.Decode(block)
			if err != nil {
				return nil, err
			}
			var s S
			err = schema.ToGo(v, reflect.ValueOf(&s).Elem())
			return s, err
		},
	}
}
