/**
 * The worker's side of the RTC broker: the object `hhsRTC` of `transport/rtc/BROKER.md`. Connections are the page's; a data channel
 * is used here when the page could transfer it, and pumped through the page's port when not.
 */
import type { BrokerCall, BrokerEvent } from './messages.js'

const lowWater = 64 << 10
const closeGrace = 1000

interface Conn {
  /** undefined: not known yet; null: the page pumps. */
  channel: RTCDataChannel | null | undefined
  open: boolean
  /** Sent before the channel could take it. */
  waiting: Uint8Array[]
  waitingBytes: number
  /** Pumped only: bytes posted and bytes known to have left. */
  posted: number
  gone: number
  high: boolean
  asks: Set<number>
}

/** Makes `hhsRTC` over a way to tell the page. */
export class WorkerBroker {
  /** Set by the engine. */
  events: (id: number, kind: string, data?: unknown) => void = () => {}
  private readonly conns = new Map<number, Conn>()
  private readonly asks = new Map<number, { resolve(sdp: string): void; reject(e: Error): void }>()
  private lastConn = 0
  private lastAsk = 0

  constructor(private readonly post: (m: BrokerCall, transfer?: Transferable[]) => void) {}

  create = (config: string): number => {
    const rtc = ++this.lastConn
    this.conns.set(rtc, {
      channel: undefined, open: false, waiting: [], waitingBytes: 0, posted: 0, gone: 0, high: false, asks: new Set(),
    })
    this.post({ op: 'create', rtc, config })
    return rtc
  }

  offer = (rtc: number): Promise<string> => this.ask(rtc, ask => ({ op: 'offer', rtc, ask }))
  answer = (rtc: number, sdp: string): Promise<string> => this.ask(rtc, ask => ({ op: 'answer', rtc, ask, sdp }))
  accept = (rtc: number, sdp: string): Promise<string> => this.ask(rtc, ask => ({ op: 'accept', rtc, ask, sdp }))

  candidate = (rtc: number, json: string): void => {
    if (this.conns.has(rtc)) this.post({ op: 'candidate', rtc, json })
  }

  send = (rtc: number, bytes: Uint8Array): number => {
    const c = this.conns.get(rtc)
    if (!c) return 0
    if (c.channel === null) {
      c.posted += bytes.length
      this.post({ op: 'send', rtc, bytes }, [bytes.buffer as ArrayBuffer])
    } else if (c.channel && c.open) {
      this.put(rtc, c, bytes)
    } else {
      c.waiting.push(bytes)
      c.waitingBytes += bytes.length
    }
    const n = queued(c)
    if (n > lowWater) c.high = true
    return n
  }

  close = (rtc: number): void => {
    const c = this.conns.get(rtc)
    if (!c) return
    this.forget(rtc, c, 'connection closed')
    const channel = c.channel
    if (!channel) return this.post({ op: 'close', rtc })
    channel.onmessage = channel.onclose = channel.onerror = channel.onopen = null
    const end = () => {
      clearTimeout(timer)
      channel.onbufferedamountlow = null
      channel.close()
      this.post({ op: 'close', rtc })
    }
    const timer = setTimeout(end, closeGrace)
    if (channel.bufferedAmount === 0) return end()
    channel.bufferedAmountLowThreshold = 0
    channel.onbufferedamountlow = end
  }

  /** Takes what the page reports. */
  handle(e: BrokerEvent): void {
    if (e.op === 'answered') return this.answered(e.ask, e.sdp, e.error)
    const c = this.conns.get(e.rtc)
    if (!c) {
      if (e.op === 'made') e.channel?.close()
      return
    }
    switch (e.op) {
      case 'made': return this.made(e.rtc, c, e.channel)
      case 'candidate': return this.events(e.rtc, 'candidate', e.json)
      case 'open': return this.opened(e.rtc, c)
      case 'message':
        this.events(e.rtc, 'message', e.bytes)
        return this.post({ op: 'took', rtc: e.rtc, bytes: e.bytes.length })
      case 'gone':
        c.gone = e.total
        return this.drained(e.rtc, c)
      case 'closed': return this.ended(e.rtc, c, e.reason)
    }
  }

  private made(rtc: number, c: Conn, channel: RTCDataChannel | undefined): void {
    c.channel = channel ?? null
    if (!channel) {
      // The page keeps messages until its channel is open.
      const waiting = c.waiting.splice(0)
      c.waitingBytes = 0
      for (const bytes of waiting) {
        c.posted += bytes.length
        this.post({ op: 'send', rtc, bytes }, [bytes.buffer as ArrayBuffer])
      }
      return
    }
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = lowWater
    channel.onopen = () => this.opened(rtc, c)
    channel.onclose = () => this.ended(rtc, c, 'the data channel closed')
    channel.onerror = () => this.ended(rtc, c, 'the data channel failed')
    channel.onbufferedamountlow = () => this.drained(rtc, c)
    channel.onmessage = m => {
      if (typeof m.data === 'string') this.ended(rtc, c, 'text message')
      else this.events(rtc, 'message', new Uint8Array(m.data as ArrayBuffer))
    }
    if (channel.readyState === 'open') this.opened(rtc, c)
  }

  private opened(rtc: number, c: Conn): void {
    if (c.open || !this.conns.has(rtc)) return
    c.open = true
    if (c.channel) {
      const waiting = c.waiting.splice(0)
      c.waitingBytes = 0
      for (const bytes of waiting) this.put(rtc, c, bytes)
    }
    this.events(rtc, 'open')
    this.drained(rtc, c)
  }

  private put(rtc: number, c: Conn, bytes: Uint8Array): void {
    try {
      c.channel!.send(bytes as Uint8Array<ArrayBuffer>)
    } catch (e) {
      // Not from inside send: the engine expects events between its calls.
      queueMicrotask(() => this.ended(rtc, c, `cannot send: ${String(e)}`))
    }
  }

  private drained(rtc: number, c: Conn): void {
    const n = queued(c)
    if (!c.high || n > lowWater) return
    c.high = false
    this.events(rtc, 'buffered', n)
  }

  private ended(rtc: number, c: Conn, reason: string): void {
    if (this.conns.get(rtc) !== c) return
    this.forget(rtc, c, reason)
    c.channel?.close()
    this.post({ op: 'close', rtc })
    this.events(rtc, 'closed', reason)
  }

  private forget(rtc: number, c: Conn, reason: string): void {
    this.conns.delete(rtc)
    for (const ask of c.asks) this.answered(ask, undefined, reason)
  }

  private ask(rtc: number, message: (ask: number) => BrokerCall): Promise<string> {
    const c = this.conns.get(rtc)
    if (!c) return Promise.reject(new Error('no such connection'))
    const ask = ++this.lastAsk
    c.asks.add(ask)
    return new Promise((resolve, reject) => {
      this.asks.set(ask, { resolve, reject })
      this.post(message(ask))
    })
  }

  private answered(ask: number, sdp: string | undefined, error: string | undefined): void {
    const waiting = this.asks.get(ask)
    this.asks.delete(ask)
    if (error !== undefined) waiting?.reject(new Error(error))
    else waiting?.resolve(sdp ?? '')
  }
}

function queued(c: Conn): number {
  return c.waitingBytes + c.posted - c.gone + (c.channel ? c.channel.bufferedAmount : 0)
}
