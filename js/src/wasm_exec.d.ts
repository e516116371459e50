// The Go distribution's wasm_exec.js, which defines the global class Go; tools/bundle puts the file of the Go version in use here.
declare module 'hhs:wasm_exec' {}
