/** The same with the engine itself, compiled to WebAssembly, as under Node.js. */
import 'hhs:wasm_exec'
import { readFile } from 'node:fs/promises'
import { describe } from 'node:test'
import type { SpaceKind } from '../src/define.js'
import { ProcessHost } from '../src/inprocess.js'
import { openOn } from '../src/options.js'
import { blobs } from './blobs.js'
import { editors } from './codemirror.js'
import { List, composed } from './composed.js'
import { files } from './files.js'
import { Wiki, finds } from './find.js'
import { past } from './past.js'
import { Notes, sequences, sequencesOfEngine } from './sequences.js'
import { unreachable } from './unreachable.js'
import { Room1, versions } from './versions.js'

const file = process.env.HHS_WASM
if (!file) throw new Error('HHS_WASM does not say where the engine is; go run ./internal/build test does')

const open = (kind: SpaceKind<any>, options: { words?: boolean } = {}) =>
  openOn(new ProcessHost(async () => WebAssembly.compile(new Uint8Array(await readFile(file)))), { kinds: [kind], ...options }, true)

describe('with the engine', () => composed(() => open(List)))
describe('lists and texts with the engine', () => sequences(() => open(Notes)))
describe('what only the engine does with them', () => sequencesOfEngine(() => open(Notes)))
describe('the past, with the engine', () => past(() => open(List)))
describe('what is found, with the engine', () => finds(() => open(Wiki)))
describe('files, with the engine', () => files(() => open(List)))
describe('editors, with the engine', () => editors(() => open(Notes)))
describe('blobs, with the engine', () => blobs(() => open(List)))
describe('programs of two versions, with the engine', () => versions(() => open(Room1)))
describe('peers that cannot be reached, with the engine', () => unreachable(o => open(List, o)))
