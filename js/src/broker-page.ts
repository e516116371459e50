/**
 * The page's side of the RTC broker: workers have no RTCPeerConnection. A channel is posted to the worker in the task that made it,
 * because later it can no longer be transferred; where transfer throws, or `pump` asks for it, the page passes messages on itself.
 */
import { pumpCredit } from './limits.js'
import type { BrokerCall, BrokerEvent } from './messages.js'

const lowWater = 64 << 10
const closeGrace = 1000
/** Bytes the worker may leave untaken before its connection is closed: the engine itself gives up at the same point. */
const untakenLimit = 4 * pumpCredit

interface Pumped {
  channel: RTCDataChannel
  waiting: Uint8Array[]
  waitingBytes: number
  accepted: number
  untaken: number
}

interface Conn {
  pc: RTCPeerConnection
  pumped?: Pumped
}

/** All connections of one worker. */
export class PageBroker {
  private readonly conns = new Map<number, Conn>()

  constructor(
    private readonly post: (m: BrokerEvent, transfer?: Transferable[]) => void,
    private readonly pump: boolean,
  ) {}

  /** Takes what the worker asks. */
  handle(m: BrokerCall): void {
    if (m.op === 'create') return this.create(m.rtc, m.config)
    const c = this.conns.get(m.rtc)
    if (!c) {
      if ('ask' in m) this.post({ op: 'answered', rtc: m.rtc, ask: m.ask, error: 'connection closed' })
      return
    }
    switch (m.op) {
      case 'offer': return this.answer(m.rtc, m.ask, offer(c.pc))
      case 'answer': return this.answer(m.rtc, m.ask, answer(c.pc, m.sdp))
      case 'accept': return this.answer(m.rtc, m.ask, c.pc.setRemoteDescription({ type: 'answer', sdp: m.sdp }).then(() => ''))
      case 'candidate': return candidate(c.pc, m.json)
      case 'send': return this.send(m.rtc, c.pumped, m.bytes)
      case 'took':
        if (c.pumped) c.pumped.untaken -= m.bytes
        return
      case 'close': return this.close(m.rtc, c)
    }
  }

  /** Ends everything at once: the worker is gone or the page is going. */
  closeAll(): void {
    for (const [, c] of this.conns) release(c)
    this.conns.clear()
  }

  private create(rtc: number, config: string): void {
    let pc: RTCPeerConnection
    try {
      pc = new RTCPeerConnection(JSON.parse(config) as RTCConfiguration)
    } catch (e) {
      return this.post({ op: 'closed', rtc, reason: `cannot make a connection: ${String(e)}` })
    }
    const c: Conn = { pc }
    this.conns.set(rtc, c)
    pc.onicecandidate = e => this.post({ op: 'candidate', rtc, json: e.candidate ? JSON.stringify(e.candidate.toJSON()) : '' })
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'failed' || pc.connectionState === 'closed') this.ended(rtc, `connection ${pc.connectionState}`)
    }
    const channel = pc.createDataChannel('hhs', { negotiated: true, id: 0 })
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = lowWater
    if (!this.pump) {
      try {
        return this.post({ op: 'made', rtc, channel }, [channel as unknown as Transferable])
      } catch {
        // This browser cannot transfer channels.
      }
    }
    this.pumpChannel(rtc, c, channel)
    this.post({ op: 'made', rtc })
  }

  private pumpChannel(rtc: number, c: Conn, channel: RTCDataChannel): void {
    const p: Pumped = { channel, waiting: [], waitingBytes: 0, accepted: 0, untaken: 0 }
    c.pumped = p
    channel.onopen = () => {
      for (const bytes of p.waiting.splice(0)) this.put(rtc, p, bytes)
      p.waitingBytes = 0
      this.post({ op: 'open', rtc })
      this.gone(rtc, p)
    }
    channel.onclose = () => this.ended(rtc, 'the data channel closed')
    channel.onerror = () => this.ended(rtc, 'the data channel failed')
    channel.onbufferedamountlow = () => this.gone(rtc, p)
    channel.onmessage = m => {
      if (typeof m.data === 'string') return this.ended(rtc, 'text message')
      const bytes = new Uint8Array(m.data as ArrayBuffer)
      p.untaken += bytes.length
      if (p.untaken > untakenLimit) return this.ended(rtc, 'the worker does not take what arrives')
      this.post({ op: 'message', rtc, bytes }, [bytes.buffer])
    }
  }

  private send(rtc: number, p: Pumped | undefined, bytes: Uint8Array): void {
    if (!p) return
    p.accepted += bytes.length
    if (p.channel.readyState === 'connecting') {
      p.waiting.push(bytes)
      p.waitingBytes += bytes.length
      return
    }
    this.put(rtc, p, bytes)
    if (p.channel.bufferedAmount <= lowWater) this.gone(rtc, p)
  }

  private put(rtc: number, p: Pumped, bytes: Uint8Array): void {
    try {
      p.channel.send(bytes as Uint8Array<ArrayBuffer>)
    } catch (e) {
      this.ended(rtc, `cannot send: ${String(e)}`)
    }
  }

  private gone(rtc: number, p: Pumped): void {
    this.post({ op: 'gone', rtc, total: p.accepted - p.waitingBytes - p.channel.bufferedAmount })
  }

  private answer(rtc: number, ask: number, work: Promise<string>): void {
    work.then(
      sdp => this.post({ op: 'answered', rtc, ask, sdp }),
      (e: unknown) => this.post({ op: 'answered', rtc, ask, error: String(e) }),
    )
  }

  private ended(rtc: number, reason: string): void {
    const c = this.conns.get(rtc)
    if (!c) return
    this.conns.delete(rtc)
    release(c)
    this.post({ op: 'closed', rtc, reason })
  }

  /** Closes on the engine's wish: no event follows, and what was sent gets up to a second to leave. */
  private close(rtc: number, c: Conn): void {
    this.conns.delete(rtc)
    const p = c.pumped
    if (!p || p.channel.readyState !== 'open' || p.channel.bufferedAmount === 0) return release(c)
    const end = () => {
      clearTimeout(timer)
      release(c)
    }
    const timer = setTimeout(end, closeGrace)
    p.channel.bufferedAmountLowThreshold = 0
    p.channel.onbufferedamountlow = end
    p.channel.onmessage = p.channel.onclose = p.channel.onerror = null
  }
}

function release(c: Conn): void {
  c.pc.onicecandidate = c.pc.onconnectionstatechange = null
  if (c.pumped) c.pumped.channel.onmessage = c.pumped.channel.onclose = c.pumped.channel.onerror = c.pumped.channel.onopen = null
  c.pc.close()
}

async function offer(pc: RTCPeerConnection): Promise<string> {
  await pc.setLocalDescription(await pc.createOffer())
  return pc.localDescription?.sdp ?? ''
}

async function answer(pc: RTCPeerConnection, sdp: string): Promise<string> {
  await pc.setRemoteDescription({ type: 'offer', sdp })
  await pc.setLocalDescription(await pc.createAnswer())
  return pc.localDescription?.sdp ?? ''
}

function candidate(pc: RTCPeerConnection, json: string): void {
  try {
    // A bad candidate is only one that is not used: the others decide.
    pc.addIceCandidate(JSON.parse(json) as RTCIceCandidateInit).catch(() => {})
  } catch {
    // As above, for one that is not JSON.
  }
}
