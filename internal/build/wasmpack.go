package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// The Go linker leaves two things in a WebAssembly module that a download can do without; packWASM takes them out. It is
// about a sixth of what a browser downloads, at no cost in speed.
//
//  1. Data is split at every run of eight zero bytes into up to 100,000 segments, each with an address of its own. The
//     addresses compress badly and zeros well: fewer, longer segments are smaller once compressed, and start faster.
//  2. Every instruction's file and line, for stack traces. Traces keep the names of functions.

// wasmGap is the most zero bytes written out to join two segments.
const wasmGap = 4096

// sectionData is the number of the section of data segments (WebAssembly Core Specification 2.0, 5.5.14).
const sectionData = 11

var errWASM = errors.New("not a module as this version of the Go linker writes it")

// segment is a stretch of memory and what it begins with.
type segment struct {
	at   int
	data []byte
}

func packFile(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	packed, err := packWASM(data)
	if err != nil {
		return fmt.Errorf("pack %s: %w", path, err)
	}
	return os.WriteFile(path, packed, 0o755)
}

// packWASM returns a module that does the same.
func packWASM(in []byte) ([]byte, error) {
	if len(in) < 8 || string(in[:4]) != "\x00asm" {
		return nil, errWASM
	}
	out := slices.Clone(in[:8])
	r := &wasmReader{data: in[8:]}
	for len(r.data) > 0 && r.err == nil {
		id := r.bytes(1)
		body := r.bytes(r.uint())
		if r.err == nil && id[0] == sectionData {
			var err error
			if body, err = packData(body); err != nil {
				return nil, err
			}
		}
		out = append(out, id...)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, r.err
}

func packData(body []byte) ([]byte, error) {
	segments, err := readSegments(body)
	if err != nil || len(segments) == 0 {
		return body, err
	}
	last := segments[len(segments)-1]
	memory := make([]byte, last.at+len(last.data))
	for _, s := range segments {
		copy(memory[s.at:], s.data)
	}
	if err := dropLines(memory); err != nil {
		return nil, err
	}
	joined := segments[:1]
	for _, s := range segments[1:] {
		before := &joined[len(joined)-1]
		if end := before.at + len(before.data); s.at-end <= wasmGap {
			before.data = memory[before.at : s.at+len(s.data)]
			continue
		}
		joined = append(joined, s)
	}
	out := binary.AppendUvarint(nil, uint64(len(joined)))
	for _, s := range joined {
		data := memory[s.at : s.at+len(s.data)]
		out = append(out, 0, opI32Const)
		out = appendSigned(out, int64(s.at))
		out = append(out, opEnd)
		out = binary.AppendUvarint(out, uint64(len(data)))
		out = append(out, data...)
	}
	return out, nil
}

// The two instructions of a segment's address.
const (
	opI32Const = 0x41
	opEnd      = 0x0b
)

// maxMemory bounds the addresses: the engine's data is a few megabytes.
const maxMemory = 64 << 20

// readSegments reads them in the order of their addresses.
func readSegments(body []byte) ([]segment, error) {
	r := &wasmReader{data: body}
	var list []segment
	for range r.uint() {
		head := r.bytes(2)
		if r.err != nil || head[0] != 0 || head[1] != opI32Const {
			return nil, errWASM
		}
		s := segment{at: r.signed()}
		if e := r.bytes(1); r.err != nil || e[0] != opEnd {
			return nil, errWASM
		}
		s.data = r.bytes(r.uint())
		if r.err != nil || s.at < 0 || s.at > maxMemory {
			return nil, errWASM
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b segment) int { return a.at - b.at })
	for i := 1; i < len(list); i++ {
		if list[i].at < list[i-1].at+len(list[i-1].data) {
			return nil, errWASM
		}
	}
	if len(r.data) > 0 || r.err != nil {
		return nil, errWASM
	}
	return list, nil
}

// wasmReader reads the binary format; after an error everything it gives is zero.
type wasmReader struct {
	data []byte
	err  error
}

func (r *wasmReader) bytes(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.err, r.data = errWASM, nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *wasmReader) uint() int {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > 1<<31 {
		r.err, r.data = errWASM, nil
		return 0
	}
	r.data = r.data[size:]
	return int(n)
}

// signed reads a number in signed LEB128.
func (r *wasmReader) signed() int {
	var n int64
	for shift := 0; shift < 35; shift += 7 {
		b := r.bytes(1)
		if r.err != nil {
			return 0
		}
		n |= int64(b[0]&0x7f) << shift
		if b[0]&0x80 == 0 {
			if b[0]&0x40 != 0 {
				n |= -1 << (shift + 7)
			}
			return int(n)
		}
	}
	r.err = errWASM
	return 0
}

func appendSigned(b []byte, n int64) []byte {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
