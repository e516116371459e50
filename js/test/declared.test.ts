/** Programs and spaces of different versions: what a space lacks, what is kept, and the examples shared with Go. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Value } from '../src/cbor.js'
import type { Data } from '../src/client.js'
import { Declared } from '../src/declared.js'
import { HhsError } from '../src/errors.js'
import { object, optional, string } from '../src/schema.js'
import { counter, list, listed, log, map, record, register } from '../src/shapes.js'
import { collect } from '../src/tx.js'
import { type Described, fieldsOf } from './shapes.js'
import { vectors } from './vectors.js'

/** All places of fields: the field and the steps to each value. */
function* places(fields: Data[], path: string, steps: (string | null)[]): Generator<[string, (string | null)[]]> {
  for (const f of fields) yield* inside(f, path ? `${path}.${f.name as string}` : (f.name as string), [...steps, f.name as string])
}

function* inside(f: Data, path: string, steps: (string | null)[]): Generator<[string, (string | null)[]]> {
  yield [path, steps]
  if (f.of) yield* inside(f.of as Data, `${path}[...]`, [...steps, 'key', ...((f.of as Data).type === 'record' ? [null] : [])])
  if (f.fields) yield* places(f.fields as Data[], path, steps)
}

test('what a space lacks of a program, as in Go', () => {
  const file = vectors<{ fits: { name: string; space: Data[]; program: Data[]; path?: string; missing?: string[] }[] }>('schemachange.json')
  assert.ok(file.fits.length > 5)
  for (const v of file.fits) {
    if (v.path !== undefined) continue // refused by the engine
    const { space, program } = v
    const declared = Declared.beside({ fields: space, version: 1 }, { fields: fieldsOf(program as unknown as Described[]), version: 2 })
    const missing: string[] = []
    for (const [path, [field, ...steps]] of places(program, '', [])) {
      const gone = declared && !declared.at(field!, steps)
      if (gone && !missing.some(m => path.startsWith(m + '.') || path.startsWith(m + '['))) missing.push(path)
    }
    assert.deepEqual(missing, v.missing ?? [], v.name)
  }
})

const before = { title: register({ a: string() }), items: map(record({ name: register(string()) })), posts: log({ text: string() }) }
const after = {
  ...before,
  title: register({ a: string(), b: optional(string()), in: optional(object({ x: string(), y: optional(string()) })) }),
  items: map(record({ name: register(string()), votes: counter() })),
  steps: list({ text: string() }),
}

test('a newer program is told what the space has not', () => {
  const declared = Declared.beside({ fields: listed(before), version: 1 }, { fields: after, version: 2 })
  const { writers, done } = collect(after, declared)
  const old = (path: string) => (e: unknown) => e instanceof HhsError && e.code === 'old_schema' && e.path === path
  assert.throws(() => writers.steps.push({ text: 'x' }), old('steps'))
  assert.throws(() => writers.items.at('k').votes.add(1), old('items["k"].votes'))
  assert.throws(() => writers.items.make('k', { name: 'n', votes: 2 }), old('items["k"].votes'))
  writers.items.at('k').name.set('n')
  assert.equal(done().ops.length, 1)
})

test('who adds a field and leaves the version as it is is told to raise it', () => {
  const messages = (version: number) => {
    const { writers } = collect(after, Declared.beside({ fields: listed(before), version: 3 }, { fields: after, version }))
    const said: string[] = []
    for (const write of [() => writers.steps.push({ text: 'x' }), () => writers.title.set({ a: '1', b: '2' })]) {
      try {
        write()
      } catch (e) {
        said.push(`${(e as HhsError).code} ${(e as HhsError).path} ${(e as HhsError).message}`)
      }
    }
    return said
  }
  for (const version of [2, 3]) {
    const [field, property] = messages(version)
    assert.match(field!, /^old_schema steps steps: .*version 3.*raise the program's version to 4/)
    assert.match(property!, /^schema title.b title.b: .*raise the program's version to 4/)
  }
  const [field, property] = messages(4)
  assert.match(field!, /^old_schema steps .*the program's version 4 upgrades it/)
  assert.match(property!, /^schema title.b .*the program's version 4 upgrades it/)
})

test('an older program has kept what it does not know', () => {
  const declared = Declared.beside({ fields: listed(after), version: 2 }, { fields: before, version: 1 })
  const { writers, done } = collect(before, declared)
  writers.title.set({ a: '1' })
  writers.title.set({ a: '1', b: 'read before', in: { x: 'too' } } as { a: string })
  assert.throws(() => writers.title.set({ a: '1', c: 'nobody knows' } as { a: string }), /c: is not a property/)
  writers.posts.append({ text: 'x' })
  const { ops } = done()
  assert.deepEqual(ops.map(op => op.known), [before.title.inside.schema!.value, before.title.inside.schema!.value, undefined])
  assert.deepEqual((ops[1]!.value as Data).in as Value, { x: 'too' })
})

test('a program of the same schema pays nothing', () => {
  assert.equal(Declared.beside({ fields: listed(before), version: 1 }, { fields: before, version: 1 }), undefined)
  const { writers, done } = collect(before)
  writers.title.set({ a: '1' })
  assert.equal(done().ops[0]!.known, undefined)
})
