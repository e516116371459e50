package object

import "strconv"

// Reason says in one stable word why bytes are not a canonical value. The words are the same in Go, in
// TypeScript and in testdata/vectors/object.json.
type Reason string

// The reasons a [DecodeError] can have.
const (
	ReasonTruncated  Reason = "truncated"   // the bytes end inside a value, or a length claims more than there is
	ReasonTrailing   Reason = "trailing"    // bytes follow the value
	ReasonNotMinimal Reason = "not-minimal" // an integer or a length is not in its shortest form
	ReasonIndefinite Reason = "indefinite"  // an indefinite length
	ReasonReserved   Reason = "reserved"    // additional information 28, 29 or 30
	ReasonIntRange   Reason = "int-range"   // an integer outside int64
	ReasonFloat      Reason = "float"       // not 64 bits, or NaN, an infinity or negative zero
	ReasonSimple     Reason = "simple"      // a simple value other than false, true and null
	ReasonUTF8       Reason = "utf8"        // a string that is not valid UTF-8
	ReasonKeyType    Reason = "key-type"    // a map key that is not a string
	ReasonKeyOrder   Reason = "key-order"   // map keys not sorted, or one of them twice
	ReasonTag        Reason = "tag"         // a tag other than 42
	ReasonLink       Reason = "link"        // tag 42 without a CID of the kind we accept
	ReasonDepth      Reason = "depth"       // more than MaxDepth containers inside each other
	ReasonSize       Reason = "size"        // more than MaxBlock bytes (or MaxJSON of text)
	ReasonContainers Reason = "containers"  // more than MaxContainers lists and maps
	ReasonID         Reason = "id"          // not the text or the bytes of an ID
	ReasonKind       Reason = "kind"        // a well-formed value of another kind than the reader asked for
	ReasonJSON       Reason = "json"        // not JSON, or JSON that DAG-JSON gives no meaning
)

// text is what people read; the word itself is for programs.
var text = map[Reason]string{
	ReasonTruncated:  "the bytes end inside a value",
	ReasonTrailing:   "bytes follow the value",
	ReasonNotMinimal: "an integer or length is not in its shortest form",
	ReasonIndefinite: "indefinite lengths are not allowed",
	ReasonReserved:   "reserved additional information",
	ReasonIntRange:   "an integer does not fit into 64 bits with sign",
	ReasonFloat:      "a float must have 64 bits and be neither NaN, infinite nor negative zero",
	ReasonSimple:     "only false, true and null are allowed as simple values",
	ReasonUTF8:       "a string is not valid UTF-8",
	ReasonKeyType:    "a map key is not a string",
	ReasonKeyOrder:   "map keys are not sorted and unique",
	ReasonTag:        "only tag 42 (a link) is allowed",
	ReasonLink:       "a link is not a CIDv1 with sha2-256 of a dag-cbor or raw block",
	ReasonDepth:      "more than 32 lists and maps inside each other",
	ReasonSize:       "longer than a block may be",
	ReasonContainers: "more than 16384 lists and maps in one block",
	ReasonID:         "not an id",
	ReasonKind:       "a value of another kind was expected",
	ReasonJSON:       "not valid DAG-JSON",
}

// DecodeError is why bytes were refused, and where.
type DecodeError struct {
	Offset int    // of the byte at which the offending value or head begins
	Reason Reason // one of the Reason constants
}

func (e *DecodeError) Error() string {
	s, ok := text[e.Reason]
	if !ok {
		s = string(e.Reason)
	}
	return "decode object: at byte " + strconv.Itoa(e.Offset) + ": " + s
}

// ValueError is why a value cannot be encoded, and where in it.
type ValueError struct {
	Path   string // as made by PathKey and PathIndex; "" is the value itself
	Reason string // for people
}

func (e *ValueError) Error() string {
	if e.Path == "" {
		return "encode object: " + e.Reason
	}
	return "encode object: at " + e.Path + ": " + e.Reason
}

// PathKey is the path of the value under key in the map at path: a.b, or a["b c"] where key is not made of
// ASCII letters, digits, $, _ and - alone. The path of the outermost value is "".
func PathKey(path, key string) string {
	if !plainKey(key) {
		return path + "[" + string(appendJSONString(nil, key)) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// PathIndex is the path of element i of the list at path: a[3].
func PathIndex(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// pathUnder puts the path of an outer value before that of one inside it, as errors do on their way up.
func pathUnder(outer, inner string) string {
	if outer == "" || inner == "" || inner[0] == '[' {
		return outer + inner
	}
	return outer + "." + inner
}

func plainKey(key string) bool {
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '$', c == '_', c == '-':
		default:
			return false
		}
	}
	return key != ""
}
