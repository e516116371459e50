/** Sending a message so that it is stored once, whatever happens to the engine meanwhile. */
import { HhsError, type HhsNode } from '../../js/src/index.js'
import type { Room } from './kind.js'

/** Messages looked through for one that may have been kept: more than anybody writes while an engine is replaced. */
const recent = 1000

export class Sender {
  /** Commits whose sending was answered: they are not what another one's answer was lost of. */
  private readonly known = new Set<string>()
  /** One after the other: two equal texts must not both find the same message. */
  private recovery: Promise<unknown> = Promise.resolve()

  constructor(private readonly node: HhsNode) {}

  /**
   * Resolves when the message is stored. Where the engine ended before it answered, the engine after it knows whether the message
   * was kept; if not it is sent again.
   */
  async send(room: Room, text: string): Promise<void> {
    const from = Date.now()
    if (await this.tried(room, text)) return
    const again = this.recovery.then(() => this.recover(room, text, from))
    this.recovery = again.catch(() => {})
    return again
  }

  /** Sends; false: it is not known whether it was kept. */
  private async tried(room: Room, text: string): Promise<boolean> {
    try {
      this.known.add((await room.update(r => r.messages.append({ text }))).commit)
      return true
    } catch (e) {
      if (HhsError.from(e).code !== 'engine_restarted') throw e
      return false
    }
  }

  private async recover(room: Room, text: string, from: number): Promise<void> {
    do {
      const kept = await this.find(room, text, from)
      if (!kept) continue
      this.known.add(kept)
      return
    } while (!(await this.tried(room, text)))
  }

  /** The commit of a message that this device wrote since, and nobody was told of. */
  private async find(room: Room, text: string, from: number): Promise<string | undefined> {
    for (;;) {
      try {
        const list = await room.messages.list({ last: recent })
        return list.find(m => m.device === this.node.device && m.time >= from && m.value.text === text && !this.known.has(m.commit))?.commit
      } catch (e) {
        const error = HhsError.from(e)
        if (error.code !== 'engine_restarted') throw new HhsError(error.code, `It is not known whether this was kept: ${error.message}`)
      }
    }
  }
}
