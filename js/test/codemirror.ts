/** What holds of editors bound to a text, whatever engine is behind it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ChangeSet, Text } from '@codemirror/state'
import { TextSync } from '../src/codemirror.js'
import { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import type { TextHandle } from '../src/sequences.js'
import { Notes } from './sequences.js'

/** An editor without a page. */
class Editor {
  doc = Text.empty
  cursor = 0
  errors: string[] = []
  private looks: (() => void)[] = []
  readonly sync: TextSync

  constructor(text: TextHandle) {
    const show = (changes: ChangeSet) => {
      this.doc = changes.apply(this.doc)
      this.cursor = changes.mapPos(this.cursor)
      for (const look of this.looks) look()
    }
    this.sync = new TextSync(text, show, { delay: 0, onError: e => this.errors.push(e.code) })
  }

  get text(): string {
    return this.doc.sliceString(0, this.doc.length, '\n')
  }

  type(from: number, to: number, insert: string): void {
    const changes = ChangeSet.of({ from, to, insert }, this.doc.length, '\n')
    this.doc = changes.apply(this.doc)
    this.cursor = changes.mapPos(this.cursor)
    this.sync.typed(changes)
  }

  /** Resolves when it shows this. */
  shows(want: string): Promise<void> {
    return new Promise(resolve => {
      const look = () => { if (this.text === want) resolve() }
      this.looks.push(look)
      look()
    })
  }
}

/** Runs the tests; `open` opens a node that knows the kind `Notes`. */
export function editors(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('what is typed in two editors at one time is in both, and cursors stay', async () => {
    const s = await node.create(Notes)
    await s.update(r => r.body.append('one two\nthree'))
    const [a, b] = [new Editor(s.body), new Editor(s.body)]
    await Promise.all([a.shows('one two\nthree'), b.shows('one two\nthree')])
    a.cursor = 5
    b.cursor = 13
    a.type(3, 3, ',')
    b.type(8, 8, 'and 😀 ')
    a.type(4, 4, ' plus')
    await Promise.all([a.shows('one, plus two\nand 😀 three'), b.shows('one, plus two\nand 😀 three')])
    assert.equal(await s.body.get(), a.text)
    assert.deepEqual([a.cursor, b.cursor], [11, 26]) // before the w of two, and at the end
    await Promise.all([a.sync.close(), b.sync.close()])
  })

  test('many who type at random end equal, and lose nothing', async () => {
    const s = await node.create(Notes)
    let seed = 7
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
    const all = [new Editor(s.body), new Editor(s.body), new Editor(s.body)]
    for (let i = 0; i < 120; i++) {
      const e = all[random(3)]!
      const at = random(e.doc.length + 1)
      e.type(at, Math.min(e.doc.length, at + random(3)), ['x', 'yz', '', '\n'][random(4)]!)
      if (random(4) === 0) await e.sync.flush()
      if (random(9) === 0) await s.update(r => r.tags.push('x'))
      if (random(9) === 0) e.type(e.doc.length, e.doc.length, `<${i}>`)
    }
    for (const e of all) await e.sync.flush()
    const want = await s.body.get()
    await Promise.all(all.map(e => e.shows(want)))
    assert.ok(want.includes('<'), want)
    assert.deepEqual(all.map(e => e.errors), [[], [], []])
    await Promise.all(all.map(e => e.sync.close()))
  })

  test('undo takes back own keys, and what is pasted may be long', async () => {
    const s = await node.create(Notes)
    const e = new Editor(s.body)
    await e.sync.flush()
    const long = 'a😀b'.repeat(60_000)
    e.type(0, 0, 'first')
    await e.sync.flush()
    e.type(5, 5, long)
    await e.sync.flush()
    assert.equal(await s.body.get(), `first${long}`)
    await s.undo() // of what did not fit the first update
    await e.shows(`first${long.slice(0, 200_000)}`)
    await e.sync.close()
  })

  test('what cannot be written is taken out again, and told', async () => {
    const s = await node.create(Notes)
    await s.update(r => r.body.append('kept'))
    const e = new Editor(s.body)
    await e.shows('kept')
    e.type(4, 4, ' \ud800')
    await e.sync.flush()
    assert.deepEqual([e.text, e.errors, await s.body.get()], ['kept', ['value'], 'kept'])
    e.type(4, 4, '!')
    await e.sync.flush()
    assert.equal(await s.body.get(), 'kept!')
    await e.sync.close()
  })

  test('an engine that ends while it writes leaves neither a gap nor twice the same', async () => {
    for (const written of [false, true]) {
      const s = await node.create(Notes)
      const real = s.body
      let ends = 1
      const text = Object.assign(Object.create(real) as TextHandle, {
        apply: async (edits: Parameters<TextHandle['apply']>[0], since: string) => {
          if (ends-- <= 0) return real.apply(edits, since)
          if (written) await real.apply(edits, since)
          throw new HhsError('engine_restarted', 'the engine ended')
        },
        news: () => real.news(),
      })
      await s.update(r => r.body.append('so far'))
      const e = new Editor(text)
      await e.shows('so far')
      e.type(6, 6, ', so good')
      const writing = e.sync.flush()
      e.type(0, 0, 'well: ')
      await writing
      await e.sync.flush()
      assert.deepEqual([e.text, await s.body.get()], ['well: so far, so good', 'well: so far, so good'], String(written))
      await e.sync.close()
    }
  })
}
