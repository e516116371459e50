package wasm

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// maxGap is the most zero bytes written out between two segments: an address of its own costs about as much as these do
// once compressed.
const maxGap = 4096

// maxMemory bounds the addresses: the engine's data is a few megabytes.
const maxMemory = 64 << 20

// segment is a stretch of memory and what it begins with.
type segment struct {
	at   int
	data []byte
}

// readMemory returns what the segments of a data section put into memory.
func readMemory(section []byte) ([]byte, error) {
	r := &reader{data: section}
	var list []segment
	for range r.uint() {
		head := r.bytes(2)
		if r.err != nil || head[0] != 0 || head[1] != opI32Const {
			return nil, ErrModule
		}
		s := segment{at: int(r.signed())}
		if r.byte() != opEnd {
			return nil, ErrModule
		}
		s.data = r.bytes(r.uint())
		if r.err != nil || s.at < 0 || s.at > maxMemory {
			return nil, ErrModule
		}
		list = append(list, s)
	}
	if len(r.data) > 0 || r.err != nil {
		return nil, ErrModule
	}
	slices.SortFunc(list, func(a, b segment) int { return a.at - b.at })
	var memory []byte
	for _, s := range list {
		if s.at < len(memory) {
			return nil, ErrModule
		}
		memory = append(append(memory, make([]byte, s.at-len(memory))...), s.data...)
	}
	return memory, nil
}

// appendMemory writes a data section for it.
func appendMemory(out, memory []byte) []byte {
	var list []segment
	zeros := make([]byte, maxGap)
	for at := 0; at < len(memory); {
		if memory[at] == 0 {
			at++
			continue
		}
		end := len(memory)
		if gap := bytes.Index(memory[at:], zeros); gap >= 0 {
			end = at + gap
		}
		data := bytes.TrimRight(memory[at:end], "\x00")
		list = append(list, segment{at, data})
		at = end
	}
	out = binary.AppendUvarint(out, uint64(len(list)))
	for _, s := range list {
		out = append(out, 0, opI32Const)
		out = appendSigned(out, int64(s.at))
		out = append(out, opEnd)
		out = binary.AppendUvarint(out, uint64(len(s.data)))
		out = append(out, s.data...)
	}
	return out
}
