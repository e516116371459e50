package history

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// example is the worked example of docs/spec/history.md: a space's first commit and a message after it.
func example(t testing.TB) (first, message *Commit, part []byte) {
	body, err := object.Encode(map[string]any{"$type": "test"})
	if err != nil {
		t.Fatal(err)
	}
	first, err = NewCommit(&Envelope{
		Version: 1, Author: key(1), Seq: 1, Grant: GrantRef{Index: NoGrant}, Time: 1_760_000_000_000,
		Ops: []Op{{Action: "create", Part: NoPart, Body: body}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := object.Encode("hello")
	if err != nil {
		t.Fatal(err)
	}
	part = encodePart(t, &Part{Salt: [16]byte{0: 0xaa, 15: 0xbb}, Payloads: [][]byte{payload}})
	message, err = NewCommit(&Envelope{
		Version: 1, Author: key(2), Seq: 1, Parents: []object.ID{first.ID}, Time: 1_760_000_001_500,
		Ops:   []Op{{Field: "messages", Action: "append", Size: len(payload)}},
		Parts: [][32]byte{PartDigest(part)},
	}, [][]byte{part})
	if err != nil {
		t.Fatal(err)
	}
	return first, message, part
}

// TestSpecExample: every value of the worked example stands in the specification as the code makes it.
func TestSpecExample(t *testing.T) {
	spec, err := os.ReadFile("../docs/spec/history.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(spec)), "")
	first, message, part := example(t)
	wire, err := EncodeBatch(&Batch{Commits: []*Commit{message}, Attestations: []Attestation{{message.ID, sig(0xcc)}}})
	if err != nil {
		t.Fatal(err)
	}
	hash := AttestationStatement(first.ID, 1, message.ID).Hash
	digest := PartDigest(part)
	for what, value := range map[string]string{
		"first commit":     hex.EncodeToString(first.Raw),
		"space id":         first.ID.String(),
		"part":             hex.EncodeToString(part),
		"digest":           hex.EncodeToString(digest[:]),
		"message commit":   hex.EncodeToString(message.Raw),
		"message id":       message.ID.String(),
		"attestation hash": hex.EncodeToString(hash[:]),
		"batch":            hex.EncodeToString(wire),
	} {
		if !strings.Contains(text, value) {
			t.Errorf("%s is not in the specification: %s", what, value)
		}
	}
	for what, limit := range map[string]int{
		"parents": MaxParents, "ops": MaxOps, "refs": MaxRefs, "field": MaxField, "action": MaxAction, "parts": MaxParts,
		"payload": MaxPayload, "part": MaxPart, "attached": MaxAttached, "envelope": MaxEnvelope, "commit": MaxCommit, "grants": maxGrants,
	} {
		if !strings.Contains(string(spec), fmt.Sprintf("| %d |", limit)) {
			t.Errorf("the limit on %s, %d, is not in the specification", what, limit)
		}
	}
}
