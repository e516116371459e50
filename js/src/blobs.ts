/** Bytes of any size: given to the engine slice by slice, and read from it piece by piece. Neither side holds more than a few of them. */
import type { Client, Data } from './client.js'
import { HhsError } from './errors.js'
import { blobChunk, maxPutTries } from './limits.js'
import { type Source, type SubscribeOptions, type Unsubscribe, observe } from './live.js'
import type { BlobValue } from './schema.js'

/** Options of `putBlob`. */
export interface PutBlobOptions {
  /** Of the file, without a directory; default: that of a File. */
  name?: string
  /** Such as `image/png`; default: that of the Blob. */
  media?: string
  /** Told how many bytes are kept, of how many. */
  onProgress?: (done: number, size: number) => void
  /** Stops. What was kept is not written again when the same bytes are put again, within a day. */
  signal?: AbortSignal
}

/** Options of reading. */
export interface ReadBlobOptions {
  /** Stops waiting for peers. What was fetched stays. */
  signal?: AbortSignal
}

/** Puts bytes; after the engine was restarted it begins again, which costs only comparing what was kept. */
export async function putBlob(client: Client, file: Blob | Uint8Array<ArrayBuffer>, options: PutBlobOptions): Promise<BlobValue> {
  const source = file instanceof Uint8Array ? new Blob([file]) : file
  for (let tries = 1; ; tries++) {
    try {
      return await putOnce(client, source, options)
    } catch (e) {
      if (HhsError.from(e).code !== 'engine_restarted' || tries === maxPutTries) throw e
    }
  }
}

async function putOnce(client: Client, source: Blob, options: PutBlobOptions): Promise<BlobValue> {
  const about: Data = {}
  const name = options.name ?? (source as Partial<File>).name
  const media = options.media ?? source.type
  if (name) about.name = name
  if (media) about.media = media
  const { put } = await client.call('blobBegin', about)
  try {
    // One slice is read while the one before is written.
    let written: Promise<unknown> = Promise.resolve()
    for (let at = 0; at < source.size; at += blobChunk) {
      const data = new Uint8Array(await source.slice(at, at + blobChunk).arrayBuffer())
      await written
      options.signal?.throwIfAborted()
      written = client.call('blobWrite', { put: put!, data }).then(() => options.onProgress?.(at + data.length, source.size))
      // It is awaited one slice later; until then its failure is nobody's.
      written.catch(() => {})
    }
    await written
    return (await client.call('blobEnd', { put: put! })).blob as unknown as BlobValue
  } catch (e) {
    await client.call('blobAbort', { put: put! }).catch(() => {})
    throw options.signal?.aborted ? new HhsError('aborted', 'putting the blob was stopped') : e
  }
}

/** What a blob in a value stands for. Whatever is read is fetched from peers that have it, verified, and kept. */
export class BlobHandle {
  constructor(
    private readonly client: Client, private readonly space: string, readonly value: BlobValue, private readonly changes: Source,
    private readonly heard: (options?: SubscribeOptions) => SubscribeOptions,
  ) {}

  /** Bytes. */
  get size(): number {
    return Number(this.value.size)
  }

  /** How many of the bytes are on this device. */
  async have(): Promise<number> {
    return (await this.call('blobHave')).have as number
  }

  /** Calls `fn` with that number now and when it changes. */
  subscribe(fn: (have: number) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.changes, () => this.have(), fn, this.heard(options))
  }

  /** The bytes from `from` up to and without `to`: before the rest is here, if need be. Waits for peers that have them. */
  async slice(from = 0, to = this.size, options: ReadBlobOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const start = Math.min(Math.max(from, 0), this.size)
    const out = new Uint8Array(Math.max(0, Math.min(to, this.size) - start))
    for (let done = 0; done < out.length;) {
      const piece = await this.piece(start + done, out.length - done, options.signal)
      out.set(piece, done)
      done += piece.length
    }
    return out
  }

  /** All bytes, in memory. */
  async arrayBuffer(options?: ReadBlobOptions): Promise<ArrayBuffer> {
    return (await this.slice(0, this.size, options)).buffer
  }

  /** All bytes as a stream, which holds one piece at a time. */
  stream(options: ReadBlobOptions = {}): ReadableStream<Uint8Array> {
    let at = 0
    const stop = new AbortController()
    const { signal } = stop
    if (options.signal?.aborted) stop.abort()
    options.signal?.addEventListener('abort', () => stop.abort(), { signal })
    return new ReadableStream<Uint8Array>({
      pull: async controller => {
        if (at < this.size) {
          const piece = await this.piece(at, this.size - at, signal)
          at += piece.length
          controller.enqueue(piece)
        }
        if (at < this.size) return
        stop.abort() // what listens to the caller's signal is let go
        controller.close()
      },
      cancel: () => stop.abort(),
    }, { highWaterMark: 0 })
  }

  /** Fetches all that is not here, so that it can be read without any peer, and from here by others. Resolves when everything is here. */
  async keep(options: ReadBlobOptions = {}): Promise<void> {
    for (;;) if ((await this.until(options.signal, () => this.call('blobKeep'))).done) return
  }

  /** Up to a chunk of bytes, at least one. */
  private async piece(from: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    for (;;) {
      const { data } = await this.until(signal, () => this.call('blobRead', { from, length: Math.min(length, blobChunk - (from % blobChunk)) }))
      // None: no peer has given it yet.
      if ((data as Uint8Array).length > 0) return data as Uint8Array
    }
  }

  /** A call that the signal cuts short, made again when the engine is. */
  private async until(signal: AbortSignal | undefined, ask: () => Promise<Data>): Promise<Data> {
    for (;;) {
      if (signal?.aborted) throw stopped()
      let stop = () => {}
      try {
        const aborted = new Promise<never>((_, reject) => {
          stop = () => reject(stopped())
          signal?.addEventListener('abort', stop)
        })
        return await Promise.race([ask(), aborted])
      } catch (e) {
        if (HhsError.from(e).code !== 'engine_restarted') throw e
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    }
  }

  private call(method: string, more: Data = {}): Promise<Data> {
    return this.client.call(method, { space: this.space, blob: this.value as unknown as Data, ...more })
  }
}

function stopped(): HhsError {
  return new HhsError('aborted', 'reading the blob was stopped')
}
