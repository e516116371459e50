/** The same with the engine itself, compiled to WebAssembly, as under Node.js. */
import 'hhs:wasm_exec'
import { readFile } from 'node:fs/promises'
import { describe } from 'node:test'
import { ProcessHost } from '../src/inprocess.js'
import { openOn } from '../src/options.js'
import { List, composed } from './composed.js'

const file = process.env.HHS_WASM
if (!file) throw new Error('HHS_WASM does not say where the engine is; go run ./internal/build test does')

describe('with the engine', () => composed(() => openOn(new ProcessHost(async () => WebAssembly.compile(new Uint8Array(await readFile(file)))), { kinds: [List] }, true)))
