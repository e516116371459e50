// Types as users see them: this file is compiled, never run.
import { defineSpace, log, open, register, string } from 'hhs'

const List = defineSpace('example.org/list', 1, { title: register(string()), items: log({ text: string({ max: 200 }) }) })

export async function titleOf(): Promise<string | undefined> {
  const node = await open({ kinds: [List] })
  const list = await node.create(List)
  await list.update(r => r.items.append({ text: 'milk' }))
  // @ts-expect-error: a text is needed
  await list.update(r => r.items.append({ text: 7 }))
  return await list.title.get()
}
