/** What holds of lists and texts whatever engine is behind them: the tests of the stand-in and of the engine itself. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { defineSpace } from '../src/define.js'
import { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import { integer, string } from '../src/schema.js'
import { list, map, record, register, text } from '../src/shapes.js'
import type { TextNews } from '../src/sequences.js'
import { collector } from './collector.js'

export const Notes = defineSpace('example.org/test-notes', 1, {
  body: text(),
  tags: list(string({ max: 20 })),
  points: list({ x: integer(), y: integer() }),
  pages: map(record({ title: register(string()), text: text(), lines: list(string()) })),
  card: record({ note: text() }),
})

/** Runs the tests; `open` opens a node that knows the kind `Notes`. */
export function sequences(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('a text is written and read, each call seeing those before it', async () => {
    const s = await node.create(Notes)
    assert.deepEqual([await s.body.get(), await s.body.size(), await s.body.slice(0)], ['', 0, ''])
    await s.update(r => {
      r.body.append('helo world')
      r.body.insert(3, 'l')
      r.body.delete(5)
      r.body.splice(5, 5, ' 日本 😀')
      r.body.append('!')
      r.card.note.append('in a record')
    })
    assert.equal(await s.body.get(), 'hello 日本 😀!')
    assert.deepEqual([await s.body.size(), await s.body.slice(6, 8), await s.body.slice(9), await s.card.note.get()], [12, '日本', '😀!', 'in a record'])
    await s.update(r => r.body.delete(0, 6))
    assert.equal(await s.body.get(), '日本 😀!')
  })

  test('a list is written and read, each call seeing those before it', async () => {
    const s = await node.create(Notes)
    assert.deepEqual([await s.tags.list(), await s.tags.size(), await s.tags.get(0)], [[], 0, undefined])
    await s.update(r => {
      r.tags.push('a', 'b', 'c')
      r.tags.insert(1, 'x', 'y')
      r.tags.delete(0)
      r.tags.set(1, 'Y')
      r.points.push({ x: 1, y: 2 })
    })
    assert.deepEqual(await s.tags.list(), ['x', 'Y', 'b', 'c'])
    assert.deepEqual([await s.tags.size(), await s.tags.get(1), await s.tags.list({ from: 1, to: 3 }), await s.points.list()], [4, 'Y', ['Y', 'b'], [{ x: 1, y: 2 }]])
    const seen: string[] = []
    for await (const v of s.tags) seen.push(v)
    assert.deepEqual(seen, ['x', 'Y', 'b', 'c'])
    assert.deepEqual((await s.tags.entries()).map(e => [e.value, e.author]), seen.map(v => [v, node.identity]))
  })

  test('inside records they are made, filled, read as plain values and told of', async () => {
    const s = await node.create(Notes)
    const plain = collector<{ text: string; lines: string[] } | undefined>()
    s.pages.at('a').subscribe(plain.fn)
    const lines = collector<string[]>()
    s.pages.at('a').lines.subscribe(lines.fn)
    await Promise.all([plain.until(v => v === undefined), lines.until(v => v.length === 0)])
    await s.update(r => {
      const a = r.pages.make('a', { title: 'A', text: 'one', lines: ['1', '2'] })
      a.text.append(' two')
      a.lines.push('3')
      r.pages.make('b')
    })
    await Promise.all([plain.until(v => v?.text === 'one two'), lines.until(v => v.length === 3)])
    assert.deepEqual((await s.pages.entries()).map(e => e.value), [{ title: 'A', text: 'one two', lines: ['1', '2', '3'] }, { title: undefined, text: '', lines: [] }])
    await s.update(r => r.pages.at('a').text.splice(0, 3, '1'))
    await plain.until(v => v?.text === '1 two')
    assert.equal(await s.pages.at('none').text.get(), '')
  })

  test('who watches a text goes on with each change, and undo takes back own edits', async () => {
    const s = await node.create(Notes)
    const seen: string[] = []
    for await (const text of s.body.watch()) {
      seen.push(text)
      if (seen.length === 3) break
      await s.update(r => r.body.append(String(seen.length)))
    }
    assert.deepEqual(seen, ['', '1', '12'])
    await s.undo()
    assert.equal(await s.body.get(), '1')
    await s.redo()
    assert.equal(await s.body.get(), '12')
  })

  test('what an editor shows is brought up to date, and its edits are written on a version', async () => {
    const s = await node.create(Notes)
    let shown = ''
    const show = (news: TextNews) => {
      if (news.edits) for (const e of news.edits) shown = shown.slice(0, e.index) + e.insert + shown.slice(e.index + e.delete)
      else shown = news.text!
      return news.token
    }
    let token = show(await s.body.news())
    shown = 'one three'
    token = show(await s.body.apply([{ index: 0, delete: 0, insert: 'one three' }], token))
    assert.equal(await s.body.get(), shown)
    await s.update(r => r.body.insert(4, 'two '))
    const stale = await s.body.apply([{ index: 9, delete: 0, insert: '.' }], token).catch((e: unknown) => e as HhsError)
    assert.deepEqual([(stale as HhsError).code, (stale as HhsError).path], ['stale', 'body'])
    await assert.rejects(s.update(r => r.tags.push('x'), { since: token }), { code: 'stale' })
    token = show(await s.body.news(token))
    assert.equal(shown, 'one two three')
    await s.update(r => r.tags.push('x'), { since: token })
    token = show(await s.body.news(token))
    const edits = [{ index: 8, delete: 5, insert: '3 😀' }, { index: 0, delete: 3, insert: '1' }]
    shown = '1 two 3 😀'
    token = show(await s.body.apply(edits, token))
    assert.equal(await s.body.get(), shown)
    assert.deepEqual((await s.body.news(token)).edits, [])
  })

  test('who follows a text is told the edits', async () => {
    const s = await node.create(Notes)
    await s.update(r => r.body.append('one two three'))
    let shown: string | undefined
    const texts = collector<string>()
    const stop = s.body.follow(news => {
      if (news.edits) for (const e of news.edits) shown = shown!.slice(0, e.index) + e.insert + shown!.slice(e.index + e.delete)
      else shown = news.text!
      texts.fn(shown!)
    })
    await texts.until(t => t === 'one two three')
    await s.update(r => { r.body.splice(0, 3, '1'); r.body.append('!'); r.body.delete(1, 4) })
    await texts.until(t => t === '1 three!')
    await s.undo()
    await texts.until(t => t === 'one two three')
    stop()
  })

  test('what cannot be is refused by name and path, and nothing of it is written', async () => {
    const s = await node.create(Notes)
    await s.update(r => { r.body.append('abc'); r.tags.push('a') })
    const { commits } = await s.info()
    const bad: [(r: any) => void, string, string, RegExp][] = [
      [r => r.body.insert(4, 'x'), 'invalid', 'body', /not so many|beyond/],
      [r => r.body.insert(-1, 'x'), 'invalid', 'body', /whole number/],
      [r => r.body.insert(1.5, 'x'), 'invalid', 'body', /1\.5/],
      [r => r.body.insert(undefined, 'x'), 'invalid', 'body', /undefined/],
      [r => r.body.append(5), 'value', 'body', /an integer/],
      [r => r.body.append('\ud83d'), 'value', 'body', /surrogate/],
      [r => r.body.delete(2, 2), 'invalid', 'body', /not so many|beyond/],
      [r => r.tags.insert(2, 'x'), 'invalid', 'tags', /not so many|beyond/],
      [r => r.tags.set(1, 'x'), 'invalid', 'tags', /not so many|beyond/],
      [r => r.tags.push('a', 5), 'schema', 'tags', /a string/],
      [r => r.points.push({ x: 1, y: '2' }), 'schema', 'points.y', /integer/],
      [r => r.pages.make('x', { text: 5 }), 'value', 'pages["x"].text', /an integer/],
      [r => r.pages.make('x', { lines: 'a' }), 'schema', 'pages["x"].lines', /a list/],
    ]
    for (const [fn, code, path, says] of bad) {
      await assert.rejects(s.update(r => { r.card.note.append('not kept'); fn(r) }), (e: unknown) => {
        assert.ok(e instanceof HhsError)
        assert.deepEqual([e.code, e.path], [code, path], e.message)
        assert.match(e.message, says)
        return true
      })
    }
    assert.deepEqual([(await s.info()).commits, await s.card.note.get(), await s.body.get()], [commits, '', 'abc'])
    await assert.rejects(s.body.slice(-1), { code: 'invalid', path: 'body' })
    await assert.rejects(s.tags.list({ from: 0.5 }), { code: 'invalid', path: 'tags' })
    await assert.rejects(s.body.position('xyz'), { code: 'invalid', path: 'body' })
  })
}

