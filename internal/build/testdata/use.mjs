// What somebody does first who installed the package: a space under Node.js, kept in memory.
import { defineSpace, log, open, register, string } from 'hhs'

const List = defineSpace('example.org/list', 1, { title: register(string()), items: log({ text: string({ max: 200 }) }) })
const node = await open({ kinds: [List] })
const list = await node.create(List)
await list.update(r => { r.title.set('errands'); r.items.append({ text: 'milk' }); r.items.append({ text: 'bread' }) })
const title = await list.title.get()
const items = await list.items.list()
if (title !== 'errands' || items.map(i => i.value.text).join() !== 'milk,bread') {
  throw new Error(`read ${JSON.stringify(title)} and ${JSON.stringify(items.map(i => i.value))}`)
}
await node.close()
console.log('ok   the npm package, installed into an empty project: wrote and read a space')
