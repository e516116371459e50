import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ProcessHost } from '../src/inprocess.js'
import { openOn } from '../src/options.js'
import type { useValue } from '../src/react.js'
import type { Space } from '../src/space.js'
import type { Writers } from '../src/tx.js'
import { editors } from './codemirror.js'
import { emptyModule } from './fake-engine.js'
import { Notes, sequences } from './sequences.js'

describe('with a stand-in for the engine', () => sequences(() => openOn(new ProcessHost(() => WebAssembly.compile(emptyModule)), { kinds: [Notes] }, true)))

describe('editors, with a stand-in', () => editors(() => openOn(new ProcessHost(() => WebAssembly.compile(emptyModule)), { kinds: [Notes] }, true)))

// Type tests: these lines do not compile when a type is wrong.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
function is<_ extends true>(): void {}
type Book = Space<typeof Notes.fields>

test('types are those of the schemas', () => {
  const read = async (s: Book, w: Writers<typeof Notes.fields>) => {
    const points = await s.points.list()
    is<Equal<typeof points, { x: number; y: number }[]>>()
    const page = (await s.pages.get('a'))!
    is<Equal<typeof page.text, string>>()
    is<Equal<typeof page.lines, string[]>>()
    w.tags.push('a', 'b')
    w.pages.make('a', { text: 'x', lines: ['a'] })
    // @ts-expect-error a number is no text
    w.tags.push(1)
    // @ts-expect-error a text is written by places
    w.body.set('x')
    // @ts-expect-error its lines are text
    w.pages.make('a', { lines: [1] })
  }
  const draw = (s: Book, use: typeof useValue) => {
    const body = use(s.body)
    is<Equal<typeof body, string | undefined>>()
    const tags = use(s.tags)
    is<Equal<typeof tags, string[] | undefined>>()
    const page = use(s.pages.at('a'))
    is<Equal<Exclude<typeof page, undefined>['text'], string>>()
  }
  assert.equal(typeof read, typeof draw)
})