/** What only the engine itself does. */
export function sequencesOfEngine(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('cursors stay where they are, in texts and lists, and half a character is no place', async () => {
    const s = await node.create(Notes)
    await s.update(r => { r.body.append('one 😀 two'); r.tags.push('a', 'b') })
    const [before, behind, end] = [await s.body.cursor(4), await s.body.cursor(4, 'behind'), await s.body.cursor(10)]
    const tag = await s.tags.cursor(1, 'behind')
    await s.update(r => { r.body.insert(4, 'and '); r.body.insert(0, '> '); r.tags.insert(0, 'x') })
    assert.deepEqual([await s.body.position(before), await s.body.position(behind), await s.body.position(end), await s.tags.position(tag)], [6, 10, 16, 2])
    await s.update(r => r.body.delete(0, 12))
    assert.deepEqual([await s.body.get(), await s.body.position(before), await s.body.position(end)], [' two', 0, 4])
    await s.update(r => r.body.append('😀'))
    for (const fails of [s.update(r => r.body.insert(5, 'x')), s.update(r => r.body.delete(4)), s.body.cursor(5), s.body.cursor(7)]) {
      await assert.rejects(fails, { code: 'invalid' })
    }
    assert.equal(await s.body.slice(5), '😀')
    const other = await node.create(Notes)
    await assert.rejects(other.body.position(before), { code: 'not_found' })
    await assert.rejects(s.body.position('00ff'), { code: 'invalid' })
    await assert.rejects(s.pages.at('none').text.cursor(0), { code: 'not_found' })
  })

  test('another record at the key has another text, which is read whole', async () => {
    const s = await node.create(Notes)
    await s.update(r => r.pages.make('a', { text: 'one' }))
    const text = s.pages.at('a').text
    const { token } = await text.news()
    await s.update(r => r.pages.at('a').text.append('!'))
    const news = await text.news(token)
    assert.deepEqual(news.edits, [{ index: 3, delete: 0, insert: '!' }])
    await s.update(r => r.pages.make('a', { text: 'two' }))
    assert.deepEqual([(await text.news(news.token)).text, (await text.news(token)).edits], ['two', undefined])
    await s.undo()
    assert.equal((await text.news(news.token)).edits!.length, 0)
  })

  test('edits are told one by one, and a long text is read whole', async () => {
    const s = await node.create(Notes)
    await s.update(r => r.body.append('one two three'))
    const { token, text } = await s.body.news()
    assert.equal(text, 'one two three')
    await s.update(r => { r.body.append('!'); r.body.splice(4, 3, '2'); r.body.insert(0, '😀') })
    assert.deepEqual((await s.body.news(token)).edits, [{ index: 13, delete: 0, insert: '!' }, { index: 4, delete: 3, insert: '2' }, { index: 0, delete: 0, insert: '😀' }])
    const long = 'é'.repeat(299_999)
    for (let at = 0; at < long.length; at += 50_000) await s.update(r => r.body.append(long.slice(at, at + 50_000)))
    assert.equal((await s.body.get()).length, 14 + long.length)
    assert.deepEqual((await s.body.news(token)).edits, undefined)
  })
}
