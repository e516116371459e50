/** The same with the engine itself, compiled to WebAssembly, as under Node.js. */
import 'hhs:wasm_exec'
import { readFile } from 'node:fs/promises'
import { describe } from 'node:test'
import { ProcessHost } from '../src/inprocess.js'
import { openOn } from '../src/options.js'
import { List, composed } from './composed.js'
import { past } from './past.js'

const file = process.env.HHS_WASM
if (!file) throw new Error('HHS_WASM does not say where the engine is; go run ./internal/build test does')

const open = () => openOn(new ProcessHost(async () => WebAssembly.compile(new Uint8Array(await readFile(file)))), { kinds: [List] }, true)

describe('with the engine', () => composed(open))
describe('the past, with the engine', () => past(open))
