package transport_test

import (
	"context"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/transport"
)

func ExamplePipe() {
	ctx := context.Background()
	a, b := transport.Pipe()
	defer a.Close()
	defer b.Close()
	if err := a.Send(ctx, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := b.Receive(ctx)
	fmt.Printf("%s %v\n", msg, err)
	// Output: hello <nil>
}
