/** The kind of this page's rooms, the same as `examples/chat/room.go`. */
import { type Space, defineSpace, identity, log, register, set, string } from '../../js/src/index.js'

export const Chat = defineSpace('example.org/chat', 1, {
  topic: register(string()),
  participants: set(identity()),
  messages: log({ text: string({ max: 4000 }) }),
})

export type Room = Space<typeof Chat.fields>
